"""What a container says of itself: its server's spec, but for secrets, so that it can be known again when all else is lost."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from dtma.labels import LABEL_ABOUT, LABEL_GENERATION
from dtma_wire import ServerSpec

MAX_BYTES = 128 * 1024
"""The engine repeats labels in everything that it tells of a container; a spec that is longer is not written down there."""
_ELSEWHERE = {"generation", "desired", "secrets", "secret_files"}


class Unknowable(Exception):
    """The spec cannot be told; the message is a sentence for a person."""


@dataclass(frozen=True)
class About:
    """A spec without its secrets, and the names of those."""

    generation: int
    content: dict[str, Any]
    secrets: tuple[str, ...]
    secret_files: tuple[str, ...]

    @property
    def name(self) -> str:
        """The server's."""
        return str(self.content.get("name", ""))

    def spec(self, environment: Mapping[str, str]) -> ServerSpec:
        """The whole spec, with the secrets out of the container's environment; raises ``Unknowable``."""
        if self.secret_files:
            raise Unknowable("Its secret files are known to nobody any more: deploy the server anew.")
        missing = [name for name in self.secrets if name not in environment]
        if missing:
            raise Unknowable(f"Its container does not have the secret {missing[0]}.")
        secrets = {name: environment[name] for name in self.secrets}
        try:
            return ServerSpec.model_validate({**self.content, "generation": self.generation, "secrets": secrets})
        except ValidationError:
            raise Unknowable("It was made by another version of DTMA, which this one does not understand.") from None


def about_label(spec: ServerSpec) -> dict[str, str]:
    """The label to write on a container, as a mapping; empty where it would be too long."""
    fields = type(spec).model_fields
    usual = {name for name in fields if getattr(spec, name) == fields[name].default}
    content = spec.model_dump(mode="json", exclude=usual | _ELSEWHERE)
    told = {"spec": content, "secrets": sorted(spec.secrets), "secret_files": [file.name for file in spec.secret_files]}
    text = json.dumps(told, separators=(",", ":"))
    return {LABEL_ABOUT: text} if len(text) <= MAX_BYTES else {}


def about_of(labels: Mapping[str, str]) -> About:
    """What the labels of a container say; raises ``Unknowable``."""
    try:
        told = json.loads(labels[LABEL_ABOUT])
        content, secrets, files = dict(told["spec"]), tuple(map(str, told["secrets"])), tuple(map(str, told["secret_files"]))
        return About(int(labels[LABEL_GENERATION]), content, secrets, files)
    except (KeyError, ValueError, TypeError):
        raise Unknowable("Its container does not say what it was made from.") from None
