// Payloads and errors: fetched when they are looked at, and shown as text.

import { payload } from "./api.js";
import { causesOf } from "./causes.js";
import { copyButton } from "./copying.js";
import { requestDraw } from "./draw.js";
import { size, visible } from "./format.js";
import { indented } from "./json_text.js";
import { h } from "./render.js";
import { framesOfUser } from "./words.js";

/** @import { Described } from "./render.js" */
/** @import { ErrorDocument, WholeError } from "./types.js" */

export { copyButton };

const MOST_SHOWN = 64 * 1024;
const MOST_KEPT = 50;

/** @typedef {{text: string | null, error: WholeError | null, failure: string, isWhole: boolean, isReady: boolean}} Fetched */

/** @type {Map<string, Fetched>} */
const fetched = new Map();

/** @param {string} arn @param {string} kind @param {string | undefined} operation @param {string} version @returns {Fetched} */
function fetchOnce(arn, kind, operation, version) {
    const key = `${arn} ${kind} ${operation} ${version}`;
    const known = fetched.get(key);
    if (known) {
        return known;
    }
    /** @type {Fetched} */
    const entry = { text: null, error: null, failure: "", isWhole: false, isReady: false };
    fetched.set(key, entry);
    for (const old of [...fetched.keys()].slice(0, -MOST_KEPT)) {
        fetched.delete(old);
    }
    payload(arn, kind, operation)
        .then((answer) => {
            entry.text = typeof answer.payload === "string" ? indented(answer.payload) : null;
            entry.error = answer.error ?? null;
        })
        .catch((error) => {
            entry.failure = error instanceof Error ? error.message : String(error);
        })
        .finally(() => {
            entry.isReady = true;
            requestDraw();
        });
    return entry;
}

/**
 * Returns a payload as far as it was fetched, and fetches it.
 * @param {{arn: string, kind: "input" | "result", operation?: string, version: string}} of
 */
export function peek({ arn, kind, operation, version }) {
    return fetchOnce(arn, kind, operation, version);
}

/**
 * Shows a payload. `version` changes when it does.
 * @param {{arn: string, kind: "input" | "result", operation?: string, version: string, title: string, bytes?: number | null, limit?: number}} shown
 */
export function payloadView({ arn, kind, operation, version, title, bytes, limit }) {
    const entry = fetchOnce(arn, kind, operation, version);
    return h(
        "section",
        { class: "payload", key: `${kind} ${operation ?? ""}` },
        h(
            "h3",
            null,
            title,
            bytes !== undefined &&
                h(
                    "small",
                    { class: limit && (bytes ?? 0) > limit * 0.8 ? "bad" : "quiet" },
                    ` ${size(bytes)}${limit ? ` of ${size(limit)}` : ""}`,
                ),
            entry.text !== null && copyButton(entry.text),
        ),
        textView(entry),
    );
}

/** @param {Fetched} entry @returns {Described} */
function textView(entry) {
    if (!entry.isReady) {
        return h("p", { class: "quiet", key: "state" }, "Reading…");
    }
    if (entry.failure) {
        return h("p", { class: "bad", key: "state" }, entry.failure);
    }
    if (entry.text === null) {
        return h("p", { class: "quiet", key: "state" }, "None.");
    }
    const isCut = entry.text.length > MOST_SHOWN && !entry.isWhole;
    return h(
        "div",
        { key: "text" },
        h(
            "pre",
            { class: "code", tabindex: 0, dir: "ltr" },
            visible(isCut ? entry.text.slice(0, MOST_SHOWN) : entry.text),
        ),
        isCut &&
            h(
                "button",
                {
                    onclick: () => {
                        entry.isWhole = true;
                        requestDraw();
                    },
                },
                `Show all ${entry.text.length.toLocaleString("en")} characters`,
            ),
    );
}

/**
 * Shows an error: type and message at once, frames and data when they were fetched.
 * @param {{arn: string, operation?: string, error: ErrorDocument, version: string}} shown
 */
export function errorView({ arn, operation, error, version }) {
    const entry = fetchOnce(arn, "error", operation, version);
    const lines = entry.error?.stack_trace ?? [];
    const own = framesOfUser(lines);
    const data = entry.error?.error_data;
    return h(
        "section",
        { class: "error", key: `error ${operation ?? ""}` },
        h("h3", { class: "bad" }, visible(error.error_type ?? "Error")),
        h("p", { class: "message" }, visible(error.error_message ?? "")),
        lines.length > 0 &&
            h(
                "pre",
                { class: "code", tabindex: 0, key: "own", "aria-label": "Frames of your code" },
                visible(own.join("\n")),
            ),
        causesOf(data),
        lines.length > own.length &&
            h(
                "details",
                { key: "all" },
                h("summary", null, `All ${lines.length} frames`),
                h("pre", { class: "code", tabindex: 0 }, visible(lines.join("\n"))),
            ),
        data != null &&
            h(
                "details",
                { key: "data" },
                h("summary", null, "Data of the error"),
                h(
                    "pre",
                    { class: "code", tabindex: 0 },
                    visible(typeof data === "string" ? data : JSON.stringify(data, null, 2)),
                ),
            ),
    );
}
