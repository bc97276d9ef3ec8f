// The time axis: time while nothing happens is cut short.

import { duration, roughly } from "./format.js";

/** @import { ExecutionModel } from "./execution_model.js" */

/** @typedef {{from: number, to: number, start: number, end: number, isIdle: boolean}} Span a part of time, and its place from 0 to 1 */

const IDLE_PART = 0.05;
const MOST_IDLE_PARTS = 0.4;
const LEAST_IDLE_MILLISECONDS = 1_000;

/** @type {WeakMap<ExecutionModel, {version: number, moments: [number, number][]}>} */
const known = new WeakMap();

export class Axis {
    /** @param {Span[]} spans @param {[number, number]} window the part that is shown */
    constructor(spans, window) {
        this.spans = spans;
        this.window = window;
    }

    /** Returns the place of a time; 0 to 1 is in the window. @param {number} at */
    place(at) {
        return (this.whole(at) - this.window[0]) / (this.window[1] - this.window[0]);
    }

    /** @param {number} at */
    whole(at) {
        let low = 0;
        let high = this.spans.length - 1;
        while (low < high) {
            const middle = (low + high) >> 1;
            if ((this.spans[middle]?.to ?? 0) < at) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        const span = this.spans[low];
        if (!span) {
            return 0;
        }
        const part = span.to > span.from ? (at - span.from) / (span.to - span.from) : 0;
        return span.start + Math.min(1, Math.max(0, part)) * (span.end - span.start);
    }

    /** Returns the idle parts that are seen. */
    idle() {
        return this.spans
            .filter((span) => span.isIdle)
            .map((span) => ({
                left: this.place(span.from),
                right: this.place(span.to),
                text: roughly(span.to - span.from),
            }));
    }

    /** Returns times to write, with their places. @param {number} width of the window in pixels */
    ticks(width) {
        const origin = this.spans[0]?.from ?? 0;
        /** @type {{x: number, text: string}[]} */
        const ticks = [];
        for (const span of this.spans) {
            if (span.isIdle) {
                continue;
            }
            const pixels = ((span.end - span.start) / (this.window[1] - this.window[0])) * width;
            const step = round((span.to - span.from) / Math.max(1, pixels / 90));
            // After a cut the times count from its end: milliseconds beside days would say nothing.
            const first = span.from - origin;
            const isAfterCut = first > 0;
            for (let at = 0; at <= span.to - span.from; at += step) {
                const x = this.place(span.from + at) * width;
                const room = this.place(span.to) * width - x - (isAfterCut ? 12 : 0);
                if (x >= -1 && room > 58 && x < width - 30 && x - (ticks.at(-1)?.x ?? -100) > 70) {
                    const text = at === 0 ? (isAfterCut ? `+${duration(first)}` : "0") : `+${duration(at)}`;
                    ticks.push({
                        x: at === 0 && isAfterCut ? x + 4 : x,
                        text: at > 0 && isAfterCut ? `…${text}` : text,
                    });
                }
            }
        }
        return ticks;
    }
}

/** Returns a duration that is easy to count in. @param {number} milliseconds */
function round(milliseconds) {
    const seconds = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400];
    const sizes = seconds.map((each) => each * 1_000);
    if (milliseconds > 1_000) {
        const size = sizes.find((each) => each >= milliseconds);
        return size ?? Math.ceil(milliseconds / 86_400_000) * 86_400_000;
    }
    const power = 10 ** Math.floor(Math.log10(Math.max(1, milliseconds)));
    return (milliseconds <= power ? 1 : milliseconds <= 2 * power ? 2 : milliseconds <= 5 * power ? 5 : 10) * power;
}

/**
 * Makes the axis of an execution up to a time.
 * @param {ExecutionModel} model @param {number} end @param {boolean} cutsIdle @param {[number, number]} window
 */
export function axisOf(model, end, cutsIdle, window) {
    const start = Date.parse(model.document?.execution.start_timestamp ?? "");
    const spans = cutsIdle ? divided(moments(model), start, end) : [];
    if (!spans.length) {
        spans.push({ from: start, to: Math.max(end, start + 1), start: 0, end: 1, isIdle: false });
    }
    return new Axis(spans, window);
}

/** Returns the times at which something happens, in order, each with its end. @param {ExecutionModel} model */
function moments(model) {
    const cached = known.get(model);
    if (cached?.version === model.version) {
        return cached.moments;
    }
    /** @type {[number, number][]} */
    const moments = [];
    for (const invocation of model.invocations.values()) {
        moments.push([
            Date.parse(invocation.start_timestamp),
            invocation.end_timestamp ? Date.parse(invocation.end_timestamp) : Number.POSITIVE_INFINITY,
        ]);
    }
    for (const operation of model.operations.values()) {
        const began = Date.parse(operation.start_timestamp);
        moments.push([began, began]);
        if (operation.end_timestamp) {
            const ended = Date.parse(operation.end_timestamp);
            moments.push([ended, ended]);
        }
    }
    moments.sort((a, b) => a[0] - b[0]);
    known.set(model, { version: model.version, moments });
    return moments;
}

/** @param {[number, number][]} moments @param {number} start @param {number} end @returns {Span[]} */
function divided(moments, start, end) {
    /** @type {[number, number][]} */
    const gaps = [];
    let reached = start;
    for (const [from, to] of moments) {
        if (from - reached > LEAST_IDLE_MILLISECONDS) {
            gaps.push([reached, Math.min(from, end)]);
        }
        reached = Math.max(reached, Math.min(to, end));
    }
    if (end - reached > LEAST_IDLE_MILLISECONDS) {
        gaps.push([reached, end]);
    }
    const busy = end - start - gaps.reduce((sum, [from, to]) => sum + to - from, 0);
    // A gap that is short beside the work is left as long as it is.
    const idle = gaps.filter(([from, to]) => to - from > busy / 4);
    if (!idle.length) {
        return [];
    }
    const part = Math.min(IDLE_PART, MOST_IDLE_PARTS / idle.length);
    const shown = Math.max(1, end - start - idle.reduce((sum, [from, to]) => sum + to - from, 0));
    const scale = (1 - part * idle.length) / shown;
    /** @type {Span[]} */
    const spans = [];
    let at = start;
    let place = 0;
    for (const [from, to] of [...idle, /** @type {[number, number]} */ ([end, end])]) {
        if (from > at) {
            spans.push({ from: at, to: from, start: place, end: place + (from - at) * scale, isIdle: false });
            place += (from - at) * scale;
        }
        if (to > from) {
            spans.push({ from, to, start: place, end: place + part, isIdle: true });
            place += part;
        }
        at = to;
    }
    return spans;
}
