// The actions of an execution, each with its form.

import { act, control, payload } from "./api.js";
import { executionNow } from "./clock.js";
import { openDialog } from "./dialog.js";
import { indented } from "./json_text.js";
import { h } from "./render.js";
import { executionAddress, go } from "./router.js";
import { state } from "./state.js";
import { title } from "./words.js";

/** @import { ExecutionDocument, Operation, Timer } from "./types.js" */

const MOST_CHOICES = 500;
const UNITS = /** @type {Record<string, number>} */ ({ ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 });

/** @param {ExecutionDocument} document */
export function actionBar(document) {
    if (!state.canAct) {
        return null;
    }
    const { execution } = document;
    const arn = execution.durable_execution_arn;
    const isOpen = execution.activity !== "ended";
    const isPaused = execution.status === "PAUSED" || execution.status === "PAUSING";
    const mode = execution.time?.mode ?? "real";
    return h(
        "div",
        { class: "actions", role: "toolbar", "aria-label": "Actions" },
        isOpen &&
            h(
                "label",
                { class: "time-mode", key: "time" },
                "Time ",
                h(
                    "select",
                    {
                        class: mode === "real" ? "" : "chosen",
                        ".value": mode,
                        onchange: (/** @type {Event} */ event) => {
                            const select = /** @type {HTMLSelectElement} */ (event.target);
                            const chosen = select.value;
                            // It shows the mode that the server tells, also if it refuses this one.
                            select.value = mode;
                            state.perform("", () => act(arn, "time", { mode: chosen }));
                        },
                    },
                    ["real", "paused", "skip"].map((each) => h("option", { key: each, value: each }, each)),
                ),
            ),
        isOpen &&
            h(
                "button",
                {
                    key: "next",
                    disabled: !document.timers.length,
                    title: "Let time go on to the next timer",
                    onclick: () =>
                        state.perform("Time goes on to the next timer.", () =>
                            act(arn, "time", { advance_to_next: true }),
                        ),
                },
                "Next timer",
            ),
        isOpen && h("button", { key: "advance", onclick: () => advance(arn) }, "Advance…"),
        isOpen &&
            h(
                "button",
                {
                    key: "pause",
                    onclick: () =>
                        state.perform(isPaused ? "Resumed." : "Paused: no invocation begins.", () =>
                            control(arn, isPaused ? "resume" : "pause"),
                        ),
                },
                isPaused ? "Resume" : "Pause",
            ),
        isOpen && h("button", { key: "crash", onclick: () => crash(arn) }, "Crash…"),
        h("button", { key: "fork", onclick: () => fork(document, null) }, "Fork…"),
        h("button", { key: "rerun", onclick: () => rerun(arn) }, "Rerun…"),
        isOpen && h("button", { key: "stop", class: "danger", onclick: () => stop(arn) }, "Stop…"),
    );
}

/** @param {string} arn */
export function stop(arn) {
    openDialog({
        title: "Stop this execution",
        text: "It ends as STOPPED, for good. Nothing is undone.",
        fields: [
            { name: "type", label: "Error type", kind: "text", isOptional: true },
            { name: "message", label: "Reason", kind: "text", isOptional: true },
        ],
        verb: "Stop",
        isDanger: true,
        run: async ({ type, message }) => {
            await control(arn, "stop", { ...(type && { ErrorType: type }), ...(message && { ErrorMessage: message }) });
            state.notice = { text: "Stopped.", isBad: false };
        },
    });
}

/** @param {string} arn */
function advance(arn) {
    openDialog({
        title: "Advance the time",
        text: "Each timer on the way fires at its time, and the code that waits for it runs first. Time never goes back.",
        fields: [{ name: "by", label: "By", kind: "text", value: "1h", hint: "90s, 15m, 3h, or 1d12h" }],
        verb: "Advance",
        run: async ({ by }) => {
            await act(arn, "time", { advance_milliseconds: milliseconds(by ?? "") });
            state.notice = { text: `Time goes on by ${by}.`, isBad: false };
        },
    });
}

/** @param {string} text */
function milliseconds(text) {
    const parts = [...text.replaceAll(" ", "").matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)];
    if (!parts.length || parts.map(([part]) => part).join("") !== text.replaceAll(" ", "")) {
        throw new Error(`A duration is written as 90s, 15m, 3h or 1d12h, not as ${text || "nothing"}.`);
    }
    return Math.round(parts.reduce((sum, [, number, unit]) => sum + Number(number) * (UNITS[unit ?? ""] ?? 0), 0));
}

