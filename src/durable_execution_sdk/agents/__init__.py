"""Durable agents: model requests and tools of agent frameworks as operations of a workflow.

An agent is a loop of model requests and tools. An adapter (``agents.pydantic_ai``, ``agents.openai``,
``agents.strands``, ``agents.langchain``) puts each model request and each tool call into a step, and the framework
stays as it is: tools run in parallel where it asks for that, and a replay returns what is recorded. Each adapter is
loaded, with its framework, when its module is imported, and by nothing else.

This package has what adapters share and what users need with each of them: marks for tools (``at_most_once``,
``in_workflow``, ``tool_options``), approvals by a person (``human_approval``, ``ask_person``), and the options of
model requests (``ModelOptions``, ``ModelBackoff``).
"""

from typing import TYPE_CHECKING

from durable_execution_sdk.first_use import on_first_use

if TYPE_CHECKING:
    from durable_execution_sdk.agents.approval import HumanApproval, human_approval
    from durable_execution_sdk.agents.backoff import ModelBackoff
    from durable_execution_sdk.agents.decisions import Decision
    from durable_execution_sdk.agents.marks import (
        ToolOptions,
        at_most_once,
        in_workflow,
        tool_options,
    )
    from durable_execution_sdk.agents.model_requests import ModelOptions
    from durable_execution_sdk.agents.questions import Question, ask_person, person_tool
else:
    __getattr__ = on_first_use(
        __name__,
        {
            "Decision": "decisions",
            "HumanApproval": "approval",
            "ModelBackoff": "backoff",
            "ModelOptions": "model_requests",
            "ToolOptions": "marks",
            "Question": "questions",
            "ask_person": "questions",
            "person_tool": "questions",
            "at_most_once": "marks",
            "human_approval": "approval",
            "in_workflow": "marks",
            "tool_options": "marks",
        },
    )

__all__ = [
    "Decision",
    "HumanApproval",
    "ModelBackoff",
    "ModelOptions",
    "Question",
    "ToolOptions",
    "ask_person",
    "at_most_once",
    "human_approval",
    "in_workflow",
    "person_tool",
    "tool_options",
]


def __dir__() -> list[str]:
    """Every name, loaded or not."""
    return sorted({*globals(), *__all__})
