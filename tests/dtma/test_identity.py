"""Who may speak to DTMA, and whom it believes."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from dtma.identity import Identity
from dtma_client import DtmaClient, DtmaError, DtmaRefused, Endpoint
from dtma_wire import WIRE_VERSION, toolbox_name
from tests.dtma.agent import ROOT, Agent, free_port, ready, say, spec_of, until
from tests.dtma.authority import DAY, Authority, any_toolbox, authority, control_plane
from tests.dtma.control import ControlPlane, cut_off


def answers(agent: Agent, context: ssl.SSLContext) -> bool:
    """Whether a request gets an answer, of whatever kind."""
    context.check_hostname = False
    try:
        with context.wrap_socket(socket.create_connection(("127.0.0.1", agent.port), timeout=10)) as connection:
            connection.sendall(b"GET /v1/info HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return bool(connection.recv(1))
    except (ssl.SSLError, ConnectionError):
        return False


def strangers(toolbox: str) -> dict[str, ssl.SSLContext]:
    now = datetime.now(UTC)
    ours = authority()
    another = Authority().client()
    another.load_verify_locations(cadata=ours.pem.decode())
    return {
        "no certificate": ours.client(None),
        "another authority's": another,
        "this toolbox's own": ours.client([toolbox_name(toolbox)]),
        "another toolbox's": ours.client([toolbox_name("another")]),
        "no name of ours": ours.client(["example.org"]),
        "expired": ours.client(begins=now - 10 * DAY, life=6 * DAY),
        "not valid yet": ours.client(begins=now + 4 * DAY),
    }


def test_nobody_but_the_control_plane_is_answered(agent: Agent) -> None:
    for who, context in strangers(agent.toolbox).items():
        assert not answers(agent, context), who
    assert answers(agent, authority().client())
    assert "that is not the control plane was hung up on" in agent.output
    assert "Traceback" not in agent.output


def test_clocks_may_differ_by_a_day(agent: Agent) -> None:
    now = datetime.now(UTC)
    assert answers(agent, authority().client(begins=now - 10 * DAY, life=9 * DAY))
    assert answers(agent, authority().client(begins=now + DAY))


def test_it_speaks_no_tls_that_is_out_of_date(agent: Agent) -> None:
    for version, spoken in (("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)):
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{agent.port}", version, "-cipher", "DEFAULT@SECLEVEL=0"]
        said = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=20, check=False)
        assert ("BEGIN CERTIFICATE" in said.stdout) is spoken, version


async def test_another_toolbox_at_the_same_address_is_found_out(agent: Agent) -> None:
    async with DtmaClient(Endpoint(agent.url, toolbox_name("another"), control_plane())) as client:
        with pytest.raises(DtmaRefused):
            await client.servers()


async def test_a_peer_that_is_hung_up_on_hears_an_error_of_the_tree(agent: Agent) -> None:
    for context in (authority().client(None), authority().client(["example.org"])):
        async with DtmaClient(Endpoint(agent.url, toolbox_name(agent.toolbox), context)) as client:
            with pytest.raises(DtmaError):
                await client.servers()


def impostors() -> dict[str, ssl.SSLContext]:
    return {
        "another authority's": Authority().server(),
        "another name": authority().server(["example.org"]),
        "expired": authority().server(begins=datetime.now(UTC) - 10 * DAY, life=6 * DAY),
    }


@pytest.mark.parametrize("server", ["another authority's", "another name", "expired"])
async def test_who_is_not_the_control_plane_gets_no_heartbeat(make_agent: Callable[..., Agent], server: str) -> None:
    control = ControlPlane()
    async with control.listening(impostors()[server]):
        agent = make_agent(control_url=control.url)
        await asyncio.to_thread(agent.start)
        await asyncio.to_thread(until, lambda: "does not take heartbeats" in agent.output and "certificate" in agent.output)
    assert control.asked == []


def test_without_an_identity_it_says_what_to_do(make_agent: Callable[..., Agent]) -> None:
    agent = make_agent()
    (agent.home / "identity/certificate.pem").unlink()
    done = subprocess.run([sys.executable, "-m", "dtma", "--home", str(agent.home)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "does not hold this toolbox's identity. Run the install command" in done.stderr
    authority().identify(agent.home, "another")
    done = subprocess.run([sys.executable, "-m", "dtma", "--home", str(agent.home)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "cannot be used" in done.stderr
    assert "Traceback" not in done.stderr


# --- renewal ---


async def test_a_certificate_is_renewed_and_nothing_breaks(make_agent: Callable[..., Agent], image: str, server_id: str) -> None:
    control = ControlPlane()
    control.strict, control.interval, control.life = True, 1, timedelta(seconds=6)
    async with control.listening():
        agent = make_agent(control_url=control.url)
        age(agent)
        await asyncio.to_thread(agent.start)
        async with DtmaClient(agent.endpoint) as client:
            await ready(client, server_id, spec_of(image, "workshop"))
            slow = asyncio.create_task(say(client, server_id, "slow", steps=100))  # over one connection, all the time
            assert await say(client, server_id, "echo", text="meanwhile") == "meanwhile"
            assert await slow == "done"
            await asyncio.to_thread(until, lambda: control.renewals >= 3)
            shown = await asyncio.to_thread(certificate_of, agent)
            begins, ends = (ssl.cert_time_to_seconds(str(shown[name])) for name in ("notBefore", "notAfter"))
            assert ends - begins == 6
        assert "does not take heartbeats" not in agent.output
        assert len(control.heard) > 3


def certificate_of(agent: Agent) -> dict[str, object]:
    """What a new connection is shown."""
    with any_toolbox().wrap_socket(socket.create_connection(("127.0.0.1", agent.port), timeout=10)) as connection:
        return connection.getpeercert() or {}


def age(agent: Agent) -> None:
    """Let its certificate have been there for so long that it is due."""
    old = (datetime.now(UTC) - 2.5 * DAY).timestamp()
    os.utime(agent.home / "identity/certificate.pem", (old, old))


async def test_one_that_expired_while_the_host_was_off_is_renewed(make_agent: Callable[..., Agent]) -> None:
    control = ControlPlane()
    control.strict = True
    async with control.listening():
        agent = make_agent(control_url=control.url)
        # As far as this host's clock tells, it has just arrived: only the control plane knows that it is over.
        authority().identify(agent.home, agent.toolbox, begins=datetime.now(UTC) - 20 * DAY, life=7 * DAY)
        await asyncio.to_thread(agent.start)
        await control.hears(lambda beat: beat.sequence > 1, 15)
    assert control.renewals == 1


async def test_a_renewal_that_fails_is_tried_again(make_agent: Callable[..., Agent]) -> None:
    control = ControlPlane()
    control.renew_as = "another"
    async with control.listening():
        agent = make_agent(control_url=control.url)
        certificate = agent.home / "identity/certificate.pem"
        before = certificate.read_text()
        age(agent)
        await asyncio.to_thread(agent.start)
        await asyncio.to_thread(until, lambda: "the certificate was not renewed, and it is tried again" in agent.output)
        assert certificate.read_text() == before
        assert await asyncio.to_thread(answers, agent, authority().client())
        control.renew_as = None
        await asyncio.to_thread(until, lambda: "the certificate was renewed" in agent.output)
        assert certificate.read_text() != before


@pytest.mark.parametrize(
    ("arrived", "used"),
    [
        (timedelta(0), 0.0),
        (-1 * DAY, 1 / 8),  # of the seven days after it came, not of the ten that it is made out for
        (-7 * DAY, 7 / 10),  # a clock that was wrong when it came: no more than its whole life counts
        (DAY, 1.0),  # one that was set back since: nobody knows, so it is over
    ],
)
def test_the_time_that_counts_begins_when_a_certificate_came(tmp_path: Path, arrived: timedelta, used: float) -> None:
    now = datetime.now(UTC)
    authority().identify(tmp_path, "t", begins=now - 3 * DAY, life=10 * DAY)
    os.utime(tmp_path / "identity/certificate.pem", ((now + arrived).timestamp(),) * 2)
    assert Identity(tmp_path, "t").used_up == pytest.approx(used, abs=0.001)


# --- enrolling ---


class Host:
    """A host that is to become a toolbox."""

    def __init__(self, home: Path, control: ControlPlane) -> None:
        self.home = home
        self.control = control
        self.config = home / "config.json"

    async def enrol(self, **changes: str) -> tuple[int, str]:
        """Run the command; returns its exit code and what it said."""
        options = {
            "home": str(self.home),
            "control": self.control.url,
            "token": self.control.token,
            "ca-fingerprint": authority().fingerprint,
            "patience": "10",
            **changes,
        }
        command = [
            sys.executable,
            "-m",
            "dtma.identity",
            "enrol",
            *(part for name, value in options.items() for part in (f"--{name}", value)),
        ]
        done = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
        said, _ = await done.communicate()
        assert done.returncode is not None
        return done.returncode, said.decode()

    @property
    def key(self) -> str:
        return (self.home / "identity/key.pem").read_text()


@pytest.fixture
async def host(tmp_path: Path) -> AsyncIterator[Host]:
    control = ControlPlane("0b8e7a3e-3c67-4d43-a1c5-8a32a7a81d30")
    async with control.listening():
        yield Host(tmp_path / "home", control)


async def test_a_host_becomes_a_toolbox_that_runs(host: Host) -> None:
    port = free_port()
    assert await host.enrol(host="127.0.0.1", port=str(port), address="box.example.org") == (0, "")
    written = json.loads(host.config.read_text())
    assert written == {
        "toolbox": host.control.toolbox,
        "host": "127.0.0.1",
        "port": port,
        "control_url": host.control.url,
        "heartbeat_seconds": 20,
    }
    (wish,) = host.control.enrolments
    assert (wish.port, wish.address, wish.hostname, wish.wire_version) == (port, "box.example.org", socket.gethostname(), WIRE_VERSION)
    modes = {path.name: path.stat().st_mode & 0o777 for path in (host.home / "identity").iterdir()}
    assert modes == dict.fromkeys(("key.pem", "request.pem", "certificate.pem", "ca.pem"), 0o600)
    assert (host.home / "identity").stat().st_mode & 0o777 == 0o700
    assert host.control.token not in host.config.read_text()
    command = [sys.executable, "-m", "dtma", "--home", str(host.home)]
    running = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        await host.control.hears(lambda beat: True, 20)
        assert set(host.control.peers) == {host.control.toolbox}
    finally:
        running.terminate()
        await running.wait()


async def test_another_control_plane_than_the_commands_gets_no_token(host: Host) -> None:
    code, said = await host.enrol(**{"ca-fingerprint": "sha256:" + "0" * 64})
    assert (code, said.count("\n")) == (1, 1)
    assert "another control plane than the one that the command came from" in said
    assert host.control.asked == ["/dtma/v1/ca"]
    assert not host.config.exists()


async def test_somebody_in_between_who_passes_the_authority_on_gets_no_token(tmp_path: Path) -> None:
    control = ControlPlane()
    async with control.listening(Authority().server()):
        code, said = await Host(tmp_path, control).enrol()
    assert code == 1
    assert "is not the control plane" in said
    assert control.asked == ["/dtma/v1/ca"]


async def test_a_token_that_is_refused_is_not_tried_again(host: Host) -> None:
    assert await host.enrol(token="guessed") == (1, "This token was used already, or has expired.\n")
    assert len(host.control.enrolments) == 1
    assert not host.config.exists()
    assert (await host.enrol())[0] == 0


async def test_a_token_serves_one_host(host: Host, tmp_path: Path) -> None:
    assert (await host.enrol())[0] == 0
    code, said = await Host(tmp_path / "second", host.control).enrol()
    assert (code, said) == (1, "This token was used already, or has expired.\n")


@pytest.mark.parametrize("moment", ["before /dtma/v1/ca", "after /dtma/v1/ca", "before /dtma/v1/enrol", "after /dtma/v1/enrol"])
async def test_a_connection_that_breaks_is_repaired_with_the_same_key_and_token(host: Host, moment: str) -> None:
    host.control.mishaps[moment] = [cut_off, cut_off]  # the HTTP client asks twice by itself where that does no harm
    code, said = await host.enrol(patience="0")
    assert (code, said.count("\n")) == (1, 1)
    assert "cannot be reached" in said
    assert not host.config.exists()
    assert not (host.home / "identity/certificate.pem").exists()
    key = host.key
    host.control.mishaps.clear()
    assert await host.enrol(patience="0") == (0, "")
    assert host.key == key
    host.control.mishaps[moment] = [cut_off]
    assert await host.enrol() == (0, "")  # it tries again by itself, too


async def test_nobody_answers_for_a_while(tmp_path: Path) -> None:
    control = ControlPlane()
    enrolling = asyncio.create_task(Host(tmp_path, control).enrol())
    await asyncio.to_thread(until, (tmp_path / "identity/request.pem").exists)
    async with control.listening():
        assert await enrolling == (0, "")


async def test_a_certificate_that_is_not_for_the_key_is_not_put_in_place(host: Host) -> None:
    host.control.certificate_for = ec.generate_private_key(ec.SECP256R1()).public_key()
    code, said = await host.enrol()
    assert code == 1
    assert "a certificate that cannot be used" in said
    assert not (host.home / "identity/certificate.pem").exists()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"control": "http://127.0.0.1:1"}, "control_url"),
        ({"ca-fingerprint": "abc"}, "ca_fingerprint"),
        ({"port": "70000"}, "port"),
        ({"token": ""}, "--token is missing"),
    ],
)
async def test_what_cannot_be_used_is_said_before_anybody_is_asked(host: Host, wrong: dict[str, str], said: str) -> None:
    code, told = await host.enrol(**wrong)
    assert code == 1
    assert said in told
    assert "Traceback" not in told
    assert host.control.asked == []


async def test_other_settings_are_kept_and_those_of_the_past_dropped(host: Host) -> None:
    host.home.mkdir()
    host.config.write_text(json.dumps({"port": 7777, "image_days": 3, "heartbeat_token": "old", "access_token_sha256": "0" * 64}))
    assert await host.enrol() == (0, "")
    written = json.loads(host.config.read_text())
    assert (written["port"], written["image_days"], written["host"]) == (7777, 3, "0.0.0.0")  # noqa: S104
    assert {"heartbeat_token", "access_token_sha256"}.isdisjoint(written)


# --- a DTMA that enrols itself ---


async def test_a_dtma_that_was_told_how_enrols_itself_before_it_serves(make_agent: Callable[..., Agent]) -> None:
    control = ControlPlane("0b8e7a3e-3c67-4d43-a1c5-8a32a7a81d30")
    agent = unenrolled(make_agent, control, control.token)
    starting = asyncio.create_task(asyncio.to_thread(agent.start))
    await asyncio.to_thread(until, (agent.home / "identity/request.pem").exists)
    async with control.listening():  # later than DTMA, as when all begins at once
        await starting
        await control.hears(lambda beat: True)
    written = json.loads((agent.home / "config.json").read_text())
    assert "enrolment" not in written
    assert (written["toolbox"], written["handshake_seconds"]) == (control.toolbox, 6)


def unenrolled(make_agent: Callable[..., Agent], control: ControlPlane, token: str) -> Agent:
    """With a token in its settings instead of an identity."""
    agent = make_agent(control_url=control.url, enrolment={"token": token, "ca_fingerprint": authority().fingerprint})
    shutil.rmtree(agent.home / "identity")
    config = json.loads((agent.home / "config.json").read_text())
    del config["toolbox"]
    (agent.home / "config.json").write_text(json.dumps(config))
    return agent


async def test_a_dtma_that_is_refused_says_why_and_ends(make_agent: Callable[..., Agent]) -> None:
    control = ControlPlane()
    agent = unenrolled(make_agent, control, "guessed")
    command = [sys.executable, "-m", "dtma", "--home", str(agent.home)]
    async with control.listening():
        done = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stderr=asyncio.subprocess.PIPE)
        _, said = await done.communicate()
    assert done.returncode == 1
    assert b"not taken as a toolbox. This token was used already, or has expired." in said


async def test_a_dtma_that_waits_to_be_enrolled_can_be_stopped(make_agent: Callable[..., Agent]) -> None:
    agent = unenrolled(make_agent, ControlPlane(), "token")
    command = [sys.executable, "-m", "dtma", "--home", str(agent.home)]
    running = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stderr=subprocess.DEVNULL)
    await asyncio.to_thread(until, (agent.home / "identity/request.pem").exists)
    children = psutil.Process(running.pid).children()
    running.terminate()
    assert await asyncio.wait_for(running.wait(), 10) == 128 + signal.SIGTERM
    assert not any(child.is_running() for child in children)
