"""The settings that an operator may give, declared once: read from the environment, validated at start, documented in docs/settings.md.

What `make run` has started is found through ``services.json`` in ``AGENTOPIA_HOME``; the environment wins over that file.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pydantic import Field, IPvAnyNetwork, ValidationError
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
    trusted_proxies: list[IPvAnyNetwork] = Field(
        default=[],
        description="JSON list of the addresses or networks (CIDR) of your reverse proxies: their `X-Forwarded-For` says who asks. "
        "Without it, who asks is who connects.",
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
    private_registries: list[str] = Field(
        default=[],
        description="JSON list of the hosts (`registry.internal`, `10.0.0.7:8080`) of MCP registries that are asked though their addresses "
        "are private, over plain HTTP too; `*` stands for all.",
    )
    private_model_hosts: list[str] | None = Field(
        default=None,
        description="JSON list of the hosts (`gpu.internal`, `10.0.0.7:8000`) of models that users may enter though their addresses are "
        "private, over plain HTTP too; `*` stands for all. By default all, while Agentopia is for its own machine alone, as Ollama is "
        "(PUBLIC_URL is empty, ALLOWED_HOSTS as usual), and none where others reach it.",
    )
    agentopia_model: str = Field(
        default="",
        pattern="^([a-z]+:.+)?$",
        description="A model that `make run` shares with all users, as `provider:model`: `openai:gpt-5-mini`, `anthropic:…`, `google:…`, "
        "`openrouter:…`, `ollama:…`, `vllm:…`, `llamacpp:…`, or `compatible:…` with AGENTOPIA_MODEL_URL.",
    )
    agentopia_model_key: str = Field(default="", repr=False, description="The key of that provider, where it needs one.")
    agentopia_model_url: str = Field(
        default="", pattern="^(https?://.*)?$", description="The address of that provider, where it is not the usual one."
    )
    embedded_model_url: str = Field(
        default="",
        pattern="^(https?://.*)?$",
        description="Where the embedded model answers (an OpenAI-compatible address); it is offered while it does.",
    )
    model_seconds: float = Field(
        default=180,
        gt=0,
        le=3600,
        description="How long a model may think until its answer begins; one that is reached over plain HTTP, on a machine of one's own, "
        "five times as long.",
    )
    authorization_servers: list[str] = Field(
        default=[],
        description="JSON list of the issuers (OAuth 2.1, `https://…`) whose access tokens the gateway takes beside API tokens.",
    )
    toolbox_certificate_days: float = Field(
        default=7, gt=0, le=90, description="How long a toolbox's certificate is valid; it renews itself."
    )
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="How much the control plane logs.")
    heartbeat_seconds: float = Field(default=15, gt=0, le=300, description="How often a toolbox reports; three missed make it silent.")
    tool_call_timeout_seconds: float = Field(default=120, gt=0, le=3600, description="How long one tool call may take.")
    approval_seconds: float = Field(
        default=600, gt=0, le=86_400, description="How long a tool call waits for its owner's approval, and an approval for its call."
    )
    run_max_requests: int = Field(default=60, ge=1, description="How many requests to a model one run of the chat may make.")
    run_max_tokens: int = Field(default=2_000_000, ge=1, description="How many tokens, in and out, one run may use.")
    run_max_cost_usd: float = Field(default=10, gt=0, description="What one run may cost, in US dollars, where the model's price is known.")
    run_max_seconds: float = Field(
        default=3600, gt=0, le=86_400, description="How long one run may take, waiting for approvals not counted."
    )
    question_seconds: float = Field(
        default=600, gt=0, le=86_400, description="How long a server that asks its user something in a call waits for the answer."
    )

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
