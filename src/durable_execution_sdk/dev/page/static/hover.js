// The card beside the pointer: an operation's times, error and payloads, while the pointer rests on its row.

import { executionNow } from "./clock.js";
import { requestDraw } from "./draw.js";
import { count, duration, exactTime, size, utc, visible } from "./format.js";
import { peek } from "./payloads.js";
import { h } from "./render.js";
import { state } from "./state.js";
import { kindName, sign, statusName, title, tone, waits } from "./words.js";

/** @import { ExecutionModel } from "./execution_model.js" */
/** @import { Child, Props } from "./render.js" */
/** @import { Operation } from "./types.js" */

const REST_MILLISECONDS = 350;
const LEAVE_MILLISECONDS = 200;
const MOST_FETCHED_BYTES = 65_536;
const MOST_CHARACTERS = 600;
const MOST_LINES = 10;
const CARD_WIDTH = 380;
const CARD_HEIGHT = 300;

/** @typedef {{id: string, x: number, top: number, bottom: number}} Place */

/** Where the pointer is, and whether it has rested there. @type {Place | null} */
let pointed = null;
let isShown = false;
/** Where a row was pressed last. @type {{x: number, y: number} | null} */
let pressed = null;
let timer = 0;

/** The events of a row with an operation. @param {string} id @returns {Props} */
export function hoverEvents(id) {
    return {
        onpointerenter: (/** @type {PointerEvent} */ event) => {
            // A press that opens a panel moves the rows under a pointer that rests.
            const isStill = pressed?.x === event.clientX && pressed.y === event.clientY;
            if (event.pointerType !== "mouse" || isStill) {
                return;
            }
            const box = /** @type {Element} */ (event.currentTarget).getBoundingClientRect();
            clearTimeout(timer);
            timer = setTimeout(
                () => {
                    pointed = { id, x: event.clientX, top: box.top, bottom: box.bottom };
                    isShown = true;
                    requestDraw();
                },
                isShown ? LEAVE_MILLISECONDS : REST_MILLISECONDS,
            );
        },
        onpointerleave: leave,
        onpointerdown: (/** @type {PointerEvent} */ event) => {
            pressed = { x: event.clientX, y: event.clientY };
            closeHover();
        },
    };
}

function leave() {
    clearTimeout(timer);
    timer = isShown ? setTimeout(closeHover, LEAVE_MILLISECONDS) : 0;
}

/** Closes the card; returns false if there is none. */
export function closeHover() {
    clearTimeout(timer);
    if (!isShown) {
        return false;
    }
    isShown = false;
    pointed = null;
    requestDraw();
    return true;
}

/** @param {ExecutionModel} model @returns {Child} */
export function hoverCard(model) {
    const operation = isShown && pointed ? model.operations.get(pointed.id) : undefined;
    // The panel shows the same, and the card would lie over it.
    if (!pointed || !operation || state.address.query.get("operation") === operation.id) {
        return null;
    }
    return h(
        "div",
        {
            class: "hover-card",
            key: "hover",
            role: "tooltip",
            style: placed(pointed),
            onpointerenter: () => clearTimeout(timer),
            onpointerleave: leave,
        },
        head(model, operation),
        times(model, operation),
        operation.error &&
            h(
                "p",
                { class: "bad message", key: "error" },
                visible(`${operation.error.error_type ?? "Error"}: ${operation.error.error_message ?? ""}`).slice(
                    0,
                    MOST_CHARACTERS,
                ),
            ),
        operation.kind === "ChainedInvoke" && preview(model, operation, "input", "Input", 0),
        operation.end_timestamp !== null &&
            operation.result_bytes !== null &&
            preview(model, operation, "result", "Result", operation.result_bytes),
    );
}

/** Under the row, or above it where there is no room. @param {Place} place @returns {Record<string, string>} */
function placed({ x, top, bottom }) {
    const left = Math.max(8, Math.min(x + 12, globalThis.innerWidth - CARD_WIDTH - 8));
    return globalThis.innerHeight - bottom < CARD_HEIGHT && top > CARD_HEIGHT
        ? { left: `${left}px`, bottom: `${globalThis.innerHeight - top + 2}px` }
        : { left: `${left}px`, top: `${bottom + 2}px` };
}

/** @param {ExecutionModel} model @param {Operation} operation */
function head(model, operation) {
    const status = model.statusOf(operation);
    const now = executionNow(model.document?.execution.time);
    const waiting =
        status !== "CUT_OFF" &&
        operation.waits_for &&
        waits({ waits_for: operation.waits_for, until: operation.until, attempt: operation.attempt }, now);
    return h(
        "p",
        { key: "head" },
        h("b", { class: tone(status) }, `${sign(status)} ${title(operation)}`.slice(0, 200)),
        ` ${kindName(operation.kind)}, ${statusName(status)}`,
        operation.attempts.length > 1 && `, ${count(operation.attempts.length, "attempt")}`,
        waiting && h("span", { class: "open" }, `, ${waiting}`),
    );
}

/** @param {ExecutionModel} model @param {Operation} operation */
function times(model, operation) {
    const { start_timestamp: start, end_timestamp: end } = operation;
    const until = end ?? model.document?.execution.end_timestamp;
    const length = (until ? Date.parse(until) : executionNow(model.document?.execution.time)) - Date.parse(start);
    return h(
        "p",
        { class: "quiet", key: "times" },
        `${exactTime(start)}${end && end !== start ? ` – ${exactTime(end)}` : ""}${length > 0 ? `, ${duration(length)}` : ""}`,
        h("br"),
        `from ${utc(start)}`,
    );
}

/** @param {ExecutionModel} model @param {Operation} operation @param {"input" | "result"} kind @param {string} name @param {number} bytes */
function preview(model, operation, kind, name, bytes) {
    const of = { arn: model.arn, kind, operation: operation.id, version: versionOf(operation) };
    const fetched = bytes > MOST_FETCHED_BYTES ? null : peek(of);
    const text = fetched?.isReady ? (fetched.text ?? fetched.failure) || "none" : "";
    const cut = text.split("\n").slice(0, MOST_LINES).join("\n").slice(0, MOST_CHARACTERS);
    return h(
        "div",
        { key: kind },
        h("small", { class: "quiet" }, bytes > 0 ? `${name}, ${size(bytes)}` : name),
        fetched === null
            ? h("p", { class: "quiet" }, "Too large for a look: click to open it.")
            : h("pre", { class: "code" }, visible(text === cut ? text : `${cut}\n…`) || "Reading…"),
    );
}

/** Changes when a payload of an operation does. @param {Operation} operation */
export function versionOf(operation) {
    return `${operation.status} ${operation.end_timestamp} ${operation.attempts.length}`;
}
