// The form that answers a callback.

import { draftOf, forgetDraft } from "./answer_draft.js";
import { answer, succeed } from "./api.js";
import { fromAProgram, sendDraft, shellWord } from "./draft_sending.js";
import { drawAfter, requestDraw } from "./draw.js";
import { left, visible } from "./format.js";
import { copyButton } from "./payloads.js";
import { h } from "./render.js";
import { schemaForm } from "./schema_form.js";
import { isWrong } from "./schema_tree.js";
import { state } from "./state.js";

/** @import { Draft } from "./answer_draft.js" */

const WRONG = ':is(input, select, textarea)[aria-invalid="true"], [role="radiogroup"][aria-invalid="true"] input';

/**
 * @param {{callback_id: string, until: string | null, now: number, awaited_type?: string | null, reference?: string}} callback
 */
export function answerForm({ callback_id: id, until, now, awaited_type: type, reference }) {
    if (!state.canAct) {
        return h("p", { key: `callback ${id}` }, "It waits for an answer. ", copyButton(id, "Copy the callback's id"));
    }
    const draft = draftOf(id);
    draft.read(type ?? null);
    if (until) {
        drawAfter(1_000);
    }
    const limit = until && h("span", { class: "quiet" }, ` · ${left(Date.parse(until) - now)}`);
    return h(
        "form",
        {
            class: "answer",
            key: `answer ${id}`,
            onsubmit: (/** @type {Event} */ event) => {
                event.preventDefault();
                send(draft, false, /** @type {HTMLFormElement} */ (event.currentTarget));
            },
        },
        draft.node && modes(draft, limit),
        draft.mode === "form" ? asForm(draft) : asJson(draft, draft.node ? null : limit),
        h(
            "div",
            { class: "buttons start" },
            h("button", { type: "submit", class: "primary", disabled: draft.mistake !== null }, "Succeed"),
            draft.refused.length > 0 &&
                h("button", { type: "button", class: "danger", onclick: () => send(draft, true) }, "Send anyway"),
            h("button", { type: "button", onclick: () => heartbeat(id) }, "Heartbeat"),
        ),
        draft.refused.length > 0 &&
            h("small", { class: "quiet" }, "Nothing was sent. The type is that of the code which made the callback."),
        failure(draft),
        fromAProgram(commands(id, reference, draft.mistake ? "null" : draft.text)),
    );
}

/** Sends the answer. @param {Draft} draft @param {boolean} anyway @param {HTMLFormElement} [form] */
async function send(draft, anyway, form) {
    if (!anyway && draft.mode === "form" && draft.node && isWrong(draft.node)) {
        draft.isTried = true;
        requestDraw();
        // After that draw.
        requestAnimationFrame(() => /** @type {HTMLElement | null} */ (form?.querySelector(WRONG))?.focus());
        return;
    }
    await sendDraft(draft, () => succeed(draft.id, draft.text, anyway), "Answered.");
}

/** @param {string} id */
function heartbeat(id) {
    state.perform("The heartbeat was sent.", () => answer(id, "heartbeat", ""));
}

/** @param {Draft} draft @param {import("./render.js").Child} limit */
function modes(draft, limit) {
    return h(
        "div",
        { class: "schema-modes", key: "modes" },
        h("span", null, "Answer", limit),
        h(
            "div",
            { role: "group", "aria-label": "Answer as" },
            /** @type {const} */ ([
                ["form", "Form"],
                ["json", "JSON"],
            ]).map(([mode, text]) =>
                h(
                    "button",
                    {
                        key: mode,
                        type: "button",
                        "aria-pressed": String(draft.mode === mode),
                        disabled: mode === "form" && draft.mistake !== null,
                        onclick: () => draft.show(mode),
                    },
                    text,
                ),
            ),
        ),
    );
}

/** @param {Draft} draft */
function asForm(draft) {
    return draft.node && schemaForm(draft, draft.node);
}

/** @param {Draft} draft @param {import("./render.js").Child} limit @param {string} [label] */
export function asJson(draft, limit, label = "Answer as JSON") {
    const { mistake } = draft;
    const field = `answer-${draft.id}`;
    const refused = draft.refused.map(({ path, message }) => `${path.join(" / ") || "The answer"}: ${message}`);
    return h(
        "div",
        { class: "field", key: "json" },
        h(
            "label",
            { for: field },
            label,
            draft.awaitedType && h("span", { class: "quiet" }, ` (${visible(draft.awaitedType)})`),
            limit,
        ),
        h("textarea", {
            id: field,
            class: "code",
            rows: 4,
            spellcheck: "false",
            ".value": draft.data,
            oninput: (/** @type {Event} */ event) =>
                draft.write(/** @type {HTMLTextAreaElement} */ (event.target).value),
            "aria-invalid": String(mistake !== null || refused.length > 0),
            "aria-describedby": `${field}-mistake`,
        }),
        h(
            "small",
            { id: `${field}-mistake`, class: "bad", role: "status" },
            mistake ?? refused.map((each, index) => h("div", { key: index }, visible(each))),
        ),
    );
}

/** @param {Draft} draft */
function failure(draft) {
    const field = `answer-${draft.id}`;
    /** @param {"type" | "message"} name @returns {(event: Event) => void} */
    const keep = (name) => (event) => {
        draft[name] = /** @type {HTMLInputElement} */ (event.target).value;
        requestDraw();
    };
    const fail = async () => {
        const error = JSON.stringify({
            ...(draft.type && { ErrorType: draft.type }),
            ...(draft.message && { ErrorMessage: draft.message }),
        });
        if (await state.perform("Failed.", () => answer(draft.id, "fail", error))) {
            forgetDraft(draft.id);
        }
    };
    return h(
        "details",
        { key: "failure" },
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
        h("div", { class: "buttons start" }, h("button", { type: "button", class: "danger", onclick: fail }, "Fail")),
    );
}

/** @param {string} id @param {string | undefined} reference @param {string} data */
function commands(id, reference, data) {
    const quoted = shellWord(data);
    return [
        `durable callback succeed ${visible(reference ?? id)} --data ${quoted}`,
        `aws lambda send-durable-execution-callback-success --callback-id '${id}' --cli-binary-format raw-in-base64-out --result ${quoted}`,
        `client.send_durable_execution_callback_success(CallbackId=${JSON.stringify(id)}, Result=${JSON.stringify(data.trim())})`,
    ];
}
