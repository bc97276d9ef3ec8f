// The rendering: descriptions of elements, and the change of a document to what is described.
// There are no strings of markup: all text becomes text nodes.

/**
 * @typedef {string | number | boolean | null | undefined | Record<string, string> | ((event: any) => void)} PropValue
 * @typedef {Record<string, PropValue>} Props
 * @typedef {{tag: string, isSvg: boolean, key: string | undefined, props: Props, children: (Described | string)[]}} Described
 * @typedef {Described | string | number | false | null | undefined} Child
 */

const SVG = "http://www.w3.org/2000/svg";

/** What each node was made from. @type {WeakMap<Node, Described>} */
const made = new WeakMap();

/**
 * Describes an element. A prop is an attribute, a `.property`, an `onevent`, a `style` object, or a `key`; `ref` is
 * called with the element when it is made.
 * @param {string} tag @param {Props | null} [props] @param {...(Child | Child[])} children @returns {Described}
 */
export function h(tag, props, ...children) {
    return describe(tag, false, props ?? {}, children);
}

/**
 * Describes an element of SVG.
 * @param {string} tag @param {Props | null} [props] @param {...(Child | Child[])} children @returns {Described}
 */
export function svg(tag, props, ...children) {
    return describe(tag, true, props ?? {}, children);
}

/** @param {string} tag @param {boolean} isSvg @param {Props} props @param {(Child | Child[])[]} children */
function describe(tag, isSvg, props, children) {
    const href = props.href;
    if (typeof href === "string" && !/^\/(?!\/)/.test(href)) {
        throw new Error(`A link leads to an own address, not to ${href}`);
    }
    const key = props.key == null ? undefined : String(props.key);
    return { tag, isSvg, key, props, children: flat(children) };
}

/** @param {(Child | Child[])[]} children @returns {(Described | string)[]} */
function flat(children) {
    /** @type {(Described | string)[]} */
    const all = [];
    for (const child of children.flat()) {
        if (child || child === 0) {
            all.push(typeof child === "number" ? String(child) : child);
        }
    }
    return all;
}

/**
 * Changes the children of an element to what is described. What is gone is removed first, and what stays in its order
 * is not moved, so that focus and selection survive.
 * @param {Element} parent @param {(Described | string)[]} described
 */
export function patch(parent, described) {
    const old = [...parent.childNodes];
    const found = matches(old, described);
    const kept = new Set(found);
    for (const node of old) {
        if (!kept.has(node)) {
            node.remove();
        }
    }
    const staying = longestInOrder(found.map((node) => (node ? old.indexOf(node) : -1)));
    let after = parent.firstChild;
    described.forEach((each, index) => {
        const node = found[index] ?? create(each);
        if (found[index]) {
            update(node, each);
        }
        if (staying.has(index)) {
            after = node.nextSibling;
        } else {
            parent.insertBefore(node, after);
        }
    });
}

/** Finds the node that stays for each description. @param {ChildNode[]} old @param {(Described | string)[]} described */
function matches(old, described) {
    /** @type {Map<string, ChildNode[]>} */
    const byIdentity = new Map();
    for (const node of old) {
        const name = identity(made.get(node));
        const same = byIdentity.get(name);
        if (same) {
            same.push(node);
        } else {
            byIdentity.set(name, [node]);
        }
    }
    return described.map((each) => byIdentity.get(identity(each))?.shift());
}

/** @param {Described | string | undefined} described */
function identity(described) {
    return typeof described === "object" ? `${described.tag} ${described.key ?? ""}` : "";
}

/** Returns the places of the longest growing part; -1 is in none. @param {number[]} numbers */
function longestInOrder(numbers) {
    /** @type {number[]} */
    const ends = [];
    /** @type {number[]} */
    const before = [];
    numbers.forEach((number, index) => {
        if (number < 0) {
            return;
        }
        let low = 0;
        let high = ends.length;
        while (low < high) {
            const middle = (low + high) >> 1;
            if ((numbers[ends[middle] ?? 0] ?? 0) < number) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        before[index] = ends[low - 1] ?? -1;
        ends[low] = index;
    });
    /** @type {Set<number>} */
    const places = new Set();
    for (let at = ends.at(-1) ?? -1; at >= 0; at = before[at] ?? -1) {
        places.add(at);
    }
    return places;
}

/** @param {Described | string} described @returns {ChildNode} */
function create(described) {
    if (typeof described === "string") {
        return document.createTextNode(described);
    }
    const element = described.isSvg
        ? document.createElementNS(SVG, described.tag)
        : document.createElement(described.tag);
    made.set(element, described);
    patch(element, described.children);
    for (const [name, value] of Object.entries(described.props)) {
        setProp(element, name, value, undefined);
    }
    if (typeof described.props.ref === "function") {
        described.props.ref(element);
    }
    return element;
}

/** @param {ChildNode} node @param {Described | string} described */
function update(node, described) {
    if (typeof described === "string") {
        if (node.nodeValue !== described) {
            node.nodeValue = described;
        }
        return;
    }
    const element = /** @type {HTMLElement} */ (node);
    const before = made.get(node)?.props ?? {};
    made.set(node, described);
    for (const name of Object.keys(before)) {
        if (!(name in described.props)) {
            setProp(element, name, undefined, before[name]);
        }
    }
    patch(element, described.children);
    for (const [name, value] of Object.entries(described.props)) {
        if (value !== before[name] || name === "style") {
            setProp(element, name, value, before[name]);
        }
    }
}

/** @param {Element} element @param {string} name @param {PropValue} value @param {PropValue} before */
function setProp(element, name, value, before) {
    if (name === "key" || name === "ref") {
        return;
    }
    if (name.startsWith("on")) {
        const type = name.slice(2);
        if (typeof before !== "function") {
            element.addEventListener(type, dispatch);
        }
        if (typeof value !== "function") {
            element.removeEventListener(type, dispatch);
        }
    } else if (name === "style") {
        setStyle(/** @type {HTMLElement} */ (element), value, before);
    } else if (name.startsWith(".")) {
        /** @type {Record<string, any>} */ (/** @type {unknown} */ (element))[name.slice(1)] = value;
    } else if (value === null || value === undefined || value === false) {
        element.removeAttribute(name);
    } else {
        element.setAttribute(name, value === true ? "" : String(value));
    }
}

/** @param {HTMLElement} element @param {PropValue} value @param {PropValue} before */
function setStyle(element, value, before) {
    const now = /** @type {Record<string, string>} */ (value ?? {});
    const old = /** @type {Record<string, string>} */ (before ?? {});
    for (const name of Object.keys(old)) {
        if (!(name in now)) {
            element.style.removeProperty(name);
        }
    }
    for (const [name, text] of Object.entries(now)) {
        if (text !== old[name]) {
            element.style.setProperty(name, text);
        }
    }
}

/** Calls the handler of now: a handler is replaced in each draw, without a new listener. @param {Event} event */
function dispatch(event) {
    const element = /** @type {Node} */ (event.currentTarget);
    const handler = made.get(element)?.props[`on${event.type}`];
    if (typeof handler === "function") {
        handler(event);
    }
}
