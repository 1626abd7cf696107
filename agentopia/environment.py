"""The settings that an operator may give, declared once: read from the environment, validated at start, documented in docs/settings.md.

What `make run` has started is found through ``services.json`` in ``AGENTOPIA_HOME``; the environment wins over that file.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

BASE_DIR = Path(__file__).resolve().parent.parent


class Environment(BaseSettings):
    """Every setting with its meaning. Names are those of the environment, in lower case."""

    model_config = SettingsConfigDict(extra="ignore")

    agentopia_home: Path = Field(default=BASE_DIR / "var", description="Folder that holds all state of `make run`.")
    secret_key: str = Field(
        min_length=32, description="Signs sessions and, unless ENCRYPTION_KEYS is set, encrypts stored secrets. Made once by `make run`."
    )
    encryption_keys: list[str] = Field(
        default=[],
        description="JSON list of passphrases for stored secrets, newest first; older ones are kept to read what they encrypted.",
    )
    database_url: str = Field(
        pattern="^postgres(ql)?://", description="PostgreSQL with the `vector` extension, as `postgresql://user:password@host/name`."
    )
    redis_url: str = Field(pattern="^rediss?://", description="Redis, as `redis://:password@host:port/0`: broker, cache and live events.")
    port: int = Field(default=8000, ge=1, le=65535, description="Port on 127.0.0.1 where `make run` serves the dashboard.")
    debug: bool = Field(default=False, description="Django's debug pages. Never on a machine that others reach.")
    allowed_hosts: list[str] = Field(
        default=["127.0.0.1", "localhost", "[::1]"], description="JSON list of host names that the dashboard answers to."
    )
    public_url: str = Field(
        default="", description="Address under which browsers reach the dashboard; `https://…` switches secure cookies on."
    )
    intake_host: str = Field(
        default="127.0.0.1", description="Address on which toolboxes are listened to; `0.0.0.0` where toolboxes are on other machines."
    )
    intake_port: int = Field(default=0, ge=0, le=65535, description="Port for toolboxes (TLS); 0: PORT + 1000.")
    intake_url: str = Field(
        default="",
        pattern="^(https://.*)?$",
        description="Address under which toolboxes reach that port; by default the host of PUBLIC_URL, else of INTAKE_HOST.",
    )
    control_plane_addresses: list[str] = Field(
        default=[], description="JSON list of the networks (CIDR) from which toolboxes are called; a droplet's firewall admits these alone."
    )
    digitalocean_api_url: str = Field(
        default="https://api.digitalocean.com", pattern="^https?://", description="DigitalOcean's API; tests name another one."
    )
    toolbox_certificate_days: float = Field(
        default=7, gt=0, le=90, description="How long a toolbox's certificate is valid; it renews itself."
    )
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="How much the control plane logs.")
    heartbeat_seconds: float = Field(default=15, gt=0, le=300, description="How often a toolbox reports; three missed make it silent.")
    tool_call_timeout_seconds: float = Field(default=120, gt=0, le=3600, description="How long one tool call may take.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, InitSettingsSource(settings_cls, init_kwargs=_running_services())


def _running_services() -> dict[str, Any]:
    home = Path(os.environ.get("AGENTOPIA_HOME") or BASE_DIR / "var")
    try:
        content: dict[str, Any] = json.loads((home / "services.json").read_text())
    except FileNotFoundError:
        return {}
    return content


def load_environment() -> Environment:
    """Read and validate the settings; exits with one sentence per wrong one."""
    try:
        return Environment()
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, item['loc'])).upper()}: {item['msg']}" for item in error.errors()]
        raise SystemExit(
            "Agentopia's settings are not usable. Start it with `make run`, or set these:\n  " + "\n  ".join(problems)
        ) from None
