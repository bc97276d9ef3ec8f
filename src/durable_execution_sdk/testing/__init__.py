"""Test durable workflows, on the embedded engine in milliseconds or deployed on Lambda."""

from durable_execution_sdk.client.callbacks import PendingCallback, SyncPendingCallback
from durable_execution_sdk.emulator.faults.plan import BodyRun
from durable_execution_sdk.emulator.function_caller import Wrappers
from durable_execution_sdk.engine.limits import Limits
from durable_execution_sdk.replay.report import (
    Divergence,
    DivergenceKind,
    ReplayError,
    ReplayReport,
)
from durable_execution_sdk.testing.checks.crash_safety import (
    check_crash_safety,
    check_crash_safety_sync,
)
from durable_execution_sdk.testing.checks.golden import GoldenHistoryError, assert_history
from durable_execution_sdk.testing.checks.replay import (
    check_replay,
    check_replay_sync,
    save_history,
)
from durable_execution_sdk.testing.checks.safety_report import Harm, HarmError, SafetyReport
from durable_execution_sdk.testing.checks.schedules import check_schedules, check_schedules_sync
from durable_execution_sdk.testing.cloud.runner import CloudDurableTestRunner
from durable_execution_sdk.testing.cloud.sync_runner import SyncCloudTestRunner
from durable_execution_sdk.testing.errors import (
    DurableTestError,
    NoSuchOperationError,
    RunTimeoutError,
    StuckError,
    UnexpectedStatusError,
    UnusedFaultError,
)
from durable_execution_sdk.testing.faults import Faults
from durable_execution_sdk.testing.local.functions import Raises, Returns
from durable_execution_sdk.testing.local.runner import LocalDurableTestRunner
from durable_execution_sdk.testing.local.sync_runner import SyncTestRunner
from durable_execution_sdk.testing.mock_service import (
    MockDurableServiceClient,
    ScriptedAnswers,
    ScriptedCheckpoints,
)
from durable_execution_sdk.testing.pytest_support.factory import RunnerFactory
from durable_execution_sdk.testing.results.invocations import RecordedInvocation
from durable_execution_sdk.testing.results.operations import RecordedOperation
from durable_execution_sdk.testing.results.result import DurableTestResult

__all__ = [
    "BodyRun",
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
    "ScriptedAnswers",
    "ScriptedCheckpoints",
    "StuckError",
    "SyncCloudTestRunner",
    "SyncPendingCallback",
    "SyncTestRunner",
    "UnexpectedStatusError",
    "UnusedFaultError",
    "Wrappers",
    "assert_history",
    "check_crash_safety",
    "check_crash_safety_sync",
    "check_replay",
    "check_replay_sync",
    "check_schedules",
    "check_schedules_sync",
    "save_history",
]