/** Lets a timer fire now. @param {ExecutionDocument} document @param {Timer} timer */
export function fire(document, timer) {
    const { execution } = document;
    const wait = Math.max(1, Math.ceil(Date.parse(timer.fires_at) - executionNow(execution.time)));
    state.perform("Time goes on to this timer.", () =>
        act(execution.durable_execution_arn, "time", { advance_milliseconds: wait }),
    );
}

/** @param {string} arn */
function crash(arn) {
    openDialog({
        title: "Crash",
        text: "The execution has to survive it: that is the promise.",
        fields: [
            {
                name: "kind",
                label: "Fault",
                kind: "choice",
                options: [
                    ["", "Kill the process now"],
                    ["crash_before", "Kill the process before a checkpoint"],
                    ["crash_after", "Kill the process after a checkpoint"],
                    ["lose_response", "Lose the response of a checkpoint"],
                    ["throttle", "Refuse a checkpoint, as with too many requests"],
                ],
            },
            {
                name: "checkpoint",
                label: "Checkpoint, 1 for the next one",
                kind: "number",
                value: "1",
                isFor: ({ kind }) => kind !== "",
            },
            {
                name: "operation",
                label: "That records this operation",
                kind: "text",
                isOptional: true,
                hint: "Its name or id; empty for any",
                isFor: ({ kind }) => kind !== "",
            },
        ],
        verb: "Crash",
        isDanger: true,
        run: async ({ kind, checkpoint, operation }) => {
            await act(arn, "crash", kind ? { kind, checkpoint: Number(checkpoint), operation: operation || null } : {});
            state.notice = { text: kind ? "The fault is planned." : "The process was killed.", isBad: false };
        },
    });
}

/**
 * Forks before an operation, or where the execution stands.
 * @param {ExecutionDocument} document @param {Operation | null} before
 */
export async function fork(document, before) {
    const arn = document.execution.durable_execution_arn;
    const input = await payload(arn, "input").catch(() => ({ payload: null }));
    const operations = new Map(document.operations.map((each) => [each.id, each]));
    // What ended after the cut is not in the fork.
    const done = document.operations.filter(
        (each) =>
            each.end_timestamp &&
            each.result_bytes !== null &&
            each.id !== before?.id &&
            (!before || each.end_timestamp <= (before.recorded_start_timestamp ?? before.start_timestamp)),
    );
    openDialog({
        title: before ? `Fork before ${title(before)}` : "Fork",
        text: "A new execution begins with what this one had done, with other data where you want.",
        fields: [
            { name: "input", label: "Input", kind: "json", value: indented(input.payload ?? "null") },
            {
                name: "operation",
                label: "Another result of",
                kind: "choice",
                options: [
                    ["", "no operation"],
                    .../** @type {[string, string][]} */ (
                        done.slice(0, MOST_CHOICES).map((each) => [each.id, path(each, operations)])
                    ),
                ],
            },
            {
                name: "result",
                label: "That result",
                kind: "json",
                isOptional: true,
                isFor: ({ operation }) => operation !== "",
            },
            {
                name: "name",
                label: "Name of the new execution",
                kind: "text",
                isOptional: true,
                hint: "Empty for a name made from this one's",
            },
        ],
        verb: "Fork",
        run: async (values) => {
            if (values.operation && !values.result?.trim()) {
                throw new Error("Give the other result, as JSON.");
            }
            const isSame = values.input === indented(input.payload ?? "null");
            const made = await act(arn, "fork", {
                before: before?.id ?? null,
                input: isSame ? null : values.input,
                results: values.operation ? { [values.operation]: values.result } : {},
                name: values.name || null,
            });
            go(executionAddress(made.durable_execution_arn));
        },
    });
}

/** Names an operation with the groups around it. @param {Operation} operation @param {Map<string, Operation>} operations */
function path(operation, operations) {
    const names = [];
    for (let each = /** @type {Operation | undefined} */ (operation); each; ) {
        names.unshift(title(each));
        each = each.parent_id ? operations.get(each.parent_id) : undefined;
    }
    return `${names.join(" / ")} (${operation.id.slice(0, 8)})`;
}

/** @param {string} arn */
async function rerun(arn) {
    const input = await payload(arn, "input").catch(() => ({ payload: null }));
    const shown = indented(input.payload ?? "null");
    openDialog({
        title: "Rerun",
        text: "A new execution of the same function.",
        fields: [
            { name: "input", label: "Input", kind: "json", value: shown },
            { name: "name", label: "Name of the new execution", kind: "text", isOptional: true },
        ],
        verb: "Rerun",
        run: async (values) => {
            const made = await act(arn, "rerun", {
                input: values.input === shown ? null : values.input,
                name: values.name || null,
            });
            go(executionAddress(made.durable_execution_arn));
        },
    });
}
