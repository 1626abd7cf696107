"""Agents and their grants, tool calls with their receipts, and approvals."""

from agents.models.agents import Agent, AgentToken, Grant, GrantedTool
from agents.models.approvals import Approval, StandingApproval
from agents.models.calls import CallPolicy, ToolCall
from agents.models.limits import Limits
from agents.models.selection import SelectionFeedback, ToolEmbedding

__all__ = [
    "Agent",
    "AgentToken",
    "Approval",
    "CallPolicy",
    "Grant",
    "GrantedTool",
    "Limits",
    "SelectionFeedback",
    "StandingApproval",
    "ToolCall",
    "ToolEmbedding",
]
