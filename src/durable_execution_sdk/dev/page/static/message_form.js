// The form that sends a message to an inbox of an execution.

import { draftOf, forgetDraft } from "./answer_draft.js";
import { asJson } from "./answer_form.js";
import { act, Refusal } from "./api.js";
import { requestDraw } from "./draw.js";
import { visible } from "./format.js";
import { nameOf } from "./functions.js";
import { copyButton } from "./payloads.js";
import { h } from "./render.js";
import { state } from "./state.js";

/** @import { Draft } from "./answer_draft.js" */

/** The inbox that the callback of a message belongs to, by its name: `inbox:orders:3`. @param {string | null} name */
export function inboxOf(name) {
    return (name ?? "").split(":").slice(1, -1).join(":");
}

/** @param {string} arn @param {string} inbox */
export function messageForm(arn, inbox) {
    if (!state.canAct) {
        return h("p", { key: `message ${inbox}` }, `It waits for a message in the inbox ${visible(inbox)}.`);
    }
    const draft = draftOf(`${arn} ${inbox}`);
    return h(
        "form",
        {
            class: "answer",
            key: `message ${inbox}`,
            onsubmit: (/** @type {Event} */ event) => {
                event.preventDefault();
                send(draft, arn, inbox, false);
            },
        },
        asJson(draft, null, `Message for the inbox ${visible(inbox)}, as JSON`),
        h(
            "div",
            { class: "buttons start" },
            h("button", { type: "submit", class: "primary", disabled: draft.mistake !== null }, "Send"),
            draft.refused.length > 0 &&
                h(
                    "button",
                    { type: "button", class: "danger", onclick: () => send(draft, arn, inbox, true) },
                    "Send anyway",
                ),
        ),
        h(
            "details",
            null,
            h("summary", null, "From a program"),
            commands(arn, inbox, draft.mistake ? "null" : draft.text),
        ),
    );
}

/** @param {Draft} draft @param {string} arn @param {string} inbox @param {boolean} anyway */
async function send(draft, arn, inbox, anyway) {
    draft.refused = [];
    try {
        await act(arn, "send", { inbox, message: draft.text, anyway });
        forgetDraft(draft.id);
        state.notice = { text: "Sent.", isBad: false };
    } catch (error) {
        if (error instanceof Refusal && error.mistakes.length > 0) {
            draft.refused = error.mistakes;
            state.notice = null;
        } else {
            state.notice = { text: error instanceof Error ? error.message : String(error), isBad: true };
        }
    }
    requestDraw();
}

/** @param {string} arn @param {string} inbox @param {string} data */
function commands(arn, inbox, data) {
    const quoted = `'${data.trim().replaceAll("'", "'\\''")}'`;
    const lines = [
        `durable send ${visible(nameOf(arn))} ${visible(inbox)} ${quoted}`,
        `await client.send(${JSON.stringify(arn)}, ${JSON.stringify(inbox)}, ${data.trim()})`,
    ];
    return lines.map((line, index) =>
        h("div", { class: "command", key: index }, h("pre", { class: "code", tabindex: 0 }, line), copyButton(line)),
    );
}
