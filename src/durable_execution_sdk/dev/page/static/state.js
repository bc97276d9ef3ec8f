// The state of the page: what the server told, and the address.

import { get } from "./api.js";
import { setServerTime } from "./clock.js";
import { requestDraw } from "./draw.js";
import { ExecutionModel } from "./execution_model.js";
import { Feed } from "./feed.js";
import { ExecutionList } from "./list_model.js";
import { currentAddress } from "./router.js";

/** @import { Callback, FunctionDocument, ServerDocument } from "./types.js" */
/** @import { News } from "./feed.js" */

const GATHERING_MILLISECONDS = 150;

class State {
    constructor() {
        this.address = currentAddress();
        this.list = new ExecutionList();
        /** @type {ExecutionModel | null} */
        this.execution = null;
        /** @type {ServerDocument | null} */
        this.server = null;
        /** @type {Callback[] | null} */
        this.callbacks = null;
        /** @type {FunctionDocument[] | null} */
        this.functions = null;
        /** The message beside an action that was done or refused. @type {{text: string, isBad: boolean} | null} */
        this.notice = null;
        this.isConnected = true;
        this.wasConnected = false;
        this.isGathering = false;
        this.feed = new Feed(
            (news) => this.take(news),
            (isConnected) => this.connected(isConnected),
        );
    }

    /** False until the server has told that executions can be changed here. */
    get canAct() {
        return this.server?.read_only === false;
    }

    async begin() {
        await Promise.all([this.moved(), this.readAll()]);
        this.feed.begin(this.list.number);
    }

    /** Reads what all screens show. */
    async readAll() {
        const [server, time, functions] = await Promise.all([
            get("/_durable/server"),
            get("/_durable/time"),
            get("/_durable/functions"),
        ]).catch(() => [null, null, null]);
        if (server && time && functions) {
            this.server = server;
            setServerTime(time.now);
            this.functions = functions.functions;
            this.list.number ||= functions.number;
        }
        await this.readCallbacks();
        requestDraw();
    }

    async readCallbacks() {
        const answer = await get("/_durable/callbacks").catch(() => null);
        if (answer) {
            this.callbacks = answer.callbacks;
            requestDraw();
        }
    }

    /** Follows the address. */
    async moved() {
        this.address = currentAddress();
        const { screen, arn, query } = this.address;
        requestDraw();
        if (screen === "execution") {
            if (this.execution?.reference !== arn) {
                this.execution = new ExecutionModel(arn, (found, position) => this.feed.watch(found, position));
                await this.execution.load();
            }
        } else {
            this.execution = null;
            this.feed.unwatch();
            if (screen === "executions") {
                await this.list.show(query);
            }
        }
    }

    /** @param {News} news */
    take(news) {
        switch (news.kind) {
            case "execution":
                this.list.take(news.data, news.number);
                if (this.execution?.document && this.execution.arn === news.data.durable_execution_arn) {
                    this.execution.document = { ...this.execution.document, execution: news.data };
                }
                break;
            case "deleted":
                this.list.remove(news.data.durable_execution_arn);
                if (this.execution?.arn === news.data.durable_execution_arn) {
                    this.execution.state = "gone";
                    this.execution.failure = "This execution was deleted.";
                }
                this.gatherCallbacks();
                break;
            case "callbacks":
                this.gatherCallbacks();
                break;
            case "server":
                this.server = news.data;
                break;
            case "functions":
                this.functions = news.data.functions;
                break;
            case "watched":
                if (
                    this.execution &&
                    (this.execution.arn === news.data.durable_execution_arn || this.execution.state === "loading")
                ) {
                    this.execution.take(news.data);
                }
                break;
            case "reset":
                this.readAnew();
                break;
        }
        requestDraw();
    }

    /** Reads everything, since the feed does not know what changed. */
    readAnew() {
        if (this.address.screen === "executions") {
            this.list.load();
        } else {
            this.list.state = "loading";
        }
        this.execution?.load();
        this.readAll();
    }

    /** Reads the callbacks once for several changes. */
    gatherCallbacks() {
        if (!this.isGathering) {
            this.isGathering = true;
            setTimeout(() => {
                this.isGathering = false;
                this.readCallbacks();
            }, GATHERING_MILLISECONDS);
        }
    }

    /** @param {boolean} isConnected */
    connected(isConnected) {
        if (isConnected === this.isConnected) {
            return;
        }
        this.isConnected = isConnected;
        if (isConnected) {
            this.readAll();
        }
        requestDraw();
    }

    /** Performs an action and says what came of it. @param {string} done @param {() => Promise<unknown>} action @returns {Promise<boolean>} */
    async perform(done, action) {
        try {
            await action();
            this.notice = done ? { text: done, isBad: false } : null;
            return true;
        } catch (error) {
            this.notice = { text: error instanceof Error ? error.message : String(error), isBad: true };
            return false;
        } finally {
            requestDraw();
        }
    }
}

export const state = new State();
