// The errors behind an error: its cause, what was handled when it was raised, and the members of a group.

import { visible } from "./format.js";
import { h } from "./render.js";

/** @import { Child } from "./render.js" */

/**
 * The record of a Python exception in the data of an error.
 * @typedef {{durable_error?: number, error_type?: string | null, message?: string | null, notes?: string[], cause?: ExceptionRecord, context?: ExceptionRecord, suppress_context?: boolean, exceptions?: ExceptionRecord[]}} ExceptionRecord
 * @typedef {{how: string, error: ExceptionRecord}} Related
 */

const MOST = 12;

/** @param {unknown} data @returns {Child[]} */
export function causesOf(data) {
    const record = /** @type {ExceptionRecord | null} */ (typeof data === "object" ? data : null);
    if (!record?.durable_error) {
        return [];
    }
    const notes = (record.notes ?? []).map((note, index) =>
        h("p", { class: "message", key: `note ${index}` }, visible(String(note))),
    );
    return [
        ...notes,
        ...related(record).map(({ how, error }, index) =>
            h(
                "p",
                { class: "message cause", key: `cause ${index}` },
                h("span", { class: "quiet" }, `${how} `),
                h("b", null, visible(String(error.error_type ?? "an error"))),
                `: ${visible(String(error.message ?? ""))}`,
            ),
        ),
    ];
}

/** Lists the errors behind an error, the nearest first. @param {ExceptionRecord} record @returns {Related[]} */
function related(record) {
    /** @type {Related[]} */
    const found = [];
    const left = behind(record);
    for (let next = left.shift(); next && found.length < MOST; next = left.shift()) {
        found.push(next);
        left.unshift(...behind(next.error));
    }
    return found;
}

/** @param {ExceptionRecord} record @returns {Related[]} */
function behind({ exceptions = [], cause, context, suppress_context: isSuppressed }) {
    const members = exceptions.map((error) => ({ how: "with", error }));
    if (cause) {
        return [...members, { how: "caused by", error: cause }];
    }
    return context && !isSuppressed ? [...members, { how: "while handling", error: context }] : members;
}
