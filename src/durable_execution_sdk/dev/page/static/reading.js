// Where the executions come from, and what is not there: a page that only reads says so.

import { utc, visible } from "./format.js";
import { h } from "./render.js";
import { executionAddress } from "./router.js";
import { state } from "./state.js";

/** @import { Child } from "./render.js" */
/** @import { ServerDocument } from "./types.js" */

/** The name of the program that serves the page. */
export function programName() {
    return state.server?.read_only ? "durable ui" : "durable dev";
}

/** The place that a page which only reads was made for. */
export function sourceView() {
    const { server } = state;
    if (!server?.read_only) {
        return null;
    }
    return h(
        "span",
        { class: "source", key: "source", title: explanation(server) },
        h("b", null, "read-only"),
        h("span", { class: "quiet" }, kindOfPlace(server)),
        h("span", { class: "place" }, visible(server.origin === "endpoint" ? (server.place ?? "") : server.name)),
    );
}

/** @param {ServerDocument} server */
function kindOfPlace(server) {
    return { store: "store", history: "saved history", endpoint: "at" }[server.origin];
}

/** @param {ServerDocument} server */
function explanation(server) {
    switch (server.origin) {
        case "history":
            return `The history of one execution, read from ${server.name}. Nothing can be changed here.`;
        case "endpoint":
            return `${server.name}, read from ${server.place}. Nothing can be changed here.`;
        default:
            return `The executions in ${server.name}${server.place ? `, which the server at ${server.place} runs` : ""}. Nothing can be changed here.`;
    }
}

/** The liveness of what is shown. */
export function liveView() {
    const { server, isConnected } = state;
    if (!isConnected) {
        return h("span", { class: "live bad", role: "status" }, "✕ not connected");
    }
    if (server?.trouble) {
        return h("span", { class: "live bad", role: "status" }, "✕ not live");
    }
    if (server && !server.is_live) {
        return h("span", { class: "live", role: "status" }, server.origin === "history" ? "■ saved" : "■ ended");
    }
    return h("span", { class: "live good", role: "status" }, "● live");
}

/** Why a page that is connected is not live. */
export function troubleView() {
    const trouble = state.server?.trouble;
    return (
        trouble &&
        h(
            "p",
            { class: "lost", role: "alert", key: "trouble" },
            `What is shown is no longer live: ${visible(trouble)}. It is tried again.`,
        )
    );
}

/** What a reader has to know of the execution of a saved history. */
export function notesOnHistory() {
    const { server } = state;
    const notes = [
        server?.as_of ? `It had not ended when this was saved. The last event is of ${utc(server.as_of)}.` : "",
        server && !server.has_payloads ? "It was saved without payloads: inputs, results and errors are missing." : "",
        server && !server.is_arn_known ? "The ARN is not in it, so the function is not known." : "",
    ].filter((each) => each);
    return notes.length ? h("p", { class: "quiet", key: "notes" }, notes.join(" ")) : null;
}

/** Names another execution, with a link if it is there. @param {string} arn @param {Child} text */
export function otherExecution(arn, text) {
    return state.server?.has_others === false
        ? h("span", { title: visible(arn) }, text, " (not in this file)")
        : h("a", { href: executionAddress(arn) }, text);
}

/** True on a page that only reads, if a part was not recorded there. @param {"has_logs" | "has_code"} part */
export function lacks(part) {
    return state.server?.read_only === true && !state.server[part];
}

/** Says that something was not recorded where the page reads. @param {"has_logs" | "has_code"} part @param {string} what */
export function missing(part, what) {
    const { server } = state;
    if (!server || !lacks(part)) {
        return "";
    }
    return server.origin === "store"
        ? `There are no ${what} beside this store: durable dev keeps them for functions that it runs.`
        : `A history has no ${what}.${server.origin === "endpoint" ? " Those of AWS are in CloudWatch." : ""}`;
}
