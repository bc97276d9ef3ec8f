"""Durable agents of the OpenAI Agents SDK: ``pip install durable-execution-sdk[openai-agents]``.

``DurableRunner.run`` takes the place of ``Runner.run`` in a workflow. Each request to a model is a step
(``"clerk: model"``), and so is each call of a tool, under the tool's name. The framework's own loop runs as workflow
code: tools run in parallel where the model asks for several, and a replay takes all answers from the log::

    agent = Agent(name="clerk", instructions="...", tools=[search, refund])

    @durable_execution
    async def handler(event: Event, ctx: DurableContext) -> str:
        result = await DurableRunner.run(agent, event.question)
        return result.final_output

Instructions, guardrails, handoffs, hooks and agents as tools are workflow code: they run again on replay.
"""

try:
    from durable_execution_sdk.agents.openai.runner import DurableRunner
    from durable_execution_sdk.agents.openai.sessions import DurableSession, WorkflowSession
except ModuleNotFoundError as _missing:
    if (_missing.name or "").partition(".")[0] not in ("agents", "openai"):
        raise
    raise ModuleNotFoundError(
        "durable_execution_sdk.agents.openai needs the OpenAI Agents SDK: pip install"
        " 'durable-execution-sdk[openai-agents]'",
        name=_missing.name,
    ) from _missing

__all__ = ["DurableRunner", "DurableSession", "WorkflowSession"]
