// Sends the drafts of forms, and shows the commands that send the same from a program.

import { forgetDraft } from "./answer_draft.js";
import { Refusal } from "./api.js";
import { requestDraw } from "./draw.js";
import { copyButton } from "./payloads.js";
import { h } from "./render.js";
import { state } from "./state.js";

/** @import { Draft } from "./answer_draft.js" */

/** Sends a draft, and keeps it with the mistakes if the server refuses it. @param {Draft} draft @param {() => Promise<unknown>} request @param {string} done */
export async function sendDraft(draft, request, done) {
    draft.refused = [];
    try {
        await request();
        forgetDraft(draft.id);
        state.notice = { text: done, isBad: false };
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

/** Quotes data as a word of a shell. @param {string} data */
export function shellWord(data) {
    return `'${data.trim().replaceAll("'", "'\\''")}'`;
}

/** The commands, closed at first. @param {string[]} lines */
export function fromAProgram(lines) {
    return h(
        "details",
        null,
        h("summary", null, "From a program"),
        lines.map((line, index) =>
            h(
                "div",
                { class: "command", key: index },
                h("pre", { class: "code", tabindex: 0 }, line),
                copyButton(line),
            ),
        ),
    );
}
