// A form made from a JSON schema.

import { requestDraw } from "./draw.js";
import { visible } from "./format.js";
import { h } from "./render.js";
import { optionName } from "./schema.js";
import { addMember, canGrow, choose, emptyNode, mistakeOf, optionNames } from "./schema_tree.js";

/** @import { Child } from "./render.js" */
/** @import { Mistake } from "./api.js" */
/** @import { Schema } from "./schema.js" */
/** @import { FormNode, Member } from "./schema_tree.js" */

/** @typedef {(string | number)[]} Path */
/** A field's place in the value and in the page; one that `isWithin` a union has no label of its own. @typedef {{path: Path, id: string, name: string, isWithin?: boolean}} Place */
/** `isTried` shows mistakes of fields that were not touched. @typedef {{root: Schema, id: string, isTried: boolean, refused: Mistake[]}} Form */

const MOST_MEMBERS = 100;
const FIELDS = ["text", "number", "choice", "json", "union"];
const HINTS = /** @type {Record<string, string>} */ ({
    "date-time": "2030-01-31T12:00:00Z",
    time: "12:00:00",
    duration: "P1DT2H",
    byte: "base64",
});

/** @param {Form} form @param {FormNode} node */
export function schemaForm(form, node) {
    const name = visible(optionName(node.schema, form.root));
    return h(
        "div",
        { class: "schema-form", key: "schema form" },
        labelled(form, node, { path: [], id: form.id, name }, null),
    );
}

/**
 * A field below its label.
 * @param {Form} form @param {FormNode | null} node @param {Place} place @param {Member | null} member
 */
function labelled(form, node, place, member) {
    const { id, name } = place;
    const messages = messagesAt(form, node, place.path);
    const isOptional = member !== null && !member.isFurther && (!member.isRequired || !node);
    const kind = node?.kind ?? "";
    const isPlain = member === null || ["fixed", "choice", "boolean"].includes(kind);
    const hint = isPlain ? "" : optionName(member.schema, form.root);
    const isField = FIELDS.includes(kind);
    return h(
        "div",
        { class: "schema-member", key: member?.id ?? "root" },
        h(
            "div",
            { class: "schema-label" },
            isOptional && includeBox(form, member, name),
            h(isField ? "label" : "span", { id: `${id}-label`, for: isField ? id : null }, name),
            hint && h("small", { class: "quiet" }, visible(hint)),
            isOptional && !node && h("small", { class: "quiet" }, member.isRequired ? "missing" : "left out"),
        ),
        node?.schema.description && h("small", { class: "quiet" }, visible(node.schema.description)),
        node && control(form, node, place, messages.length > 0),
        h(
            "small",
            { class: "bad", id: `${id}-mistake`, role: "status" },
            messages.map((each, index) => h("div", { key: index }, each)),
        ),
    );
}

/** @param {Form} form @param {Member} member @param {string} name */
function includeBox(form, member, name) {
    return h("input", {
        type: "checkbox",
        "aria-label": `Give ${name}`,
        ".checked": member.node !== null,
        onchange: () => {
            member.node = member.node ? null : emptyNode(member.schema, form.root);
            changed(form);
        },
    });
}

/** A refusal is of what was sent, not of what is typed now. @param {Form} form */
function changed(form) {
    form.refused = [];
    requestDraw();
}

/** @param {Form} form @param {FormNode} node @param {Place} place @param {boolean} isWrong @returns {Child} */
function control(form, node, place, isWrong) {
    const { id } = place;
    const props = {
        id,
        "aria-label": place.isWithin ? place.name : null,
        "aria-invalid": String(isWrong),
        "aria-describedby": `${id}-mistake`,
        ".value": node.text,
        oninput: (/** @type {Event} */ event) => {
            node.text = /** @type {HTMLInputElement} */ (event.target).value;
            changed(form);
        },
        onblur: () => {
            node.isTouched = true;
            requestDraw();
        },
    };
    switch (node.kind) {
        case "text": {
            const { format } = node.schema;
            return format === "date" && /^(?:\d{4}-\d\d-\d\d)?$/.test(node.text)
                ? h("input", { ...props, type: "date" })
                : h("textarea", { ...props, rows: 1, placeholder: HINTS[format ?? ""] ?? null });
        }
        case "number":
            return h("input", { ...props, inputmode: "decimal", autocomplete: "off" });
        case "json":
            return h("textarea", { ...props, class: "code", rows: 3, spellcheck: "false" });
        case "choice":
            return h(
                "select",
                props,
                h("option", { key: "", value: "" }, "Choose…"),
                (node.schema.enum ?? []).map((each) => {
                    const text = JSON.stringify(each);
                    return h("option", { key: text, value: text }, visible(typeof each === "string" ? each : text));
                }),
            );
        case "fixed":
            return h("code", null, visible(node.text));
        case "boolean":
            return truth(form, node, place, isWrong);
        case "union":
            return union(form, node, place);
        default:
            return members(form, node, place);
    }
}

