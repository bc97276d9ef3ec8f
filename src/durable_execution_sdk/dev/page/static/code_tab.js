// The source code that an execution ran: where each operation was called, and where the code waits now.

import { source } from "./api.js";
import { executionNow } from "./clock.js";
import { drawAfter, requestDraw } from "./draw.js";
import { visible } from "./format.js";
import { latest } from "./latest.js";
import { h } from "./render.js";
import { executionAddress, goWith } from "./router.js";
import { reveal, rows } from "./rows.js";
import { state } from "./state.js";
import { awaited, sign, title, tone } from "./words.js";

/** @import { ExecutionModel } from "./execution_model.js" */
/** @import { Child } from "./render.js" */
/** @import { Operation, SourceLine } from "./types.js" */

const ROW_HEIGHT = 20;
/** Lines that are seen before and after the one that is shown. */
const AROUND = 4;

/** @typedef {{file: string, text: string, is_kept: boolean}} Source */
/** @typedef {{calls: Operation[], waits: Operation[]}} Mark the operations that are called, and awaited now, at a line */

/** What was scrolled to last, by execution. @type {WeakMap<ExecutionModel, string>} */
const revealed = new WeakMap();
/** @type {WeakMap<ExecutionModel, {version: number, files: Map<string, Map<number, Mark>>}>} */
const known = new WeakMap();
/** @type {WeakMap<Source, string[]>} */
const divided = new WeakMap();

/** Links a line of code. @param {string} arn @param {SourceLine} line @param {string} [operation] */
export function codeLink(arn, line, operation) {
    const text = `${visible(line.file)}:${line.line}${line.function ? `, in ${visible(line.function)}` : ""}`;
    return h("a", { href: `${address(arn, line.file, operation)}&line=${line.line}` }, text);
}

/** @param {string} arn @param {string} file @param {string} [operation] */
function address(arn, file, operation) {
    const query = new URLSearchParams({ file, ...(operation && { operation }) });
    return `${executionAddress(arn, "code")}?${query}`;
}

/** @param {ExecutionModel} model */
export function codeTab(model) {
    const files = marksOf(model);
    if (!files.size) {
        return h("div", { class: "empty quiet", key: "code" }, none(model));
    }
    const { query } = state.address;
    const file = chosen(model, files);
    const version = `${model.invocations.size} ${model.document?.version}`;
    const { value, failure } = latest(
        `source ${model.arn} ${file}`,
        version,
        () => /** @type {Promise<Source>} */ (source(model.arn, file)),
    );
    const marks = files.get(file) ?? new Map();
    const line = Number(query.get("line")) || lineOf(marks, query.get("operation"));
    return h(
        "section",
        {
            class: "timeline",
            key: "code",
            ref: () => {
                revealed.delete(model);
                requestDraw();
            },
        },
        toolbar(files, file, value, waiting(marks)),
        failure && h("p", { class: "bad message", key: "failure" }, failure),
        value && text(model, file, value, marks, line),
        !value && !failure && h("div", { class: "empty quiet" }, "Reading…"),
    );
}

/** @param {ExecutionModel} model */
function none(model) {
    return model.operations.size
        ? "The lines of code are not known: the processes of Python functions tell them to durable dev, functions in other languages and on AWS tell none."
        : "No operation has begun.";
}

/** Returns the file to show: that of the address, or that in which the code waits. @param {ExecutionModel} model @param {Map<string, Map<number, Mark>>} files */
function chosen(model, files) {
    const { query } = state.address;
    const file = query.get("file");
    if (file && files.has(file)) {
        return file;
    }
    const place = model.places.get(query.get("operation") ?? "");
    if (place) {
        return place.file;
    }
    const waits = [...files].find(([, marks]) => [...marks.values()].some((mark) => mark.waits.length));
    return (waits ?? [...files][0])?.[0] ?? "";
}

/** @param {Map<number, Mark>} marks @param {string | null} operation */
function lineOf(marks, operation) {
    for (const [line, mark] of marks) {
        if (mark.calls.some((each) => each.id === operation)) {
            return line;
        }
    }
    return 0;
}

/** @param {Map<string, Map<number, Mark>>} files @param {string} file @param {Source | null} value @param {Child} waits */
function toolbar(files, file, value, waits) {
    return h(
        "div",
        { class: "toolbar" },
        h(
            "select",
            {
                "aria-label": "File",
                ".value": file,
                onchange: (/** @type {Event} */ event) =>
                    goWith({ file: /** @type {HTMLSelectElement} */ (event.target).value, line: "", operation: "" }),
            },
            [...files.keys()].map((each) => h("option", { value: each, key: each }, visible(each))),
        ),
        value && !value.is_kept && h("span", { class: "open" }, "the file as it is now; its lines may have moved"),
        waits,
    );
}

