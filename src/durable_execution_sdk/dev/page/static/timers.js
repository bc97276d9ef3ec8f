// A timer with the button that lets it fire.

import { fire } from "./actions.js";
import { executionNow } from "./clock.js";
import { left } from "./format.js";
import { h } from "./render.js";
import { state } from "./state.js";

/** @import { ExecutionDocument, Timer } from "./types.js" */

const NAMES = /** @type {Record<string, string>} */ ({
    "callback timeout": "Let it time out now",
    "callback heartbeat": "Let its heartbeat run out now",
});

/** @param {ExecutionDocument} document @param {Timer} timer @param {"" | "small"} [size] */
export function actionOnTimer(document, timer, size = "") {
    if (!state.canAct) {
        return null;
    }
    const rest = left(Date.parse(timer.fires_at) - executionNow(document.execution.time));
    return h(
        "button",
        { key: "fire", class: size, title: `${timer.kind}, ${rest}`, onclick: () => fire(document, timer) },
        NAMES[timer.kind] ?? "Fire this timer now",
    );
}
