// The feed of changes. One tab holds it; the others hear its messages from that tab, since a browser opens no more
// than six connections to a server.

/** @import { ExecutionDocument, Row, Callback, FunctionDocument, Line, ServerDocument } from "./types.js" */

/**
 * @typedef {{kind: "execution", number: number, data: Row}
 *     | {kind: "callbacks", number: number, data: {durable_execution_arn: string, callbacks: Callback[]}}
 *     | {kind: "deleted", number: number, data: {durable_execution_arn: string}}
 *     | {kind: "server", number: number, data: ServerDocument}
 *     | {kind: "functions", number: number, data: {functions: FunctionDocument[]}}
 *     | {kind: "reset", number: number, data: {number: number}}
 *     | {kind: "watched", number: number, data: Watched}} News
 * @typedef {{durable_execution_arn: string, position: string} & ({event: "changes", data: ExecutionDocument} | {event: "logs", data: {lines: Line[]}} | {event: "reset", data: object})} Watched
 * @typedef {{news: News} | {state: boolean} | {asks: string} | {watch: string, position: string, tab: string} | {gone: string}} Said
 */

const KINDS = /** @type {const} */ (["execution", "callbacks", "deleted", "server", "functions", "reset", "watched"]);
const MOST_WATCHED = 20;

/** Connects this tab with the server's feed. */
export class Feed {
    /** @param {(news: News) => void} onNews @param {(isConnected: boolean) => void} onState */
    constructor(onNews, onState) {
        this.onNews = onNews;
        this.onState = onState;
        this.tab = `${Date.now()}.${Math.random()}`;
        /** What this tab watches. @type {{watch: string, position: string} | null} */
        this.watching = null;
        /** @type {Source | null} */
        this.source = null;
        this.channel = new BroadcastChannel("durable dev");
        this.channel.onmessage = ({ data }) => this.hear(data);
        globalThis.addEventListener("pagehide", () => this.say({ gone: this.tab }));
    }

    /** Begins after a change's number, as soon as no other tab holds the feed. @param {number} number */
    begin(number) {
        this.say({ asks: this.tab });
        if (navigator.locks) {
            navigator.locks.request("durable dev feed", () => {
                this.hold(number);
                return new Promise(() => {}); // Held until the tab is closed.
            });
        } else {
            this.hold(number); // Another name of this computer without TLS: each tab for itself.
        }
    }

    /** @param {number} number */
    hold(number) {
        this.source = new Source(number, (said) => {
            this.say(said);
            this.hear(said);
        });
        if (this.watching) {
            this.source.watch(this.tab, this.watching.watch, this.watching.position);
        }
        this.say({ asks: this.tab });
    }

    /** Asks for all changes of one execution after a position, in place of an earlier one. @param {string} arn @param {string} position */
    watch(arn, position) {
        this.watching = { watch: arn, position };
        this.source?.watch(this.tab, arn, position);
        this.say({ ...this.watching, tab: this.tab });
    }

    unwatch() {
        if (this.watching) {
            this.watching = null;
            this.source?.unwatch(this.tab);
            this.say({ gone: this.tab });
        }
    }

    /** @param {Said} said */
    say(said) {
        this.channel.postMessage(said);
    }

    /** @param {Said} said */
    hear(said) {
        if ("news" in said) {
            if (said.news.kind === "watched" && said.news.data.durable_execution_arn === this.watching?.watch) {
                this.watching.position = said.news.data.position;
            }
            this.onNews(said.news);
        } else if ("state" in said) {
            this.onState(said.state);
        } else if ("watch" in said) {
            this.source?.watch(said.tab, said.watch, said.position);
        } else if ("gone" in said) {
            this.source?.unwatch(said.gone);
        } else if (said.asks !== this.tab) {
            // A new tab asks for the state; a new holder asks what is watched.
            if (this.source) {
                this.say({ state: this.source.isConnected !== false });
            } else if (this.watching) {
                this.say({ ...this.watching, tab: this.tab });
            }
        }
    }
}

/** The connection of the tab that holds the feed. */
class Source {
    /** @param {number} number @param {(said: Said) => void} tell */
    constructor(number, tell) {
        this.number = number;
        this.tell = tell;
        /** Null until the first try has ended: a first connection that fails is told too. @type {boolean | null} */
        this.isConnected = null;
        this.failures = 0;
        /** The execution of each tab. @type {Map<string, string>} */
        this.tabs = new Map();
        /** @type {Map<string, string>} */
        this.positions = new Map();
        /** @type {EventSource | null} */
        this.events = null;
        this.timer = 0;
        this.connectSoon(0);
    }

    /** @param {string} tab @param {string} arn @param {string} position */
    watch(tab, arn, position) {
        const isNew = !this.positions.has(arn);
        this.tabs.delete(tab);
        this.tabs.set(tab, arn);
        if (isNew) {
            this.positions.set(arn, position);
            this.connectSoon(0);
        }
        this.forgetUnwatched();
    }

    /** The connection stays as it is: what nobody watches ends with the next one. @param {string} tab */
    unwatch(tab) {
        this.tabs.delete(tab);
        this.forgetUnwatched();
    }

    forgetUnwatched() {
        const watched = new Set([...this.tabs.values()].slice(-MOST_WATCHED));
        for (const arn of this.positions.keys()) {
            if (!watched.has(arn)) {
                this.positions.delete(arn);
            }
        }
    }

    /** @param {number} milliseconds */
    connectSoon(milliseconds) {
        clearTimeout(this.timer);
        this.timer = setTimeout(() => this.connect(), milliseconds);
    }

    connect() {
        this.events?.close();
        const query = new URLSearchParams({ since: String(this.number) });
        for (const [arn, position] of this.positions) {
            query.append("watch", arn);
            query.append("position", position);
        }
        const events = new EventSource(`/_durable/events?${query}`);
        this.events = events;
        events.onopen = () => {
            this.failures = 0;
            this.connected(true);
        };
        events.onerror = () => {
            // Not left to the browser, which would ask for the positions of the beginning.
            events.close();
            this.failures += 1;
            this.connected(false);
            this.connectSoon(Math.min(5_000, 250 * 2 ** this.failures));
        };
        for (const kind of KINDS) {
            events.addEventListener(kind, (event) => this.take(kind, event));
        }
    }

    /** @param {(typeof KINDS)[number]} kind @param {MessageEvent<string>} event */
    take(kind, event) {
        const data = JSON.parse(event.data);
        if (kind === "watched") {
            if (this.positions.has(data.durable_execution_arn)) {
                this.positions.set(data.durable_execution_arn, data.position);
            }
        } else {
            this.number = Number(event.lastEventId);
        }
        this.tell({ news: /** @type {News} */ ({ kind, number: this.number, data }) });
    }

    /** @param {boolean} isConnected */
    connected(isConnected) {
        if (this.isConnected !== isConnected) {
            this.isConnected = isConnected;
            this.tell({ state: isConnected });
        }
    }
}