/** @param {Form} form @param {FormNode} node @param {Place} place @param {boolean} isWrong */
function truth(form, node, { id, name }, isWrong) {
    return h(
        "div",
        { class: "schema-truth", role: "radiogroup", "aria-label": name, "aria-invalid": String(isWrong) },
        ["true", "false"].map((each) =>
            h(
                "label",
                { key: each },
                h("input", {
                    type: "radio",
                    name: id,
                    ".checked": node.text === each,
                    onchange: () => {
                        node.text = each;
                        changed(form);
                    },
                }),
                ` ${each}`,
            ),
        ),
    );
}

/** @param {Form} form @param {FormNode} node @param {Place} place */
function union(form, node, place) {
    const { inner } = node;
    const names = optionNames(node, form.root);
    const within = {
        path: place.path,
        id: `${place.id}.of`,
        name: `${place.name}, ${names[node.chosen] ?? ""}`,
        isWithin: true,
    };
    return h(
        "div",
        { class: "schema-union" },
        h(
            "select",
            {
                id: place.id,
                "aria-label": place.isWithin ? place.name : null,
                ".value": String(node.chosen),
                onchange: (/** @type {Event} */ event) => {
                    choose(node, Number(/** @type {HTMLSelectElement} */ (event.target).value), form.root);
                    changed(form);
                },
            },
            names.map((each, index) => h("option", { key: index, value: index }, visible(each))),
        ),
        inner &&
            inner.kind !== "fixed" &&
            h(
                "div",
                { class: "schema-inner", key: node.chosen },
                control(form, inner, within, messagesAt(form, inner, place.path).length > 0),
            ),
    );
}

/** @param {Form} form @param {FormNode} node @param {Place} place */
function members(form, node, place) {
    const isList = node.kind === "list";
    const shown = node.members.slice(0, MOST_MEMBERS);
    return h(
        "div",
        { class: "schema-members", role: "group", "aria-label": place.name },
        shown.map((each, index) => {
            const step = isList ? index : each.name;
            const named = isList ? (each.schema.title ?? `Item ${index + 1}`) : visible(each.name);
            const inner = {
                path: [...place.path, step],
                id: `${place.id}.${each.id}`,
                name: named || "value",
            };
            return memberField(form, node, each, inner);
        }),
        node.members.length > shown.length &&
            h("small", { class: "quiet" }, `${node.members.length - shown.length} more are in the JSON.`),
        canGrow(node) &&
            h(
                "button",
                {
                    type: "button",
                    class: "schema-add",
                    onclick: () => {
                        addMember(node, form.root);
                        changed(form);
                    },
                },
                isList ? "Add an item" : "Add a member",
            ),
    );
}

/** @param {Form} form @param {FormNode} parent @param {Member} member @param {Place} place */
function memberField(form, parent, member, place) {
    const field = labelled(form, member.node, place, member);
    if (!member.isFurther) {
        return field;
    }
    return h(
        "div",
        { class: "schema-further", key: member.id },
        parent.kind === "object" &&
            h("input", {
                "aria-label": "Name of the member",
                placeholder: "name",
                autocomplete: "off",
                ".value": member.name,
                oninput: (/** @type {Event} */ event) => {
                    member.name = /** @type {HTMLInputElement} */ (event.target).value;
                    changed(form);
                },
            }),
        field,
        h(
            "button",
            {
                type: "button",
                class: "small",
                "aria-label": `Remove ${place.name}`,
                title: "Remove",
                onclick: () => {
                    parent.members.splice(parent.members.indexOf(member), 1);
                    changed(form);
                },
            },
            "×",
        ),
    );
}

/** What is wrong at a path, also within it where no field shows it. @param {Form} form @param {FormNode | null} node @param {Path} path */
function messagesAt(form, node, path) {
    const own = node && (node.isTouched || form.isTried) ? mistakeOf(innermost(node)) : "";
    const refused = form.refused
        .filter((each) => path.every((step, index) => each.path[index] === step))
        .filter((each) => !isShownWithin(node, each.path.slice(path.length)))
        .map(({ message, path: place }) => {
            const rest = place.slice(path.length);
            return rest.length ? `${rest.join(" / ")}: ${message}` : message.charAt(0).toUpperCase() + message.slice(1);
        });
    return [...(own ? [own] : []), ...refused].map((each) => visible(each));
}

/** The field that is shown at the place of a union. @param {FormNode} node @returns {FormNode} */
function innermost(node) {
    return node.inner ? innermost(node.inner) : node;
}

/** @param {FormNode | null} node @param {Path} rest */
function isShownWithin(node, rest) {
    const step = rest[0];
    const shown = node && innermost(node);
    if (!shown || step === undefined) {
        return false;
    }
    return shown.members
        .slice(0, MOST_MEMBERS)
        .some((each, index) => (shown.kind === "list" ? index : each.name) === step);
}
