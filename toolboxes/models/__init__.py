"""Toolboxes, who they are, what they reported and what happened to them."""

from toolboxes.models.events import ToolboxEvent
from toolboxes.models.identity import Authority, Certificate, EnrolmentToken
from toolboxes.models.jobs import Job, JobStep
from toolboxes.models.machines import CloudAccount, Machine
from toolboxes.models.metrics import Metric, RollUp
from toolboxes.models.toolbox import Toolbox, silence_after

__all__ = [
    "Authority",
    "Certificate",
    "CloudAccount",
    "EnrolmentToken",
    "Job",
    "JobStep",
    "Machine",
    "Metric",
    "RollUp",
    "Toolbox",
    "ToolboxEvent",
    "silence_after",
]
