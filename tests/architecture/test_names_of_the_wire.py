"""The constants of the wire and the types that type checkers and decoders know of them are the same."""

from typing import Any, get_args

import pytest

from durable_execution_sdk.protocol import data_plane, operations, updates


@pytest.mark.parametrize(
    ("constants", "names"),
    [
        (operations.OperationType, operations.OperationTypeName),
        (operations.OperationStatus, operations.OperationStatusName),
        (operations.OperationSubType, operations.OperationSubTypeName),
        (updates.OperationAction, updates.OperationActionName),
        (data_plane.OutcomeStatus, data_plane.OutcomeStatusName),
    ],
)
def test_each_constant_is_one_of_the_names_and_each_name_a_constant(
    constants: type, names: Any
) -> None:
    values = [value for name, value in vars(constants).items() if name.isupper()]
    assert tuple(values) == get_args(names)


def test_every_status_is_open_or_terminal() -> None:
    both = operations.OPEN_STATUSES | operations.TERMINAL_STATUSES
    assert both == set(get_args(operations.OperationStatusName))
    assert not operations.OPEN_STATUSES & operations.TERMINAL_STATUSES
