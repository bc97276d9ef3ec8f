// The screen of one execution: its header, its tabs, and the panel beside them.

import { actionBar } from "./actions.js";
import { executionNow, passes } from "./clock.js";
import { codeTab } from "./code_tab.js";
import { customStatus } from "./custom_status.js";
import { drawAfter } from "./draw.js";
import { drawer } from "./drawer.js";
import { duration, time, utc, visible } from "./format.js";
import { nameOf } from "./functions.js";
import { heldNotice } from "./held.js";
import { historyTab } from "./history_tab.js";
import { invocationsTab } from "./invocations_tab.js";
import { logsTab } from "./logs_tab.js";
import { operationsTab } from "./operations_tab.js";
import { errorView, payloadView } from "./payloads.js";
import { notesOnHistory, otherExecution } from "./reading.js";
import { h } from "./render.js";
import { executionAddress } from "./router.js";
import { state } from "./state.js";
import { tabRow } from "./tabs.js";
import { timeline } from "./timeline.js";
import { actionOnTimer } from "./timers.js";
import { sign, statusWords, title, tone, waits } from "./words.js";

/** @import { ExecutionModel } from "./execution_model.js" */
/** @import { Child } from "./render.js" */
/** @import { ErrorDocument, ExecutionDocument, Neighbour, Row, Waiting } from "./types.js" */

const MOST_INPUT_BYTES = 6 << 20;
const MOST_WAITING = 3;

export function executionScreen() {
    const model = state.execution;
    const document = model?.document;
    if (!model || !document) {
        const isGone = model?.state === "gone";
        const row = isGone || !model ? null : (state.list.rows.get(model.arn) ?? model.row);
        if (row) {
            return headerAlone(row);
        }
        return h(
            "main",
            { class: "screen", key: "execution" },
            h(
                "div",
                { class: "empty" },
                h("h2", null, isGone ? "This execution is not there" : "Reading…"),
                isGone && h("p", null, model.failure),
                isGone && h("a", { href: "/executions" }, "All executions"),
            ),
        );
    }
    return h(
        "main",
        { class: "screen execution", key: "execution" },
        model.state === "gone" && purged(model),
        header(model, document),
        heldNotice(model),
        tabRow(model),
        h(
            "div",
            { class: "panes" },
            h("div", { class: "pane", key: state.address.tab }, content(model, document)),
            drawer(model),
        ),
    );
}

/** An execution that was deleted while it was looked at. @param {ExecutionModel} model */
function purged(model) {
    return h(
        "p",
        { class: "bad message", key: "purged", role: "status" },
        `${model.failure} This is what was read of it; payloads that were not looked at are gone. `,
        h("a", { href: "/executions" }, "All executions"),
    );
}

/** The header is there before the operations are. @param {Row} row */
function headerAlone(row) {
    return h(
        "main",
        { class: "screen execution", key: "execution" },
        h(
            "header",
            { class: "execution-head" },
            h(
                "div",
                { class: "title" },
                h("h1", null, visible(row.durable_execution_name)),
                statusView(row),
                h("span", { class: "quiet" }, visible(row.function_name)),
            ),
        ),
        h("div", { class: "empty quiet" }, "Reading its operations…"),
    );
}

/** @param {Row} row */
function statusView(row) {
    return h(
        "span",
        { class: `status ${row.held ? "bad" : tone(row.status)} ${row.activity}` },
        `${row.held ? "!" : sign(row.status)} ${statusWords(row)}`,
    );
}

/** @param {ExecutionModel} model @param {ExecutionDocument} document @returns {Child} */
function content(model, document) {
    switch (state.address.tab) {
        case "operations":
            return operationsTab(model);
        case "history":
            return historyTab(model);
        case "payloads":
            return payloads(model, document);
        case "logs":
            return logsTab(model);
        case "code":
            return codeTab(model);
        case "invocations":
            return invocationsTab(model);
        default:
            return timeline(model);
    }
}

