"""A provider is tested when it is entered: each thing that can be wrong is told as such, soon, and without the key."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from typing import Any

import pytest

from agentopia.lib.errors import AgentopiaError
from chat.providers import KINDS
from chat.providers.asking import Target
from chat.providers.reaching import reaching_for_users
from chat.providers.testing import Findings, try_out
from tests.chat.providers.double import KEY, MODELS, Answer, Asked, ProviderDouble

pytestmark = pytest.mark.django_db


def tried(url: str, model: str = "", *, kind: str = "openai", key: str = KEY, seconds: float = 5.0) -> Findings:
    return try_out(Target(KINDS[kind], url, key, reaching_for_users()), model, seconds=seconds)


def refused(url: str, model: str = "", **how: object) -> AgentopiaError:
    with pytest.raises(AgentopiaError) as caught:
        tried(url, model, **how)  # type: ignore[arg-type]  # as above
    chain: list[BaseException | None] = [caught.value, caught.value.__cause__]
    assert KEY not in " ".join(f"{error!r} {error} {vars(error) if error else ''}" for error in chain)
    return caught.value


@pytest.mark.parametrize(("kind", "path"), [("openai", "/v1"), ("anthropic", ""), ("google", "")])
def test_its_models_are_listed(double: ProviderDouble, kind: str, path: str) -> None:
    assert tried(double.root + path, kind=kind) == Findings(MODELS)
    assert KEY not in "".join(asked.path for asked in double.asked)


@pytest.mark.parametrize(("kind", "path"), [("openai", "/v1"), ("anthropic", ""), ("google", "")])
def test_a_wrong_key(double: ProviderDouble, kind: str, path: str) -> None:
    error = refused(double.root + path, kind=kind, key="sk-wrong")
    assert (error.code, list(error.fields)) == ("key_refused", ["api_key"])
    assert "does not take this key" in error.message


@pytest.mark.parametrize("kind", ["anthropic", "google"])
def test_a_missing_key(double: ProviderDouble, kind: str) -> None:
    assert refused(double.root, kind=kind, key="").code == "key_missing"
    assert double.asked == []


def test_no_key_where_one_is_needed(double: ProviderDouble) -> None:
    assert "needs a key" in refused(double.url, key="").message


def test_google_says_400_of_a_wrong_key(double: ProviderDouble) -> None:
    double.instead = lambda asked: Answer(400, {"error": {"message": "API key not valid. Please pass a valid API key."}})
    assert refused(double.root, kind="google").code == "key_refused"


def test_a_server_that_needs_no_key(double: ProviderDouble) -> None:
    double.key = ""
    assert tried(double.url, "model-small", key="") == Findings(MODELS)


def test_a_list_that_anybody_sees_says_nothing_of_the_key(double: ProviderDouble) -> None:
    double.lists_openly = True
    assert "was not tried" in tried(double.url).note
    assert tried(double.url, "model-small").note == ""
    assert refused(double.url, "model-small", key="sk-wrong").code == "key_refused"


def test_a_model_that_is_not_in_the_list_is_asked(double: ProviderDouble) -> None:
    error = refused(double.url, "model-huge")
    assert (error.code, list(error.fields)) == ("no_such_model", ["default_model"])
    assert "has no model “model-huge”" in error.message
    double.instead = lambda asked: Answer(content={"data": [{"id": "other"}]}) if asked.method == "GET" else None
    assert tried(double.url, "model-small").models == ["other"]  # an alias that it does not list


def test_without_a_list_the_model_is_asked(double: ProviderDouble) -> None:
    double.instead = lambda asked: Answer(404, {}) if asked.method == "GET" else None
    assert tried(double.url, "model-small") == Findings([])
    assert refused(double.url, "model-huge").code == "no_such_model"
    assert refused(double.url, "model-small", key="sk-wrong").code == "key_refused"
    assert refused(double.url).code == "not_found"


def html(asked: Asked) -> Answer:
    return Answer(raw=b"<!doctype html><title>Hello</title>", headers={"Content-Type": "text/html"})


def huge(asked: Asked) -> Answer:
    return Answer(raw=b"[", endless=b" " * 65536)


def packed(asked: Asked) -> Answer:
    return Answer(raw=gzip.compress(json.dumps({"data": []}).encode()), headers={"Content-Encoding": "gzip"})


def elsewhere(asked: Asked) -> Answer:
    return Answer(307, {}, {"Location": "http://169.254.169.254/latest/meta-data"})


@pytest.mark.parametrize(
    ("instead", "code", "words"),
    [
        (html, "not_a_provider", "does not answer as OpenAI-compatible does"),
        (packed, "not_a_provider", "Look at the address"),
        (huge, "answer_too_large", "more than 8 MB"),
        (elsewhere, "redirected", "leads elsewhere"),
        (lambda asked: Answer(content={"data": "none"}), "not_a_provider", "Look at the address"),
        (lambda asked: Answer(content=[1, 2]), "not_a_provider", "Look at the address"),
        (lambda asked: Answer(raw=b"[" * 100_000), "not_a_provider", "Look at the address"),
        (lambda asked: Answer(404, {}), "not_found", "HTTP 404"),
        (lambda asked: Answer(429, {"error": {"message": "Quota exceeded"}}), "provider_refused", "Quota exceeded"),
        (lambda asked: Answer(500, raw=b"oops"), "provider_refused", "HTTP 500"),
        (lambda asked: Answer(401, {"error": f"Wrong key {KEY}\n\x1b[31m, sorry"}), "key_refused", "Wrong key …"),
        (lambda asked: Answer(raw=b"x", headers={"Content-Length": "50"}), "provider_unreachable", "broke off"),
    ],
)
def test_what_misbehaves(double: ProviderDouble, instead: Callable[[Asked], Answer], code: str, words: str) -> None:
    double.instead = instead
    error = refused(double.url)
    assert error.code == code
    assert words in error.message
    assert error.message.isprintable()


def test_a_redirect_is_not_followed(double: ProviderDouble) -> None:
    double.instead = lambda asked: Answer(302, {}, {"Location": f"{double.root}/v1/other"})
    refused(double.url)
    assert len(double.asked) == 1


def test_one_that_never_answers(double: ProviderDouble) -> None:
    double.instead = lambda asked: Answer(hangs=True)
    error = refused(double.url, seconds=0.5)
    assert (error.code, error.retryable) == ("provider_unreachable", True)
    assert "did not answer within 0.5 s" in error.message


def test_a_model_that_is_still_loading_is_no_failure(double: ProviderDouble) -> None:
    double.lists_openly = True
    double.instead = lambda asked: Answer(hangs=True) if asked.method == "POST" else None
    found = tried(double.url, "model-small", seconds=1)
    assert found.models == MODELS
    assert "may still be loading" in found.note


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://127.0.0.1:1/v1", "provider_unreachable"),
        ("http://no-such-host.invalid/v1", "no_such_host"),
        ("ftp://127.0.0.1/v1", "invalid_address"),
        ("https://user:secret@example.org/v1", "invalid_address"),
        ("https://example.org/v1?key=1", "invalid_address"),
        ("nonsense", "invalid_address"),
    ],
)
def test_addresses_that_lead_nowhere(url: str, code: str) -> None:
    assert refused(url).code == code


def test_https_where_there_is_none(double: ProviderDouble) -> None:
    assert refused(double.url.replace("http://", "https://")).code in ("tls_failed", "provider_unreachable")


@pytest.mark.parametrize("written", ["127.0.0.1", "localhost", "0x7f000001", "2130706433", "[::ffff:127.0.0.1]"])
def test_private_addresses_are_the_operators_to_allow(double: ProviderDouble, settings: Any, written: str) -> None:
    port = double.host.rpartition(":")[2]
    settings.PRIVATE_MODEL_HOSTS = []
    assert refused(f"https://{written}:{port}/v1").code in ("private_address", "provider_unreachable")  # some are no addresses at all
    assert double.asked == []
    assert refused(f"http://{written}:{port}/v1").code == "invalid_address"
    settings.PRIVATE_MODEL_HOSTS = [f"{written}:{port}"]
    if "7f" not in written and "21" not in written:
        assert tried(f"http://{written}:{port}/v1").models == MODELS
    assert refused("http://127.0.0.1:1/v1").code == "invalid_address"


@pytest.mark.parametrize("url", ["http://169.254.169.254/v1", "http://[fe80::1]/v1", "http://224.0.0.1/v1"])
def test_clouds_secrets_are_never_asked(settings: Any, url: str) -> None:
    settings.PRIVATE_MODEL_HOSTS = ["*"]
    error = refused(url, seconds=2)
    assert error.code == "private_address"


def test_keys_do_not_go_over_plain_http_into_the_internet(settings: Any) -> None:
    settings.PRIVATE_MODEL_HOSTS = ["*"]
    assert "could be read on its way" in refused("http://1.1.1.1/v1", seconds=2).message
