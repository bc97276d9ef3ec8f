// The events of the service, as they were recorded.

import { count, exactTime, utc, visible } from "./format.js";
import { h } from "./render.js";
import { executionAddress, goWith } from "./router.js";
import { rows } from "./rows.js";
import { state } from "./state.js";

/** @import { ExecutionModel, HistoryEvent } from "./execution_model.js" */

const ROW_HEIGHT = 26;

/** @param {ExecutionModel} model */
export function historyTab(model) {
    model.loadEvents();
    const find = (state.address.query.get("find") ?? "").toLowerCase();
    const selected = state.address.query.get("event");
    const events = [...model.events.values()]
        .sort((a, b) => a.EventId - b.EventId)
        .filter((event) => !find || textOf(model, event).toLowerCase().includes(find));
    return h(
        "section",
        { class: "timeline", key: "history" },
        h(
            "div",
            { class: "toolbar" },
            h("input", {
                type: "search",
                id: "filter",
                placeholder: "Find in the history   /",
                "aria-label": "Find in the history",
                autocomplete: "off",
                ".value": state.address.query.get("find") ?? "",
                oninput: (/** @type {Event} */ event) =>
                    goWith({ find: /** @type {HTMLInputElement} */ (event.target).value }, { replace: true }),
            }),
            h("span", { class: "quiet" }, model.isLoadingEvents ? "Reading…" : count(events.length, "event")),
        ),
        h(
            "div",
            { class: "head history-grid" },
            ["Event", "Time", "Type", "Operation", "Details"].map((each) => h("span", null, each)),
        ),
        rows({
            id: "history",
            count: events.length,
            height: ROW_HEIGHT,
            label: "Events",
            kept: events.findIndex((event) => String(event.EventId) === selected),
            row: (index, place) => {
                const event = /** @type {HistoryEvent} */ (events[index]);
                const isBad = /Failed|TimedOut/.test(event.EventType);
                return h(
                    "a",
                    {
                        class: `row history-grid${String(event.EventId) === selected ? " selected" : ""}`,
                        key: event.EventId,
                        style: place,
                        href: `${executionAddress(model.arn, "history")}?event=${event.EventId}${find ? `&find=${encodeURIComponent(find)}` : ""}`,
                    },
                    h("span", { class: "number" }, event.EventId),
                    h("span", { class: "number", title: utc(at(event)) }, exactTime(at(event))),
                    h("span", { class: isBad ? "bad" : "" }, typeOf(event)),
                    h("b", null, isStatus(event) ? "" : visible(event.Name ?? event.SubType ?? "")),
                    h("span", { class: "quiet" }, visible(details(model, event))),
                );
            },
        }),
    );
}

/** @param {HistoryEvent} event */
function at(event) {
    const { EventTimestamp: time } = event;
    return typeof time === "number" ? new Date(time * 1_000).toISOString() : time;
}

/** Tells the record of a status that code has set, which is a step of no code. @param {HistoryEvent} event */
function isStatus(event) {
    return event.Name === "status" && (event.Id ?? "").startsWith("state-");
}

/** @param {HistoryEvent} event */
function typeOf(event) {
    return isStatus(event) ? "StatusSet" : visible(event.EventType);
}

/** @param {ExecutionModel} model @param {HistoryEvent} event */
function textOf(model, event) {
    return `${typeOf(event)} ${event.Name ?? ""} ${event.SubType ?? ""} ${event.Id ?? ""} ${details(model, event)}`;
}

/** Writes the facts of an event that its type does not say. @param {ExecutionModel} model @param {HistoryEvent} event */
function details(model, event) {
    /** @type {string[]} */
    const facts = [];
    const operation = model.operations.get(event.Id ?? "");
    const isFailed = /Failed|TimedOut/.test(event.EventType);
    for (const [name, value] of Object.entries(event)) {
        if (name.endsWith("Details") && value && typeof value === "object") {
            const {
                RetryDetails: retry,
                Error: error,
                ScheduledEndTimestamp: until,
                FunctionName: name,
                Duration: seconds,
            } = value;
            // The events come without payloads, and so without errors; that of the last attempt is the operation's.
            const isLast = !retry?.NextAttemptDelaySeconds;
            const last = isLast ? (operation ?? model.document)?.error : null;
            const payload =
                error?.Payload ??
                (isFailed && last ? { ErrorType: last.error_type, ErrorMessage: last.error_message } : null);
            facts.push(
                ...[
                    retry?.CurrentAttempt > 1 && `attempt ${retry.CurrentAttempt}`,
                    retry?.NextAttemptDelaySeconds && `again in ${retry.NextAttemptDelaySeconds} s`,
                    payload?.ErrorType && `${payload.ErrorType}: ${payload.ErrorMessage ?? ""}`,
                    until && `until ${utc(typeof until === "number" ? new Date(until * 1_000).toISOString() : until)}`,
                    name && `of ${name}`,
                    typeof seconds === "number" && `${seconds} s`,
                ].filter((each) => typeof each === "string"),
            );
        }
    }
    return facts.join(", ");
}
