// Lines of JSON that loggers write, as people read them: level, message and fields, as the command shows them.

import { visible } from "./format.js";

/** @import { Line } from "./types.js" */

/** Members that the line has in other words, and those that are the same in all lines of an execution. */
const SHOWN_ELSEWHERE = new Set([
    "timestamp",
    "time",
    "level",
    "message",
    "msg",
    "requestId",
    "aws_request_id",
    "durableExecutionArn",
    "executionArn",
    "operationId",
    "operationName",
    "parentId",
    "errorType",
    "errorMessage",
    "stackTrace",
    "isReplay",
]);

/** Reads a record of JSON; null if the line is another one. @param {Line} line @returns {Record<string, unknown> | null} */
export function recordOf(line) {
    if (line.text.startsWith("{")) {
        try {
            return JSON.parse(line.text);
        } catch {
            // Not JSON.
        }
    }
    return null;
}

/** Shows a record by its level, message, fields and error; another line as it is. @param {Line} line @param {Record<string, unknown> | null} record */
export function textOf(line, record) {
    const message = record?.message ?? record?.msg;
    if (!record || message === undefined) {
        return visible(line.text);
    }
    const fields = Object.entries(record).filter(([name, value]) => !isUsual(name, value));
    const error = [record.errorType, record.errorMessage].filter((part) => part).join(": ");
    return visible(
        [
            typeof record.level === "string" ? record.level : "",
            typeof message === "string" ? message : JSON.stringify(message),
            ...fields.map(([name, value]) => `${name}=${fieldText(value)}`),
            error,
        ]
            .filter((part) => part)
            .join(" "),
    );
}

/** @param {string} name @param {unknown} value */
function isUsual(name, value) {
    return (
        SHOWN_ELSEWHERE.has(name) ||
        (name === "logger" && value === "durable_execution") ||
        (name === "attempt" && (value === null || value === 0 || value === 1))
    );
}

/** @param {unknown} value */
function fieldText(value) {
    return typeof value === "string" && value && !/[ \t\n"'=]/.test(value) ? value : JSON.stringify(value);
}