/** Links the line at which the code waits. @param {Map<number, Mark>} marks */
function waiting(marks) {
    const first = [...marks].find(([, mark]) => mark.waits.length);
    const [operation] = first?.[1].waits ?? [];
    return (
        first &&
        operation &&
        h(
            "button",
            { key: "waits", onclick: () => goWith({ line: String(first[0]), operation: "" }) },
            `It waits at line ${first[0]}, for ${title(operation)}`,
        )
    );
}

/** @param {ExecutionModel} model @param {string} file @param {Source} value @param {Map<number, Mark>} marks @param {number} line */
function text(model, file, value, marks, line) {
    let lines = divided.get(value);
    if (!lines) {
        lines = value.text.replace(/\r?\n$/, "").split(/\r\n|[\n\r]/);
        divided.set(value, lines);
    }
    const list = lines;
    const waits = [...marks].find(([, mark]) => mark.waits.length)?.[0];
    const target = line || waits || Math.min(...marks.keys());
    const key = `${file} ${target}`;
    if (revealed.get(model) !== key) {
        revealed.set(model, key);
        // The rows are there after this draw.
        queueMicrotask(() => {
            reveal("code", Math.max(0, target - 1 - AROUND), ROW_HEIGHT);
            reveal("code", Math.min(list.length - 1, target - 1 + AROUND), ROW_HEIGHT);
        });
    }
    const now = executionNow(model.document?.execution.time);
    if (waits) {
        drawAfter(1_000);
    }
    return rows({
        id: "code",
        count: list.length,
        height: ROW_HEIGHT,
        label: "Source code",
        kept: line - 1,
        row: (index, place) =>
            codeLine(
                model,
                { file, number: index + 1, text: list[index] ?? "", mark: marks.get(index + 1) },
                line,
                place,
                now,
            ),
    });
}

/**
 * @param {ExecutionModel} model @param {{file: string, number: number, text: string, mark: Mark | undefined}} shown
 * @param {number} line @param {Record<string, string>} place @param {number} now
 */
function codeLine(model, { file, number, text, mark }, line, place, now) {
    const [waited] = mark?.waits ?? [];
    const [called] = mark?.calls ?? [];
    const more = (mark?.calls.length ?? 0) - 1;
    const isWaiting = waited !== undefined;
    return h(
        "div",
        {
            class: `row code-grid${number === line ? " selected" : ""}${isWaiting ? " waits-here" : ""}`,
            key: number,
            style: place,
        },
        h("span", { class: "number quiet" }, number),
        h("code", { dir: "ltr" }, visible(text)),
        h(
            "span",
            { class: "code-mark" },
            waited &&
                h(
                    "a",
                    { class: "open", key: "waits", href: address(model.arn, file, waited.id) },
                    `● waits for ${title(waited)}: ${awaited(waited, now)}`,
                ),
            called &&
                called.id !== waited?.id &&
                h(
                    "a",
                    { class: tone(model.statusOf(called)), key: "called", href: address(model.arn, file, called.id) },
                    `${sign(model.statusOf(called))} ${title(called)}`,
                ),
            more > 0 && h("small", { class: "quiet", key: "more" }, ` and ${more.toLocaleString("en")} more`),
        ),
    );
}

/** Returns the operations at each line of each file; of those called at one line, the ones that are open or have failed come first. @param {ExecutionModel} model */
function marksOf(model) {
    const cached = known.get(model);
    if (cached?.version === model.version) {
        return cached.files;
    }
    /** @type {Map<string, Map<number, Mark>>} */
    const files = new Map();
    /** @param {SourceLine} line @returns {Mark} */
    const markAt = ({ file, line }) => {
        const marks = files.get(file) ?? new Map();
        files.set(file, marks);
        const mark = marks.get(line) ?? { calls: [], waits: [] };
        marks.set(line, mark);
        return mark;
    };
    const isOver = model.document?.execution.end_timestamp !== null;
    for (const operation of model.operations.values()) {
        const place = model.places.get(operation.id);
        if (place) {
            markAt(place).calls.push(operation);
            if (place.awaited_at && operation.waits_for && !isOver) {
                markAt(place.awaited_at).waits.push(operation);
            }
        }
    }
    for (const marks of files.values()) {
        for (const mark of marks.values()) {
            mark.calls.sort((a, b) => urgency(model.statusOf(a)) - urgency(model.statusOf(b)));
        }
    }
    known.set(model, { version: model.version, files });
    return files;
}

/** @param {string} status */
function urgency(status) {
    return ["open", "bad", "off", "good"].indexOf(tone(status));
}
