// The form that sends a message to an inbox of an execution.

import { draftOf } from "./answer_draft.js";
import { asJson } from "./answer_form.js";
import { act } from "./api.js";
import { fromAProgram, sendDraft, shellWord } from "./draft_sending.js";
import { visible } from "./format.js";
import { nameOf } from "./functions.js";
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
        fromAProgram(commands(arn, inbox, draft.mistake ? "null" : draft.text)),
    );
}

/** @param {Draft} draft @param {string} arn @param {string} inbox @param {boolean} anyway */
function send(draft, arn, inbox, anyway) {
    return sendDraft(draft, () => act(arn, "send", { inbox, message: draft.text, anyway }), "Sent.");
}

/** @param {string} arn @param {string} inbox @param {string} data */
function commands(arn, inbox, data) {
    return [
        `durable send ${visible(nameOf(arn))} ${visible(inbox)} ${shellWord(data)}`,
        `await client.send(${JSON.stringify(arn)}, ${JSON.stringify(inbox)}, ${data.trim()})`,
    ];
}
