// The invocations of the function.

import { executionNow } from "./clock.js";
import { count, duration, exactTime, utc, visible } from "./format.js";
import { lacks, missing } from "./reading.js";
import { h } from "./render.js";
import { executionAddress } from "./router.js";
import { rows } from "./rows.js";
import { title } from "./words.js";

/** @import { ExecutionModel } from "./execution_model.js" */
/** @import { Invocation } from "./types.js" */

const ROW_HEIGHT = 26;
const MOST_LINKS = 3;

/** @param {ExecutionModel} model */
export function invocationsTab(model) {
    const list = [...model.invocations.values()];
    const now = executionNow(model.document?.execution.time);
    return h(
        "section",
        { class: "timeline", key: "invocations" },
        h(
            "div",
            { class: "head invocations-grid" },
            ["", "Began", "Took", "Outcome", "Replayed", "Ran", "Process", "Memory", "Start-up", "Request"].map(
                (each) => h("span", null, each),
            ),
        ),
        lacks("has_logs") &&
            h("p", { class: "quiet note", key: "missing" }, missing("has_logs", "processes of invocations")),
        rows({
            id: "invocations",
            count: list.length,
            height: ROW_HEIGHT,
            label: "Invocations",
            row: (index, place) => line(model, /** @type {Invocation} */ (list[index]), index, place, now),
        }),
    );
}

/** @param {ExecutionModel} model @param {Invocation} each @param {number} index @param {Record<string, string>} place @param {number} now */
function line(model, each, index, place, now) {
    const end = each.end_timestamp ? Date.parse(each.end_timestamp) : now;
    return h(
        "div",
        { class: "row invocations-grid", key: each.request_id, style: place },
        h("span", { class: "number" }, index + 1),
        h("span", { class: "number", title: utc(each.start_timestamp) }, exactTime(each.start_timestamp)),
        h("span", { class: "number" }, duration(end - Date.parse(each.start_timestamp))),
        h(
            "span",
            { class: each.error ? "bad" : "" },
            each.error
                ? visible(`${each.error.error_type ?? "Error"}: ${each.error.error_message ?? ""}`)
                : each.end_timestamp
                  ? "ended"
                  : "running",
        ),
        h("span", { class: "number" }, each.replayed.toLocaleString("en")),
        ran(model, each),
        h("span", { class: "number" }, each.process ?? ""),
        h(
            "span",
            { class: "number" },
            each.peak_kilobytes === null ? "" : `${Math.round(each.peak_kilobytes / 1_024)} MB`,
        ),
        h("span", { class: "number" }, each.init_milliseconds === null ? "" : duration(each.init_milliseconds)),
        lacks("has_logs")
            ? h("code", null, each.request_id)
            : h(
                  "a",
                  { href: `${executionAddress(model.arn, "logs")}?of=${encodeURIComponent(each.request_id)}` },
                  h("code", null, each.request_id),
              ),
    );
}

/** Links the first operations that an invocation began, or made an attempt of. @param {ExecutionModel} model @param {Invocation} each */
function ran(model, each) {
    const known = each.ran.flatMap((id) => model.operations.get(id) ?? []);
    const first = known.slice(0, MOST_LINKS);
    const parts = [
        each.began && count(each.began, "operation"),
        each.attempts && count(each.attempts, "attempt"),
    ].filter((part) => part);
    return h(
        "span",
        { class: "ran" },
        parts.join(", ") || "nothing",
        first.map((operation, index) =>
            h(
                "span",
                { key: operation.id },
                index ? ", " : ": ",
                h("a", { href: executionAddress(model.arn, "invocations", operation.id) }, title(operation)),
            ),
        ),
        known.length > first.length && ", …",
    );
}
