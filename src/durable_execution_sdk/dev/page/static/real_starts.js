// The real starts of steps, as the function's process saw them, and of the groups around them: the history has those of
// the checkpoints, and the START of a step is sent with its end.

/** @import { Operation, Place, ShortAttempt } from "./types.js" */

/**
 * Returns an operation with the real starts of its attempts. `recorded_start_timestamp` is there if its start is
 * another one than in the history.
 * @param {Operation} operation as the history has it @param {Place | undefined} place @returns {Operation}
 */
export function withRealStarts(operation, place) {
    const starts = place?.starts ?? [];
    if (!starts.length || !operation.attempts.length) {
        return operation;
    }
    const recorded = Date.parse(operation.start_timestamp);
    const real = operation.attempts.map((_, index) => realStart(operation.attempts, index, recorded, starts));
    const began = Math.min(recorded, real[0] ?? recorded);
    const later = recorded - began;
    /** @param {number | null} offset */
    const shifted = (offset) => (offset === null ? null : offset + later);
    const attempts = operation.attempts.map(([start, end, next, failed], index) => {
        const at = real[index];
        return /** @type {ShortAttempt} */ ([
            at === undefined || at === null ? shifted(start) : at - began,
            shifted(end),
            shifted(next),
            failed,
        ]);
    });
    const isEarlier = later > 0;
    return {
        ...operation,
        attempts,
        ...(isEarlier && {
            start_timestamp: new Date(began).toISOString(),
            recorded_start_timestamp: operation.start_timestamp,
        }),
    };
}

/**
 * Returns a group that begins no later than what is inside: its recorded start is that of a checkpoint, too.
 * @param {Operation} group @param {number | undefined} inside the first real start of an operation inside
 * @returns {Operation}
 */
export function withStartInside(group, inside) {
    if (inside === undefined || group.attempts.length || inside >= Date.parse(group.start_timestamp)) {
        return group;
    }
    return {
        ...group,
        start_timestamp: new Date(inside).toISOString(),
        recorded_start_timestamp: group.recorded_start_timestamp ?? group.start_timestamp,
    };
}

/**
 * Returns the real start of an attempt, if it was before the recorded one; null if none is known, or the clocks do not
 * agree: time may have been paused.
 * @param {ShortAttempt[]} attempts @param {number} index @param {number} recorded @param {(number | null)[]} starts
 */
function realStart(attempts, index, recorded, starts) {
    const at = starts[index] ?? null;
    const [start = null, end = null] = attempts[index] ?? [];
    const before = attempts[index - 1]?.[1] ?? null;
    const isFitting =
        at !== null &&
        (start === null || at < recorded + start) &&
        (end === null || at <= recorded + end) &&
        (before === null || at >= recorded + before);
    return isFitting ? at : null;
}
