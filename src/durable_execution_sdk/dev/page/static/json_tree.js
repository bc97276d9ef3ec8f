// JSON as a tree that keeps numbers as they were written and members in their order, which JSON.parse does not.

import { findMistake } from "./json_text.js";

/** A number, by its text: 12345678901234567890 is not one of JavaScript's. */
export class JsonNumber {
    /** @param {string} text */
    constructor(text) {
        this.text = text;
    }
}

/** @typedef {null | boolean | string | JsonNumber | any[] | Map<string, any>} JsonValue */

/** Reads JSON; undefined for other text. @param {string} text @returns {JsonValue | undefined} */
export function readJson(text) {
    if (findMistake(text) !== null) {
        return undefined;
    }
    /** @type {JsonValue[]} */
    const root = [];
    /** The containers that are open. @type {(JsonValue[] | Map<string, JsonValue>)[]} */
    const open = [root];
    /** @type {(string | null)[]} */
    const names = [null];
    for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}]|[^\s[\]{},:"]+/g)) {
        const container = open.at(-1) ?? root;
        if (token === "]" || token === "}") {
            open.pop();
            names.pop();
        } else if (container instanceof Map && names.at(-1) === null) {
            names[names.length - 1] = JSON.parse(token);
        } else {
            const value = token === "[" ? [] : token === "{" ? new Map() : scalar(token);
            if (container instanceof Map) {
                container.set(names.at(-1) ?? "", value);
                names[names.length - 1] = null;
            } else {
                container.push(value);
            }
            if (Array.isArray(value) || value instanceof Map) {
                open.push(value);
                names.push(null);
            }
        }
    }
    return root[0];
}

/** @param {string} token @returns {JsonValue} */
function scalar(token) {
    return /^[-\d]/.test(token) ? new JsonNumber(token) : JSON.parse(token);
}

/** Writes a tree. @param {JsonValue} value @returns {string} */
export function writeJson(value) {
    if (value instanceof JsonNumber) {
        return value.text;
    }
    if (Array.isArray(value)) {
        return `[${value.map(writeJson).join(",")}]`;
    }
    if (value instanceof Map) {
        return `{${[...value].map(([name, each]) => `${JSON.stringify(name)}:${writeJson(each)}`).join(",")}}`;
    }
    return JSON.stringify(value);
}
