// JSON schemas as the form reads them: what kind of field a value of a schema has.

import { JsonNumber, writeJson } from "./json_tree.js";

/** @import { JsonValue } from "./json_tree.js" */

/**
 * @typedef {{$ref?: string, $defs?: Record<string, Schema>, title?: string, description?: string, type?: string | string[], format?: string, enum?: unknown[], const?: unknown, properties?: Record<string, Schema>, required?: string[], additionalProperties?: Schema | boolean, items?: Schema | boolean, prefixItems?: Schema[], minItems?: number, anyOf?: Schema[], oneOf?: Schema[], allOf?: Schema[], default?: unknown}} Schema
 * @typedef {"text" | "number" | "boolean" | "choice" | "fixed" | "object" | "list" | "union" | "json"} Kind
 */

const REFERENCE = "#/$defs/";
const MOST_REFERENCES = 20;
const CONDITIONS = ["not", "if", "dependentRequired", "dependentSchemas", "patternProperties"];
const WORDS = /** @type {Record<string, string>} */ ({
    string: "text",
    integer: "whole number",
    number: "number",
    boolean: "true or false",
    array: "list",
    object: "object",
});

/** Follows references, and takes in the only member of a union or an allOf. @param {Schema} schema @param {Schema} root @returns {Schema} */
export function resolved(schema, root) {
    let found = schema;
    for (let count = 0; count < MOST_REFERENCES; count += 1) {
        const { $ref, anyOf, oneOf, ...rest } = found;
        const union = anyOf ?? oneOf;
        if ($ref) {
            found = { ...(root.$defs?.[$ref.slice(REFERENCE.length)] ?? {}), ...rest };
        } else if (union?.length === 1 && union[0]) {
            found = { ...union[0], ...rest };
        } else {
            return found;
        }
    }
    return {};
}

/** @param {Schema} schema a resolved one @returns {Kind} */
export function kindOf(schema) {
    if (CONDITIONS.some((each) => each in schema) || (schema.allOf && !schema.properties)) {
        return "json";
    }
    if (schema.anyOf || schema.oneOf || Array.isArray(schema.type)) {
        return "union";
    }
    if ("const" in schema || schema.type === "null") {
        return "fixed";
    }
    if (schema.enum) {
        return schema.enum.length === 1 ? "fixed" : "choice";
    }
    switch (schema.type) {
        case "string":
            return "text";
        case "integer":
        case "number":
            return "number";
        case "boolean":
            return "boolean";
        case "object":
            return schema.properties || schema.additionalProperties ? "object" : "json";
        case "array":
            return schema.prefixItems || typeof schema.items === "object" ? "list" : "json";
        default:
            return "json";
    }
}

/** The JSON of the only value that a schema allows. @param {Schema} schema */
export function fixedText(schema) {
    return JSON.stringify("const" in schema ? schema.const : schema.type === "null" ? null : schema.enum?.[0]);
}

/** The schemas of the members of a union. @param {Schema} schema @returns {Schema[]} */
export function options(schema) {
    const { anyOf, oneOf, type, ...rest } = schema;
    return anyOf ?? oneOf ?? [type ?? []].flat().map((each) => ({ ...rest, type: each }));
}

/** The names of members that have to be given. @param {Schema} schema @returns {Set<string>} */
export function requiredNames(schema) {
    // A name in place of an alias will do, too; the form writes the alias.
    const aliases = (schema.allOf ?? []).flatMap((each) => each.anyOf?.[0]?.required ?? []);
    return new Set([...(schema.required ?? []), ...aliases]);
}

/** The schema of members that are not named; null if there are none. @param {Schema} schema @returns {Schema | null} */
export function furtherSchema(schema) {
    return typeof schema.additionalProperties === "object" ? schema.additionalProperties : null;
}

/** Names a member of a union. @param {Schema} schema @param {Schema} root @returns {string} */
export function optionName(schema, root) {
    const found = resolved(schema, root);
    const kind = kindOf(found);
    if (kind === "fixed") {
        return fixedText(found);
    }
    if (kind === "union") {
        return (
            found.title ??
            options(found)
                .map((each) => optionName(each, root))
                .join(" or ")
        );
    }
    if (kind === "choice") {
        return (found.enum ?? [])
            .slice(0, 3)
            .map((each) => JSON.stringify(each))
            .join(" or ");
    }
    const word = found.format ?? WORDS[String(found.type)] ?? "JSON";
    // pydantic has a title for each field, which is its name again.
    return kind === "object" || kind === "list" ? (found.title ?? word) : word;
}

/** True if a value seems to be meant as one of a schema. @param {Schema} schema @param {JsonValue} value @param {Schema} root @returns {boolean} */
export function fits(schema, value, root) {
    const found = resolved(schema, root);
    switch (kindOf(found)) {
        case "union":
            return options(found).some((each) => fits(each, value, root));
        case "fixed":
            return writeJson(value) === fixedText(found);
        case "choice":
            return (found.enum ?? []).some((each) => JSON.stringify(each) === writeJson(value));
        case "text":
            return typeof value === "string";
        case "number":
            return value instanceof JsonNumber && (found.type === "number" || /^-?\d+$/.test(value.text));
        case "boolean":
            return typeof value === "boolean";
        case "list":
            return Array.isArray(value);
        case "object":
            return value instanceof Map && hasMembers(found, value, root);
        default:
            return !found.type || (found.type === "object" ? value instanceof Map : Array.isArray(value));
    }
}

/** @param {Schema} schema @param {Map<string, JsonValue>} value @param {Schema} root */
function hasMembers(schema, value, root) {
    const properties = schema.properties ?? {};
    for (const [name, each] of Object.entries(properties)) {
        const given = value.get(name);
        const found = resolved(each, root);
        if (given !== undefined && kindOf(found) === "fixed" && writeJson(given) !== fixedText(found)) {
            return false; // The tag of another class.
        }
    }
    const isClosed = schema.additionalProperties === false;
    return (
        [...requiredNames(schema)].every((name) => value.has(name)) &&
        (!isClosed || [...value.keys()].every((name) => name in properties))
    );
}
