// One frame for each batch of changes.

/** @type {() => void} */
let draw = () => {};
let isRequested = false;

/** @param {() => void} how */
export function drawWith(how) {
    draw = how;
}

/** Draws in the next frame; a hidden tab has none before it is seen. */
export function requestDraw() {
    if (!isRequested) {
        isRequested = true;
        requestAnimationFrame(() => {
            isRequested = false;
            draw();
        });
    }
}

/** @type {Map<string, number>} */
const ticks = new Map();

/** Draws again after a time, because what is seen changes with the clock. @param {number} milliseconds */
export function drawAfter(milliseconds) {
    const name = String(milliseconds);
    if (!ticks.has(name)) {
        ticks.set(
            name,
            setTimeout(() => {
                ticks.delete(name);
                requestDraw();
            }, milliseconds),
        );
    }
}
