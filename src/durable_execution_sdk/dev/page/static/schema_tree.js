// What was put into a form, as a tree beside that of the schema.

import { findMistake, indented } from "./json_text.js";
import { JsonNumber, writeJson } from "./json_tree.js";
import { fits, fixedText, furtherSchema, kindOf, optionName, options, requiredNames, resolved } from "./schema.js";

/** @import { JsonValue } from "./json_tree.js" */
/** @import { Kind, Schema } from "./schema.js" */

/**
 * `text` is what was typed, or JSON. A member without a node is left out; one that is `further` has no schema of its
 * own and can be removed.
 * @typedef {{kind: Kind, schema: Schema, text: string, isTouched: boolean, members: Member[], chosen: number, inner: FormNode | null}} FormNode
 * @typedef {{id: number, name: string, schema: Schema, node: FormNode | null, isRequired: boolean, isFurther: boolean}} Member
 */

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const WHOLE = /^-?(?:0|[1-9]\d*)$/;
const DEEP = 3;
const TOO_DEEP = 12;

let ids = 0;

/** @param {Kind} kind @param {Schema} schema @param {Partial<FormNode>} more @returns {FormNode} */
function made(kind, schema, more) {
    return { kind, schema, text: "", isTouched: false, members: [], chosen: 0, inner: null, ...more };
}

/** @param {Partial<Member> & {schema: Schema}} more @returns {Member} */
function member(more) {
    ids += 1;
    return { id: ids, name: "", node: null, isRequired: false, isFurther: false, ...more };
}

/** Makes the form of a value that is yet to be given. @param {Schema} schema @param {Schema} root @param {number} [depth] @returns {FormNode} */
export function emptyNode(schema, root, depth = 0) {
    const found = resolved(schema, root);
    const kind = depth > TOO_DEEP ? "json" : kindOf(found);
    switch (kind) {
        case "fixed":
            return made(kind, found, { text: fixedText(found) });
        case "object": {
            const required = requiredNames(found);
            const members = Object.entries(found.properties ?? {}).map(([name, each]) => {
                const isRequired = required.has(name) || kindOf(resolved(each, root)) === "fixed";
                const node = isRequired ? emptyNode(each, root, depth + 1) : null;
                return member({ name, schema: each, node, isRequired });
            });
            return made(kind, found, { members });
        }
        case "list": {
            const members = (found.prefixItems ?? [])
                .slice(0, found.minItems ?? found.prefixItems?.length)
                .map((each) => member({ schema: each, node: emptyNode(each, root, depth + 1), isRequired: true }));
            return made(kind, found, { members });
        }
        case "union": {
            const all = options(found);
            const simple = all.findIndex((each) => kindOf(resolved(each, root)) !== "object");
            const chosen = depth > DEEP && simple >= 0 ? simple : 0;
            return made(kind, found, { chosen, inner: emptyNode(all[chosen] ?? {}, root, depth + 1) });
        }
        default:
            return made(kind, found, { text: kind === "json" ? "null" : "" });
    }
}

/** Makes the form of a value; a part that does not fit the schema is JSON. @param {Schema} schema @param {JsonValue} value @param {Schema} root @returns {FormNode} */
export function nodeOf(schema, value, root) {
    const found = resolved(schema, root);
    const kind = kindOf(found);
    if (kind === "union") {
        const all = options(found);
        const chosen = all.findIndex((each) => fits(each, value, root));
        if (chosen >= 0) {
            return made(kind, found, { chosen, inner: nodeOf(all[chosen] ?? {}, value, root) });
        }
    } else if (kind === "object" && value instanceof Map) {
        return made(kind, found, { members: membersOf(found, value, root) });
    } else if (kind === "list" && Array.isArray(value)) {
        return made(kind, found, { members: value.map((each, index) => item(found, index, nodeOf, each, root)) });
    } else if (kind === "text" && typeof value === "string") {
        return made(kind, found, { text: value });
    } else if (kind === "number" && value instanceof JsonNumber) {
        return made(kind, found, { text: value.text });
    } else if ((kind === "boolean" || kind === "choice" || kind === "fixed") && fits(found, value, root)) {
        return made(kind, found, { text: writeJson(value) });
    }
    return made("json", found, { text: indented(writeJson(value)) });
}

