"""What a provider of toolboxes is: where a machine comes from, how it becomes a toolbox, and how it ends.

A provider is one folder here: ``provider.py`` holds its `Provider`, ``steps.py`` what its jobs do, ``forms.py`` what it asks, where it asks
anything. `toolboxes.providers` lists them all. Everything else (pages, jobs, REST) knows this interface alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django import forms

from accounts.models import User
from agentopia.lib.errors import Unavailable
from toolboxes.models import CloudAccount, Toolbox
from toolboxes.services.enrolment import NAME

UPGRADE_COMMAND = "sudo agentopia-dtma upgrade"


@dataclass(frozen=True)
class Done:
    """A step is complete; ``detail`` says what came of it."""

    detail: str = ""


@dataclass(frozen=True)
class Wait:
    """A step waits for something: look again after so many seconds."""

    seconds: float
    detail: str = ""


class TryLater(Unavailable):
    """Somebody else's limit: the same request can succeed after so many ``seconds``."""

    code = "rate_limited"

    def __init__(self, message: str, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


@dataclass(frozen=True)
class Step:
    """A station of a job. ``run`` is told how long it has been at it, and is idempotent: its worker may be killed anywhere.

    It raises `AgentopiaError`: retryable ones are tried again with growing pauses, `TryLater` after its own, others end the job.
    A step that still waits after ``limit`` has failed, for the reason ``too_long``, a sentence that says what to do.
    """

    name: str
    label: str
    run: Callable[[Toolbox, timedelta], Done | Wait]
    limit: timedelta
    too_long: str


@dataclass(frozen=True)
class Fact:
    """A line of what a toolbox's page shows."""

    label: str
    value: str
    url: str = ""


@dataclass(frozen=True)
class Missing:
    """What must be there before a toolbox can be added, in a sentence; ``url`` is where to see to it, if that is for the user to do."""

    text: str
    action: str = ""
    url: str = ""


@dataclass(frozen=True)
class AccountFacts:
    """What a cloud provider says of the account that a token belongs to."""

    identity: str
    email: str
    team: str


@dataclass(frozen=True)
class Accounts:
    """How a cloud provider's accounts are added: what to tell the user, and the test of a token, which raises `InvalidInput`."""

    title: str
    token_help: str
    token_url: str
    test: Callable[[str], AccountFacts]


class ToolboxForm(forms.Form):
    """What every provider that asks anything asks first."""

    name = forms.RegexField(
        regex=rf"^{NAME}$",
        max_length=63,
        help_text="What you call it. Letters, digits, spaces, dots and hyphens.",
        error_messages={"invalid": "Use letters, digits, spaces, dots and hyphens; begin and end with a letter or digit."},
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user


class Provider(ABC):
    """Where machines come from. One instance per provider; it holds no state."""

    key: str
    label: str
    description: str
    icon: str
    takes: str
    """How long adding one takes, and what it costs, in a few words."""
    submit: str = "Add the toolbox"
    needs_command: bool = False
    """Whether the user has to run the install command on the machine."""
    accounts: Accounts | None = None
    """Set where toolboxes are made with an account of the user's."""

    @property
    @abstractmethod
    def create_steps(self) -> tuple[Step, ...]:
        """What happens from the order to the first heartbeat."""

    @property
    @abstractmethod
    def remove_steps(self) -> tuple[Step, ...]:
        """What happens from the wish to remove it to its end."""

    @abstractmethod
    def removal(self, toolbox: Toolbox) -> str:
        """What removing this toolbox destroys, and what it leaves, in a sentence or two."""

    def missing(self, user: User) -> Missing | None:
        """Why this user cannot add one now; None where nothing is missing."""
        return None

    def form(self, user: User, data: Mapping[str, Any] | None = None, initial: Mapping[str, Any] | None = None) -> ToolboxForm:
        """What is asked; ``initial`` has what was chosen so far, on which what is offered may depend. Raises `AgentopiaError`."""
        return ToolboxForm(data, initial=dict(initial or {}), user=user)

    def begin(self, toolbox: Toolbox, cleaned_data: Mapping[str, Any]) -> None:
        """Write down what the steps need, in the transaction that makes the toolbox."""
        return

    def facts(self, toolbox: Toolbox) -> list[Fact]:
        """What its page shows of the machine."""
        return []

    def upgrade_command(self, toolbox: Toolbox) -> str:
        """What brings its DTMA up to date, to be run on the machine."""
        return UPGRADE_COMMAND

    def look_after(self, account: CloudAccount) -> None:
        """Compare what the account really has with what is on record; called now and then. Raises `AgentopiaError`."""
        return
