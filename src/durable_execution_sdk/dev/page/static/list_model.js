// The executions in the list, the newest first, as the filters of the address ask for them.

import { get } from "./api.js";
import { requestDraw } from "./draw.js";

/** @import { Row } from "./types.js" */

const PAGE = "200";

export class ExecutionList {
    constructor() {
        /** @type {Map<string, Row>} */
        this.rows = new Map();
        /** The ARNs in their order. @type {string[]} */
        this.order = [];
        /** @type {"loading" | "ready" | "failed"} */
        this.state = "loading";
        this.failure = "";
        this.number = 0;
        /** @type {string | null} */
        this.next = null;
        this.isLoadingMore = false;
        this.filter = { text: "", status: "", function: "" };
        this.version = 0;
    }

    /** @param {URLSearchParams} query */
    async show(query) {
        const filter = {
            text: query.get("text") ?? "",
            status: query.get("status") ?? "",
            function: query.get("function") ?? "",
        };
        if (this.state === "ready" && JSON.stringify(filter) === JSON.stringify(this.filter)) {
            return;
        }
        this.filter = filter;
        await this.load();
    }

    /** Reads the first page. */
    async load() {
        const version = ++this.version;
        try {
            const page = await this.page(null);
            if (version === this.version) {
                this.rows.clear();
                this.order = [];
                this.number = page.number;
                this.add(page.executions);
                this.next = page.next;
                this.state = "ready";
            }
        } catch (error) {
            if (version === this.version) {
                this.state = "failed";
                this.failure = String(error instanceof Error ? error.message : error);
            }
        }
        requestDraw();
    }

    /** Reads the following page. */
    async more() {
        if (this.next === null || this.isLoadingMore) {
            return;
        }
        const version = this.version;
        this.isLoadingMore = true;
        try {
            const page = await this.page(this.next);
            if (version === this.version) {
                this.add(page.executions);
                this.next = page.next;
            }
            requestDraw();
        } catch {
            // Asked for again by the next draw, which a failure does not ask for.
        } finally {
            this.isLoadingMore = false;
        }
    }

    /** @param {string | null} after @returns {Promise<{number: number, executions: Row[], next: string | null}>} */
    page(after) {
        const { text, status, function: name } = this.filter;
        return get("/_durable/executions", {
            text: text || null,
            status: status || null,
            function: name || null,
            after,
            limit: PAGE,
        });
    }

    /** @param {Row[]} rows */
    add(rows) {
        for (const row of rows) {
            if (!this.rows.has(row.durable_execution_arn)) {
                this.order.push(row.durable_execution_arn);
            }
            this.rows.set(row.durable_execution_arn, row);
        }
    }

    /** Takes the row of an execution that changed. @param {Row} row @param {number} number */
    take(row, number) {
        const arn = row.durable_execution_arn;
        if (number <= this.number || this.state !== "ready") {
            return;
        }
        const isKnown = this.rows.has(arn);
        if (!this.fits(row)) {
            this.remove(arn);
        } else if (isKnown) {
            this.rows.set(arn, row);
        } else if (this.isInReach(row)) {
            this.rows.set(arn, row);
            const place = this.order.findIndex(
                (each) => (this.rows.get(each)?.start_timestamp ?? "") <= row.start_timestamp,
            );
            this.order.splice(place < 0 ? this.order.length : place, 0, arn);
        }
    }

    /** @param {string} arn */
    remove(arn) {
        if (this.rows.delete(arn)) {
            this.order.splice(this.order.indexOf(arn), 1);
        }
    }

    /** @param {Row} row */
    fits(row) {
        const { text, status, function: name } = this.filter;
        return (
            (!text || row.durable_execution_name.includes(text)) &&
            (!status || row.status === status) &&
            (!name || row.function_name === name)
        );
    }

    /** False for an old execution of a page that was not read yet. @param {Row} row */
    isInReach(row) {
        const oldest = this.rows.get(this.order.at(-1) ?? "");
        return this.next === null || !oldest || row.start_timestamp >= oldest.start_timestamp;
    }
}
