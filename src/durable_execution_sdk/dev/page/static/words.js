// What executions and operations do, in words.

import { executionNow } from "./clock.js";
import { left, visible } from "./format.js";

/** @import { Operation, Row, Waiting } from "./types.js" */

const KIND_NAMES = /** @type {Record<string, string>} */ ({
    MapIteration: "item",
    ParallelBranch: "branch",
    RunInChildContext: "context",
    WaitForCallback: "callback",
    WaitForCondition: "poll",
    ChainedInvoke: "invoke",
});

/** Names an operation: its name, or its kind. @param {{name: string | null, kind: string}} operation */
export function title(operation) {
    return visible(operation.name || kindName(operation.kind));
}

/** @param {string} kind */
export function kindName(kind) {
    return KIND_NAMES[kind] ?? visible(kind.toLowerCase());
}

/** Writes what an operation waits for. @param {Pick<Waiting, "waits_for" | "until" | "attempt">} waiting @param {number} now */
export function awaited(waiting, now) {
    const rest = waiting.until ? left(Date.parse(waiting.until) - now) : "";
    switch (waiting.waits_for) {
        case "answer":
            return rest ? `an answer, ${rest}` : "an answer, without a limit";
        case "message":
            return "a message";
        case "retry":
            return [`attempt ${waiting.attempt ?? ""}`, rest].filter((part) => part).join(", ");
        case "function":
            return "a function";
        default:
            return rest || "its time";
    }
}

/** Writes that an operation waits, and for what. @param {Pick<Waiting, "waits_for" | "until" | "attempt">} waiting @param {number} now */
export function waits(waiting, now) {
    const isForSomething =
        ["answer", "message", "retry", "function"].includes(waiting.waits_for ?? "") || !waiting.until;
    return `${isForSomething ? "waits for " : "waits, "}${awaited(waiting, now)}`;
}

/**
 * Writes what an execution waits for, its next end first: the operation, and what it waits for.
 * @param {Row} row @returns {[string, string]}
 */
export function waitsFor(row) {
    if (row.held) {
        return ["", `held: ${visible(row.held.kind)}`];
    }
    if (row.activity === "paused") {
        return ["", "to be resumed"];
    }
    if (!row.waiting.length || row.activity === "running" || row.end_timestamp) {
        return ["", ""];
    }
    const now = executionNow(row.time);
    const [first] = [...row.waiting].sort((a, b) => urgency(a) - urgency(b));
    if (!first) {
        return ["", ""];
    }
    const more = row.waiting_count > 1 ? ` +${row.waiting_count - 1}` : "";
    return [first.path.map(visible).join(" / "), `: ${awaited(first, now)}${more}`];
}

/** @param {Waiting} waiting */
function urgency(waiting) {
    const at = waiting.until ? Date.parse(waiting.until) : Number.MAX_SAFE_INTEGER / 2;
    return waiting.waits_for === "answer" ? at - Number.MAX_SAFE_INTEGER / 2 : at;
}

/** The class of colours of a status. @param {string} status @returns {"good" | "bad" | "open" | "off"} */
export function tone(status) {
    switch (status) {
        case "SUCCEEDED":
            return "good";
        case "FAILED":
        case "TIMED_OUT":
            return "bad";
        case "STOPPED":
        case "CANCELLED":
        case "CUT_OFF":
            return "off";
        default:
            return "open";
    }
}

const SIGNS = { good: "✓", bad: "✕", open: "●", off: "■" };

/** A sign beside the colour, for those who do not see it. @param {string} status */
export function sign(status) {
    return status === "PAUSED" ? "❚❚" : SIGNS[tone(status)];
}

/** @param {string} status */
export function statusName(status) {
    return status.toLowerCase().replace("_", " ");
}

/** The status as people say it; of an open execution, its activity. @param {Row} row */
export function statusWords(row) {
    return row.activity === "ended" ? statusName(row.status) : row.activity;
}

/** @param {Operation} operation */
export function hasFailed(operation) {
    return tone(operation.status) === "bad" || operation.attempts.some(([, , , failed]) => failed);
}

/** The lines of a stack trace, those of the user's code first. @param {string[]} lines */
export function framesOfUser(lines) {
    const frames = lines.filter(
        (line) => !/site-packages|dist-packages|node_modules|durable_execution_sdk\/|lib\/python3|<frozen /.test(line),
    );
    return frames.length ? frames : lines;
}
