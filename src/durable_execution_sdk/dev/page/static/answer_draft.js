// The answers of callbacks that were begun and not sent, each as a form, as JSON, or as both.

import { callbackPath, get } from "./api.js";
import { requestDraw } from "./draw.js";
import { findMistake, indented } from "./json_text.js";
import { readJson } from "./json_tree.js";
import { kindOf, resolved } from "./schema.js";
import { emptyNode, nodeOf, written } from "./schema_tree.js";

/** @import { Mistake } from "./api.js" */
/** @import { Schema } from "./schema.js" */
/** @import { FormNode } from "./schema_tree.js" */

/** The answer of one callback. */
export class Draft {
    /** @param {string} id */
    constructor(id) {
        this.id = id;
        this.data = "null";
        this.type = "";
        this.message = "";
        /** @type {"form" | "json"} */
        this.mode = "json";
        /** @type {Schema | null} */
        this.schema = null;
        this.awaitedType = "";
        /** @type {FormNode | null} */
        this.node = null;
        /** What the server refused of the answer. @type {Mistake[]} */
        this.refused = [];
        this.isTried = false;
        this.isTyped = false;
        /** The type that was asked about. @type {string | null | undefined} */
        this.asked = undefined;
    }

    /** Reads the schema, and once more when a type is told later. @param {string | null} type */
    async read(type) {
        if (this.asked === type || (this.asked !== undefined && this.awaitedType)) {
            return;
        }
        this.asked = type;
        const answer = await get(callbackPath(this.id)).catch(() => null);
        this.awaitedType = answer?.awaited_type ?? "";
        this.schema = answer?.schema ?? null;
        if (this.schema && !this.node && kindOf(resolved(this.schema, this.schema)) !== "json") {
            this.node = emptyNode(this.schema, this.schema);
            if (!this.isTyped) {
                this.mode = "form";
            }
        }
        requestDraw();
    }

    /** The schema to which the form's references refer. @returns {Schema} */
    get root() {
        return this.schema ?? {};
    }

    /** The answer as JSON. */
    get text() {
        return this.mode === "form" && this.node ? indented(written(this.node)) : this.data;
    }

    /** Goes from the form to JSON, or back; false if the JSON is none. @param {"form" | "json"} mode */
    show(mode) {
        if (mode === this.mode || !this.schema) {
            return;
        }
        if (mode === "json") {
            this.data = this.text;
        } else {
            const value = readJson(this.data);
            if (value === undefined) {
                return;
            }
            this.node = nodeOf(this.schema, value, this.schema);
        }
        this.isTried = false;
        this.mode = mode;
        requestDraw();
    }

    /** @param {string} text */
    write(text) {
        this.data = text;
        this.isTyped = true;
        this.refused = [];
        requestDraw();
    }

    /** The mistake of the JSON; null in a form, which shows its own. */
    get mistake() {
        return this.mode === "json" ? findMistake(this.data) : null;
    }
}

/** @type {Map<string, Draft>} */
const drafts = new Map();

/** @param {string} id */
export function draftOf(id) {
    const draft = drafts.get(id) ?? new Draft(id);
    drafts.set(id, draft);
    return draft;
}

/** @param {string} id */
export function forgetDraft(id) {
    drafts.delete(id);
}
