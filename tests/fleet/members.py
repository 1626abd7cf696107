"""Toolboxes of a test's user: hosts that were enrolled with a token, and what the control plane says of them."""

from __future__ import annotations

import subprocess
import uuid
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from accounts.models import User
from accounts.services import create_api_token
from tests.dtma.agent import until
from tests.e2e.conftest import Rest
from tests.fleet.control import ControlPlane
from tests.hosts.host import Host
from toolboxes.identity.authority import certificate_authority
from toolboxes.models import Toolbox
from toolboxes.services.enrolment import create_toolbox, new_token


class FleetRest(Rest):
    """A script of the fleet's owner."""

    def __init__(self, url: str, token: str) -> None:
        self.url = f"{url}/api/v1/"
        self.token = token

    def place(self, toolbox: Toolbox, image: str, *arguments: str) -> str:
        """Deploy an image on a toolbox; returns the server's id."""
        package = {
            "registryType": "oci",
            "identifier": image,
            "transport": {"type": "stdio"},
            "packageArguments": [{"type": "positional", "value": argument} for argument in arguments],
        }
        document = {
            "name": f"org.example/e{uuid.uuid4().hex[:10]}",
            "description": "For a test.",
            "version": "1.0.0",
            "packages": [package],
        }
        status, entry = self.ask("POST", "catalog/", document)
        assert status == 201, entry
        return self.deploy(entry["id"], toolbox=str(toolbox.pk), force=True)  # also to one that does not report

    def server(self, server_id: str) -> dict[str, Any]:
        return dict(self.get(f"servers/{server_id}/"))

    def act(self, server_id: str, action: str) -> None:
        """Start, stop or restart."""
        status, answer = self.ask("POST", f"servers/{server_id}/{action}/")
        assert status == 202, answer

    def delete(self, server_id: str) -> None:
        status, answer = self.ask("DELETE", f"servers/{server_id}/")
        assert status == 202, answer


@dataclass(frozen=True)
class Member:
    """A host, and the toolbox that it is."""

    host: Host
    toolbox: Toolbox

    @property
    def id(self) -> str:
        return str(self.toolbox.pk)

    def now(self) -> Toolbox:
        """Its row as it is at this moment."""
        return Toolbox.objects.get(pk=self.toolbox.pk)


class Fleet:
    """A control plane, its user, and the way to become a toolbox of it."""

    def __init__(self, control: ControlPlane) -> None:
        self.control = control
        self.owner = User.objects.create_user(f"{uuid.uuid4().hex[:8]}@example.org", "correct horse battery")
        self.rest = FleetRest(control.url, create_api_token(user=self.owner, name="test"))

    @property
    def fingerprint(self) -> str:
        return certificate_authority().fingerprint

    def toolbox(self) -> Toolbox:
        """A toolbox that no host is yet."""
        return create_toolbox(owner=self.owner, name=f"box-{uuid.uuid4().hex[:8]}", provider=Toolbox.Provider.OWN_SERVER)

    def enrol(self, host: Host, token: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """One attempt of a host to enrol with a token."""
        return host.enrol(**{"control": self.control.intake_url, "token": token, "fingerprint": self.fingerprint, **changes})

    def join(self, host: Host, toolbox: Toolbox | None = None, **config: Any) -> Member:
        """A host becomes a toolbox and reports."""
        member = Member(host, toolbox or self.toolbox())
        done = self.enrol(host, new_token(toolbox=member.toolbox).token)
        assert done.returncode == 0, done.stderr
        host.configure(**config)
        host.start_dtma()
        self.until_online(member)
        return member

    def until_online(self, member: Member, seconds: float = 20) -> None:
        until(lambda: not member.now().is_silent(), seconds)

    def until_silent(self, member: Member, seconds: float = 20) -> None:
        until(lambda: member.now().is_silent(), seconds)

    def until_heard_again(self, member: Member, seconds: float = 20) -> None:
        """Until it has sent a heartbeat from now on."""
        before = timezone.now()
        until(lambda: (member.now().last_seen_at or before) > before, seconds)

    def leave(self, member: Member) -> None:
        """Stop its DTMA, remove its containers, and let the host be as it was before it joined."""
        member.host.forget_dtma()
        with member.host.engine.client() as client:
            for container in client.containers.list(all=True, ignore_removed=True):
                container.remove(force=True, v=True)
