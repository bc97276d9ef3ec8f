"""Resources of steps, such as clients and sessions: parameters that the SDK gives, by the functions that make them.

The call of a step passes only the other arguments. A function can only have such a parameter in a process that has
loaded this package, which has the mark. So a handler without resources neither loads it nor looks for them.

Workflow functions get none: they are run again by each replay, and would find a resource in another state.
"""

from durable_execution_sdk.operations.resources.calls import overridden, with_resources
from durable_execution_sdk.operations.resources.markers import INJECTED, Depends
from durable_execution_sdk.operations.resources.plan import Overrides
from durable_execution_sdk.runtime.bodies import FINDERS

__all__ = ["INJECTED", "Depends", "Overrides", "overridden"]

FINDERS.append(with_resources)
