// The tree of operations as timeline and table show it: names, groups, filters, and the way to the next failure.

import { requestDraw } from "./draw.js";
import { h } from "./render.js";
import { executionAddress, goWith } from "./router.js";
import { reveal } from "./rows.js";
import { state } from "./state.js";
import { openAbove, setAllOpen, setOpen, treeRows } from "./tree.js";
import { hasFailed, sign, title, tone } from "./words.js";

/** @import { ExecutionModel } from "./execution_model.js" */
/** @import { Child } from "./render.js" */
/** @import { TreeRow } from "./tree.js" */

export const ROW_HEIGHT = 26;
const MOST_INDENTS = 8;

/** @param {ExecutionModel} model */
export function filterOf(model) {
    const { query } = state.address;
    return {
        rows: treeRows(model, { find: query.get("find") ?? "", failed: query.get("failed") === "1" }),
        operation: query.get("operation"),
    };
}

/** @param {ExecutionModel} model @param {TreeRow[]} list @param {Child[]} more */
export function toolbar(model, list, more = []) {
    const { query } = state.address;
    const isFailed = query.get("failed") === "1";
    return h(
        "div",
        { class: "toolbar" },
        h("input", {
            type: "search",
            id: "filter",
            placeholder: "Find an operation   /",
            "aria-label": "Find an operation by its name",
            autocomplete: "off",
            ".value": query.get("find") ?? "",
            oninput: (/** @type {Event} */ event) =>
                goWith({ find: /** @type {HTMLInputElement} */ (event.target).value }, { replace: true }),
        }),
        h(
            "button",
            {
                "aria-pressed": String(isFailed),
                onclick: () => goWith({ failed: isFailed ? "" : "1" }, { replace: true }),
            },
            "Failed only",
        ),
        h("button", { onclick: () => nextFailure(model, list), title: "n" }, "Next failure"),
        h("button", { onclick: () => setAllOpen(model, true) }, "Open all"),
        h("button", { onclick: () => setAllOpen(model, false) }, "Close all"),
        more,
    );
}

/** Selects the next operation that failed. @param {ExecutionModel} model @param {TreeRow[]} list */
export function nextFailure(model, list) {
    if (!model.document) {
        return;
    }
    const all = [...model.operations.values()];
    const from = all.findIndex((each) => each.id === state.address.query.get("operation")) + 1;
    const found = [...all.slice(from), ...all.slice(0, from)].find(hasFailed);
    if (!found) {
        state.notice = { text: "No operation has failed.", isBad: false };
        requestDraw();
        return;
    }
    if (!list.some((row) => row.operation.id === found.id)) {
        openAbove(model, found.id);
    }
    goWith({ operation: found.id });
    revealOperation(model, found.id);
}

/** @param {ExecutionModel} model @param {string} id */
export function revealOperation(model, id) {
    const index = filterOf(model).rows.findIndex((row) => row.operation.id === id);
    if (index >= 0) {
        reveal(state.address.tab, index, ROW_HEIGHT);
    }
}

/** The operation that was scrolled to, so that it is done once. @type {{model: ExecutionModel | null, id: string, tab: string}} */
let followed = { model: null, id: "", tab: "" };

/** Scrolls to the operation of the address, and opens the groups above it, once it has been read. @param {ExecutionModel} model */
export function followSelected(model) {
    const { query, tab } = state.address;
    const id = query.get("operation") ?? "";
    const isSame = followed.model === model && followed.id === id && followed.tab === tab;
    if (isSame || (id && !model.operations.has(id))) {
        return;
    }
    followed = { model, id, tab };
    if (id) {
        const { rows } = filterOf(model);
        if (!rows.some((row) => row.operation.id === id) && !query.get("find") && query.get("failed") !== "1") {
            openAbove(model, id);
        }
        // After the draw in which the row has its place.
        requestAnimationFrame(() => requestAnimationFrame(() => revealOperation(model, id)));
    }
}

/** Describes the name of an operation in its tree, with the button of a group. @param {ExecutionModel} model @param {TreeRow} row @param {string} tab */
export function treeName(model, row, tab) {
    const { operation, depth } = row;
    const status = model.statusOf(operation);
    const { query } = state.address;
    const keep = new URLSearchParams(query);
    keep.set("operation", operation.id);
    return h(
        "span",
        {
            class: "tree-name",
            "data-depth": depth > MOST_INDENTS ? depth + 1 : null,
            style: { "padding-left": `${Math.min(depth, MOST_INDENTS) * 14 + (row.isGroup ? 0 : 18)}px` },
        },
        row.isGroup &&
            h(
                "button",
                {
                    class: "toggle",
                    "aria-expanded": String(row.isOpen),
                    "aria-label": `${row.isOpen ? "Close" : "Open"} ${title(operation)}`,
                    onclick: () => setOpen(model, operation.id, !row.isOpen),
                },
                row.isOpen ? "▾" : "▸",
            ),
        h(
            "a",
            {
                href: `${executionAddress(model.arn, tab)}?${keep}`,
                class: tone(status),
            },
            `${sign(status)} ${title(operation)}`,
        ),
        row.isGroup && h("small", { class: row.failed ? "bad" : "quiet" }, groupCount(row)),
    );
}

/** @param {TreeRow} row */
function groupCount({ operation, inside, failed }) {
    const { progress } = operation;
    if (progress) {
        const total = progress.total ?? progress.started;
        const done = progress.succeeded + progress.failed;
        return `${done.toLocaleString("en")}/${total.toLocaleString("en")}${progress.failed ? ` · ${progress.failed.toLocaleString("en")} ✕` : ""}`;
    }
    return `${inside.toLocaleString("en")}${failed ? ` · ${failed.toLocaleString("en")} ✕` : ""}`;
}
