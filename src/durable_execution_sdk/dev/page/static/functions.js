// The screen of the functions and their processes.

import { recentInputs, start } from "./api.js";
import { openDialog } from "./dialog.js";
import { count, duration, visible } from "./format.js";
import { reloadView } from "./reloads.js";
import { h } from "./render.js";
import { executionAddress, go } from "./router.js";
import { state } from "./state.js";

/** @import { FunctionDocument } from "./types.js" */

export function functionsScreen() {
    const functions = state.functions;
    if (!functions) {
        return h("main", { class: "screen", key: "functions" }, h("div", { class: "empty quiet" }, "Reading…"));
    }
    if (!functions.length && !state.canAct) {
        return h(
            "main",
            { class: "screen", key: "functions" },
            h("div", { class: "empty" }, h("h2", null, "This page reads executions, and knows no functions")),
        );
    }
    if (!functions.length) {
        return h(
            "main",
            { class: "screen", key: "functions" },
            h(
                "div",
                { class: "empty" },
                h("h2", null, "No function was found"),
                h("pre", { class: "command" }, "durable dev app.py"),
            ),
        );
    }
    return h(
        "main",
        { class: "screen", key: "functions" },
        h("h1", { class: "heading" }, count(functions.length, "function")),
        h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Functions" }, functions.map(item)),
    );
}

/** @param {FunctionDocument} each */
function item(each) {
    const running = each.workers.filter((worker) => worker.durable_execution_arn);
    const aliases = Object.entries(each.aliases);
    return h(
        "article",
        { class: "function", key: each.function_name },
        h(
            "div",
            { class: "callback-head" },
            h("b", null, visible(each.function_name)),
            h("span", { class: "quiet" }, each.durable ? "durable" : "plain"),
            h(
                "span",
                { class: "quiet" },
                `ends after ${duration(each.timeout * 1_000)}${each.execution_timeout ? `, its executions after ${duration(each.execution_timeout * 1_000)}` : ""}`,
            ),
            each.durable && h("button", { class: "primary", onclick: () => startDialog(each.function_name) }, "Start…"),
            each.durable &&
                h("a", { href: `/executions?function=${encodeURIComponent(each.function_name)}` }, "Its executions"),
        ),
        h(
            "p",
            { class: "quiet" },
            `Versions: ${each.versions.map(visible).join(", ") || "$LATEST"}${aliases.length ? `. Aliases: ${aliases.map(([name, version]) => `${visible(name)} → ${visible(version)}`).join(", ")}` : ""}. ${count(each.workers.length, "process", "processes")}, ${running.length} at work`,
        ),
        reloadView(each),
        running.length > 0 &&
            h(
                "ul",
                { key: "running" },
                running
                    .slice(0, 20)
                    .map((worker) =>
                        h(
                            "li",
                            { key: worker.process },
                            `process ${worker.process}, version ${visible(worker.version)}: `,
                            worker.durable_execution_arn &&
                                h(
                                    "a",
                                    { href: executionAddress(worker.durable_execution_arn) },
                                    nameOf(worker.durable_execution_arn),
                                ),
                        ),
                    ),
            ),
    );
}

export { nameOf, startDialog };

/** @param {string} arn */
function nameOf(arn) {
    return visible(arn.split("/").at(-2) ?? arn);
}

/** @param {string} name */
async function startDialog(name) {
    const recent = await recentInputs(name);
    openDialog({
        title: `Start ${visible(name)}`,
        fields: [
            { name: "input", label: "Input", kind: "json", value: recent[0] ?? "{}", recent },
            { name: "name", label: "Name", kind: "text", isOptional: true, hint: "Empty for a name that is made" },
        ],
        verb: "Start",
        run: async (values) => {
            const arn = await start(name, values.input ?? "", values.name ?? "");
            if (arn) {
                go(executionAddress(arn));
            }
        },
    });
}
