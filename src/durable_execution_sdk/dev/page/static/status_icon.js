// The icon of the browser's tab, which has the colour of what the tab shows.

/** @type {Record<string, string>} */
const FILES = { good: "icon_good", bad: "icon_bad", open: "icon_open", off: "icon_off", none: "icon" };

/** @param {"good" | "bad" | "open" | "off" | "none"} tone */
export function showIcon(tone) {
    const link = document.querySelector("link[rel=icon]");
    const href = `/page/${FILES[tone]}.svg`;
    if (link && link.getAttribute("href") !== href) {
        link.setAttribute("href", href);
    }
}
