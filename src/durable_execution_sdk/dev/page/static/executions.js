// The screen of all executions.

import { executionNow, serverNow } from "./clock.js";
import { copyButton } from "./copying.js";
import { statusText } from "./custom_status.js";
import { drawAfter } from "./draw.js";
import { count, duration, time, utc, visible } from "./format.js";
import { startDialog } from "./functions.js";
import { h } from "./render.js";
import { executionAddress, goWith } from "./router.js";
import { isNearEnd, rows, widthOf } from "./rows.js";
import { state } from "./state.js";
import { sign, statusWords, tone, waitsFor } from "./words.js";

/** @import { Described } from "./render.js" */
/** @import { Row } from "./types.js" */

export const ROW_HEIGHT = 34;
/** The width of a letter, and that of all but the three columns that share what is left. */
const LETTER = 7.2;
const OTHER_COLUMNS = 570;
const LEAST_LETTERS = 12;
const STATUSES = ["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "STOPPED", "PAUSED"];

let typing = 0;

/** @param {number} selected */
export function executionsScreen(selected) {
    const { list } = state;
    if (isNearEnd("executions", list.order.length, ROW_HEIGHT)) {
        list.more();
    }
    return h("main", { class: "screen", key: "executions" }, filters(), body(selected));
}

function filters() {
    const { filter } = state.list;
    const served = (state.functions ?? []).filter((each) => each.durable).map((each) => each.function_name);
    // A page that only reads knows the functions of what it has read.
    const names = state.canAct
        ? served
        : [...new Set([...state.list.rows.values()].map((each) => each.function_name))].sort();
    return h(
        "form",
        { class: "filters", role: "search", onsubmit: (/** @type {Event} */ event) => event.preventDefault() },
        h("input", {
            type: "search",
            id: "filter",
            placeholder: "Part of a name   /",
            "aria-label": "Filter by a part of the name",
            autocomplete: "off",
            ".value": state.address.query.get("text") ?? "",
            oninput: (/** @type {Event} */ event) => {
                const text = /** @type {HTMLInputElement} */ (event.target).value;
                clearTimeout(typing);
                typing = setTimeout(() => goWith({ text }, { replace: true }), 120);
            },
        }),
        choice("status", "Every status", STATUSES, filter.status),
        choice("function", "Every function", names, filter.function),
        h(
            "span",
            { class: "quiet", role: "status" },
            state.list.state === "ready"
                ? `${state.list.next ? "at least " : ""}${count(state.list.order.length, "execution")}`
                : "",
        ),
    );
}

/** @param {string} name @param {string} all @param {string[]} values @param {string} value */
function choice(name, all, values, value) {
    const options = value && !values.includes(value) ? [...values, value] : values;
    return h(
        "select",
        {
            "aria-label": name,
            class: value ? "chosen" : "",
            ".value": value,
            onchange: (/** @type {Event} */ event) =>
                goWith({ [name]: /** @type {HTMLSelectElement} */ (event.target).value }),
        },
        h("option", { value: "", key: "" }, all),
        options.map((each) =>
            h(
                "option",
                { value: each, key: each },
                name === "status" ? each.toLowerCase().replace("_", " ") : visible(each),
            ),
        ),
    );
}

/** @param {number} selected @returns {Described} */
function body(selected) {
    const { list } = state;
    if (list.state === "failed") {
        return h(
            "div",
            { class: "empty" },
            h("h2", null, "The list could not be read"),
            h("p", null, list.failure),
            h("button", { onclick: () => list.load() }, "Try again"),
        );
    }
    if (list.state === "loading" && !list.order.length) {
        return h("div", { class: "empty quiet" }, "Reading…");
    }
    if (!list.order.length) {
        return empty();
    }
    return h(
        "div",
        { class: "table", key: "table" },
        h(
            "div",
            { class: "head executions-grid" },
            ["Name", "Function", "Status", "Waits for", "Started", "Took", "Operations", "Attempts"].map((each) =>
                h("span", { class: ["Took", "Operations", "Attempts"].includes(each) ? "number" : "" }, each),
            ),
        ),
        rows({
            id: "executions",
            count: list.order.length,
            height: ROW_HEIGHT,
            label: "Executions",
            kept: selected,
            row: (index, place) =>
                line(/** @type {Row} */ (list.rows.get(list.order[index] ?? "")), index === selected, place),
        }),
    );
}

/** @param {Row} row @param {boolean} isSelected @param {Record<string, string>} place */
function line(row, isSelected, place) {
    const now = executionNow(row.time);
    const end = row.end_timestamp ? Date.parse(row.end_timestamp) : now;
    if (!row.end_timestamp) {
        drawAfter(1_000);
    }
    const words = statusWords(row);
    const [operation, rest] = waitsFor(row);
    const custom = row.custom_status_timestamp === null ? "" : statusText(row.custom_status);
    return h(
        "a",
        {
            class: `row executions-grid${isSelected ? " selected" : ""}`,
            style: place,
            key: row.durable_execution_arn,
            href: executionAddress(row.durable_execution_arn),
        },
        h("b", { title: visible(row.durable_execution_name) }, visible(row.durable_execution_name)),
        h("span", null, visible(row.function_name)),
        h(
            "span",
            { class: `status ${row.held ? "bad" : tone(row.status)} ${row.activity}` },
            `${row.held ? "!" : sign(row.status)} ${words}`,
        ),
        h(
            "span",
            { class: "waits", title: [custom, operation + rest].filter((each) => each).join("; ") },
            custom && h("b", { key: "custom-status" }, custom),
            custom && operation + rest ? "; " : "",
            shortened(operation, rest) + rest,
        ),
        h("span", { class: "number", title: utc(row.start_timestamp) }, time(row.start_timestamp, serverNow())),
        h("span", { class: "number right" }, duration(end - Date.parse(row.start_timestamp))),
        h("span", { class: "number right" }, row.operations.toLocaleString("en")),
        h("span", { class: "number right" }, row.attempts.toLocaleString("en")),
    );
}

/** Cuts a long name, so that what comes after it is seen. @param {string} operation @param {string} rest */
function shortened(operation, rest) {
    const column = (widthOf("executions") - OTHER_COLUMNS) / 2;
    const room = Math.max(LEAST_LETTERS, Math.floor(column / LETTER) - rest.length);
    return column > 0 && operation.length > room ? `${operation.slice(0, room - 1)}…` : operation;
}

function empty() {
    const { text, status, function: name } = state.list.filter;
    if (text || status || name) {
        return h(
            "div",
            { class: "empty", key: "empty" },
            h("h2", null, "No execution fits"),
            h("button", { onclick: () => goWith({ text: "", status: "", function: "" }) }, "Show all"),
        );
    }
    if (!state.canAct) {
        return h("div", { class: "empty", key: "empty" }, h("h2", null, "There are no executions in this store"));
    }
    const first = state.functions?.find((each) => each.durable)?.function_name;
    const command = first ? `durable start ${visible(first)} --input '{}'` : "durable dev app.py";
    return h(
        "div",
        { class: "empty", key: "empty" },
        h("h2", null, "No executions yet"),
        h("p", { class: "quiet" }, "An execution is one run of a durable function. It appears here when it starts."),
        first
            ? h("p", null, "Start one here, in ", h("a", { href: "/functions" }, "Functions"), ", or in a terminal:")
            : h("p", null, "No function was found. Name a file or folder that has one:"),
        h("div", { class: "command" }, h("pre", null, command), copyButton(command)),
        first && h("button", { class: "primary", onclick: () => startDialog(first) }, `Start ${visible(first)}…`),
        h("p", { class: "quiet" }, "Press ", h("kbd", null, "?"), " for the keys."),
    );
}
