"""The numbers of the service, each with its source; all other modules take them from here.

"API" names a shape of the Lambda API's model, and a member of it where one is meant. "Quota" is a quota
of Lambda's developer guide. "SDKs" is a threshold that AWS's own SDKs use, "runner" one of AWS's local
runner; the service documents neither. Sizes are in bytes of UTF-8.
"""

_KIB = 1024
_MIB = 1024 * _KIB

# Times, in seconds.

# API: StepOptions.NextAttemptDelaySeconds, WaitOptions.WaitSeconds, DurableConfig.ExecutionTimeout.
LONGEST_TIMER_SECONDS = 31_622_400
"""The longest wait, delay of a retry, or timeout of an execution: 366 days."""

# API: CallbackOptions.TimeoutSeconds, CallbackOptions.HeartbeatTimeoutSeconds.
LONGEST_CALLBACK_TIMEOUT_SECONDS = 99_999_999

# API: Invoke ("up to 30 minutes") and Timeout of CreateFunction, in words; 900 before botocore 1.44.8.
LONGEST_INVOCATION_SECONDS = 1_800
"""The longest function timeout. A synchronous invocation of a durable function waits for as long."""
# API: Timeout. Above LONGEST_INVOCATION_SECONDS only asynchronously, on Lambda Managed Instances.
LONGEST_FUNCTION_TIMEOUT_SECONDS = 5_400

# Developer guide: event source mappings with durable functions.
LONGEST_EVENT_SOURCE_SECONDS = 900
"""The longest execution for an event source mapping, which waits for it."""

# API: ClientToken of CheckpointDurableExecution; runner: a repeated call gets the first one's response.
CLIENT_TOKEN_SECONDS = 15 * 60

# API: DurableConfig.RetentionPeriodInDays, in days; the default is that of the developer guide.
LONGEST_RETENTION_DAYS = 90
DEFAULT_RETENTION_DAYS = 14

# Sizes.

# API: OperationUpdate.Payload, ErrorObject, BinaryOperationPayload, and Invoke.Payload of type Event.
MAX_PAYLOAD_BYTES = _MIB
# API: InputPayload and OutputPayload of a synchronous invocation, for which Invoke.Payload says 6 MB.
MAX_SYNCHRONOUS_PAYLOAD_BYTES = 6 * _MIB
# Quota: the response of a function; Lambda itself lets 100 bytes more pass.
MAX_RESPONSE_BYTES = MAX_SYNCHRONOUS_PAYLOAD_BYTES + 100
# SDKs: a larger result of the handler is recorded by an update of the EXECUTION.
MAX_RETURNED_RESULT_BYTES = MAX_SYNCHRONOUS_PAYLOAD_BYTES - 50
# SDKs: a larger result of a CONTEXT is not stored, but built again from the operations in it.
MAX_STORED_RESULT_BYTES = 256 * _KIB
# Runner: an error object with all its fields. The API allows MAX_PAYLOAD_BYTES.
MAX_ERROR_OBJECT_BYTES = 32 * _KIB
# Quota: what the operations of one execution write.
MAX_STORAGE_BYTES = 100 * _MIB
# Runner: the first page of operations, which comes with the event.
MAX_FIRST_PAGE_BYTES = 5 * _MIB
# SDKs: the updates of one checkpoint.
MAX_BATCH_BYTES = 750 * _KIB

# Counts.

# SDKs: the updates of one checkpoint.
MAX_BATCH_UPDATES = 250
# Quota: the operations of one execution.
MAX_OPERATIONS = 3_000
# API: ItemCount; a page has the default where a request has no MaxItems.
MAX_PAGE_ITEMS = 1_000
MAX_FUNCTIONS_PER_PAGE = 50
MAX_FUNCTIONS_REQUESTED = 10_000
"""The largest ``MaxItems`` of a list of functions; a page has 50 all the same."""
DEFAULT_PAGE_ITEMS = 100

# Rates, in requests per second, account and Region.

# Quota: GetDurableExecution.
MAX_DESCRIPTIONS_PER_SECOND = 30
# Quota: ListDurableExecutionsByFunction, GetDurableExecutionHistory.
MAX_LISTS_PER_SECOND = 15
MAX_HISTORIES_PER_SECOND = 15

# Lengths, in characters.

# API: OperationId.
MAX_ID_CHARACTERS = 64
# API: OperationName, NamespacedFunctionName, TenantId.
MAX_NAME_CHARACTERS = 256
# API: OperationSubType.
MAX_SUB_TYPE_CHARACTERS = 32
# API: DurableExecutionName; the name of a function in an ARN has the same limit.
MAX_EXECUTION_NAME_CHARACTERS = 64
# API: Alias.
MAX_ALIAS_CHARACTERS = 128
# API: PauseReason, ResumeReason.
MAX_REASON_CHARACTERS = 1_024

# Ours, for the status that ``ctx.set_status`` records.
MAX_STATUS_BYTES = 4_000

# Quota: memory of a function, in MB: the least, and the default.
DEFAULT_MEMORY_MB = 128
