"""What changes agents, their grants and their calls."""

from agents.calling.errors import CallFailed
from agents.calling.own import Outcome, call_as_agent, call_tool
from agents.services.calls import close_interrupted_calls

__all__ = ["CallFailed", "Outcome", "call_as_agent", "call_tool", "close_interrupted_calls"]
