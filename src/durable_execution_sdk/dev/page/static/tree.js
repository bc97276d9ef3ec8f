// The operations as the rows of a tree, with closed groups and filters.

import { requestDraw } from "./draw.js";
import { hasFailed, title, tone } from "./words.js";

/** @import { ExecutionModel } from "./execution_model.js" */
/** @import { Operation } from "./types.js" */

/** @typedef {{operation: Operation, depth: number, isGroup: boolean, isOpen: boolean, inside: number, failed: number}} TreeRow */

const MOST_OPEN_CHILDREN = 24;
const MOST_OPEN_OPERATIONS = 300;

/** The groups that were opened or closed by hand, by execution. @type {WeakMap<ExecutionModel, Map<string, boolean>>} */
const choices = new WeakMap();
/** Default of all groups of an execution; undefined opens small ones. @type {WeakMap<ExecutionModel, boolean>} */
const defaults = new WeakMap();
/** @type {{key: string, model: ExecutionModel | null, rows: TreeRow[]}} */
let last = { key: "", model: null, rows: [] };
let changes = 0;

/** @param {ExecutionModel} model @param {string} id @param {boolean} isOpen */
export function setOpen(model, id, isOpen) {
    const chosen = choices.get(model) ?? new Map();
    chosen.set(id, isOpen);
    choices.set(model, chosen);
    changes += 1;
    requestDraw();
}

/** @param {ExecutionModel} model @param {boolean} isOpen */
export function setAllOpen(model, isOpen) {
    choices.delete(model);
    defaults.set(model, isOpen);
    changes += 1;
    requestDraw();
}

/** Opens the groups above an operation. @param {ExecutionModel} model @param {string} id */
export function openAbove(model, id) {
    let parent = model.operations.get(id)?.parent_id;
    while (parent) {
        setOpen(model, parent, true);
        parent = model.operations.get(parent)?.parent_id;
    }
}

/** Returns the rows. @param {ExecutionModel} model @param {{find: string, failed: boolean}} filter @returns {TreeRow[]} */
export function treeRows(model, filter) {
    const key = `${model.version} ${changes} ${filter.failed} ${filter.find}`;
    if (last.key !== key || last.model !== model) {
        last = { key, model, rows: build(model, filter) };
    }
    return last.rows;
}

/** @param {ExecutionModel} model @param {{find: string, failed: boolean}} filter */
function build(model, { find, failed }) {
    const { operations } = model;
    /** @type {Map<string, Operation[]>} */
    const children = new Map();
    for (const operation of operations.values()) {
        // The execution itself is an operation of the service without a row of its own.
        const parent = operation.parent_id && operations.has(operation.parent_id) ? operation.parent_id : "";
        const siblings = children.get(parent);
        if (siblings) {
            siblings.push(operation);
        } else {
            children.set(parent, [operation]);
        }
    }
    const counts = count(operations);
    const shown = failed || find ? wanted(operations, find.toLowerCase(), failed) : null;
    const chosen = choices.get(model);
    /** @type {TreeRow[]} */
    const rows = [];
    // A stack of its own: contexts may be nested deeper than calls.
    const roots = children.get("") ?? [];
    const stack = roots.map((operation) => ({ operation, depth: 0 })).reverse();
    for (let next = stack.pop(); next; next = stack.pop()) {
        const { operation, depth } = next;
        if (shown && !shown.has(operation.id)) {
            continue;
        }
        const below = children.get(operation.id) ?? [];
        const isSmall =
            below.length === 1 ||
            (depth === 0
                ? roots.length <= MOST_OPEN_CHILDREN
                : below.length <= MOST_OPEN_CHILDREN && operations.size <= MOST_OPEN_OPERATIONS);
        const isOpen = shown !== null || (chosen?.get(operation.id) ?? defaults.get(model) ?? isSmall);
        const own = counts.get(operation.id) ?? { inside: 0, failed: 0 };
        rows.push({ operation, depth, isGroup: below.length > 0, isOpen, ...own });
        if (isOpen) {
            for (let index = below.length - 1; index >= 0; index--) {
                stack.push({ operation: /** @type {Operation} */ (below[index]), depth: depth + 1 });
            }
        }
    }
    return rows;
}

/** Counts what is inside each group: children come after their parents. @param {Map<string, Operation>} operations */
function count(operations) {
    /** @type {Map<string, {inside: number, failed: number}>} */
    const counts = new Map();
    for (const operation of [...operations.values()].reverse()) {
        const own = counts.get(operation.id) ?? { inside: 0, failed: 0 };
        if (operation.parent_id) {
            const above = counts.get(operation.parent_id) ?? { inside: 0, failed: 0 };
            above.inside += 1 + own.inside;
            above.failed += own.failed + (tone(operation.status) === "bad" && own.inside === 0 ? 1 : 0);
            counts.set(operation.parent_id, above);
        }
    }
    return counts;
}

/** @param {Map<string, Operation>} operations @param {string} find @param {boolean} failed */
function wanted(operations, find, failed) {
    /** @type {Set<string>} */
    const ids = new Set();
    for (const operation of operations.values()) {
        if ((!failed || hasFailed(operation)) && (!find || title(operation).toLowerCase().includes(find))) {
            /** @type {Operation | undefined} */
            let each = operation;
            while (each && !ids.has(each.id)) {
                ids.add(each.id);
                each = each.parent_id ? operations.get(each.parent_id) : undefined;
            }
        }
    }
    return ids;
}
