"""What `make run` cannot work with is told in one sentence, and nothing is left behind."""

import os
import socket
from pathlib import Path

import pytest

from deploy.local.redis import free_port
from tests.stack import launch


def refusal(home: Path, port: int | str | None = None, **environment: str) -> str:
    """The last line of a `make run` that must fail."""
    make = launch(home, port if port is not None else free_port(), **environment)
    output, _ = make.communicate(timeout=60)
    assert make.returncode != 0
    lines = [line for line in output.splitlines() if not line.startswith("make: ***")]
    assert "Traceback" not in output
    return lines[-1]


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert refusal(tmp_path, port) == (
            f"Agentopia cannot run: Port {port} is in use by another program: "
            f"stop that one, or choose another port with PORT={port + 1} make run."
        )


@pytest.mark.parametrize("port", ["http", "0", "70000", "-1"])
def test_a_port_that_is_none_is_quoted(tmp_path: Path, port: str) -> None:
    assert refusal(tmp_path, port).startswith(f"Agentopia cannot run: PORT is '{port}': give a number")


def test_a_home_that_is_a_file_is_named(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("a letter")
    assert f"AGENTOPIA_HOME {home} cannot be used" in refusal(home)
    assert home.read_text() == "a letter"


def test_a_damaged_state_file_is_not_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "services.json"
    file.write_text('{"secret_key": ')
    assert f"{file} cannot be read" in refusal(tmp_path)
    assert file.read_text() == '{"secret_key": '


def test_a_dead_engine_is_told_apart_from_a_missing_one(tmp_path: Path) -> None:
    host = f"unix://{tmp_path}/docker.sock"
    assert refusal(tmp_path, DOCKER_HOST=host) == (
        f"Agentopia cannot run: The Docker engine at {host} does not answer: start it, or choose another one with DOCKER_HOST."
    )


def test_another_machines_engine_is_refused(tmp_path: Path) -> None:
    assert "is not this machine's engine" in refusal(tmp_path, DOCKER_HOST="tcp://127.0.0.1:1")


def test_a_database_that_does_not_answer_is_told_without_its_password(tmp_path: Path) -> None:
    line = refusal(tmp_path, DATABASE_URL="postgresql://agent:geheim@127.0.0.1:1/agentopia")
    assert line.startswith("Agentopia cannot run: DATABASE_URL does not lead to a PostgreSQL that lets us in:")
    assert "geheim" not in line


def test_a_malformed_database_url_is_told(tmp_path: Path) -> None:
    assert "DATABASE_URL does not lead to a PostgreSQL" in refusal(tmp_path, DATABASE_URL="mysql:/nonsense")


def test_a_redis_that_does_not_answer_is_told_without_its_password(tmp_path: Path) -> None:
    line = refusal(tmp_path, DATABASE_URL=os.environ["DATABASE_URL"], REDIS_URL="redis://:geheim@127.0.0.1:1/0")
    assert line.startswith("Agentopia cannot run: REDIS_URL does not lead to a Redis that lets us in:")
    assert "geheim" not in line
