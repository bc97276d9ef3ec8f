// One dialog with a form: its fields, what it does, and what was refused.

import { requestDraw } from "./draw.js";
import { visible } from "./format.js";
import { findMistake } from "./json_text.js";
import { h } from "./render.js";

/** Characters of a recent value in its choice. */
const MOST_CHARACTERS = 80;

/**
 * @typedef {{name: string, label: string, kind: "json" | "text" | "choice" | "number", value?: string, options?: [string, string][], hint?: string, isOptional?: boolean, list?: string[], recent?: string[], isFor?: (values: Values) => boolean}} Field
 * @typedef {Record<string, string>} Values
 * @typedef {{title: string, text?: string, fields: Field[], verb: string, isDanger?: boolean, run: (values: Values) => Promise<unknown>}} Form
 */

/** @type {{form: Form, values: Values, refusal: string, isBusy: boolean} | null} */
let open = null;
let opened = 0;

/** @param {Form} form */
export function openDialog(form) {
    const values = Object.fromEntries(
        form.fields.map((field) => [field.name, field.value ?? field.options?.[0]?.[0] ?? ""]),
    );
    open = { form, values, refusal: "", isBusy: false };
    opened += 1;
    requestDraw();
}

export function closeDialog() {
    open = null;
    requestDraw();
}

export function dialog() {
    if (!open) {
        return null;
    }
    const { form, values, refusal, isBusy } = open;
    const isRight = form.fields.every(
        (field) => field.isFor?.(values) === false || mistakeOf(field, values[field.name] ?? "") === null,
    );
    return h(
        "dialog",
        {
            key: `dialog ${opened}`,
            "aria-labelledby": "dialog-title",
            // It has to be in the document first.
            ref: (/** @type {HTMLDialogElement} */ element) => queueMicrotask(() => show(element)),
            onclose: closeDialog,
        },
        h(
            "form",
            { onsubmit: submit },
            h("h2", { id: "dialog-title" }, form.title),
            form.text && h("p", null, form.text),
            form.fields.filter((field) => field.isFor?.(values) !== false).map((field) => fieldRow(field, values)),
            refusal && h("p", { class: "bad refusal", role: "alert" }, refusal),
            h(
                "div",
                { class: "buttons" },
                h("button", { type: "button", onclick: closeDialog }, "Cancel"),
                h(
                    "button",
                    { type: "submit", class: form.isDanger ? "danger" : "primary", disabled: isBusy || !isRight },
                    form.verb,
                ),
            ),
        ),
    );
}

/** @param {HTMLDialogElement} element */
function show(element) {
    element.showModal();
    // A long value is read from its beginning.
    if (document.activeElement instanceof HTMLTextAreaElement) {
        document.activeElement.setSelectionRange(0, 0);
        document.activeElement.scrollTop = 0;
    }
}

/** @param {Event} event */
async function submit(event) {
    event.preventDefault();
    const shown = open;
    if (!shown || shown.isBusy) {
        return;
    }
    shown.isBusy = true;
    shown.refusal = "";
    requestDraw();
    try {
        await shown.form.run(shown.values);
        if (open === shown) {
            closeDialog();
        }
    } catch (error) {
        shown.isBusy = false;
        shown.refusal = error instanceof Error ? error.message : String(error);
        requestDraw();
    }
}

/** @param {Field} field @param {string} value @returns {string | null} */
function mistakeOf(field, value) {
    if (field.isOptional && !value.trim()) {
        return null;
    }
    return field.kind === "json" ? findMistake(value) : null;
}

/** Offers the values that were given before. @param {Field} field @param {string} value @param {(event: Event) => void} change */
function recentChoice(field, value, change) {
    const recent = field.recent ?? [];
    const options = recent.includes(value) ? recent : [value, ...recent];
    return h(
        "select",
        { key: "recent", "aria-label": `Recent values of ${field.label}`, ".value": value, onchange: change },
        options.map((each) => h("option", { key: each, value: each }, shortened(each))),
    );
}

/** @param {string} text */
function shortened(text) {
    const line = visible(text.replace(/\s+/g, " "));
    return line.length > MOST_CHARACTERS ? `${line.slice(0, MOST_CHARACTERS)}…` : line;
}

/** @param {Field} field @param {Values} values */
function fieldRow(field, values) {
    const id = `field-${field.name}`;
    const value = values[field.name] ?? "";
    const mistake = mistakeOf(field, value);
    /** @param {Event} event */
    const change = (event) => {
        values[field.name] = /** @type {HTMLInputElement} */ (event.target).value;
        requestDraw();
    };
    return h(
        "div",
        { class: "field", key: field.name },
        h("label", { for: id }, field.label),
        (field.recent?.length ?? 0) > 1 && recentChoice(field, value, change),
        field.kind === "choice"
            ? h(
                  "select",
                  { id, ".value": value, onchange: change },
                  (field.options ?? []).map(([each, text]) => h("option", { key: each, value: each }, text)),
              )
            : field.kind === "json"
              ? h("textarea", {
                    id,
                    rows: 6,
                    spellcheck: "false",
                    class: "code",
                    ".value": value,
                    oninput: change,
                    "aria-invalid": String(mistake !== null),
                    "aria-describedby": `${id}-hint`,
                })
              : h("input", {
                    id,
                    type: field.kind === "number" ? "number" : "text",
                    ".value": value,
                    oninput: change,
                    autocomplete: "off",
                    list: field.list ? `${id}-list` : null,
                }),
        field.list &&
            h(
                "datalist",
                { id: `${id}-list` },
                field.list.map((each) => h("option", { key: each, value: each })),
            ),
        h(
            "small",
            { id: `${id}-hint`, class: mistake ? "bad" : "quiet", role: mistake ? "status" : null },
            mistake ?? field.hint ?? "",
        ),
    );
}
