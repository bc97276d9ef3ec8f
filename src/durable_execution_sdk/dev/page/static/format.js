// Times, durations and sizes in words.

const UNITS = /** @type {const} */ ([
    ["d", 86_400_000],
    ["h", 3_600_000],
    ["min", 60_000],
    ["s", 1_000],
]);

/** Writes a duration with its two largest units. @param {number} milliseconds */
export function duration(milliseconds) {
    const left = Math.max(0, milliseconds);
    if (left < 1_000) {
        return `${Math.round(left)} ms`;
    }
    if (left < 10_000) {
        return `${(left / 1_000).toFixed(1)} s`;
    }
    const index = UNITS.findIndex(([, size]) => left >= size);
    const [unit, size] = UNITS[index] ?? UNITS[3];
    const next = UNITS[index + 1];
    const rest = next ? Math.floor((left % size) / next[1]) : 0;
    return `${Math.floor(left / size)} ${unit}${next && rest ? ` ${rest} ${next[0]}` : ""}`;
}

/** Writes the time that is left, without fractions of a second. @param {number} milliseconds */
export function left(milliseconds) {
    return milliseconds <= 0
        ? "due"
        : `${duration(Math.ceil(milliseconds / 1_000) * 1_000).replace(".0 s", " s")} left`;
}

/** @param {number | null} bytes */
export function size(bytes) {
    if (bytes === null) {
        return "none";
    }
    if (bytes < 1_024) {
        return `${bytes} B`;
    }
    return bytes < 1_048_576 ? `${(bytes / 1_024).toFixed(1)} kB` : `${(bytes / 1_048_576).toFixed(1)} MB`;
}

/** @param {number} count @param {string} one @param {string} [many] */
export function count(count, one, many = `${one}s`) {
    return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

const SAME_DAY = new Intl.DateTimeFormat(undefined, {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
});
const OTHER_DAY = new Intl.DateTimeFormat(undefined, {
    month: "short",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    hourCycle: "h23",
});
const MILLISECONDS = new Intl.DateTimeFormat(undefined, {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    fractionalSecondDigits: 3,
    hourCycle: "h23",
});

/** Writes a local time; of another day with the day. @param {string | number} at @param {number} now */
export function time(at, now) {
    const moment = new Date(at);
    return moment.toDateString() === new Date(now).toDateString() ? SAME_DAY.format(moment) : OTHER_DAY.format(moment);
}

/** Writes a local time of day to the millisecond. @param {string} at */
export function exactTime(at) {
    return MILLISECONDS.format(new Date(at));
}

/** Writes a time for people who compare it with logs. @param {string | null} at */
export function utc(at) {
    return at === null ? "" : `${at.replace("T", " ").replace(/(\+00:00|Z)$/, "")} UTC`;
}

/** Writes JSON with indentation; other text as it is. @param {string} payload */
export function pretty(payload) {
    try {
        // Large numbers and repeated members would change if they were read and written.
        const text = JSON.stringify(JSON.parse(payload), null, 2);
        return /\d{16}/.test(payload) ? payload : text;
    } catch {
        return payload;
    }
}

// Characters that turn the order of text, or hide in it, would let a name look like another one.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** Makes characters visible that turn or hide text. @param {string} text */
export function visible(text) {
    return text.replace(HIDDEN, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, "0")}`);
}
