// The last load of a function's code, and the rehearsals of open executions with it.

import { serverNow } from "./clock.js";
import { count, time, utc, visible } from "./format.js";
import { h } from "./render.js";
import { executionAddress } from "./router.js";

/** @import { FunctionDocument, Reload } from "./types.js" */

const SIGNS = { fine: "✓", held: "!", unknown: "?" };
const TONES = { fine: "good", held: "bad", unknown: "open" };

/** @param {FunctionDocument} each */
export function reloadView(each) {
    const { reload } = each;
    if (!reload) {
        return null;
    }
    return h(
        "div",
        { key: "reload" },
        h(
            "p",
            { class: "quiet" },
            "Code of ",
            h("span", { title: utc(reload.loaded_at) }, time(reload.loaded_at, serverNow())),
            rehearsed(reload),
        ),
        reload.is_broken &&
            h(
                "p",
                { class: "bad", key: "broken" },
                "Its file was edited and cannot be imported; the code of before runs. The terminal of durable dev has the error.",
            ),
        reload.rehearsed.length > 0 &&
            h(
                "ul",
                { key: "rehearsed", "aria-label": `Rehearsals of ${each.function_name}` },
                reload.rehearsed.map(({ durable_execution_arn: arn, outcome, text }) =>
                    h(
                        "li",
                        { key: arn },
                        h("span", { class: TONES[outcome] }, `${SIGNS[outcome]} ${outcome} `),
                        h("a", { href: executionAddress(arn) }, visible(arn.split("/").at(-2) ?? arn)),
                        text && h("span", { class: "quiet" }, ` ${visible(text)}`),
                    ),
                ),
            ),
    );
}

/** @param {Reload} reload */
function rehearsed({ fine, held, unknown }) {
    const all = fine + held + unknown;
    if (!all) {
        return "; no open execution had to be rehearsed with it";
    }
    const parts = [`${fine} fine`, held && `${held} held`, unknown && `${unknown} unknown`].filter((each) => each);
    return `; ${count(all, "open execution")} rehearsed with it: ${parts.join(", ")}`;
}
