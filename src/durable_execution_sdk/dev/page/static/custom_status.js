// The status that code has set with ctx.set_status or ctx.progress.

import { time, utc, visible } from "./format.js";
import { h } from "./render.js";

/** @import { Row } from "./types.js" */

const LONGEST = 300;
const MEMBERS = ["done", "total", "label"];

/**
 * The progress that a status tells; null for another value.
 * @typedef {{done: number, total: number | null, label: string | null}} Progress
 * @param {unknown} value @returns {Progress | null}
 */
export function progressOf(value) {
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
        return null;
    }
    const { done, total, label = null } = /** @type {Record<string, unknown>} */ (value);
    const isTold =
        isAmount(done) && (total === null || isAmount(total)) && (label === null || typeof label === "string");
    return isTold && Object.keys(value).every((each) => MEMBERS.includes(each))
        ? /** @type {Progress} */ ({ done, total, label })
        : null;
}

/** @param {unknown} value */
function isAmount(value) {
    return Number.isFinite(value) && /** @type {number} */ (value) >= 0;
}

/** @param {Progress} progress */
function share({ done, total }) {
    return total === null ? null : total ? Math.min(1, done / total) : 1;
}

/** Writes a status in one line. @param {unknown} value */
export function statusText(value) {
    const progress = progressOf(value);
    if (progress) {
        const { done, total, label } = progress;
        const amount =
            total === null
                ? `${done.toLocaleString("en")} done`
                : `${done.toLocaleString("en")} of ${total.toLocaleString("en")} (${Math.floor(/** @type {number} */ (share(progress)) * 100)} %)`;
        return label ? `${visible(label)}: ${amount}` : amount;
    }
    const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
    return visible(text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text);
}

/** The line in the header of an execution. @param {Row} row @param {number} now */
export function customStatus(row, now) {
    if (row.custom_status_timestamp === null) {
        return null;
    }
    const progress = progressOf(row.custom_status);
    const part = progress && share(progress);
    return h(
        "p",
        { class: "custom-status", key: "custom-status" },
        h("span", { class: "quiet" }, "Status "),
        h("b", null, statusText(row.custom_status)),
        part !== null && h("progress", { max: 1, value: part, "aria-label": "Progress that the code has reported" }),
        h(
            "span",
            { class: "quiet", title: utc(row.custom_status_timestamp) },
            ` set ${time(row.custom_status_timestamp, now)}`,
        ),
    );
}
