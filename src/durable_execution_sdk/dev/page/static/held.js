// A held execution: what its log has, what the code asks for, and the four choices.

import { fork, stop } from "./actions.js";
import { act } from "./api.js";
import { openDialog } from "./dialog.js";
import { visible } from "./format.js";
import { h } from "./render.js";
import { executionAddress } from "./router.js";
import { state } from "./state.js";

/** @import { ExecutionModel } from "./execution_model.js" */
/** @import { ExecutionDocument } from "./types.js" */

/** @param {ExecutionModel} model */
export function heldNotice(model) {
    const document = model.whole();
    const held = document?.execution.held;
    if (!document || !held) {
        return null;
    }
    const operation = held.operation_id ? model.operations.get(held.operation_id) : undefined;
    const recorded = held.operation_id ? model.places.get(held.operation_id) : undefined;
    const asked = held.file
        ? `${visible(held.file)}${held.line === null ? "" : `:${held.line}`}${held.function ? `, in ${visible(held.function)}` : ""}`
        : "";
    return h(
        "section",
        { class: "held-notice", key: "held", "aria-labelledby": "held-title" },
        h("h2", { id: "held-title" }, `Held: the edited code does not fit the log (${visible(held.kind)})`),
        h(
            "div",
            { class: "sides" },
            h(
                "div",
                { class: "side" },
                h("h3", null, "The log has"),
                h("p", { class: "operation" }, visible(held.expected)),
                recorded &&
                    h(
                        "p",
                        { class: "quiet" },
                        `${visible(recorded.file)}:${recorded.line}, in ${visible(recorded.function)}, when it ran`,
                    ),
                operation &&
                    h(
                        "p",
                        null,
                        h(
                            "a",
                            { href: executionAddress(model.arn, "timeline", operation.id) },
                            "Look at this operation",
                        ),
                    ),
            ),
            h(
                "div",
                { class: "side" },
                h("h3", null, "The code asks for"),
                h("p", { class: "operation" }, visible(held.actual)),
                asked && h("p", { class: "quiet" }, asked),
                held.source && h("pre", { class: "code", tabindex: 0 }, visible(held.source)),
            ),
        ),
        h(
            "p",
            null,
            `It is not invoked, and nothing is recorded. It goes on by itself when a further edit fits.${state.canAct ? " Or:" : ""}`,
        ),
        state.canAct &&
            h(
                "div",
                { class: "buttons start" },
                h(
                    "button",
                    { class: "primary", onclick: () => fork(document, operation ?? null) },
                    operation ? "Fork before this operation…" : "Fork…",
                ),
                h("button", { onclick: () => runAnyway(document) }, "Run on anyway…"),
                h("button", { class: "danger", onclick: () => stop(model.arn) }, "Stop…"),
            ),
    );
}

/** @param {ExecutionDocument} document */
function runAnyway(document) {
    openDialog({
        title: "Run on anyway",
        text: "The execution goes on with the code of now. It will fail as the rehearsal says, and that is recorded for good.",
        fields: [],
        verb: "Run on",
        isDanger: true,
        run: async () => {
            await act(document.execution.durable_execution_arn, "accept-code", {});
            state.notice = { text: "It goes on with the code of now.", isBad: false };
        },
    });
}
