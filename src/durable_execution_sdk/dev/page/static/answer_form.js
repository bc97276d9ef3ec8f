// The form that answers a callback.

import { answer } from "./api.js";
import { drawAfter, requestDraw } from "./draw.js";
import { left, visible } from "./format.js";
import { findMistake } from "./json_text.js";
import { copyButton } from "./payloads.js";
import { h } from "./render.js";
import { state } from "./state.js";

/** What was typed and not sent, by callback. @type {Map<string, {data: string, type: string, message: string}>} */
const drafts = new Map();

/**
 * @param {{callback_id: string, until: string | null, now: number, awaited_type?: string | null, reference?: string}} callback
 */
export function answerForm({ callback_id: id, until, now, awaited_type: type, reference }) {
    if (!state.canAct) {
        return h("p", { key: `callback ${id}` }, "It waits for an answer. ", copyButton(id, "Copy the callback's id"));
    }
    const draft = drafts.get(id) ?? { data: "null", type: "", message: "" };
    drafts.set(id, draft);
    const mistake = findMistake(draft.data);
    const field = `answer-${id}`;
    if (until) {
        drawAfter(1_000);
    }
    /** @param {"data" | "type" | "message"} name @returns {(event: Event) => void} */
    const keep = (name) => (event) => {
        draft[name] = /** @type {HTMLInputElement} */ (event.target).value;
        requestDraw();
    };
    /** @param {"succeed" | "fail" | "heartbeat"} how @param {string} body @param {string} done */
    const send = async (how, body, done) => {
        if ((await state.perform(done, () => answer(id, how, body))) && how !== "heartbeat") {
            drafts.delete(id);
        }
    };
    return h(
        "form",
        {
            class: "answer",
            key: `answer ${id}`,
            onsubmit: (/** @type {Event} */ event) => {
                event.preventDefault();
                send("succeed", draft.data, "Answered.");
            },
        },
        h(
            "label",
            { for: field },
            "Answer as JSON",
            type && h("span", { class: "quiet" }, ` (${visible(type)})`),
            until && h("span", { class: "quiet" }, ` · ${left(Date.parse(until) - now)}`),
        ),
        h("textarea", {
            id: field,
            class: "code",
            rows: 4,
            spellcheck: "false",
            ".value": draft.data,
            oninput: keep("data"),
            "aria-invalid": String(mistake !== null),
            "aria-describedby": `${field}-mistake`,
        }),
        h("small", { id: `${field}-mistake`, class: "bad", role: "status" }, mistake ?? ""),
        h(
            "div",
            { class: "buttons start" },
            h("button", { type: "submit", class: "primary", disabled: mistake !== null }, "Succeed"),
            h(
                "button",
                { type: "button", onclick: () => send("heartbeat", "", "The heartbeat was sent.") },
                "Heartbeat",
            ),
        ),
        h(
            "details",
            null,
            h("summary", null, "Fail it"),
            h("label", { for: `${field}-type` }, "Error type"),
            h("input", { id: `${field}-type`, ".value": draft.type, oninput: keep("type"), autocomplete: "off" }),
            h("label", { for: `${field}-message` }, "Message"),
            h("input", {
                id: `${field}-message`,
                ".value": draft.message,
                oninput: keep("message"),
                autocomplete: "off",
            }),
            h(
                "div",
                { class: "buttons start" },
                h(
                    "button",
                    {
                        type: "button",
                        class: "danger",
                        onclick: () =>
                            send(
                                "fail",
                                JSON.stringify({
                                    ...(draft.type && { ErrorType: draft.type }),
                                    ...(draft.message && { ErrorMessage: draft.message }),
                                }),
                                "Failed.",
                            ),
                    },
                    "Fail",
                ),
            ),
        ),
        h(
            "details",
            null,
            h("summary", null, "From a program"),
            commands(id, reference, mistake ? "null" : draft.data),
        ),
    );
}

/** @param {string} id @param {string | undefined} reference @param {string} data */
function commands(id, reference, data) {
    const quoted = `'${data.trim().replaceAll("'", "'\\''")}'`;
    const lines = [
        `durable callback succeed ${visible(reference ?? id)} --data ${quoted}`,
        `aws lambda send-durable-execution-callback-success --callback-id '${id}' --cli-binary-format raw-in-base64-out --result ${quoted}`,
        `client.send_durable_execution_callback_success(CallbackId=${JSON.stringify(id)}, Result=${JSON.stringify(data.trim())})`,
    ];
    return lines.map((line, index) =>
        h("div", { class: "command", key: index }, h("pre", { class: "code", tabindex: 0 }, line), copyButton(line)),
    );
}
