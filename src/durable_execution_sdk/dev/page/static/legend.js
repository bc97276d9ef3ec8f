// The meaning of the bars' colours.

import { svg } from "./render.js";

/** @import { Kind } from "./bars.js" */

/** @type {[Kind, number, string][]} */
const ENTRIES = [
    ["good", 10, "done"],
    ["bad", 10, "failed"],
    ["backoff", 4, "delay"],
    ["waited", 8, "waited"],
    ["waiting", 8, "waits now"],
    ["running", 10, "runs"],
];
const LETTER = 6.1;
const HEIGHT = 16;

export function legend() {
    let x = 0;
    const parts = ENTRIES.flatMap(([kind, thickness, text]) => {
        const from = x;
        x += 18 + text.length * LETTER + 14;
        return [
            svg("rect", {
                key: kind,
                class: `bar-${kind}`,
                x: from,
                y: (HEIGHT - thickness) / 2,
                width: 12,
                height: thickness,
            }),
            svg("text", { key: text, class: "tick", x: from + 17, y: 12 }, text),
        ];
    });
    return svg(
        "svg",
        { key: "legend", class: "legend", width: Math.ceil(x), height: HEIGHT, role: "img", "aria-label": said() },
        parts,
    );
}

function said() {
    return `Colours of the bars: ${ENTRIES.map(([, , text]) => text).join(", ")}`;
}
