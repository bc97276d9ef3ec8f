// The keyboard.

import { requestDraw } from "./draw.js";
import { closeDrawer } from "./drawer.js";
import { ROW_HEIGHT } from "./executions.js";
import { closeHover } from "./hover.js";
import { h } from "./render.js";
import { executionAddress, go, goWith } from "./router.js";
import { reveal } from "./rows.js";
import { state } from "./state.js";
import { filterOf, nextFailure, revealOperation } from "./tree_view.js";

/** @type {[string, string][]} */
const HELP = [
    ["/", "filter or find"],
    ["j and k", "the next and the previous row"],
    ["Enter", "open the selected row"],
    ["n", "the next failure of an execution"],
    ["f", "failed operations only"],
    ["g e", "executions"],
    ["g c", "callbacks"],
    ["g f", "functions"],
    ["Escape", "close the panel"],
    ["?", "this help"],
];

/** The selected row of a list. */
export const selection = { index: -1 };
let isHelpOpen = false;
let isGoing = false;

export function openHelp() {
    isHelpOpen = true;
    requestDraw();
}

export function listenToKeys() {
    document.addEventListener("keydown", (event) => {
        const target = /** @type {HTMLElement} */ (event.target);
        if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) {
            return;
        }
        if (/^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName)) {
            if (event.key === "Escape") {
                target.blur();
            }
            return;
        }
        if (press(event.key)) {
            event.preventDefault();
        }
    });
}

/** Returns true if a key means something here. @param {string} key */
function press(key) {
    if (isGoing) {
        isGoing = false;
        const href = { e: "/executions", c: "/callbacks", f: "/functions" }[key];
        if (href) {
            go(href);
            return true;
        }
    }
    const { screen, query } = state.address;
    switch (key) {
        case "g":
            isGoing = true;
            return true;
        case "/":
            document.getElementById("filter")?.focus();
            return true;
        case "?":
            openHelp();
            return true;
        case "j":
            return move(1);
        case "k":
            return move(-1);
        case "Enter":
            return open();
        case "n":
            if (state.execution) {
                nextFailure(state.execution, filterOf(state.execution).rows);
            }
            return true;
        case "f":
            if (screen === "execution") {
                goWith({ failed: query.get("failed") === "1" ? "" : "1" }, { replace: true });
            }
            return true;
        case "Escape":
            if (!closeHover() && screen === "execution" && query.size) {
                closeDrawer();
            }
            return true;
        default:
            return false;
    }
}

/** @param {number} by */
function move(by) {
    if (state.address.screen === "executions") {
        selection.index = Math.max(0, Math.min(state.list.order.length - 1, selection.index + by));
        reveal("executions", selection.index, ROW_HEIGHT);
    } else if (state.execution) {
        const { rows, operation } = filterOf(state.execution);
        const index = rows.findIndex((row) => row.operation.id === operation);
        const next = rows[Math.max(0, Math.min(rows.length - 1, index + by))];
        if (next) {
            goWith({ operation: next.operation.id }, { replace: true });
            revealOperation(state.execution, next.operation.id);
        }
    }
    requestDraw();
    return true;
}

/** Opens the selected execution; a link that has the focus opens itself. */
function open() {
    const arn = state.list.order[selection.index];
    if (state.address.screen !== "executions" || !arn || document.activeElement?.closest("a, button")) {
        return false;
    }
    go(executionAddress(arn));
    return true;
}

export function help() {
    return (
        isHelpOpen &&
        h(
            "dialog",
            {
                key: "help",
                "aria-labelledby": "help-title",
                ref: (/** @type {HTMLDialogElement} */ element) => queueMicrotask(() => element.showModal()),
                onclose: () => {
                    isHelpOpen = false;
                    requestDraw();
                },
            },
            h(
                "form",
                { method: "dialog" },
                h("h2", { id: "help-title" }, "Keys"),
                h(
                    "dl",
                    { class: "facts" },
                    HELP.flatMap(([key, text]) => [
                        h("dt", { key }, h("kbd", null, key)),
                        h("dd", { key: text }, text),
                    ]),
                ),
                h("div", { class: "buttons" }, h("button", { class: "primary" }, "Close")),
            ),
        )
    );
}
