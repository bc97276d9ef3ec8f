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
    } catch (error) {
        const message = error instanceof Error ? error.message : String(error);
        if (!text.trim()) {
            return "It is empty; null is the JSON of nothing.";
        }
        const position = /at position (\d+)/.exec(message)?.[1];
        const reason = message.replace(/^JSON\.parse: /, "").replace(/ (in JSON )?at (position|line) .*$/, "").replace(/, (\.\.\.)?"[\s\S]*is not valid JSON$/, "");
        const before = text.slice(0, position === undefined ? text.length : Number(position)).split("\n");
        return `Line ${before.length}, column ${(before.at(-1) ?? "").length + 1}: ${reason}`;
    }
}
