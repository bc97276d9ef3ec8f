// What is fetched when it is looked at: the newest answer, and the last one until that is there.

import { requestDraw } from "./draw.js";

const MOST_KEPT = 50;

/** @template T @typedef {{version: string, value: T | null, failure: string}} Latest */

/** @type {Map<string, Latest<any>>} */
const known = new Map();

/**
 * Returns the last answer, and asks anew when the version is another one.
 * @template T @param {string} key @param {string} version @param {() => Promise<T>} ask @returns {Latest<T>}
 */
export function latest(key, version, ask) {
    const last = known.get(key);
    if (last?.version === version) {
        return last;
    }
    /** @type {Latest<T>} */
    const entry = { version, value: last?.value ?? null, failure: "" };
    known.delete(key);
    known.set(key, entry);
    for (const old of [...known.keys()].slice(0, -MOST_KEPT)) {
        known.delete(old);
    }
    ask()
        .then((value) => {
            entry.value = value;
        })
        .catch((error) => {
            entry.failure = error instanceof Error ? error.message : String(error);
        })
        .finally(requestDraw);
    return entry;
}
