// The time of the server, and that of an execution, which may be ahead or stand still.

/** @import { TimeDocument } from "./types.js" */

let ahead = 0;

/** Learns the server's time. @param {string} now */
export function setServerTime(now) {
    ahead = Date.parse(now) - Date.now();
}

/** @returns {number} */
export function serverNow() {
    return Date.now() + ahead;
}

/** Returns the time of an execution; without one, the server's. @param {TimeDocument | null} [time] */
export function executionNow(time) {
    if (time?.stands_at) {
        return Date.parse(time.stands_at);
    }
    return serverNow() + (time?.offset_milliseconds ?? 0);
}

/** True if the time of an execution passes. @param {TimeDocument | null} time */
export function passes(time) {
    return time !== null && !time.stands_at;
}
