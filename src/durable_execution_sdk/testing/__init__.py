"""Test durable workflows, on the embedded engine in milliseconds or deployed on Lambda."""

from durable_execution_sdk.emulator.caller import Seams
from durable_execution_sdk.engine.limits import Limits
from durable_execution_sdk.replay.report import (
    Divergence,
    DivergenceKind,
    ReplayError,
    ReplayReport,
)
from durable_execution_sdk.testing.callbacks import PendingCallback, SyncPendingCallback
from durable_execution_sdk.testing.cloud import CloudDurableTestRunner
from durable_execution_sdk.testing.cloud_sync import SyncCloudTestRunner
from durable_execution_sdk.testing.crash_safety import check_crash_safety, check_crash_safety_sync
from durable_execution_sdk.testing.errors import (
    DurableTestError,
    NoSuchOperationError,
    RunTimeoutError,
    StuckError,
    UnexpectedStatusError,
    UnusedFaultError,
)
from durable_execution_sdk.testing.factory import RunnerFactory
from durable_execution_sdk.testing.faults import BodyRun, Faults
from durable_execution_sdk.testing.functions import Raises, Returns
from durable_execution_sdk.testing.golden import GoldenHistoryError, assert_history
from durable_execution_sdk.testing.invocations import RecordedInvocation
from durable_execution_sdk.testing.mock_service import (
    CheckpointScript,
    MockDurableServiceClient,
    Script,
)
from durable_execution_sdk.testing.operations import RecordedOperation
from durable_execution_sdk.testing.replaying import check_replay, check_replay_sync, save_history
from durable_execution_sdk.testing.result import DurableTestResult
from durable_execution_sdk.testing.runner import LocalDurableTestRunner
from durable_execution_sdk.testing.safety import Harm, HarmError, SafetyReport
from durable_execution_sdk.testing.schedules import check_schedules, check_schedules_sync
from durable_execution_sdk.testing.sync import SyncTestRunner

__all__ = [
    "BodyRun",
    "CheckpointScript",
    "CloudDurableTestRunner",
    "Divergence",
    "DivergenceKind",
    "DurableTestError",
    "DurableTestResult",
    "Faults",
    "GoldenHistoryError",
    "Harm",
    "HarmError",
    "Limits",
    "LocalDurableTestRunner",
    "MockDurableServiceClient",
    "NoSuchOperationError",
    "PendingCallback",
    "Raises",
    "RecordedInvocation",
    "RecordedOperation",
    "ReplayError",
    "ReplayReport",
    "Returns",
    "RunTimeoutError",
    "RunnerFactory",
    "SafetyReport",
    "Script",
    "Seams",
    "StuckError",
    "SyncCloudTestRunner",
    "SyncPendingCallback",
    "SyncTestRunner",
    "UnexpectedStatusError",
    "UnusedFaultError",
    "assert_history",
    "check_crash_safety",
    "check_crash_safety_sync",
    "check_replay",
    "check_replay_sync",
    "check_schedules",
    "check_schedules_sync",
    "save_history",
]
