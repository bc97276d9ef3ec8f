// The lines that functions wrote.

import { count, exactTime, utc } from "./format.js";
import { recordOf, textOf } from "./log_record.js";
import { missing } from "./reading.js";
import { h } from "./render.js";
import { executionAddress, goWith } from "./router.js";
import { rows } from "./rows.js";
import { state } from "./state.js";
import { title } from "./words.js";

/** @import { ExecutionModel } from "./execution_model.js" */
/** @import { Line } from "./types.js" */

const ROW_HEIGHT = 22;

/** @typedef {{line: Line | null, request: string | null}} Item a line, or the head of the lines of an invocation */

/** @param {ExecutionModel} model */
export function logsTab(model) {
    const { query } = state.address;
    const find = (query.get("find") ?? "").toLowerCase();
    const of = query.get("of");
    const selected = query.get("line");
    const lines = [...model.lines.values()]
        .sort((a, b) => a.number - b.number)
        .filter(
            (line) =>
                (!find || line.text.toLowerCase().includes(find)) &&
                (!of || line.operation_id === of || line.request_id === of),
        );
    const operation = of ? model.operations.get(of) : undefined;
    const items = byInvocation(lines);
    return h(
        "section",
        { class: "timeline", key: "logs" },
        h(
            "div",
            { class: "toolbar" },
            h("input", {
                type: "search",
                id: "filter",
                placeholder: "Find in the lines   /",
                "aria-label": "Find in the lines",
                autocomplete: "off",
                ".value": query.get("find") ?? "",
                oninput: (/** @type {Event} */ event) =>
                    goWith({ find: /** @type {HTMLInputElement} */ (event.target).value }, { replace: true }),
            }),
            of &&
                h(
                    "button",
                    { onclick: () => goWith({ of: "" }) },
                    `Of ${operation ? title(operation) : "one invocation"} alone ×`,
                ),
            h("span", { class: "quiet" }, count(lines.length, "line")),
        ),
        lines.length
            ? rows({
                  id: "logs",
                  count: items.length,
                  height: ROW_HEIGHT,
                  label: "Lines",
                  kept: items.findIndex((item) => String(item.line?.number) === selected),
                  row: (index, place) => {
                      const { line, request } = /** @type {Item} */ (items[index]);
                      return line ? row(model, line, selected, place) : invocationRow(model, request, index, place);
                  },
              })
            : h(
                  "div",
                  { class: "empty quiet" },
                  model.lines.size
                      ? "No line fits."
                      : missing("has_logs", "lines of functions") || "Its functions wrote nothing.",
              ),
    );
}

/** Puts a head before the lines of each invocation. @param {Line[]} lines @returns {Item[]} */
function byInvocation(lines) {
    /** @type {Item[]} */
    const items = [];
    let last = /** @type {string | null | undefined} */ (undefined);
    for (const line of lines) {
        if (line.request_id !== last) {
            items.push({ line: null, request: line.request_id });
            last = line.request_id;
        }
        items.push({ line, request: line.request_id });
    }
    return items;
}

/** @param {ExecutionModel} model @param {string | null} request @param {number} index @param {Record<string, string>} place */
function invocationRow(model, request, index, place) {
    const invocation = model.invocations.get(request ?? "");
    const number = [...model.invocations.keys()].indexOf(request ?? "") + 1;
    const name = request === null ? "Between invocations" : number ? `Invocation ${number}` : "An invocation";
    return h(
        "div",
        { class: "row logs-head", key: `head ${index}`, style: place },
        h(
            "span",
            null,
            h("b", null, name),
            invocation &&
                h(
                    "span",
                    { class: "quiet", title: utc(invocation.start_timestamp) },
                    ` ${exactTime(invocation.start_timestamp)}${invocation.process === null ? "" : `, process ${invocation.process}`}`,
                ),
            " ",
            request !== null &&
                state.address.query.get("of") !== request &&
                h("button", { class: "small", onclick: () => goWith({ of: request }) }, "Its lines alone"),
        ),
    );
}

/** @param {ExecutionModel} model @param {Line} line @param {string | null} selected @param {Record<string, string>} place */
function row(model, line, selected, place) {
    const operation = line.operation_id ? model.operations.get(line.operation_id) : undefined;
    const record = recordOf(line);
    const isReplayed = record?.isReplay === true;
    return h(
        "div",
        {
            class: `row logs-grid${String(line.number) === selected ? " selected" : ""}${isReplayed ? " replayed" : ""}`,
            key: line.number,
            style: place,
            title: isReplayed ? "Written again while the code was replayed" : null,
        },
        h("span", { class: "number", title: utc(line.at) }, exactTime(line.at)),
        h(
            "span",
            { class: "quiet" },
            operation && h("a", { href: address(model, "operation", operation.id) }, title(operation)),
        ),
        h(
            "a",
            { class: "line-link", href: address(model, "line", String(line.number)) },
            h("code", { class: line.stream === "stderr" ? "stderr" : "" }, textOf(line, record)),
        ),
    );
}

/** Returns the address of what is selected here. @param {ExecutionModel} model @param {"line" | "operation"} name @param {string} value */
function address(model, name, value) {
    const query = new URLSearchParams(state.address.query);
    query.delete("line");
    query.delete("operation");
    query.set(name, value);
    return `${executionAddress(model.arn, "logs")}?${query}`;
}
