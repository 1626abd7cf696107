"""What the launcher or the enrolment tells DTMA: ``config.json`` in its home."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

_SOCKETS = ("/run/docker.sock", "/var/run/docker.sock")


class ConfigError(Exception):
    """The configuration cannot be used; the message says what to do."""


class Enrolment(BaseModel):
    """With what this host becomes a toolbox at its next start; what ``identity`` makes of it takes its place."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    token: SecretStr = Field(min_length=1)
    ca_fingerprint: str = Field(pattern=r"^sha256:[0-9A-Fa-f]{64}$")


class Config(BaseModel):
    """Read once at start. Times are in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    toolbox: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")
    host: str = "127.0.0.1"
    port: int = Field(ge=1, le=65535)
    control_url: str | None = Field(default=None, pattern="^https://", max_length=512)
    """The control plane's listener for toolboxes; without it nothing is reported, and no certificate renewed."""
    enrolment: Enrolment | None = None
    docker_url: str | None = None
    resolver: str | None = Field(default=None, pattern=r"^[0-9.]+:[0-9]{1,5}$")
    """Address and port of the DNS resolver that is asked for servers with egress; else those of /etc/resolv.conf."""

    heartbeat_seconds: float = Field(default=15, gt=0)
    handshake_seconds: float = Field(default=30, gt=0)
    backoff_seconds: float = Field(default=1, gt=0)
    """The wait before the first restart of a crashed server; it doubles up to a minute."""
    crash_limit: int = Field(default=5, ge=1)
    crash_window_seconds: float = Field(default=600, gt=0)
    probe_seconds: float = Field(default=30, gt=0)
    """A server that said nothing for so long is asked whether it still answers."""
    probe_limit_seconds: float = Field(default=10, gt=0)
    """How long it may take to answer that; after two misses it is unhealthy."""
    probe_busy_seconds: float = Field(default=300, gt=0)
    """A miss does not count while a client's call is open and the server has spoken or computed within so long."""
    probe_restart_seconds: float = Field(default=60, gt=0)
    """How long it stays unhealthy before it is restarted."""
    stats_seconds: float = Field(default=5, gt=0)
    """How often it is sampled what servers use."""
    usage_seconds: float = Field(default=60, gt=0)
    """How often a heartbeat tells what they used since it was last told."""
    prepare_bases: bool = True
    """Build the base images in the background at start, so that the first deployment need not wait for them."""
    dotnet_runtime_image: str | None = None
    """An image with the .NET runtime, by digest if it is pulled: for C# servers that do not bring their own."""
    nuget_feed: str | None = Field(default=None, pattern="^https?://")
    """The address of the service index of a NuGet feed (API v3)."""
    image_days: float = Field(default=7, gt=0)
    """An image that no server names and no container uses is removed after so many days."""
    disk_percent: float = Field(default=85, gt=0, le=100)
    """While the engine's disk is fuller than this, unused images are removed whatever their age, the oldest first."""
    build_cache_mb: int = Field(default=4096, ge=0)
    """How much of what building leaves behind is kept, so that the next build is quick."""
    collect_seconds: float = Field(default=3600, gt=0)
    """How often that is looked after."""

    @property
    def engine_url(self) -> str:
        """Where the container engine listens."""
        if self.docker_url:
            return self.docker_url
        if os.environ.get("DOCKER_HOST"):
            return os.environ["DOCKER_HOST"]
        return "unix://" + next((path for path in _SOCKETS if Path(path).is_socket()), _SOCKETS[-1])


def load_config(home: Path) -> Config:
    """Read ``home/config.json``; raises ``ConfigError`` naming the field that is wrong, never a value."""
    path = home / "config.json"
    try:
        return Config.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise ConfigError(f"{path} is missing. Run the install command that the control plane shows for this toolbox.") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, item['loc'])) or 'file'}: {item['msg']}" for item in error.errors())
        raise ConfigError(f"{path} is not right. {problems}.") from None
