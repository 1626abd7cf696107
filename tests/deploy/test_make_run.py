"""`make run` from the first start to the last signal, on real engines.

The tests up to the last but one share one home and follow each other: each start takes long, and is looked at in every way.
"""

import json
import shutil
import signal
import stat
from collections.abc import Iterator
from pathlib import Path

import docker
import psutil
import pytest

from deploy.checks.tracked import files
from deploy.local.home import Home
from deploy.local.processes import ROOT, left_behind
from deploy.local.run import TOOLBOX_LABEL
from tests.deploy.conftest import assert_nothing_runs, eventually, health, redis_containers
from tests.e2e.conftest import Rest
from tests.stack import Stack, launch, start_stack, temporary_home

pytestmark = pytest.mark.timeout(600)  # some start everything once or twice, beside other tests

PROGRAMS = ("postgres", "redis", "web", "worker", "beat", "dtma")
ASK_FOR_USERS = ("shell", "--verbosity", "0", "--command", "from accounts.models import User; print(User.objects.values_list())")


class OneHome:
    """A home, and what runs on it: its first start, or one that came after."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self._stacks: list[Stack] = []

    @property
    def stack(self) -> Stack:
        """What was started last, and is started where nothing was yet or it has ended."""
        if not self._stacks or self._stacks[-1].make.poll() is not None:
            port, password = (self._stacks[0].port, self._stacks[0].demo_password) if self._stacks else (None, "")
            self._stacks.append(start_stack(self.home, port, password))
        return self._stacks[-1]

    def end(self) -> None:
        """Stop what a test left running."""
        if self._stacks and self._stacks[-1].make.poll() is None:
            self._stacks[-1].stop()


@pytest.fixture(scope="module")
def one_home() -> Iterator[OneHome]:
    with temporary_home() as path:
        one = OneHome(path)
        yield one
        one.end()


@pytest.fixture
def running(one_home: OneHome) -> Stack:
    return one_home.stack


def running_servers(home: Path) -> list[str]:
    """The names of the running containers of this home's toolbox."""
    toolbox = json.loads((home / "dtma" / "config.json").read_text())["toolbox"]
    client = docker.from_env()
    try:
        return [found.name for found in client.containers.list(filters={"label": f"{TOOLBOX_LABEL}={toolbox}"})]
    finally:
        client.close()


def deploy_two(stack: Stack) -> tuple[Rest, str, str]:
    """A server that runs and one that its owner has stopped."""
    rest = Rest(stack)
    runs, stopped = rest.deploy("time"), rest.deploy("time", name="stopped")
    rest.until(runs, "running")
    rest.until(stopped, "running")
    assert rest.ask("POST", f"servers/{stopped}/stop/")[0] < 300
    rest.until(stopped, "stopped")
    return rest, runs, stopped


def test_the_ready_line_comes_once_and_everything_answers(running: Stack) -> None:
    assert running.output.count(f"Agentopia is ready at {running.url}") == 1
    assert health(running) == {"database": True, "redis": True, "worker": True, "toolbox": True}
    assert all(psutil.pid_exists(running.process(name)) for name in PROGRAMS)


def test_the_first_start_prints_the_demo_password_and_nothing_else_does(running: Stack) -> None:
    assert running.demo_password
    assert [line for line in running.output if running.demo_password in line] == [
        f"Sign in as {running.demo_email} with the password {running.demo_password} (shown this once)."
    ]
    assert not [file for file in (running.home / "log").iterdir() if running.demo_password in file.read_text(errors="replace")]


def test_secrets_are_readable_by_their_owner_alone(running: Stack) -> None:
    secrets = [running.home / "services.json", running.home / "dtma" / "config.json", running.home / "redis" / "redis.conf"]
    assert [stat.S_IMODE(file.stat().st_mode) for file in secrets] == [0o600] * 3
    state = json.loads((running.home / "services.json").read_text())
    arguments = [word for process in psutil.process_iter(["cmdline"]) for word in process.info["cmdline"] or []]
    assert not [word for word in arguments if state["secret_key"] in word or state["redis_password"] in word]


