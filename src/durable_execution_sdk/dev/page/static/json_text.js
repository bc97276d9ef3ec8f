// JSON as text: numbers and members are shown as they were recorded, which reading and writing would not keep.

const INDENT = "  ";

/** Indents JSON; other text stays as it is. @param {string} text */
export function indented(text) {
    if (findMistake(text) !== null) {
        return text;
    }
    /** @type {string[]} */
    const parts = [];
    let depth = 0;
    for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+/g)) {
        const isClosing = token === "}" || token === "]";
        if (isClosing) {
            depth -= 1;
        }
        const last = parts.at(-1);
        const isEmpty = isClosing && (last === "{" || last === "[");
        if (last !== undefined && !isEmpty && (isClosing || last === "{" || last === "[" || last === ",")) {
            parts.push(`\n${INDENT.repeat(depth)}`);
        }
        parts.push(token === ":" ? ": " : token);
        if (token === "{" || token === "[") {
            depth += 1;
        }
    }
    return parts.join("");
}

/** Says where text is not JSON; null if it is. @param {string} text @returns {string | null} */
export function findMistake(text) {
    try {
        JSON.parse(text);
        return null;
    } catch {
        if (!text.trim()) {
            return "It is empty; null is the JSON of nothing.";
        }
        const { at, wanted } = scan(text);
        const before = text.slice(0, at).split("\n");
        const found =
            at < text.length ? `, not ${JSON.stringify(text.slice(at, at + 12).split("\n")[0])}` : ", but it ends here";
        return `Line ${before.length}, column ${(before.at(-1) ?? "").length + 1}: ${wanted} is expected${found}`;
    }
}

// biome-ignore-start lint/suspicious/noControlCharactersInRegex: JSON forbids them in strings
const SPACE = /[ \t\n\r]*/y;
const SCALAR =
    /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const NAME = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
// biome-ignore-end lint/suspicious/noControlCharactersInRegex: JSON forbids them in strings

/**
 * Finds the first place at which text is not JSON. The browsers' own messages often have no place. It needs no calls
 * within calls, so that deep values are no trouble.
 * @param {string} text @returns {{at: number, wanted: string}}
 */
function scan(text) {
    let at = 0;
    /** @type {("{" | "[")[]} */
    const open = [];
    /** @type {"value" | "name" | "end"} */
    let next = "value";
    let canClose = false;
    /** @param {RegExp} pattern */
    const take = (pattern) => {
        pattern.lastIndex = at;
        const length = pattern.exec(text)?.[0].length ?? 0;
        at += length;
        return length > 0;
    };
    for (;;) {
        take(SPACE);
        const sign = text[at];
        const inner = open.at(-1);
        const closing = inner === "{" ? "}" : "]";
        if (inner && sign === closing && (next === "end" || canClose)) {
            at += 1;
            open.pop();
            next = "end";
        } else if (next === "end") {
            if (!inner || sign !== ",") {
                return { at, wanted: inner ? `a comma or ${closing}` : "the end" };
            }
            at += 1;
            next = inner === "{" ? "name" : "value";
        } else if (next === "name") {
            if (!take(NAME)) {
                return { at, wanted: 'a name in "quotes"' };
            }
            take(SPACE);
            if (text[at] !== ":") {
                return { at, wanted: "a colon" };
            }
            at += 1;
            next = "value";
        } else if (sign === "{" || sign === "[") {
            at += 1;
            open.push(sign);
            next = sign === "{" ? "name" : "value";
            canClose = true;
            continue;
        } else if (take(SCALAR)) {
            next = "end";
        } else {
            return { at, wanted: "a value" };
        }
        canClose = false;
    }
}
