// One execution in detail: what was read of it, and what came since.

import { executionPath, get, history, Refusal } from "./api.js";
import { requestDraw } from "./draw.js";
import { withRealStarts, withStartInside } from "./real_starts.js";

/** @import { ExecutionDocument, Invocation, Line, Loading, Operation, Place, Row } from "./types.js" */
/** @import { Watched } from "./feed.js" */

/** @typedef {{EventId: number, EventType: string, EventTimestamp: number | string, Id?: string, ParentId?: string, Name?: string, SubType?: string} & Record<string, any>} HistoryEvent */

export class ExecutionModel {
    /** @param {string} reference a name or an ARN @param {(arn: string, position: string) => void} watch */
    constructor(reference, watch) {
        this.reference = reference;
        this.arn = reference;
        this.watch = watch;
        /** @type {Loading} */
        this.state = "loading";
        this.failure = "";
        /** @type {ExecutionDocument | null} */
        this.document = null;
        /** Its row in the list, which is there sooner. @type {Row | null} */
        this.row = null;
        /** In the order of their starts, with the real starts where they are known. @type {Map<string, Operation>} */
        this.operations = new Map();
        /** As the history has them. @type {Map<string, Operation>} */
        this.recorded = new Map();
        /** The first real start inside each group, in milliseconds. @type {Map<string, number>} */
        this.startsInside = new Map();
        /** @type {Map<string, Invocation>} */
        this.invocations = new Map();
        /** @type {Map<string, Place>} */
        this.places = new Map();
        /** @type {Map<number, Line>} */
        this.lines = new Map();
        /** @type {Map<number, HistoryEvent>} */
        this.events = new Map();
        this.eventsHead = -1;
        this.isLoadingEvents = false;
        /** Grows with each change: what is derived from the operations is derived again. */
        this.version = 0;
        /** What came before the document was read. @type {Watched[]} */
        this.early = [];
    }

    async load() {
        if (!this.document) {
            this.loadRow();
        }
        try {
            const document = /** @type {ExecutionDocument} */ (await get(executionPath(this.reference)));
            this.arn = document.execution.durable_execution_arn;
            this.operations.clear();
            this.recorded.clear();
            this.startsInside.clear();
            this.invocations.clear();
            this.merge(document);
            this.state = "ready";
            this.watch(this.arn, document.position);
            for (const watched of this.early.splice(0)) {
                this.take(watched);
            }
            this.loadLines(0);
        } catch (error) {
            this.failure = String(error instanceof Error ? error.message : error);
            if (!this.document || (error instanceof Refusal && error.status === 404)) {
                this.state = "gone";
            }
        }
        requestDraw();
    }

    async loadRow() {
        const name = this.reference.split("/").at(-2) ?? this.reference;
        const page = await get("/_durable/executions", { text: name, limit: "20" }).catch(() => null);
        const rows = /** @type {Row[]} */ (page?.executions ?? []);
        this.row =
            rows.find((each) => [each.durable_execution_arn, each.durable_execution_name].includes(this.reference)) ??
            null;
        requestDraw();
    }

    /** @param {number} after */
    async loadLines(after) {
        let next = /** @type {number | null} */ (after);
        while (next !== null) {
            const page = /** @type {{lines: Line[], next: number | null}} */ (
                await get(`${executionPath(this.arn)}/logs`, { after: String(next), limit: "1000" }).catch(() => ({
                    lines: [],
                    next: null,
                }))
            );
            this.addLines(page.lines);
            next = page.next;
        }
    }

    /** Takes a message of the feed. @param {Watched} watched */
    take(watched) {
        if (this.state === "loading") {
            this.early.push(watched);
        } else if (watched.event === "logs") {
            this.addLines(watched.data.lines);
        } else if (watched.event === "reset") {
            this.load();
        } else if (this.document && headOf(watched.position) >= this.document.head) {
            this.merge(watched.data);
        }
        requestDraw();
    }

    /** @param {ExecutionDocument} document */
    merge(document) {
        this.document = document;
        this.version += 1;
        for (const operation of document.operations) {
            this.recorded.set(operation.id, operation);
            this.setRealStarts(operation.id);
        }
        for (const invocation of document.invocations) {
            this.invocations.set(invocation.request_id, invocation);
        }
        for (const place of document.places) {
            this.places.set(place.operation_id, place);
            this.setRealStarts(place.operation_id);
        }
    }

    /** Gives an operation its real starts, and the groups around it theirs. @param {string} id */
    setRealStarts(id) {
        const recorded = this.recorded.get(id);
        if (!recorded) {
            return;
        }
        const real = withRealStarts(recorded, this.places.get(id));
        const operation = withStartInside(real, this.startsInside.get(id));
        this.operations.set(id, operation);
        const began = Date.parse(operation.start_timestamp);
        let parent = operation.recorded_start_timestamp ? operation.parent_id : null;
        while (parent && began < (this.startsInside.get(parent) ?? Number.POSITIVE_INFINITY)) {
            this.startsInside.set(parent, began);
            const group = this.operations.get(parent);
            if (group) {
                this.operations.set(parent, withStartInside(group, began));
            }
            parent = group?.parent_id ?? null;
        }
    }

    /** The status of an operation; one that the end of the execution cut off is not open any more. @param {Operation} operation */
    statusOf(operation) {
        const isCutOff = operation.end_timestamp === null && this.document?.execution.end_timestamp;
        return isCutOff ? "CUT_OFF" : operation.status;
    }

    /** Returns the document with all operations, not those alone that changed last. */
    whole() {
        return this.document && { ...this.document, operations: [...this.operations.values()] };
    }

    /** @param {Line[]} lines */
    addLines(lines) {
        for (const line of lines) {
            this.lines.set(line.number, line);
        }
        requestDraw();
    }

    /** Reads the events that are new, the newest first until one that is known. */
    async loadEvents() {
        const head = this.document?.head ?? 0;
        if (this.isLoadingEvents || this.eventsHead === head) {
            return;
        }
        this.isLoadingEvents = true;
        const isFirst = this.events.size === 0;
        try {
            let marker = /** @type {string | undefined} */ (undefined);
            do {
                const page = /** @type {{Events: HistoryEvent[], NextMarker?: string}} */ (
                    await history(this.arn, marker, !isFirst)
                );
                const isKnown = !isFirst && page.Events.some((event) => this.events.has(event.EventId));
                for (const event of page.Events) {
                    this.events.set(event.EventId, event);
                }
                marker = isKnown ? undefined : page.NextMarker;
                requestDraw();
            } while (marker);
            this.eventsHead = head;
        } catch (error) {
            this.failure = String(error instanceof Error ? error.message : error);
            this.eventsHead = head;
        } finally {
            this.isLoadingEvents = false;
            requestDraw();
        }
    }
}

/** @param {string} position */
function headOf(position) {
    return Number(position.split("-")[0]);
}
