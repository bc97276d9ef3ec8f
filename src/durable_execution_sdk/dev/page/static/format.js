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

/** Writes a duration with its largest unit alone, rounded. @param {number} milliseconds */
export function roughly(milliseconds) {
    const index = UNITS.findIndex(([, size]) => milliseconds >= size * 0.995);
    const [unit, size] = UNITS[index] ?? UNITS[3];
    const parts = milliseconds / size;
    return parts < 0.995
        ? duration(milliseconds)
        : `${parts < 1.95 ? parts.toFixed(1).replace(".0", "") : Math.round(parts)} ${unit}`;
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

// Characters that turn the order of text, or hide in it, would let a name look like another one. Those that choose the
// form of a sign do no harm.
const HIDDEN = /(?![\t\n]|\p{Variation_Selector})[\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2028\u2029]/gu;

/** Makes characters visible that turn or hide text. @param {string} text */
export function visible(text) {
    return text.replace(HIDDEN, (found) => {
        const code = (found.codePointAt(0) ?? 0).toString(16);
        return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, "0")}`;
    });
}
