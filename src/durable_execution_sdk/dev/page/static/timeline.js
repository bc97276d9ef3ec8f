// The timeline of an execution: a waterfall of its operations over an axis without idle time.

import { axisOf } from "./axis.js";
import { bars, invocationStrip } from "./bars.js";
import { executionNow, passes } from "./clock.js";
import { drawAfter, requestDraw } from "./draw.js";
import { count } from "./format.js";
import { hoverCard, hoverEvents } from "./hover.js";
import { legend } from "./legend.js";
import { h, svg } from "./render.js";
import { goWith } from "./router.js";
import { rows, widthOf } from "./rows.js";
import { state } from "./state.js";
import { filterOf, followSelected, ROW_HEIGHT, toolbar, treeName } from "./tree_view.js";

/** @import { Axis } from "./axis.js" */
/** @import { ExecutionModel } from "./execution_model.js" */
/** @import { TreeRow } from "./tree.js" */

const HEAD_HEIGHT = 34;
const HALF_LETTER = 3.2;
const LIVE_MILLISECONDS = 250;
const LEGEND_WIDTH = 1_180;

/** The part of the axis that is shown, by execution. @type {WeakMap<ExecutionModel, [number, number]>} */
const zooms = new WeakMap();
/** The places between which the pointer drags. @type {[number, number] | null} */
let brush = null;

/** @param {ExecutionModel} model */
export function timeline(model) {
    const document = model.document;
    if (!document) {
        return null;
    }
    followSelected(model);
    const { rows: list, operation } = filterOf(model);
    const { execution } = document;
    const now = execution.end_timestamp ? Date.parse(execution.end_timestamp) : executionNow(execution.time);
    if (!execution.end_timestamp && passes(execution.time)) {
        drawAfter(execution.activity === "running" ? LIVE_MILLISECONDS : 1_000);
    }
    const wholeWidth = widthOf("timeline");
    const labels = wholeWidth < 700 ? 150 : Math.min(340, wholeWidth * 0.28);
    const width = Math.max(80, wholeWidth - labels - 16);
    const axis = axisOf(model, now, state.address.query.get("idle") !== "all", zooms.get(model) ?? [0, 1]);
    const plot = {
        axis,
        now,
        width,
        height: ROW_HEIGHT,
        runs: execution.activity === "running",
        statusOf: model.statusOf.bind(model),
    };
    const selected = operation ? list.findIndex((row) => row.operation.id === operation) : -1;
    return h(
        "section",
        { class: "timeline", key: "timeline", style: { "--labels": `${labels}px` }, "aria-label": "Timeline" },
        toolbar(model, list, [...scaleButtons(model), wholeWidth >= LEGEND_WIDTH && legend()]),
        head(model, plot),
        list.length
            ? rows({
                  id: "timeline",
                  count: list.length,
                  height: ROW_HEIGHT,
                  label: "Operations over time",
                  kept: selected,
                  row: (index, place) =>
                      treeLine(model, /** @type {TreeRow} */ (list[index]), index === selected, place),
                  behind: (first, last, place) =>
                      svg(
                          "svg",
                          {
                              class: "plot",
                              key: "plot",
                              style: place,
                              width,
                              height: Math.max(0, last - first) * ROW_HEIGHT,
                              "aria-hidden": "true",
                          },
                          gaps(axis, width, Math.max(0, last - first) * ROW_HEIGHT),
                          bars(list, first, last, plot),
                      ),
              })
            : h(
                  "div",
                  { class: "empty quiet" },
                  model.operations.size ? "No operation fits the filter." : "No operation has begun.",
              ),
        hoverCard(model),
    );
}

/** @param {ExecutionModel} model */
function scaleButtons(model) {
    const isWhole = state.address.query.get("idle") === "all";
    const change = () => goWith({ idle: isWhole ? "" : "all" }, { replace: true });
    return [
        h("button", { key: "idle", "aria-pressed": String(!isWhole), onclick: change }, "Cut idle time"),
        zooms.has(model) && h("button", { key: "zoom", onclick: () => zoom(model, null) }, "Whole time"),
    ];
}

