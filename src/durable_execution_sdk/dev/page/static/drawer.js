// The panel beside an execution: an operation, an event or a line that is selected.

import { fork } from "./actions.js";
import { answerForm } from "./answer_form.js";
import { attemptsView } from "./attempts.js";
import { executionNow } from "./clock.js";
import { codeLink } from "./code_tab.js";
import { drawAfter } from "./draw.js";
import { duration, exactTime, utc, visible } from "./format.js";
import { versionOf } from "./hover.js";
import { inboxOf, messageForm } from "./message_form.js";
import { copyButton, errorView, payloadView } from "./payloads.js";
import { lacks, missing, otherExecution } from "./reading.js";
import { h } from "./render.js";
import { executionAddress, goWith } from "./router.js";
import { state } from "./state.js";
import { actionOnTimer } from "./timers.js";
import { kindName, sign, statusName, title, tone, waits } from "./words.js";

/** @import { Child } from "./render.js" */
/** @import { ExecutionModel } from "./execution_model.js" */
/** @import { ExecutionDocument, Operation } from "./types.js" */

export function closeDrawer() {
    goWith({ operation: "", event: "", line: "" });
}

/** @param {ExecutionModel} model */
export function drawer(model) {
    const { query } = state.address;
    const id = query.get("operation");
    const event = model.events.get(Number(query.get("event")));
    const line = model.lines.get(Number(query.get("line")));
    if (id) {
        const operation = model.operations.get(id);
        return operation
            ? operationPanel(model, operation)
            : panel("Operation", [h("p", { class: "quiet" }, "This execution has no such operation.")]);
    }
    if (event) {
        const text = JSON.stringify(event, null, 2);
        return panel(`Event ${event.EventId}`, [
            event.Id &&
                model.operations.has(event.Id) &&
                h(
                    "p",
                    null,
                    h("a", { href: executionAddress(model.arn, state.address.tab, event.Id) }, "Its operation"),
                ),
            copyButton(text),
            h("pre", { class: "code", tabindex: 0 }, visible(text)),
        ]);
    }
    if (line) {
        return panel(`Line ${line.number}`, [
            h("p", { class: "quiet" }, `${line.stream}, ${utc(line.at)}`),
            line.operation_id &&
                h("p", null, h("a", { href: executionAddress(model.arn, "logs", line.operation_id) }, "Its operation")),
            copyButton(line.text),
            h("pre", { class: "code wrap", tabindex: 0 }, visible(line.text)),
        ]);
    }
    return null;
}

/** @param {string} name @param {Child[]} children */
function panel(name, children) {
    return h(
        "aside",
        { class: "drawer", key: "drawer", "aria-label": name },
        h(
            "div",
            { class: "drawer-head" },
            h("h2", null, name),
            h("button", { onclick: closeDrawer, "aria-label": "Close the panel", title: "Escape" }, "×"),
        ),
        h("div", { class: "drawer-body", tabindex: 0, role: "region", "aria-label": "Details" }, children),
    );
}

/** @param {ExecutionModel} model @param {Operation} operation */
function operationPanel(model, operation) {
    const document = model.document;
    if (!document) {
        return null;
    }
    const now = executionNow(document.execution.time);
    const isOpen = operation.end_timestamp === null;
    const status = model.statusOf(operation);
    const timer = document.timers.find((each) => each.operation_id === operation.id);
    const version = versionOf(operation);
    const place = model.places.get(operation.id);
    if (isOpen && !document.execution.end_timestamp) {
        drawAfter(1_000);
    }
    const isForMessage = operation.waits_for === "message";
    const canAnswer = operation.callback_id !== null && isOpen && !document.execution.end_timestamp && !isForMessage;
    return panel(title(operation), [
        h(
            "p",
            { class: "line", key: "status" },
            h("span", { class: `status ${tone(status)}` }, `${sign(status)} ${statusName(status)}`),
            ` ${kindName(operation.kind)}`,
            operation.waits_for &&
                h(
                    "b",
                    null,
                    ` ${waits({ waits_for: operation.waits_for, until: operation.until, attempt: operation.attempt }, now)}`,
                ),
        ),
        canAnswer &&
            operation.callback_id !== null &&
            answerForm({
                callback_id: operation.callback_id,
                until: operation.until,
                now,
                awaited_type: place?.awaited_type ?? null,
            }),
        isForMessage && messageForm(model.arn, inboxOf(operation.name)),
        operation.error && errorView({ arn: model.arn, operation: operation.id, error: operation.error, version }),
        operation.attempts.length > 0 && attemptsView({ arn: model.arn, operation, version }),
        operation.end_timestamp &&
            operation.result_bytes !== null &&
            payloadView({
                arn: model.arn,
                kind: "result",
                operation: operation.id,
                version,
                title: "Result",
                bytes: operation.result_bytes,
            }),
        operation.kind === "ChainedInvoke" &&
            payloadView({ arn: model.arn, kind: "input", operation: operation.id, version: "", title: "Input" }),
        facts(model, operation, now),
        h(
            "div",
            { class: "buttons start", key: "actions" },
            timer && actionOnTimer(document, timer),
            state.canAct &&
                h(
                    "button",
                    { onclick: () => fork(/** @type {ExecutionDocument} */ (model.whole()), operation) },
                    "Fork before this…",
                ),
            !lacks("has_logs") &&
                h(
                    "a",
                    {
                        class: "button",
                        href: `${executionAddress(model.arn, "logs")}?of=${encodeURIComponent(operation.id)}`,
                    },
                    "Its log lines",
                ),
        ),
    ]);
}

/** @param {ExecutionModel} model @param {Operation} operation @param {number} now */
function facts(model, operation, now) {
    const began = Date.parse(operation.start_timestamp);
    const end = operation.end_timestamp ? Date.parse(operation.end_timestamp) : now;
    const place = model.places.get(operation.id);
    const isWaiting = operation.end_timestamp === null && !model.document?.execution.end_timestamp;
    /** @type {[string, Child][]} */
    const list = [
        ["Began", h("span", { title: utc(operation.start_timestamp) }, exactTime(operation.start_timestamp))],
        [
            "Recorded",
            operation.recorded_start_timestamp &&
                `${exactTime(operation.recorded_start_timestamp)}: its process told when it really began`,
        ],
        ["Took", end > began ? duration(end - began) : "not known: its start was recorded with its end"],
        ["Code", place ? codeLink(model.arn, place, operation.id) : missing("has_code", "positions in the code")],
        ["Waits at", place?.awaited_at && isWaiting && codeLink(model.arn, place.awaited_at, operation.id)],
        ["Function", operation.function_name && visible(operation.function_name)],
        [
            "Invoked",
            operation.invoked_execution_arn && otherExecution(operation.invoked_execution_arn, "Its execution"),
        ],
        ["Id", h("span", null, h("code", null, operation.id), copyButton(operation.id))],
    ];
    return h(
        "dl",
        { class: "facts", key: "facts" },
        list
            .filter(([, value]) => value)
            .flatMap(([name, value]) => [h("dt", { key: `${name}?` }, name), h("dd", { key: name }, value)]),
    );
}
