// The bars of the timeline: one path for each kind of segment, however many operations are seen.

import { duration } from "./format.js";
import { svg } from "./render.js";
import { title, tone, waits } from "./words.js";

/** @import { Axis } from "./axis.js" */
/** @import { Invocation, Operation } from "./types.js" */
/** @import { TreeRow } from "./tree.js" */

/** @typedef {"good" | "bad" | "running" | "backoff" | "waited" | "waiting" | "group" | "group-bad" | "group-open" | "group-waiting" | "off"} Kind */

const LEAST_WIDTH = 2;
const FULL = 14;
const LETTER = 6.6;

/**
 * `runs` is false while no invocation runs: what is open then waits.
 * @typedef {{axis: Axis, now: number, width: number, height: number, runs: boolean, statusOf: (operation: Operation) => string}} Plot
 */

/** @param {TreeRow[]} rows @param {number} first @param {number} last @param {Plot} plot */
export function bars(rows, first, last, plot) {
    /** @type {Map<Kind, string[]>} */
    const paths = new Map();
    const texts = [];
    for (let index = first; index < last; index++) {
        const row = rows[index];
        if (row) {
            const top = (index - first) * plot.height;
            const ends = drawOperation(row, top, plot, paths);
            texts.push(label(row, top, ends, plot));
        }
    }
    return [
        ...[...paths].map(([kind, parts]) => svg("path", { class: `bar-${kind}`, key: kind, d: parts.join("") })),
        ...texts,
    ];
}

/** @param {TreeRow} row @param {number} top @param {Plot} plot @param {Map<Kind, string[]>} paths */
function drawOperation(row, top, plot, paths) {
    const { operation, isGroup } = row;
    let left = plot.width;
    let right = 0;
    /** @param {Kind} kind @param {number} from @param {number} to @param {number} thickness */
    const add = (kind, from, to, thickness) => {
        const x = clamp(plot.axis.place(from), -0.01) * plot.width;
        const end = clamp(plot.axis.place(to), 0) * plot.width;
        if (end < 0 || x > plot.width) {
            return;
        }
        const width = Math.max(LEAST_WIDTH, end - x);
        left = Math.min(left, x);
        right = Math.max(right, x + width);
        // Thin ones lie low, so that a name over them can be read.
        const y = thickness < FULL / 2 ? top + plot.height - thickness - 2 : top + (plot.height - thickness) / 2;
        const part = `M${x.toFixed(1)} ${y}h${width.toFixed(1)}v${thickness}h${(-width).toFixed(1)}z`;
        const parts = paths.get(kind);
        if (parts) {
            parts.push(part);
        } else {
            paths.set(kind, [part]);
        }
    };
    const from = Date.parse(operation.start_timestamp);
    const to = operation.end_timestamp ? Date.parse(operation.end_timestamp) : plot.now;
    if (isGroup) {
        const kind = tone(plot.statusOf(operation));
        const open = plot.runs ? "group-open" : "group-waiting";
        add(kind === "bad" ? "group-bad" : kind === "open" ? open : "group", from, to, 5);
    } else if (operation.kind === "Step" || operation.kind === "WaitForCondition") {
        drawAttempts(operation, from, to, plot, add);
    } else {
        const [start, end] = [from, to].map((at) => clamp(plot.axis.place(at), 0) * plot.width);
        const { isOver } = placeOfLabel(row, start ?? 0, end ?? 0, plot);
        add(waitKind(plot.statusOf(operation)), from, to, isOver ? 5 : 10);
    }
    return { left, right };
}

/** @param {Pick<TreeRow, "operation" | "isGroup">} row */
function hasThickBar({ operation, isGroup }) {
    return !isGroup && operation.kind !== "Step" && operation.kind !== "WaitForCondition";
}

/** @param {string} status @returns {Kind} */
function waitKind(status) {
    const kind = tone(status);
    if (kind === "open") {
        return "waiting";
    }
    return kind === "bad" ? "bad" : kind === "off" ? "off" : "waited";
}

/**
 * @param {Operation} operation @param {number} from @param {number} to @param {Plot} plot
 * @param {(kind: Kind, from: number, to: number, thickness: number) => void} add
 */
