// The lines that functions wrote.

import { exactTime, utc, visible } from "./format.js";
import { missing } from "./reading.js";
import { h } from "./render.js";
import { executionAddress, goWith } from "./router.js";
import { rows } from "./rows.js";
import { state } from "./state.js";
import { title } from "./words.js";

/** @import { ExecutionModel } from "./execution_model.js" */
/** @import { Line } from "./types.js" */

const ROW_HEIGHT = 22;

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
            h("span", { class: "quiet" }, `${lines.length.toLocaleString("en")} lines`),
        ),
        lines.length
            ? rows({
                  id: "logs",
                  count: lines.length,
                  height: ROW_HEIGHT,
                  label: "Lines",
                  kept: lines.findIndex((line) => String(line.number) === selected),
                  row: (index, place) => row(model, /** @type {Line} */ (lines[index]), selected, place),
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

/** @param {ExecutionModel} model @param {Line} line @param {string | null} selected @param {Record<string, string>} place */
function row(model, line, selected, place) {
    const operation = line.operation_id ? model.operations.get(line.operation_id) : undefined;
    const keep = new URLSearchParams(state.address.query);
    keep.set("line", String(line.number));
    keep.delete("operation");
    return h(
        "a",
        {
            class: `row logs-grid${String(line.number) === selected ? " selected" : ""}`,
            key: line.number,
            style: place,
            href: `${executionAddress(model.arn, "logs")}?${keep}`,
        },
        h("span", { class: "number", title: utc(line.at) }, exactTime(line.at)),
        h("span", { class: "quiet" }, operation ? title(operation) : ""),
        h("code", { class: line.stream === "stderr" ? "stderr" : "" }, textOf(line)),
    );
}

/** Shows a record of JSON by its level and message; another line as it is. @param {Line} line */
function textOf(line) {
    if (line.text.startsWith("{")) {
        try {
            const record = JSON.parse(line.text);
            if (typeof record.message === "string") {
                return visible(`${typeof record.level === "string" ? `${record.level} ` : ""}${record.message}`);
            }
        } catch {
            // Not JSON.
        }
    }
    return visible(line.text);
}