def test_only_loopback_is_listened_on(running: Stack) -> None:
    processes = left_behind(Home(running.home))
    addresses = {found.laddr.ip for process in processes for found in process.net_connections("tcp") if found.status == psutil.CONN_LISTEN}
    assert addresses == {"127.0.0.1"}


def test_a_second_launcher_is_refused_and_harms_nothing(running: Stack) -> None:
    before = {name: running.process(name) for name in PROGRAMS}
    second = launch(running.home, running.port)
    output, _ = second.communicate(timeout=60)
    assert second.returncode != 0
    assert f"{running.home} is already in use by process {running.launcher().pid} ({running.url})" in output
    assert {name: running.process(name) for name in PROGRAMS} == before


def test_manage_commands_find_the_running_services(running: Stack) -> None:
    assert running.manage(
        "shell", "--verbosity", "0", "--command", "from accounts.models import User; print(User.objects.get().email)"
    ) == (f"{running.demo_email}\n")


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_killed_process_comes_back(running: Stack, name: str) -> None:
    killed = running.kill(name)
    eventually(lambda: running.process(name) not in (0, killed))
    eventually(lambda: all(health(running).values()))


def test_a_killed_redis_container_comes_back(running: Stack) -> None:
    [name] = redis_containers(running.home)
    client = docker.from_env()
    killed = client.containers.get(name)
    killed.kill()
    eventually(lambda: client.containers.get(name).id != killed.id)
    client.close()
    eventually(lambda: all(health(running).values()))


def test_a_process_runner_killed_outright_is_told_and_cleaned_up_after(running: Stack) -> None:
    [runner] = [process for process in running.launcher().children() if "deploy.local.supervisord" in process.cmdline()]
    runner.kill()
    assert running.wait() != 0
    assert any("The process runner ended unexpectedly" in line for line in running.output)
    assert_nothing_runs(running.home)


def test_stopped_and_started_again_everything_is_as_it_was(one_home: OneHome) -> None:
    home, first = one_home.home, one_home.stack
    rest, runs, stopped = deploy_two(first)
    state, users, servers = (home / "services.json").read_text(), first.manage(*ASK_FOR_USERS), running_servers(home)
    assert len(servers) == 1
    first.stop(signal.SIGINT)
    assert_nothing_runs(home)
    assert running_servers(home) == []

    second = one_home.stack
    assert not [line for line in second.output if "with the password" in line]
    assert (home / "services.json").read_text() == state
    assert second.manage(*ASK_FOR_USERS) == users
    rest.until(runs, "running")
    assert rest.get(f"servers/{stopped}/")["status"] == "stopped"
    assert "UTC" in rest.say(runs, "get_current_time", timezone="UTC")
    assert running_servers(home) == servers
    for server in (runs, stopped):
        rest.ask("DELETE", f"servers/{server}/")
        rest.until_gone(server)


def test_a_launcher_killed_outright_takes_everything_along_and_the_next_start_works(one_home: OneHome) -> None:
    home, first = one_home.home, one_home.stack
    first.launcher().kill()
    first.wait()
    eventually(lambda: not left_behind(Home(home)) and not redis_containers(home))
    second = one_home.stack
    assert all(health(second).values())
    second.stop()
    assert_nothing_runs(home)
    assert running_servers(home) == []


def test_a_fresh_clone_needs_nothing_but_python_and_a_home_in_a_private_folder_with_a_long_name_works() -> None:
    """The environment is made from the run lock alone, which must hold all that runs.

    As root, PostgreSQL's own user cannot enter the home; and a socket in it would have too long a name.
    """
    with temporary_home() as elsewhere, temporary_home(mode=0o700, name="a-folder-with-a-long-name-" * 4) as home:
        clone = elsewhere / "clone"
        for file in files():
            copy = clone / file.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, copy)
        stack = start_stack(home, clone=clone)
        assert all(health(stack).values())
        assert not (clone / ".venv" / "bin" / "pytest").exists()
        assert stat.S_IMODE(home.parent.stat().st_mode) == 0o700
        stack.stop(signal.SIGHUP)
        assert_nothing_runs(home)
