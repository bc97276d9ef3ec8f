// Addresses: each screen, tab, filter and selected operation has one.

/** @typedef {{screen: "executions" | "execution" | "callbacks" | "functions", arn: string, tab: string, query: URLSearchParams}} Address */

export const TABS = /** @type {const} */ ([
    "timeline",
    "operations",
    "history",
    "payloads",
    "logs",
    "code",
    "invocations",
]);

/** Reads an address. @param {string} path @param {string} search @returns {Address} */
export function readAddress(path, search) {
    const [, screen = "", reference = "", tab = ""] = path.split("/");
    const query = new URLSearchParams(search);
    if (screen === "executions" && reference) {
        const known = TABS.find((each) => each === tab) ?? "timeline";
        return { screen: "execution", arn: decoded(reference), tab: known, query };
    }
    const found = /** @type {const} */ (["callbacks", "functions"]).find((each) => each === screen);
    return { screen: found ?? "executions", arn: "", tab: "", query };
}

/** @param {string} text */
function decoded(text) {
    try {
        return decodeURIComponent(text);
    } catch {
        return text; // A percent sign that was typed.
    }
}

/** @returns {Address} */
export function currentAddress() {
    return readAddress(location.pathname, location.search);
}

/** Writes the address of an execution. @param {string} arn @param {string} [tab] @param {string | null} [operation] */
export function executionAddress(arn, tab = "timeline", operation = null) {
    // A colon and a dollar may stand in a path, and are easier to read so.
    const reference = encodeURIComponent(arn).replaceAll("%3A", ":").replaceAll("%24", "$");
    return `/executions/${reference}/${tab}${operation ? `?operation=${encodeURIComponent(operation)}` : ""}`;
}

/** Lets `changed` be called when the address changes, also by a link of the page. @param {() => void} changed */
export function followLinks(changed) {
    globalThis.addEventListener("popstate", changed);
    document.addEventListener("click", (event) => {
        const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
        const isPlain = event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
        if (link && isPlain && !event.defaultPrevented) {
            event.preventDefault();
            go(link.getAttribute("href") ?? "/");
        }
    });
}

/** Goes to an address. @param {string} href @param {{replace?: boolean}} [options] */
export function go(href, { replace = false } = {}) {
    if (href !== location.pathname + location.search) {
        history[replace ? "replaceState" : "pushState"](null, "", href);
    }
    globalThis.dispatchEvent(new PopStateEvent("popstate"));
}

/** Changes the query of the address of now; an empty value removes a parameter. @param {Record<string, string>} changes @param {{replace?: boolean}} [options] */
export function goWith(changes, options) {
    const query = new URLSearchParams(location.search);
    for (const [name, value] of Object.entries(changes)) {
        if (value) {
            query.set(name, value);
        } else {
            query.delete(name);
        }
    }
    const text = query.toString();
    go(text ? `${location.pathname}?${text}` : location.pathname, options);
}

/** The whole address of what is shown, to be sent to a colleague. */
export function addressOfPage() {
    return location.href;
}