/** @param {ExecutionModel} model @param {[number, number] | null} part */
function zoom(model, part) {
    const [from, to] = zooms.get(model) ?? [0, 1];
    if (part === null) {
        zooms.delete(model);
    } else {
        zooms.set(model, [from + part[0] * (to - from), from + part[1] * (to - from)]);
    }
    requestDraw();
}

/** @param {ExecutionModel} model @param {{axis: Axis, now: number, width: number}} plot */
function head(model, plot) {
    const { axis, width } = plot;
    /** @param {PointerEvent} event */
    const place = (event) => {
        const box = /** @type {Element} */ (event.currentTarget).getBoundingClientRect();
        return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    };
    return h(
        "div",
        { class: "axis" },
        h(
            "span",
            { class: "quiet" },
            `${count(model.operations.size, "operation")}, ${count(model.invocations.size, "invocation")}`,
        ),
        svg(
            "svg",
            {
                width,
                height: HEAD_HEIGHT,
                role: "img",
                "aria-label": "Time axis with the invocations; drag to enlarge a part, click twice for the whole",
                onpointerdown: (/** @type {PointerEvent} */ event) => {
                    brush = [place(event), place(event)];
                    /** @type {Element} */ (event.currentTarget).setPointerCapture(event.pointerId);
                },
                onpointermove: (/** @type {PointerEvent} */ event) => {
                    if (brush) {
                        brush = [brush[0], place(event)];
                        requestDraw();
                    }
                },
                onpointerup: () => {
                    if (brush && Math.abs(brush[1] - brush[0]) > 0.01) {
                        zoom(model, [Math.min(...brush), Math.max(...brush)]);
                    }
                    brush = null;
                },
                ondblclick: () => zoom(model, null),
            },
            gaps(axis, width, HEAD_HEIGHT, true),
            invocationStrip(model.invocations.values(), plot, HEAD_HEIGHT - 9),
            axis.ticks(width).map(({ x, text }) => svg("text", { key: `${x}`, class: "tick", x, y: 13 }, text)),
            brush &&
                svg("rect", {
                    key: "brush",
                    class: "brush",
                    x: Math.min(...brush) * width,
                    y: 0,
                    width: Math.abs(brush[1] - brush[0]) * width,
                    height: HEAD_HEIGHT,
                }),
        ),
    );
}

/** @param {Axis} axis @param {number} width @param {number} height @param {boolean} [isNamed] */
function gaps(axis, width, height, isNamed = false) {
    let reached = 0;
    return axis
        .idle()
        .filter((gap) => gap.right > 0 && gap.left < 1)
        .flatMap((gap, index) => {
            // A text has room in the axis, and beside the one before.
            const half = gap.text.length * HALF_LETTER;
            const x = Math.max(half, Math.min(width - half, ((gap.left + gap.right) / 2) * width));
            const hasRoom = isNamed && x - half >= reached;
            reached = hasRoom ? x + half + HALF_LETTER : reached;
            return [
                svg("rect", {
                    key: `gap ${index}`,
                    class: "gap",
                    x: gap.left * width,
                    y: 0,
                    width: (gap.right - gap.left) * width,
                    height,
                }),
                hasRoom &&
                    svg(
                        "text",
                        {
                            key: `gap text ${index}`,
                            class: "tick gap-text",
                            x,
                            y: 13,
                            "text-anchor": "middle",
                        },
                        gap.text,
                    ),
            ];
        });
}

/** @param {ExecutionModel} model @param {TreeRow} row @param {boolean} isSelected @param {Record<string, string>} place */
function treeLine(model, row, isSelected, place) {
    const { operation } = row;
    return h(
        "div",
        {
            class: `row timeline-row${isSelected ? " selected" : ""}`,
            key: operation.id,
            style: place,
            ...hoverEvents(operation.id),
        },
        treeName(model, row, "timeline"),
    );
}
