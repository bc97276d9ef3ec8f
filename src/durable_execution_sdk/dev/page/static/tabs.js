// The parts of an execution, as tabs.

import { copyButton } from "./copying.js";
import { h } from "./render.js";
import { addressOfPage, executionAddress, TABS } from "./router.js";
import { state } from "./state.js";

/** @import { ExecutionModel } from "./execution_model.js" */

const NAMES = /** @type {Record<string, string>} */ ({ payloads: "input and output" });

/** The tab that was scrolled to. @type {{model: ExecutionModel | null, tab: string}} */
let shown = { model: null, tab: "" };

/** @param {ExecutionModel} model */
export function tabRow(model) {
    const { tab } = state.address;
    if (shown.model !== model || shown.tab !== tab) {
        shown = { model, tab };
        requestAnimationFrame(showChosen);
    }
    return h(
        "div",
        { class: "tab-row" },
        h(
            "nav",
            { class: "tabs", "aria-label": "Parts of the execution" },
            TABS.map((each) =>
                h(
                    "a",
                    {
                        key: each,
                        href: executionAddress(model.arn, each),
                        "aria-current": each === tab ? "page" : null,
                    },
                    NAMES[each] ?? each,
                ),
            ),
        ),
        state.server?.is_arn_known !== false && copyButton(model.arn, "Copy ARN"),
        copyButton(addressOfPage(), "Copy link"),
    );
}

/** Scrolls the row of tabs to the chosen one, where not all have room. `scrollIntoView` would move the start of Tab too. */
function showChosen() {
    const row = document.querySelector(".tabs");
    const tab = row?.querySelector("[aria-current]");
    if (!row || !tab) {
        return;
    }
    const [outer, inner] = [row.getBoundingClientRect(), tab.getBoundingClientRect()];
    row.scrollLeft += Math.min(0, inner.left - outer.left) + Math.max(0, inner.right - outer.right);
}
