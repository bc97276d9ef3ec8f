// The attempts of an operation, fetched with their errors when its panel is open.

import { attempts } from "./api.js";
import { duration, exactTime, utc, visible } from "./format.js";
import { latest } from "./latest.js";
import { h } from "./render.js";

/** @import { Child } from "./render.js" */
/** @import { Attempt, Operation } from "./types.js" */

const MOST = 12;

/** @typedef {{count: number, attempts: Attempt[]}} Answer */

/** Shows the last attempts. `version` changes when they do. @param {{arn: string, operation: Operation, version: string}} shown */
export function attemptsView({ arn, operation, version }) {
    const { value, failure } = latest(
        `attempts ${arn} ${operation.id}`,
        version,
        () => /** @type {Promise<Answer>} */ (attempts(arn, operation.id, MOST)),
    );
    const list = value?.attempts ?? [];
    const hidden = (value?.count ?? 0) - list.length;
    return h(
        "section",
        { key: "attempts" },
        h(
            "h3",
            null,
            "Attempts",
            hidden > 0 && h("small", { class: "quiet" }, ` the last ${list.length} of ${value?.count}`),
        ),
        failure && h("p", { class: "bad", key: "failure" }, failure),
        !value && !failure && h("p", { class: "quiet", key: "reading" }, "Reading…"),
        h(
            "ol",
            { class: "attempts", start: hidden + 1 },
            list.map((each) => attemptItem(each, realStart(operation, each))),
        ),
    );
}

/** Returns the start that the bars show: it may be known better than the history has it. @param {Operation} operation @param {Attempt} attempt */
function realStart(operation, attempt) {
    const offset = operation.attempts[attempt.number - 1]?.[0] ?? null;
    return offset === null
        ? attempt.start_timestamp
        : new Date(Date.parse(operation.start_timestamp) + offset).toISOString();
}

/** @param {Attempt} attempt @param {string | null} began @returns {Child} */
function attemptItem(attempt, began) {
    const { end_timestamp: ended, next_attempt_timestamp: next, error } = attempt;
    const length = began && ended ? Date.parse(ended) - Date.parse(began) : 0;
    const took = length > 0 ? duration(length) : ended ? "" : "not ended";
    const delay = next && ended ? `again after ${duration(Date.parse(next) - Date.parse(ended))}` : "";
    const facts = [began ? exactTime(began) : "", took, delay].filter((each) => each);
    return h(
        "li",
        { key: attempt.number },
        h("span", { class: error ? "bad" : ended ? "good" : "open", title: utc(began) }, facts.join(", ")),
        error &&
            h("div", { class: "message" }, visible(`${error.error_type ?? "Error"}: ${error.error_message ?? ""}`)),
    );
}
