// The operations as a tree with their numbers.

import { executionNow } from "./clock.js";
import { drawAfter } from "./draw.js";
import { duration, exactTime, size, utc } from "./format.js";
import { hoverCard, hoverEvents } from "./hover.js";
import { h } from "./render.js";
import { rows } from "./rows.js";
import { filterOf, followSelected, ROW_HEIGHT, toolbar, treeName } from "./tree_view.js";
import { kindName, statusName } from "./words.js";

/** @import { ExecutionModel } from "./execution_model.js" */
/** @import { TreeRow } from "./tree.js" */

/** @param {ExecutionModel} model */
export function operationsTab(model) {
    followSelected(model);
    const { rows: list, operation } = filterOf(model);
    const time = model.document?.execution.time ?? null;
    if (!model.document?.execution.end_timestamp) {
        drawAfter(1_000);
    }
    const now = executionNow(time);
    const selected = operation ? list.findIndex((row) => row.operation.id === operation) : -1;
    return h(
        "section",
        { class: "timeline", key: "operations" },
        toolbar(model, list),
        h(
            "div",
            { class: "head operations-grid" },
            ["Operation", "Kind", "Status", "Attempts", "Began", "Took", "Result"].map((each) =>
                h("span", { class: ["Attempts", "Took", "Result"].includes(each) ? "number" : "" }, each),
            ),
        ),
        rows({
            id: "operations",
            count: list.length,
            height: ROW_HEIGHT,
            label: "Operations",
            kept: selected,
            row: (index, place) => line(model, /** @type {TreeRow} */ (list[index]), index === selected, place, now),
        }),
        hoverCard(model),
    );
}

/** @param {ExecutionModel} model @param {TreeRow} row @param {boolean} isSelected @param {Record<string, string>} place @param {number} now */
function line(model, row, isSelected, place, now) {
    const { operation } = row;
    // The start of a step that was recorded with its end is not known.
    const length =
        (operation.end_timestamp ? Date.parse(operation.end_timestamp) : now) - Date.parse(operation.start_timestamp);
    return h(
        "div",
        {
            class: `row operations-grid${isSelected ? " selected" : ""}`,
            key: operation.id,
            style: place,
            ...hoverEvents(operation.id),
        },
        treeName(model, row, "operations"),
        h("span", null, kindName(operation.kind)),
        h("span", null, statusName(model.statusOf(operation))),
        h("span", { class: "number right" }, operation.attempts.length || ""),
        h("span", { class: "number", title: utc(operation.start_timestamp) }, exactTime(operation.start_timestamp)),
        h("span", { class: "number right" }, length > 0 ? duration(length) : ""),
        h("span", { class: "number right" }, operation.result_bytes === null ? "" : size(operation.result_bytes)),
    );
}
