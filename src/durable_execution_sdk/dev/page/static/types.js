// The documents that the server sends, as docs/dev-api.md has them.

/**
 * @typedef {{error_type: string | null, error_message: string | null}} ErrorDocument
 * @typedef {{error_type: string | null, error_message: string | null, error_data: unknown, stack_trace: string[] | null}} WholeError
 * @typedef {{path: string[], id: string, name: string | null, kind: string, waits_for: string | null, until: string | null, callback_id: string | null, attempt: number | null}} Waiting
 * @typedef {{mode: "real" | "paused" | "skip", offset_milliseconds: number, stands_at: string | null, advances_to: string | null}} TimeDocument
 * @typedef {{kind: string, expected: string, actual: string, operation_id: string | null, file: string | null, line: number | null, function: string | null, source: string}} Held
 * @typedef {{durable_execution_name: string, function_name: string, durable_execution_arn: string, status: string, start_timestamp: string, end_timestamp: string | null, operations: number, attempts: number, activity: string, waiting: Waiting[], waiting_count: number, processes: number[], held: Held | null, continued_as: string | null, time: TimeDocument | null, custom_status: unknown, custom_status_timestamp: string | null}} Row
 * @typedef {{number: number, start_timestamp: string | null, end_timestamp: string | null, next_attempt_timestamp: string | null, error: ErrorDocument | null}} Attempt
 * @typedef {[start: number | null, end: number | null, next: number | null, failed: 0 | 1]} ShortAttempt in milliseconds after the operation's start
 * @typedef {{total: number | null, started: number, succeeded: number, failed: number, estimated_end_timestamp: string | null}} Progress
 * @typedef {{id: string, parent_id: string | null, name: string | null, kind: string, status: string, attempt: number | null, waits_for: string | null, until: string | null, callback_id: string | null, error: ErrorDocument | null, start_timestamp: string, end_timestamp: string | null, result_bytes: number | null, function_name: string | null, invoked_execution_arn: string | null, attempts: ShortAttempt[], progress: Progress | null, recorded_start_timestamp?: string}} Operation
 * @typedef {{request_id: string, start_timestamp: string, end_timestamp: string | null, error: ErrorDocument | null, process: number | null, peak_kilobytes: number | null, init_milliseconds: number | null, replayed: number, began: number, attempts: number, ran: string[]}} Invocation
 * @typedef {{kind: string, operation_id: string | null, fires_at: string}} Timer
 * @typedef {{file: string, line: number, function: string | null}} SourceLine
 * @typedef {{operation_id: string, file: string, line: number, function: string, awaited_type: string | null, awaited_at: SourceLine | null, starts: (number | null)[]}} Place
 * @typedef {{durable_execution_name: string, durable_execution_arn: string | null}} Neighbour
 * @typedef {{execution: Row, function_arn: string, version: string, input_bytes: number | null, result_bytes: number | null, error: ErrorDocument | null, head: number, position: string, forked_from: {durable_execution_arn: string, before: string | null} | null, continues: Neighbour | null, continued_as: Neighbour | null, timers: Timer[], operations: Operation[], invocations: Invocation[], places: Place[]}} ExecutionDocument
 * @typedef {{number: number, at: string, stream: string, text: string, request_id: string | null, operation_id: string | null, function_name: string, version: string}} Line
 * @typedef {{callback: string, callback_id: string, durable_execution_name: string, function_name: string, durable_execution_arn: string, path: string[], start_timestamp: string, until: string | null, about: any}} Callback
 * @typedef {{read_only: boolean, origin: "store" | "history" | "endpoint", name: string, place: string | null, is_live: boolean, as_of: string | null, has_logs: boolean, has_code: boolean, has_payloads: boolean, has_others: boolean, is_arn_known: boolean, trouble: string | null}} ServerDocument
 * @typedef {{process: number, version: string, request_id: string | null, durable_execution_arn: string | null}} Worker
 * @typedef {{loaded_at: string, is_broken: boolean, fine: number, held: number, unknown: number, rehearsed: {durable_execution_arn: string, outcome: "fine" | "held" | "unknown", text: string | null}[]}} Reload
 * @typedef {{function_name: string, function_arn: string, durable: boolean, timeout: number, memory_size: number, execution_timeout: number | null, retention_period_in_days: number | null, versions: string[], aliases: Record<string, string>, workers: Worker[], reload: Reload | null}} FunctionDocument
 */

/** The states of an execution's details. @typedef {"loading" | "ready" | "gone"} Loading */

export {};
