// The screen of all callbacks that wait for an answer.

import { answerForm } from "./answer_form.js";
import { serverNow } from "./clock.js";
import { drawAfter } from "./draw.js";
import { left, time, utc, visible } from "./format.js";
import { copyButton } from "./payloads.js";
import { h } from "./render.js";
import { executionAddress, goWith } from "./router.js";
import { state } from "./state.js";

/** @import { Callback } from "./types.js" */

const MOST_SHOWN = 100;

/** The callback that is answered. @param {number} selected */
export function callbacksScreen(selected) {
    const callbacks = state.callbacks;
    if (!callbacks) {
        return h("main", { class: "screen", key: "callbacks" }, h("div", { class: "empty quiet" }, "Reading…"));
    }
    if (!callbacks.length) {
        return h(
            "main",
            { class: "screen", key: "callbacks" },
            h(
                "div",
                { class: "empty" },
                h("h2", null, "No callback waits for an answer"),
                h("p", { class: "quiet" }, "A callback of any execution appears here when it begins to wait."),
            ),
        );
    }
    drawAfter(1_000);
    return h(
        "main",
        { class: "screen", key: "callbacks" },
        h(
            "h1",
            { class: "heading" },
            `${callbacks.length.toLocaleString("en")} ${callbacks.length === 1 ? "callback waits" : "callbacks wait"} for an answer`,
        ),
        h(
            "div",
            { class: "scroll", tabindex: 0, role: "region", "aria-label": "Callbacks" },
            callbacks.slice(0, MOST_SHOWN).map((each, index) => item(each, index === selected)),
            callbacks.length > MOST_SHOWN && h("p", { class: "quiet" }, "More are shown when these are answered."),
        ),
    );
}

/** @param {Callback} callback @param {boolean} isSelected */
function item(callback, isSelected) {
    const now = serverNow();
    const isOpen = state.address.query.get("callback") === callback.callback_id;
    return h(
        "article",
        { class: `callback${isSelected ? " selected" : ""}`, key: callback.callback_id },
        h(
            "div",
            { class: "callback-head" },
            h("b", null, callback.path.map(visible).join(" / ")),
            h(
                "span",
                null,
                "of ",
                h(
                    "a",
                    { href: executionAddress(callback.durable_execution_arn) },
                    visible(callback.durable_execution_name),
                ),
                ` (${visible(callback.function_name)})`,
            ),
            h(
                "span",
                { class: "quiet", title: utc(callback.start_timestamp) },
                `since ${time(callback.start_timestamp, now)}`,
            ),
            h(
                "span",
                { class: callback.until ? "open" : "quiet", title: utc(callback.until) },
                callback.until ? left(Date.parse(callback.until) - now) : "no limit",
            ),
            !state.canAct
                ? copyButton(callback.callback_id, "Copy id")
                : h(
                      "button",
                      {
                          "aria-expanded": String(isOpen),
                          onclick: () => goWith({ callback: isOpen ? "" : callback.callback_id }, { replace: true }),
                      },
                      isOpen ? "Close" : "Answer",
                  ),
        ),
        about(callback.about),
        isOpen &&
            state.canAct &&
            answerForm({ callback_id: callback.callback_id, until: callback.until, now, reference: callback.callback }),
    );
}

/** Shows what the submitter of the callback returned: a question with the data that it is about, or any value. @param {any} value */
function about(value) {
    if (value === null || value === undefined) {
        return null;
    }
    const isQuestion = typeof value === "object" && typeof value.question === "string";
    const data = isQuestion ? value.about : value;
    return h(
        "div",
        { class: "callback-about" },
        isQuestion && h("p", null, visible(value.question)),
        data !== null &&
            data !== undefined &&
            (typeof data === "string"
                ? h("p", null, visible(data))
                : h("pre", null, visible(JSON.stringify(data, null, 2)))),
    );
}
