"""What a kind of model provider is: how it is asked, what it answers, and what a person must enter.

A kind is one folder here: ``kind.py`` holds its `Kind`, ``model.py`` makes the runner's model of it (the only part that loads the
provider's library). `chat.providers` lists them all. Everything else (pages, REST, services) knows this interface alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MAX_MODELS = 3_000
LONGEST_NAME = 200


@dataclass(frozen=True)
class Preset:
    """A provider that many people have: what its form is filled with, and where its keys are got."""

    key: str
    """In addresses of pages, and in AGENTOPIA_MODEL."""
    label: str
    description: str
    base_url: str = ""
    """Empty: it must be entered."""
    asks_url: bool = False
    """Whether the address is asked for; else it is always ``base_url``."""
    needs_key: bool = True
    keys_url: str = ""
    docs_url: str = ""
    example: str = ""
    """The name of a model, to show what they look like."""


@dataclass(frozen=True)
class Question:
    """What is sent to a provider to learn whether it can be used: a POST where there is a ``body``, below the base address."""

    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None


class Kind(ABC):
    """One way to speak to providers. One instance per kind; it holds no state."""

    key: str
    """As `chat.models.ModelProvider.Kind` has it."""
    label: str
    base_url: str
    """Where it is unless another address is entered; empty: nowhere."""
    needs_key: bool = True
    presets: tuple[Preset, ...] = ()
    """Empty: it is not added by hand."""

    @abstractmethod
    def headers(self, api_key: str) -> dict[str, str]:
        """What goes with each question; the key, where there is one, is in here and nowhere else."""

    @property
    @abstractmethod
    def listing(self) -> Question:
        """Asks for the names of the models."""

    @abstractmethod
    def smallest(self, model: str) -> Question:
        """The smallest request to a model: one word in, one token out."""

    @abstractmethod
    def names(self, answer: Any) -> list[str] | None:
        """The models that an answer to `listing` names; None where it is no such answer."""


def named(entries: Any, name: str) -> list[str] | None:
    """The texts of one field of each of these objects, in alphabetical order; None where that is no list of objects."""
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        return None
    found = {entry[name] for entry in entries if isinstance(entry.get(name), str)}
    return sorted(text for text in found if 0 < len(text) <= LONGEST_NAME and text.isprintable())[:MAX_MODELS]
