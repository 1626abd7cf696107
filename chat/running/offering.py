"""The tools that the model is told of, as pydantic-ai has them."""

from __future__ import annotations

from contextlib import suppress

from pydantic_ai.tools import ToolDefinition

from agentopia.lib.errors import NotFound
from agents.toolsets.cache import toolset_of
from agents.toolsets.types import OfferedTool
from chat.context.building import Given
from chat.running.doing import Doing


def offer(doing: Doing, given: Given) -> None:
    """From now on the model has these."""
    doing.tools = {tool.name: tool for tool in given.tools}
    doing.own = {tool.name: tool for tool in given.own_tools}


async def renew(doing: Doing) -> None:
    """Take the definitions as they are by now: what was changed is told. A tool that is gone or held is told of when it is called."""
    with suppress(NotFound):
        doing.toolset = await toolset_of(doing.agent.pk)
    for name, before in list(doing.tools.items()):
        now = doing.toolset.tools.get(name)
        if now is not None and now.digest != before.digest:
            changed(doing, now)


def changed(doing: Doing, tool: OfferedTool) -> None:
    """The model is given this definition from now on."""
    doing.tools[tool.name] = tool
    text = f"The tool “{tool.name}” was changed by its server meanwhile: its new definition is used."
    doing.events.add("notice", code="definition_changed", text=text)


def definitions(doing: Doing) -> list[ToolDefinition]:
    """As they are now."""
    theirs = [
        ToolDefinition(name=tool.name, description=str(tool.definition.get("description") or ""), parameters_json_schema=tool.input_schema)
        for tool in doing.tools.values()
    ]
    own = [
        ToolDefinition(name=tool.name, description=tool.description, parameters_json_schema=dict(tool.schema))
        for tool in doing.own.values()
    ]
    return [*own, *theirs]
