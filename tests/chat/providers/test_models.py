"""What the runner talks to: real requests of pydantic-ai to real servers, and what becomes of those that misbehave."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import os
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelAPIError, ModelHTTPError, ModelRequestTimeout

from chat.models import ModelProvider
from chat.providers import waiting
from chat.providers.choosing import ModelUse
from chat.providers.connections import _clients
from chat.providers.models import forget_ambient_keys, model_connections, model_of
from tests.chat.providers.double import KEY, Answer, Asked, ProviderDouble
from tests.chat.scripted import Served, scripted

__all__ = ["scripted"]
FAILURES = (ModelAPIError, ModelHTTPError, ModelRequestTimeout)


@pytest.fixture(autouse=True)
async def connections() -> AsyncIterator[None]:
    async with model_connections():
        yield


def use_of(url: str, model: str = "model-small", *, kind: str = "openai", key: str = KEY, shared: bool = False) -> ModelUse:
    return ModelUse(ModelProvider(kind=kind, name="Mine", base_url=url, api_key=key, owner_id=None if shared else 1), model)


async def said(use: ModelUse, text: str = "Hello") -> str:
    return (await Agent(model_of(use)).run(text)).output


async def streamed(use: ModelUse, text: str = "Hello") -> str:
    async with Agent(model_of(use)).run_stream(text) as result:
        return "".join([part async for part in result.stream_text(delta=True)])


async def failure(use: ModelUse) -> BaseException:
    """What is raised; the key is nowhere in it, nor in what stands behind it."""
    with pytest.raises(FAILURES) as caught:
        await said(use)
    assert KEY not in "".join(traceback.format_exception(caught.value))
    assert KEY not in repr(caught.value) + str(getattr(caught.value, "body", ""))
    return caught.value


async def test_it_streams(scripted: Served) -> None:
    assert await streamed(use_of(scripted.url, scripted.model)) == "You said: Hello"


@pytest.mark.parametrize(("kind", "path"), [("openai", "/v1"), ("anthropic", ""), ("google", "")])
async def test_each_kind_answers_and_sends_the_key_as_it_should(double: ProviderDouble, kind: str, path: str) -> None:
    assert await said(use_of(double.root + path, kind=kind)) == "yes"
    assert len(double.asked) == 1
    carried = [name for name, value in double.asked[0].headers.items() if KEY in value]
    assert carried == {"openai": ["authorization"], "anthropic": ["authorization"], "google": ["x-goog-api-key"]}[kind]
    assert KEY not in double.asked[0].path


@pytest.mark.parametrize(("kind", "path"), [("openai", "/v1"), ("anthropic", ""), ("google", "")])
@pytest.mark.parametrize("status", [429, 500, 503])
async def test_nothing_is_retried_in_here(double: ProviderDouble, kind: str, path: str, status: int) -> None:
    double.instead = lambda asked: Answer(status, {"error": {"message": f"No, {KEY}!"}}, {"Retry-After": "1"})
    error = await failure(use_of(double.root + path, kind=kind))
    assert isinstance(error, ModelHTTPError)
    assert error.status_code == status
    assert "(the key)" in str(error)
    assert len(double.asked) == 1


@pytest.mark.parametrize(("kind", "path"), [("openai", "/v1"), ("anthropic", ""), ("google", "")])
async def test_redirects_are_not_followed(double: ProviderDouble, kind: str, path: str) -> None:
    double.instead = lambda asked: Answer(307, {}, {"Location": f"{double.root}/elsewhere"})
    await failure(use_of(double.root + path, kind=kind))
    assert len(double.asked) == 1


@pytest.mark.parametrize("written", ["127.0.0.1", "localhost", "0x7f000001", "[::ffff:127.0.0.1]"])
async def test_private_addresses(double: ProviderDouble, settings: Any, written: str) -> None:
    address = f"{written}:{double.host.rpartition(':')[2]}"
    settings.PRIVATE_MODEL_HOSTS = []
    await failure(use_of(f"http://{address}/v1"))
    await failure(use_of(f"https://{address}/v1"))
    assert double.asked == []
    settings.PRIVATE_MODEL_HOSTS = [address]
    if not written.startswith("0x"):
        assert await said(use_of(f"http://{address}/v1")) == "yes"


async def test_what_the_operator_names_is_for_what_is_shared(double: ProviderDouble, settings: Any) -> None:
    settings.PRIVATE_MODEL_HOSTS = []
    settings.AGENTOPIA_MODEL_URL = double.url
    assert await said(use_of(double.url, shared=True)) == "yes"
    await failure(use_of(double.url))


async def test_clouds_secrets(settings: Any) -> None:
    settings.PRIVATE_MODEL_HOSTS = ["*"]
    assert "private network" in "".join(traceback.format_exception(await failure(use_of("http://169.254.169.254/v1"))))


async def test_one_that_never_answers(double: ProviderDouble, settings: Any) -> None:
    settings.MODEL_SECONDS = 0.1  # five times as long over plain HTTP
    double.instead = lambda asked: Answer(hangs=True)
    await failure(use_of(double.url))


async def test_one_that_stops_in_the_middle(double: ProviderDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "BETWEEN_SECONDS", 0.2)
    chunk = {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "delta": {"content": "He"}}],
    }
    event = f"data: {json.dumps(chunk)}\n\n".encode()
    double.instead = lambda asked: Answer(raw=event, hangs_after=event, headers={"Content-Type": "text/event-stream"})
    with pytest.raises(FAILURES):
        await streamed(use_of(double.url))


def html(asked: Asked) -> Answer:
    return Answer(404, raw=b"<!doctype html><title>nginx</title>", headers={"Content-Type": "text/html"})


def endless(asked: Asked) -> Answer:
    return Answer(raw=b"{", endless=b" " * 1024 * 1024)


def endless_error(asked: Asked) -> Answer:
    return Answer(500, raw=b"{", endless=b" " * 65536)


def packed(asked: Asked) -> Answer:
    return Answer(raw=gzip.compress(b"x" * 1000), headers={"Content-Encoding": "gzip"})


@pytest.mark.parametrize("instead", [html, endless, endless_error, packed])
async def test_what_misbehaves(double: ProviderDouble, instead: Any) -> None:
    double.instead = instead
    await asyncio.wait_for(failure(use_of(double.url)), 30)
    assert len(double.asked) == 1


async def test_connections_are_kept_within_a_loop_and_closed_at_its_end(double: ProviderDouble) -> None:
    async with model_connections():
        first, second = model_of(use_of(double.url)), model_of(use_of(double.url, "model-large"))
        clients = _clients[asyncio.get_running_loop()]
        assert first is not second
        assert len(clients) == 1
        assert await said(use_of(double.url)) == "yes"
        (client,) = clients.values()
    assert client.is_closed
    assert asyncio.get_running_loop() not in _clients


async def test_keys_of_the_environment_go_nowhere(double: ProviderDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "OPENAI_API_KEY",
        "OPENAI_ORG_ID",
        "OPENAI_CUSTOM_HEADERS",
        "ANTHROPIC_AUTH_TOKEN",
        "ANTHROPIC_CUSTOM_HEADERS",
        "GOOGLE_API_KEY",
    ):
        monkeypatch.setenv(name, "X-Own: operators-secret")
    forget_ambient_keys()
    double.key = ""
    await said(use_of(double.url, key=""))
    await said(use_of(double.root, kind="anthropic", key="k"))
    await said(use_of(double.root, kind="google", key="k"))
    assert "operators-secret" not in str([asked.headers for asked in double.asked])
    assert "OPENAI_API_KEY" not in os.environ


async def test_nothing_logs_the_key(double: ProviderDouble, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        for kind, path in (("openai", "/v1"), ("anthropic", ""), ("google", "")):
            await said(use_of(double.root + path, kind=kind))
            double.instead = lambda asked: Answer(401, {"error": {"message": f"Wrong: {KEY}"}})
            await failure(use_of(double.root + path, kind=kind))
            double.instead = lambda asked: None
    assert KEY not in caplog.text
    assert KEY not in repr(model_of(use_of(double.url)))


def test_the_web_process_loads_none_of_the_libraries() -> None:
    program = "import django, sys; django.setup(); import agentopia.urls; print(sorted(set(sys.argv[1:]) & sys.modules.keys()))"
    libraries = ["pydantic_ai", "openai", "anthropic", "google.genai", "genai_prices", "httpcore2"]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "agentopia.settings"}
    done = subprocess.run([sys.executable, "-c", program, *libraries], capture_output=True, text=True, env=environment, timeout=60)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
