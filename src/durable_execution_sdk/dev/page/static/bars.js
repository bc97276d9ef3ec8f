// The bars of the timeline: one path for each kind of segment, however many operations are seen.

import { duration } from "./format.js";
import { svg } from "./render.js";
import { title, tone } from "./words.js";

/** @import { Axis } from "./axis.js" */
/** @import { Invocation, Operation } from "./types.js" */
/** @import { TreeRow } from "./tree.js" */

/** @typedef {"good" | "bad" | "running" | "backoff" | "waited" | "waiting" | "group" | "group-bad" | "group-open" | "off"} Kind */

const LEAST_WIDTH = 2;
const FULL = 14;

/** @typedef {{axis: Axis, now: number, width: number, height: number, statusOf: (operation: Operation) => string}} Plot */

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
function drawOperation({ operation, isGroup }, top, plot, paths) {
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
        add(kind === "bad" ? "group-bad" : kind === "open" ? "group-open" : "group", from, to, 5);
    } else if (operation.kind === "Step" || operation.kind === "WaitForCondition") {
        drawAttempts(operation, plot.statusOf(operation), from, to, plot.now, add);
    } else {
        add(waitKind(plot.statusOf(operation)), from, to, 10);
    }
    return { left, right };
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
 * @param {Operation} operation @param {string} status @param {number} from @param {number} to @param {number} now
 * @param {(kind: Kind, from: number, to: number, thickness: number) => void} add
 */
function drawAttempts(operation, status, from, to, now, add) {
    const { attempts } = operation;
    if (!attempts.length) {
        const kind = tone(status);
        add(kind === "open" ? "running" : kind, from, to, FULL);
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
            failed ? "bad" : isInterrupted ? "off" : isOpen ? "running" : "good",
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

/** @param {TreeRow} row @param {number} top @param {{left: number, right: number}} ends @param {{now: number, width: number, height: number}} plot */
function label({ operation, isGroup, inside }, top, { left, right }, plot) {
    const length =
        (operation.end_timestamp ? Date.parse(operation.end_timestamp) : plot.now) -
        Date.parse(operation.start_timestamp);
    // The start of a step that was recorded with its end is not known.
    const about = operation.recorded_start_timestamp ? "≈ " : "";
    const took = length > 0 || isGroup ? `  ${about}${duration(length)}` : "";
    const attempts = operation.attempts.length > 1 ? `, ${operation.attempts.length} attempts` : "";
    const text = `${title(operation)}${isGroup ? ` (${inside.toLocaleString("en")})` : ""}${took}${attempts}`;
    const room = 6.6 * text.length;
    if (right < left) {
        return null;
    }
    /** @type {{x: number, "text-anchor": string}} */
    let place = { x: right + 6, "text-anchor": "start" };
    let isOver = false;
    if (right + room > plot.width) {
        isOver = left < room + 6;
        place = isOver ? { x: Math.max(0, left) + 8, "text-anchor": "start" } : { x: left - 6, "text-anchor": "end" };
    }
    return svg(
        "text",
        {
            key: operation.id,
            class: isOver ? "bar-text over" : "bar-text",
            ...place,
            y: top + plot.height / 2 + (isOver ? 1 : 4),
        },
        text,
    );
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
