"""``config.json`` as enrolling finds and leaves it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dtma.config import Config, ConfigError, Enrolment
from dtma.identity.files import IdentityFiles
from dtma_wire import Enrolled

_HOST, _PORT = "0.0.0.0", 7443  # noqa: S104 - a toolbox is there to be reached; nobody but the control plane gets in
_FORMER = ("access_token_sha256", "heartbeat_url", "heartbeat_token")
"""Settings of the time of bearer tokens."""


@dataclass(frozen=True)
class Draft:
    """What is known of the settings: those that are there, and what the command line says of them."""

    home: Path
    settings: dict[str, Any]
    control: str = ""
    token: str = ""
    fingerprint: str = ""

    @property
    def port(self) -> int:
        """Where DTMA will listen."""
        return int(self.settings["port"])

    @classmethod
    def read(cls, home: Path) -> Draft:
        """From ``config.json``, if there is one; raises ``ConfigError``."""
        path = home / "config.json"
        try:
            content = json.loads(path.read_bytes())
            enrolment = Enrolment.model_validate(content["enrolment"]) if "enrolment" in content else None
        except FileNotFoundError:
            content, enrolment = {}, None
        except (OSError, ValueError, TypeError) as error:  # ValidationError is a ValueError
            raise ConfigError(f"{path} cannot be read ({type(error).__name__}).") from None
        settings = {"host": _HOST, "port": _PORT} | {name: value for name, value in content.items() if name not in _FORMER}
        if enrolment is None:
            return cls(home, settings, settings.get("control_url", ""))
        return cls(home, settings, settings.get("control_url", ""), enrolment.token.get_secret_value(), enrolment.ca_fingerprint)

    def with_given(self, *, control: str | None, token: str | None, fingerprint: str | None, host: str | None, port: int | None) -> Draft:
        """What was given counts; raises ``ConfigError`` where something is missing altogether."""
        listening = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
        whole = replace(
            self,
            settings=self.settings | listening,
            control=control or self.control,
            token=token or self.token,
            fingerprint=fingerprint or self.fingerprint,
        )
        for value, option in ((whole.control, "--control"), (whole.token, "--token"), (whole.fingerprint, "--ca-fingerprint")):
            if not value:
                raise ConfigError(f"{option} is missing, and {self.home / 'config.json'} does not say it either.")
        whole.check()
        return whole

    def check(self) -> None:
        """Raises ``ConfigError`` for what DTMA would not start with, before the token is used up."""
        try:
            Enrolment.model_validate({"token": self.token, "ca_fingerprint": self.fingerprint})
            Config.model_validate(self._complete("checked"))
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors(include_input=False))
            raise ConfigError(f"This cannot be used. {problems}.") from None

    def write(self, enrolled: Enrolled) -> None:
        """Leave what ``python -m dtma`` starts with; the token is no part of it."""
        content = self._complete(enrolled.toolbox) | {"heartbeat_seconds": enrolled.heartbeat_seconds}
        IdentityFiles(self.home).write(self.home / "config.json", json.dumps(content, indent=1).encode())

    def _complete(self, toolbox: str) -> dict[str, Any]:
        kept = {name: value for name, value in self.settings.items() if name != "enrolment"}
        return kept | {"toolbox": toolbox, "control_url": self.control}
