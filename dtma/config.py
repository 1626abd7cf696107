"""What the launcher or the enrolment tells DTMA: ``config.json`` in its home."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

_SOCKETS = ("/run/docker.sock", "/var/run/docker.sock")


class ConfigError(Exception):
    """The configuration cannot be used; the message says what to do."""


class Config(BaseModel):
    """Read once at start. Times are in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    toolbox: str = Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._-]+$")
    host: str = "127.0.0.1"
    port: int = Field(ge=1, le=65535)
    access_token_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    heartbeat_url: str | None = None
    heartbeat_token: SecretStr | None = None
    docker_url: str | None = None

    heartbeat_seconds: float = Field(default=15, gt=0)
    handshake_seconds: float = Field(default=30, gt=0)
    backoff_seconds: float = Field(default=1, gt=0)
    """The wait before the first restart of a crashed server; it doubles up to a minute."""
    crash_limit: int = Field(default=5, ge=1)
    crash_window_seconds: float = Field(default=600, gt=0)
    prepare_bases: bool = True
    """Build the base images in the background at start, so that the first deployment need not wait for them."""

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
        raise ConfigError(f"{path} is missing. The control plane writes it when it enrols this toolbox.") from None
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, item['loc'])) or 'file'}: {item['msg']}" for item in error.errors())
        raise ConfigError(f"{path} is not right. {problems}.") from None
