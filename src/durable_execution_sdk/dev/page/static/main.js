// The page: its frame, and the screen of the address.

import { callbacksScreen } from "./callbacks.js";
import { dialog } from "./dialog.js";
import { drawWith, requestDraw } from "./draw.js";
import { executionScreen } from "./execution.js";
import { executionsScreen } from "./executions.js";
import { visible } from "./format.js";
import { functionsScreen } from "./functions.js";
import { closeHover } from "./hover.js";
import { help, listenToKeys, openHelp, selection } from "./keys.js";
import { liveView, programName, sourceView, troubleView } from "./reading.js";
import { h, patch } from "./render.js";
import { followLinks } from "./router.js";
import { state } from "./state.js";
import { showIcon } from "./status_icon.js";
import { sign, statusWords, tone } from "./words.js";

/** @import { Child } from "./render.js" */

function draw() {
    const root = document.getElementById("app");
    if (root) {
        const title = pageTitle();
        if (document.title !== title) {
            document.title = title;
        }
        showIcon(iconTone());
        patch(
            root,
            [top(), messages(), screen(), dialog(), help()].filter((each) => each !== null && each !== false),
        );
    }
}

function screen() {
    switch (state.address.screen) {
        case "execution":
            return executionScreen();
        case "callbacks":
            return callbacksScreen(-1);
        case "functions":
            return functionsScreen();
        default:
            return executionsScreen(selection.index);
    }
}

function top() {
    const waiting = state.callbacks?.length ?? 0;
    return h(
        "header",
        { class: "top", key: "top" },
        h(
            "a",
            { class: "brand", href: "/executions" },
            h("img", { src: "/page/icon.svg", alt: "", width: 20, height: 20 }),
            programName(),
        ),
        h(
            "nav",
            { "aria-label": "Screens" },
            link("/executions", "Executions", ["executions", "execution"]),
            link(
                "/callbacks",
                "Callbacks",
                ["callbacks"],
                waiting
                    ? h("span", { class: "count", title: "wait for an answer" }, waiting.toLocaleString("en"))
                    : null,
            ),
            state.server?.read_only !== true && link("/functions", "Functions", ["functions"]),
        ),
        sourceView(),
        liveView(),
        h("button", { class: "small", "aria-label": "Keys", title: "Keys: ?", onclick: openHelp }, "?"),
    );
}

/** @param {string} href @param {string} text @param {string[]} screens @param {Child} [more] */
function link(href, text, screens, more = null) {
    return h(
        "a",
        { key: href, href, "aria-current": screens.includes(state.address.screen) ? "page" : null },
        more ? `${text} ` : text,
        more,
    );
}

function messages() {
    const { notice, isConnected } = state;
    if (isConnected && !notice && !state.server?.trouble) {
        return null;
    }
    return h(
        "div",
        { class: "messages", key: "messages" },
        !isConnected &&
            h(
                "p",
                { class: "lost", role: "alert", key: "lost" },
                "The feed is lost: what is shown is no longer live. The page catches up as soon as the server answers.",
            ),
        isConnected && troubleView(),
        notice &&
            h(
                "p",
                { class: notice.isBad ? "refused" : "done", role: notice.isBad ? "alert" : "status", key: "notice" },
                notice.text,
                h(
                    "button",
                    {
                        class: "small",
                        "aria-label": "Close the message",
                        onclick: () => {
                            state.notice = null;
                            requestDraw();
                        },
                    },
                    "×",
                ),
            ),
    );
}

/** Colours the icon as an execution's status, or as callbacks that wait for an answer. */
function iconTone() {
    const row = state.execution?.document?.execution;
    if (!state.isConnected) {
        return "off";
    }
    if (row) {
        return row.held ? "bad" : tone(row.status);
    }
    return state.callbacks?.length ? "open" : "none";
}

function pageTitle() {
    const row = state.execution?.document?.execution;
    if (row) {
        return `${row.held ? "!" : sign(row.status)} ${visible(row.durable_execution_name)}, ${statusWords(row)} · ${programName()}`;
    }
    return `${state.callbacks?.length ? `(${state.callbacks.length}) ` : ""}${state.address.screen[0]?.toUpperCase()}${state.address.screen.slice(1)} · ${programName()}`;
}

/** The screen, and the execution. @param {string} path */
function pathOf(path) {
    return path.split("/").slice(0, 3).join("/");
}

let shownPath = pathOf(location.pathname);
drawWith(draw);
followLinks(() => {
    selection.index = -1;
    // A message is about what was done on the screen before.
    if (pathOf(location.pathname) !== shownPath) {
        shownPath = pathOf(location.pathname);
        state.notice = null;
    }
    closeHover();
    state.moved();
});
listenToKeys();
requestDraw();
state.begin();
