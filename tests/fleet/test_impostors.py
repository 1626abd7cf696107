"""Nobody speaks for a toolbox but itself, and nobody speaks to one but its control plane."""

from __future__ import annotations

import ssl
import subprocess
from typing import Any

import pytest

from dtma_wire import Phase, Renew, ServerState, toolbox_name
from mcp_registry.models import McpServer
from tests.dtma.agent import until
from tests.fleet.members import Fleet, Member
from tests.fleet.peers import Peer, heartbeat_of, holding, identity, trusting
from tests.hosts.host import DTMA_PORT
from toolboxes.models import Toolbox
from toolboxes.services.certificates import revoke_certificates
from toolboxes.services.enrolment import new_token


@pytest.fixture(scope="module")
def placed(fleet: Fleet, members: list[Member], small: str) -> dict[str, str]:
    """A server on each toolbox, by the toolbox's id."""
    return {member.id: fleet.rest.place(member.toolbox, small, "python3", "/srv/workshop.py") for member in members}


@pytest.fixture
def servers(fleet: Fleet, placed: dict[str, str]) -> dict[str, str]:
    """All of them running, and nothing new to be told of them."""
    for server in placed.values():
        fleet.rest.until(server, "running", seconds=30)
    until(lambda: McpServer.objects.filter(pk__in=placed.values(), phase=Phase.RUNNING).count() == len(placed), 30)
    return placed


def crashed(server_id: str) -> ServerState:
    """A lie."""
    return ServerState(id=server_id, generation=1, revision=1 << 59, phase=Phase.CRASHED, reason="So they say.")


def row(model: type[Toolbox] | type[McpServer], pk: str) -> dict[str, Any]:
    return dict(model.objects.filter(pk=pk).values().get())


def test_a_replayed_heartbeat_changes_nothing(fleet: Fleet, a: Member, servers: dict[str, str]) -> None:
    a.host.kill_dtma()
    try:
        toolbox, server = row(Toolbox, a.id), row(McpServer, servers[a.id])
        for _ in range(2):
            status, _ = holding(a).beat(fleet.control, heartbeat_of(a, crashed(servers[a.id])))
            assert status == 200
        assert row(Toolbox, a.id) == toolbox
        assert row(McpServer, servers[a.id]) == server
    finally:
        a.host.start_dtma()
    fleet.until_heard_again(a)


def test_a_toolbox_cannot_report_servers_of_another(fleet: Fleet, a: Member, b: Member, servers: dict[str, str]) -> None:
    b.host.kill_dtma()
    try:
        before = row(McpServer, servers[a.id])
        heartbeat = heartbeat_of(b, crashed(servers[a.id]), ahead=1, unchanged=(servers[b.id],))
        status, _ = holding(b).beat(fleet.control, heartbeat)
        assert status == 200
        assert b.now().sequence == heartbeat.sequence
        assert row(McpServer, servers[a.id]) == before
    finally:
        b.host.start_dtma()
    fleet.until_heard_again(b)
    assert fleet.rest.server(servers[a.id])["status"] == "running"


def test_a_toolbox_that_answers_at_the_address_of_another_is_not_believed(
    fleet: Fleet, a: Member, b: Member, servers: dict[str, str]
) -> None:
    url = a.now().url
    Toolbox.objects.filter(pk=a.id).update(url=b.now().url)
    try:
        status, answer = fleet.rest.ask("POST", f"servers/{servers[a.id]}/tools/echo/call/", {"arguments": {"text": "secret"}})
    finally:
        Toolbox.objects.filter(pk=a.id).update(url=url)
    assert (status, answer["code"]) == (502, "identity_mismatch"), answer
    assert "secret" not in b.host.output
    assert fleet.rest.say(servers[a.id], "echo", text="here") == "here"


def test_only_the_control_plane_calls_a_toolbox(a: Member, b: Member, servers: dict[str, str]) -> None:
    address, path, name = (a.host.address, DTMA_PORT), f"/v1/servers/{servers[a.id]}", toolbox_name(a.id)
    for peer in (holding(b), holding(a), trusting(a)):
        with pytest.raises(OSError, match=r".*"):
            peer.ask(address, "GET", path, name=name)


def test_the_intake_hears_nobody_without_a_certificate(fleet: Fleet, a: Member) -> None:
    status, answer = trusting(a).beat(fleet.control, heartbeat_of(a, ahead=1))
    assert (status, answer["code"]) == (401, "unauthenticated")
    with pytest.raises(OSError, match=r".*"):
        unsigned(a).beat(fleet.control, heartbeat_of(a, ahead=1))


def unsigned(member: Member) -> Peer:
    """Somebody who signed a certificate with the toolbox's name himself."""
    made = member.host.folder / "self.pem"
    key = member.host.folder / "self.key"
    subject = ("-subj", "/", "-addext", f"subjectAltName=DNS:{toolbox_name(member.id)}")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")
    command = ("openssl", "req", "-x509", *curve, "-keyout", str(key), "-out", str(made), *subject)
    subprocess.run(command, check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.load_verify_locations(identity(member) / "ca.pem")
    tls.load_cert_chain(made, key)
    return Peer(tls)


def test_a_revoked_toolbox_is_neither_heard_nor_called_from_that_moment(fleet: Fleet, a: Member, servers: dict[str, str]) -> None:
    rest, server = fleet.rest, servers[a.id]
    assert rest.say(server, "echo", text="here") == "here"
    assert calls_open(a)
    request = (identity(a) / "request.pem").read_text()
    revoke_certificates(toolbox=a.now(), reason="a test.")
    seen = a.now().last_seen_at
    for path, body in (("heartbeat", heartbeat_of(a, ahead=1).model_dump_json()), ("renew", Renew(request=request).model_dump_json())):
        status, answer = holding(a).ask(fleet.control.intake, "POST", f"/dtma/v1/{path}", body)
        assert (status, answer["code"]) == (403, "forbidden")
        assert answer["message"].startswith("This toolbox's certificate was revoked.")
    until(lambda: "This toolbox's certificate was revoked." in a.host.output)
    assert a.now().last_seen_at == seen
    assert rest.server(server)["status"] == "unknown"
    status, answer = rest.ask("POST", f"servers/{server}/tools/echo/call/", {"arguments": {"text": "anybody?"}})
    assert (status, answer["code"]) == (409, "server_not_running")
    status, answer = rest.ask("GET", f"servers/{server}/logs/")
    assert (status, answer["code"]) == (503, "toolbox_not_enrolled")
    until(lambda: not calls_open(a))
    # The same host may come back, with a new token; its servers run on all the while.
    a.host.stop_dtma()
    assert fleet.enrol(a.host, new_token(toolbox=a.now()).token).returncode == 0
    assert rest.server(server)["status"] == "unknown"
    a.host.start_dtma()
    fleet.until_online(a)
    fleet.until_heard_again(a)
    rest.until(server, "running", seconds=30)
    assert rest.say(server, "echo", text="back") == "back"


def calls_open(member: Member) -> bool:
    """Whether anybody has a connection to its DTMA."""
    return bool(member.host.namespace.run("ss", "--no-header", "--tcp", "--numeric", "state", "established", f"sport = :{DTMA_PORT}"))