/** @param {ExecutionModel} model @param {ExecutionDocument} document */
function header(model, document) {
    const { execution } = document;
    const now = executionNow(execution.time);
    const isOpen = execution.end_timestamp === null;
    if (isOpen && passes(execution.time)) {
        drawAfter(1_000);
    }
    const end = execution.end_timestamp ? Date.parse(execution.end_timestamp) : now;
    const start = execution.start_timestamp;
    return h(
        "header",
        { class: "execution-head" },
        h(
            "div",
            { class: "title" },
            h("h1", null, visible(execution.durable_execution_name)),
            statusView(execution),
            state.server?.is_arn_known !== false &&
                h("span", { class: "quiet" }, `${visible(execution.function_name)}:${visible(document.version)}`),
            h(
                "span",
                { class: "quiet", title: utc(start) },
                `${time(start, now)}, ${duration(end - Date.parse(start))}`,
            ),
            execution.time &&
                execution.time.mode !== "real" &&
                h(
                    "span",
                    { class: "open", title: utc(new Date(now).toISOString()) },
                    `time ${execution.time.mode}: ${time(now, now)}`,
                ),
            document.forked_from && origin(model, document.forked_from),
            document.continues && inChain("continues", "Continues", document.continues),
            document.continued_as && inChain("continued-as", "Went on as", document.continued_as),
        ),
        customStatus(execution, now),
        notesOnHistory(),
        model.state !== "gone" && actionBar(/** @type {ExecutionDocument} */ (model.whole())),
        document.error &&
            isEnded(execution.status) &&
            said(document.error) !== "" &&
            h(
                "p",
                // A long one is scrolled, also by the keyboard.
                { class: "bad message", key: "error", tabindex: said(document.error).length > 400 ? 0 : null },
                said(document.error),
            ),
        isOpen && !execution.held && model.state !== "gone" && waiting(model, document, now),
    );
}

/** @param {ExecutionModel} model @param {{durable_execution_arn: string, before: string | null}} from */
function origin(model, { durable_execution_arn: arn, before }) {
    const cut = before === null ? undefined : model.operations.get(before);
    return h(
        "span",
        { key: "origin" },
        otherExecution(arn, `Fork of ${nameOf(arn)}`),
        before !== null && h("span", { class: "quiet" }, ` before ${cut ? title(cut) : before.slice(0, 8)}`),
    );
}

/** @param {string} key @param {string} words @param {Neighbour} other */
function inChain(key, words, { durable_execution_name: name, durable_execution_arn: arn }) {
    const text = `${words} ${visible(name)}`;
    return h("span", { key }, arn === null ? text : otherExecution(arn, text));
}

/** Writes an error; nothing for that of a stop without a reason. @param {ErrorDocument} error */
function said({ error_type: type, error_message: message }) {
    return visible(message ? `${type ?? "Error"}: ${message}` : (type ?? ""));
}

/** @param {string} status */
function isEnded(status) {
    return status !== "RUNNING" && status !== "PAUSED";
}

/** @param {ExecutionModel} model @param {ExecutionDocument} document @param {number} now */
function waiting(model, document, now) {
    const { execution } = document;
    if (!execution.waiting.length) {
        return document.timers.length || execution.activity !== "running"
            ? h("p", { class: "waiting quiet", key: "waiting" }, `It is ${execution.activity}.`)
            : null;
    }
    const more = execution.waiting_count - MOST_WAITING;
    return h(
        "ul",
        { class: "waiting", key: "waiting", "aria-label": "Waits for" },
        execution.waiting.slice(0, MOST_WAITING).map((each) => waitingItem(model, document, each, now)),
        more > 0 && h("li", { class: "quiet" }, `and ${more.toLocaleString("en")} more`),
    );
}

/** @param {ExecutionModel} model @param {ExecutionDocument} document @param {Waiting} each @param {number} now */
function waitingItem(model, document, each, now) {
    const isOwn = model.operations.has(each.id);
    const name = each.path.map(visible).join(" / ") || title(each);
    const own = executionAddress(model.arn, state.address.tab, each.id);
    const timer = document.timers.find((timer) => timer.operation_id === each.id);
    return h(
        "li",
        { key: each.id },
        isOwn ? h("a", { href: executionAddress(model.arn, state.address.tab, each.id) }, name) : h("b", null, name),
        ` ${waits(each, now)} `,
        each.callback_id && state.canAct
            ? h(
                  "a",
                  {
                      class: "button small",
                      href: isOwn ? own : `/callbacks?callback=${encodeURIComponent(each.callback_id)}`,
                  },
                  each.waits_for === "message" ? "Send" : "Answer",
              )
            : timer && actionOnTimer(document, timer, "small"),
    );
}

/** @param {ExecutionModel} model @param {ExecutionDocument} document */
function payloads(model, document) {
    const { execution } = document;
    return h(
        "div",
        { class: "scroll", tabindex: 0, role: "region", "aria-label": "Input and output" },
        payloadView({
            arn: model.arn,
            kind: "input",
            version: "",
            title: "Input",
            bytes: document.input_bytes,
            limit: MOST_INPUT_BYTES,
        }),
        document.error && errorView({ arn: model.arn, error: document.error, version: execution.status }),
        execution.end_timestamp
            ? execution.status === "SUCCEEDED" &&
                  payloadView({
                      arn: model.arn,
                      kind: "result",
                      version: execution.status,
                      title: "Result",
                      bytes: document.result_bytes,
                      limit: MOST_INPUT_BYTES,
                  })
            : h("p", { class: "quiet" }, "It has no result yet."),
    );
}