/** @param {Schema} schema @param {Map<string, JsonValue>} value @param {Schema} root */
function membersOf(schema, value, root) {
    const required = requiredNames(schema);
    const named = Object.entries(schema.properties ?? {}).map(([name, each]) => {
        const given = value.get(name);
        return member({
            name,
            schema: each,
            node: given === undefined ? null : nodeOf(each, given, root),
            isRequired: required.has(name),
        });
    });
    const further = furtherSchema(schema) ?? {};
    const known = new Set(named.map((each) => each.name));
    for (const [name, each] of value) {
        if (!known.has(name)) {
            named.push(member({ name, schema: further, node: nodeOf(further, each, root), isFurther: true }));
        }
    }
    return named;
}

/**
 * @param {Schema} schema @param {number} index @param {(schema: Schema, value: any, root: Schema) => FormNode} make
 * @param {JsonValue | undefined} value @param {Schema} root
 */
function item(schema, index, make, value, root) {
    const of = schema.prefixItems?.[index] ?? (typeof schema.items === "object" ? schema.items : {});
    const isRequired = index < (schema.prefixItems ? (schema.minItems ?? 0) : 0);
    return member({ schema: of, node: make(of, value, root), isRequired, isFurther: !isRequired });
}

/** Adds an item to a list, or a member to a mapping. @param {FormNode} node @param {Schema} root */
export function addMember(node, root) {
    if (node.kind === "list") {
        node.members.push(item(node.schema, node.members.length, (of) => emptyNode(of, root), undefined, root));
    } else {
        const of = furtherSchema(node.schema) ?? {};
        node.members.push(member({ schema: of, node: emptyNode(of, root), isFurther: true }));
    }
}

/** True if more items or members can be added. @param {FormNode} node */
export function canGrow(node) {
    if (node.kind === "object") {
        return furtherSchema(node.schema) !== null;
    }
    return typeof node.schema.items === "object" || node.members.length < (node.schema.prefixItems?.length ?? 0);
}

/** Chooses another member of a union; what is typed stays where both can have it. @param {FormNode} node @param {number} chosen @param {Schema} root */
export function choose(node, chosen, root) {
    const before = node.inner;
    const of = options(node.schema)[chosen] ?? {};
    node.chosen = chosen;
    node.inner = emptyNode(of, root);
    if (before && before.kind === node.inner.kind && (before.kind === "text" || before.kind === "number")) {
        node.inner.text = before.text;
    }
}

/** Names the members of a union. @param {FormNode} node @param {Schema} root */
export function optionNames(node, root) {
    return options(node.schema).map((each) => optionName(each, root));
}

/** Writes what was put in as JSON; what is yet to be given is null. @param {FormNode} node @returns {string} */
export function written(node) {
    switch (node.kind) {
        case "text":
            return JSON.stringify(node.text);
        case "union":
            return node.inner ? written(node.inner) : "null";
        case "list":
            return `[${node.members.map((each) => (each.node ? written(each.node) : "null")).join(",")}]`;
        case "object": {
            const given = node.members.flatMap((each) => (each.node ? [[each.name, written(each.node)]] : []));
            return `{${given.map(([name, text]) => `${JSON.stringify(name)}:${text}`).join(",")}}`;
        }
        default:
            return node.text.trim() || "null";
    }
}

/** Says what is wrong with a field itself; "" if nothing is. @param {FormNode} node */
export function mistakeOf(node) {
    const text = node.text.trim();
    switch (node.kind) {
        case "number":
            if (node.schema.type === "integer") {
                return WHOLE.test(text) ? "" : "A whole number is expected";
            }
            return NUMBER.test(text) ? "" : "A number is expected, such as 1.5";
        case "boolean":
            return text ? "" : "Choose true or false";
        case "choice":
            return text ? "" : "Choose one";
        case "json":
            return findMistake(node.text) ?? "";
        case "text":
            return !text && node.schema.format ? "It is empty" : "";
        case "object":
            return repeated(node) ? "Two members have the same name" : "";
        default:
            return "";
    }
}

/** @param {FormNode} node */
function repeated(node) {
    const names = node.members.filter((each) => each.node).map((each) => each.name);
    return new Set(names).size < names.length;
}

/** True if a field or one within it is wrong. @param {FormNode} node @returns {boolean} */
export function isWrong(node) {
    return (
        mistakeOf(node) !== "" ||
        (node.inner !== null && isWrong(node.inner)) ||
        node.members.some((each) => each.node !== null && isWrong(each.node))
    );
}
