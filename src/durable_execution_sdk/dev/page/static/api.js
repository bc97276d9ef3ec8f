// Requests to the server.

import { indented } from "./json_text.js";

/** A place in a value that does not fit, and what is expected there. @typedef {{path: (string | number)[], message: string}} Mistake */

/** A request that the server refused, or that did not reach it. */
export class Refusal extends Error {
    /** @param {string} message @param {number} status @param {Mistake[]} [mistakes] */
    constructor(message, status, mistakes = []) {
        super(message);
        this.status = status;
        this.mistakes = mistakes;
    }
}

/** @param {string} path @param {RequestInit} [options] @returns {Promise<Response>} */
async function request(path, options) {
    /** @type {Response} */
    let answer;
    try {
        answer = await fetch(path, options);
    } catch {
        throw new Refusal("The server does not answer; does the command still run?", 0);
    }
    if (!answer.ok) {
        /** @type {{message?: string, Message?: string, mistakes?: Mistake[]}} */
        const body = await answer.json().catch(() => ({}));
        const message = body.message ?? body.Message ?? `The server answered ${answer.status}.`;
        throw new Refusal(message, answer.status, body.mistakes);
    }
    return answer;
}

/** @param {string} path @param {Record<string, string | string[] | null | undefined>} [query] @returns {Promise<any>} */
export async function get(path, query = {}) {
    const parameters = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
        for (const each of [value ?? []].flat()) {
            parameters.append(name, each);
        }
    }
    const text = parameters.toString();
    return (await request(text ? `${path}?${text}` : path)).json();
}

/** @param {string} path @param {string} body @param {Record<string, string>} [headers] @returns {Promise<Response>} */
function post(path, body, headers = {}) {
    return request(path, { method: "POST", body, headers: { "Content-Type": "application/json", ...headers } });
}

/** @param {string} arn */
export function executionPath(arn) {
    return `/_durable/executions/${encodeURIComponent(arn)}`;
}

/** @param {string} arn @param {string} kind @param {string} [operation] */
export function payload(arn, kind, operation) {
    return get(`${executionPath(arn)}/payload`, { kind, operation });
}

/** Reads the inputs with which a function was started last; none if they cannot be read. @param {string} name @returns {Promise<string[]>} */
export async function recentInputs(name) {
    const path = `/_durable/functions/${encodeURIComponent(name)}/inputs`;
    const answer = await get(path).catch(() => ({ inputs: [] }));
    return answer.inputs.map(indented);
}

/** Reads a source file that an execution ran. @param {string} arn @param {string} file */
export function source(arn, file) {
    return get(`${executionPath(arn)}/source`, { file });
}

/** Reads the last attempts of an operation. @param {string} arn @param {string} operation @param {number} limit */
export function attempts(arn, operation, limit) {
    return get(`${executionPath(arn)}/attempts`, { operation, limit: String(limit) });
}

/**
 * Performs an action that Lambda has no call for.
 * @param {string} arn @param {"fork" | "rerun" | "time" | "crash" | "accept-code" | "send"} name @param {object} body @returns {Promise<any>}
 */
export async function act(arn, name, body) {
    return (await post(`${executionPath(arn)}/${name}`, JSON.stringify(body))).json();
}

/** Stops, pauses or resumes an execution. @param {string} arn @param {"stop" | "pause" | "resume"} name @param {object} [body] */
export function control(arn, name, body = {}) {
    return post(`/2025-12-01/durable-executions/${encodeURIComponent(arn)}/${name}`, JSON.stringify(body));
}

/** @param {string} id */
export function callbackPath(id) {
    return `/_durable/callbacks/${encodeURIComponent(id)}`;
}

/** Answers a callback with a result, also with one that does not fit its type. @param {string} id @param {string} result @param {boolean} anyway */
export function succeed(id, result, anyway) {
    return post(`${callbackPath(id)}/succeed`, JSON.stringify({ result, anyway }));
}

/** Fails a callback, or lets its heartbeat timeout begin again. @param {string} id @param {"fail" | "heartbeat"} how @param {string} body */
export function answer(id, how, body) {
    return post(`/2025-12-01/durable-execution-callbacks/${encodeURIComponent(id)}/${how}`, body);
}

/** Starts an execution; returns its ARN. @param {string} name @param {string} input @param {string} executionName */
export async function start(name, input, executionName) {
    /** @type {Record<string, string>} */
    const headers = { "X-Amz-Invocation-Type": "Event" };
    if (executionName) {
        headers["X-Amz-Durable-Execution-Name"] = executionName;
    }
    const path = `/2015-03-31/functions/${encodeURIComponent(name)}/invocations?Qualifier=$LATEST`;
    return (await post(path, input, headers)).headers.get("X-Amz-Durable-Execution-Arn");
}

/** Reads a page of an execution's history. @param {string} arn @param {string | undefined} marker @param {boolean} isReverse */
export function history(arn, marker, isReverse) {
    return get(`/2025-12-01/durable-executions/${encodeURIComponent(arn)}/history`, {
        IncludeExecutionData: "false",
        MaxItems: "1000",
        ReverseOrder: String(isReverse),
        Marker: marker,
    });
}
