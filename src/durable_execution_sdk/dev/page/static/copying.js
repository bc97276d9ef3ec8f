// Buttons that copy, and say for a moment that they did.

import { requestDraw } from "./draw.js";
import { h } from "./render.js";
import { state } from "./state.js";

const SAID_MILLISECONDS = 1_500;

/** What was copied last, while its button says so. @type {{text: string, name: string} | null} */
let copied = null;

/** @param {string} text @param {string} [name] */
export function copyButton(text, name = "Copy") {
    return h(
        "button",
        {
            key: `copy ${name}`,
            class: "small",
            type: "button",
            onclick: (/** @type {Event} */ event) => {
                event.stopPropagation();
                copy(text, name);
            },
        },
        copied?.name === name && copied.text === text ? "Copied" : name,
    );
}

/** @param {string} text @param {string} name */
async function copy(text, name) {
    try {
        // Browsers offer it on this computer's own names and with TLS alone.
        await navigator.clipboard.writeText(text);
    } catch {
        state.notice = { text: "The browser does not let this page copy: select the text instead.", isBad: true };
        requestDraw();
        return;
    }
    const said = { text, name };
    copied = said;
    requestDraw();
    setTimeout(() => {
        if (copied === said) {
            copied = null;
            requestDraw();
        }
    }, SAID_MILLISECONDS);
}