function drawAttempts(operation, from, to, { now, runs, statusOf }, add) {
    const { attempts } = operation;
    const status = statusOf(operation);
    const open = runs ? "running" : "waiting";
    if (!attempts.length) {
        const kind = tone(status);
        add(kind === "open" ? open : kind, from, to, FULL);
        return;
    }
    const origin = Date.parse(operation.start_timestamp);
    attempts.forEach(([start, end, again, failed], index) => {
        const ended = end === null ? to : origin + end;
        const began = start !== null ? origin + start : end !== null ? ended : from;
        const next = attempts[index + 1]?.[0] ?? null;
        if (again !== null) {
            const until = next === null ? Math.min(Math.max(now, ended), origin + again) : origin + next;
            add("backoff", ended, Math.max(until, ended), 4);
        }
        // An attempt without an end was interrupted if another one began, or if the operation has ended.
        const isOpen = end === null;
        const isInterrupted = isOpen && (next !== null || tone(status) !== "open");
        add(
            failed ? "bad" : isInterrupted ? "off" : isOpen ? open : "good",
            began,
            isOpen && next !== null ? origin + next : ended,
            FULL,
        );
    });
}

/** @param {number} place @param {number} least */
function clamp(place, least) {
    return Math.min(1.01, Math.max(least, place));
}

/** @param {TreeRow} row @param {number} top @param {{left: number, right: number}} ends @param {Plot} plot */
function label(row, top, { left, right }, plot) {
    if (right < left) {
        return null;
    }
    const { operation } = row;
    const { x, anchor, isOver, text } = placeOfLabel(row, left, right, plot);
    return svg(
        "text",
        {
            key: operation.id,
            class: isOver ? "bar-text over" : "bar-text",
            x,
            "text-anchor": anchor,
            y: top + plot.height / 2 + (isOver ? 1 : 4),
        },
        text,
    );
}

/**
 * Places the longest text that has room; beside the bar of a wait, which is too thick to be written over. A wait that goes
 * on says what it is for all the same: its bar is then a thin one.
 * @param {TreeRow} row @param {number} left @param {number} right @param {Plot} plot
 */
function placeOfLabel({ operation, isGroup, inside }, left, right, plot) {
    const length =
        (operation.end_timestamp ? Date.parse(operation.end_timestamp) : plot.now) -
        Date.parse(operation.start_timestamp);
    // The start of a step that was recorded with its end is not known.
    const about = operation.recorded_start_timestamp ? "≈ " : "";
    const took = length > 0 || isGroup ? `  ${about}${duration(length)}` : "";
    const attempts = operation.attempts.length > 1 ? `, ${operation.attempts.length} attempts` : "";
    const name = `${title(operation)}${isGroup ? ` (${inside.toLocaleString("en")})` : ""}`;
    const wait = waiting(operation, plot);
    const texts = [`${name}${took}${attempts}${wait}`, `${name}${took}`, name];
    const places = texts.map((text) => placeOf(text, left, right, plot.width)).filter((each) => each.hasRoom);
    const longest = places[0] ?? placeOf(name, left, right, plot.width);
    const isThick = hasThickBar({ operation, isGroup }) && !wait;
    return (isThick && places.find((each) => !each.isOver)) || longest;
}

/** Places a text after its bar, before it, or over it. @param {string} text @param {number} left @param {number} right @param {number} width */
function placeOf(text, left, right, width) {
    const length = LETTER * text.length;
    if (right + 6 + length <= width) {
        return { text, x: right + 6, anchor: "start", isOver: false, hasRoom: true };
    }
    if (left - 6 - length >= 0) {
        return { text, x: left - 6, anchor: "end", isOver: false, hasRoom: true };
    }
    const x = Math.max(0, left) + 8;
    return { text, x, anchor: "start", isOver: true, hasRoom: x + length <= width };
}

/** Writes what an open operation waits for. @param {Operation} operation @param {Plot} plot */
function waiting(operation, { now, statusOf }) {
    const { waits_for, until, attempt } = operation;
    const isOpen = waits_for !== null && tone(statusOf(operation)) === "open";
    return isOpen ? `, ${waits({ waits_for, until, attempt }, now)}` : "";
}

/** Draws the invocations in a strip. @param {Iterable<Invocation>} invocations @param {{axis: Axis, now: number, width: number}} plot @param {number} top */
export function invocationStrip(invocations, plot, top) {
    let good = "";
    let bad = "";
    for (const invocation of invocations) {
        const x = clamp(plot.axis.place(Date.parse(invocation.start_timestamp)), -0.01) * plot.width;
        const end =
            clamp(plot.axis.place(invocation.end_timestamp ? Date.parse(invocation.end_timestamp) : plot.now), 0) *
            plot.width;
        const part = `M${x.toFixed(1)} ${top}h${Math.max(LEAST_WIDTH, end - x).toFixed(1)}v6h${(-Math.max(LEAST_WIDTH, end - x)).toFixed(1)}z`;
        if (invocation.error) {
            bad += part;
        } else {
            good += part;
        }
    }
    return [
        svg("path", { key: "invocations", class: "invocation", d: good }),
        svg("path", { key: "failed", class: "invocation bad", d: bad }),
    ];
}
