"""Who is who between the two programs: the names that certificates are made out to, and how a toolbox gets and renews its own.

Both sides trust one certificate authority alone, the control plane's own, and check the other's name. Where a machine is reached plays
no part: addresses change, and a certificate of a public authority says nothing about a toolbox.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr, field_serializer

from tests.wire.v3.base import Event

CONTROL_PLANE_NAME = "control-plane.agentopia.internal"
_TOOLBOX_DOMAIN = ".toolbox.agentopia.internal"

Pem = Annotated[str, Field(max_length=16_384)]


def toolbox_name(toolbox: str) -> str:
    """The name in the certificate of the toolbox of this id."""
    return toolbox + _TOOLBOX_DOMAIN


def toolbox_named(name: str) -> str | None:
    """The id of the toolbox whose certificate carries this name; None for any other name."""
    toolbox, domain, rest = name.partition(_TOOLBOX_DOMAIN)
    return toolbox if toolbox and domain and not rest else None


class Enrol(Event):
    """``POST /dtma/v1/enrol``: a host that holds a one-time token asks to become that toolbox.

    ``request`` is a PEM certificate signing request; only its public key and signature count. ``address`` is where the control plane
    reaches the host, without a port; empty: the address that the request comes from.
    """

    wire_version: int
    token: SecretStr
    request: Pem
    port: int = Field(ge=1, le=65535)
    address: str = Field(default="", max_length=253)
    hostname: str = Field(default="", max_length=253)

    @field_serializer("token", when_used="json")
    def _reveal(self, token: SecretStr) -> str:
        return token.get_secret_value()


class Enrolled(Event):
    """The answer: which toolbox it is from now on, and its certificate (PEM)."""

    toolbox: str
    certificate: Pem
    heartbeat_seconds: float = Field(default=15, gt=0)


class Renew(Event):
    """``POST /dtma/v1/renew``, under the certificate that is to be followed by a new one."""

    request: Pem


class Renewed(Event):
    """The answer: the new certificate (PEM). The old one is valid until its own end."""

    certificate: Pem
