// Long lists, of which only the rows in the window are elements.

import { requestDraw } from "./draw.js";
import { h } from "./render.js";

/** @import { Child, Described } from "./render.js" */

const MORE = 3;

/** The scroll position and height of each list. @type {Map<string, {top: number, height: number, width: number, element: Element | null}>} */
const views = new Map();

const resized = new ResizeObserver((entries) => {
    for (const entry of entries) {
        for (const view of views.values()) {
            const { width, height } = entry.contentRect;
            if (view.element === entry.target && (view.height !== height || view.width !== width)) {
                view.height = height;
                view.width = width;
                requestDraw();
            }
        }
    }
});

/** @param {string} id */
function viewOf(id) {
    let view = views.get(id);
    if (!view) {
        view = { top: 0, height: 600, width: globalThis.innerWidth, element: null };
        views.set(id, view);
    }
    return view;
}

/**
 * Describes a list of rows of the same height. `row` makes one of them, at the given place; `behind` makes what is
 * drawn over all visible rows. The row `kept` stays an element, so that it does not lose the focus.
 * @param {{id: string, count: number, height: number, label: string, kept?: number, row: (index: number, place: Record<string, string>) => Described, behind?: (first: number, last: number, place: Record<string, string>) => Child}} list
 */
export function rows({ id, count, height, label, kept = -1, row, behind }) {
    const view = viewOf(id);
    const first = Math.max(0, Math.min(count - 1, Math.floor(view.top / height)) - MORE);
    const last = Math.min(count, Math.ceil((view.top + view.height) / height) + MORE);
    /** @type {Child[]} */
    const children = [];
    if (kept >= 0 && kept < first) {
        children.push(row(kept, placed(kept, height)));
    }
    for (let index = first; index < last; index++) {
        children.push(row(index, placed(index, height)));
    }
    if (kept >= last && kept < count) {
        children.push(row(kept, placed(kept, height)));
    }
    return h(
        "div",
        {
            class: "rows",
            key: id,
            tabindex: 0,
            role: "region",
            "aria-label": label,
            onscroll: (/** @type {Event} */ event) => {
                view.top = /** @type {Element} */ (event.currentTarget).scrollTop;
                requestDraw();
            },
            ref: (/** @type {Element} */ element) => {
                if (view.element) {
                    resized.unobserve(view.element);
                }
                view.element = element;
                view.top = 0;
                resized.observe(element);
            },
        },
        h(
            "div",
            { class: "space", style: { height: `${count * height}px` } },
            behind?.(first, last, placed(first, height)),
            children,
        ),
    );
}

/** @param {number} index @param {number} height */
function placed(index, height) {
    return { transform: `translateY(${index * height}px)` };
}

/** Scrolls a list so that a row is seen. @param {string} id @param {number} index @param {number} height */
export function reveal(id, index, height) {
    const { element } = viewOf(id);
    if (element) {
        const top = index * height;
        if (top < element.scrollTop) {
            element.scrollTop = top;
        } else if (top + height > element.scrollTop + element.clientHeight) {
            element.scrollTop = top + height - element.clientHeight;
        }
    }
}

/** Tells whether the end of a list is near the window. @param {string} id @param {number} count @param {number} height */
export function isNearEnd(id, count, height) {
    const view = viewOf(id);
    return view.top + 2 * view.height > count * height;
}

/** The width of a list as it was drawn last. @param {string} id */
export function widthOf(id) {
    return viewOf(id).width;
}
