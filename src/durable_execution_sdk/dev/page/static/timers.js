// A timer with the button that lets it fire.

import { fire } from "./actions.js";
import { executionNow } from "./clock.js";
import { left } from "./format.js";
import { h } from "./render.js";
import { state } from "./state.js";

/** @import { ExecutionDocument, Timer } from "./types.js" */

/** @param {ExecutionDocument} document @param {Timer} timer */
export function actionOnTimer(document, timer) {
    if (!state.canAct) {
        return null;
    }
    const rest = left(Date.parse(timer.fires_at) - executionNow(document.execution.time));
    return h(
        "button",
        { key: "fire", title: `${timer.kind}, ${rest}`, onclick: () => fire(document, timer) },
        "Fire this timer now",
    );
}
