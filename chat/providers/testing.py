"""Whether a provider can be used as it was entered: is it there, does it take the key, has it the model?

Its models are listed. Where the list does not settle it, the smallest request is made: where there is no list, where it is shown to anybody
(so that it says nothing of the key), or where the model is not in it. Everything together is bounded, since somebody waits for it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from agentopia.lib.errors import AgentopiaError, InvalidInput
from chat.providers.asking import Answer, NoAnswer, Target, ask
from chat.providers.base import Question

SECONDS = 10.0
FAILED = frozenset(
    {
        *("provider_unreachable", "no_such_host", "tls_failed", "provider_refused", "answer_too_large", "redirected"),
        *("key_refused", "no_list", "not_a_provider", "no_such_model", "not_found"),
    }
)
"""The codes of what a test finds, and who knows better may disregard."""
LISTLESS = (404, 405, 501)
REFUSING = (401, 403)
KEYS_UNTRIED = "The key was not tried: anybody may see its list of models. Choose a default model, and test it again."
SLOW = "It lists its models, but the model did not answer within {seconds:g} s: it may still be loading."


@dataclass(frozen=True)
class Findings:
    """What a test that succeeded found: the models that it lists (none: it has no list), and what a person should know."""

    models: list[str]
    note: str = ""


def try_out(target: Target, model: str, *, seconds: float = SECONDS) -> Findings:
    """Blocks for so many seconds at most. Raises `InvalidInput`, which names the field that is wrong, and `NoAnswer`."""
    if target.kind.needs_key and not target.api_key:
        raise _wrong("api_key", f"{target.kind.label} needs a key.", "key_missing")
    return asyncio.run(_Test(target, model, seconds).result())


class _Test:
    """One test, with what it has found so far."""

    def __init__(self, target: Target, model: str, seconds: float) -> None:
        self.target = target
        self.model = model
        self.seconds = seconds
        self.models: list[str] | None = None

    async def result(self) -> Findings:
        try:
            async with asyncio.timeout(self.seconds):
                return await self._found()
        except TimeoutError:
            if self.models:  # somebody is there, and has models: the first answer of a large one takes its time
                return Findings(self.models, SLOW.format(seconds=self.seconds))
            raise NoAnswer(f"{self.target.host} did not answer within {self.seconds:g} s. Look at the address, or try again.") from None

    async def _found(self) -> Findings:
        self.models = await self._listed()
        if self.models is None:
            if not self.model:
                raise _wrong("default_model", f"{self.target.host} has no list of models: enter the name of one.", "no_list")
            await self._tried()
            return Findings([])
        is_open = bool(self.target.api_key) and await self._is_shown_to_anybody()
        if self.model and (is_open or self.model not in self.models):
            await self._tried()
        return Findings(self.models, KEYS_UNTRIED if is_open and not self.model else "")

    async def _listed(self) -> list[str] | None:
        """The names of its models; None where it has no list."""
        answer = await ask(self.target, self.target.kind.listing)
        if answer.status in LISTLESS and self.model:
            return None
        self._check(answer)
        names = self.target.kind.names(answer.content)
        if names is None:
            sentence = f"What is at {self.target.host} does not answer as {self.target.kind.label} does. Look at the address"
            raise _wrong("base_url", f"{sentence}{_missing_part(self.target)}.", "not_a_provider")
        return names

    async def _is_shown_to_anybody(self) -> bool:
        return (await ask(self.target, self.target.kind.listing, with_key=False)).status == 200

    async def _tried(self) -> None:
        """The smallest request to the model; raises where that is refused."""
        question: Question = self.target.kind.smallest(self.model)
        answer = await ask(self.target, question)
        if answer.status in (400, 422) and self.model in (self.models or ()):
            return  # it took the key, and knows the model: what it dislikes is something else of so small a request
        if answer.status in (400, 404, 422) and (self.models is not None or "model" in _said(answer).lower()):
            raise _wrong("default_model", f"{self.target.host} has no model “{self.model}”{_quoted(answer, self.target)}.", "no_such_model")
        self._check(answer)
        if not isinstance(answer.content, dict):
            raise _wrong("base_url", f"What is at {self.target.host} does not answer as {self.target.kind.label} does.", "not_a_provider")

    def _check(self, answer: Answer) -> None:
        """Raises unless it was answered."""
        host = self.target.host
        if answer.status == 200:
            return
        if answer.status in REFUSING:
            problem = f"{host} does not take this key" if self.target.api_key else f"{host} needs a key"
            raise _wrong("api_key", f"{problem}{_quoted(answer, self.target)}.", "key_refused")
        if 300 <= answer.status < 400:
            raise _wrong("base_url", f"{host} leads elsewhere{_where(answer)}: enter the address that it leads to.", "redirected")
        if answer.status == 400 and "key" in _said(answer).lower():  # Google's way to refuse a key
            raise _wrong("api_key", f"{host} does not take this key{_quoted(answer, self.target)}.", "key_refused")
        if answer.status == 404:
            raise _wrong(
                "base_url", f"There is no such thing at {host} (HTTP 404). Look at the address{_missing_part(self.target)}.", "not_found"
            )
        if answer.status in (402, 429):
            raise _refused(f"{host} answers, but the account has no credit left or asks too often{_quoted(answer, self.target)}.")
        raise _refused(f"{host} answers HTTP {answer.status}{_quoted(answer, self.target)}.")


def _wrong(field: str, sentence: str, code: str) -> InvalidInput:
    return InvalidInput(sentence, code=code, fields={field: sentence})


def _refused(sentence: str) -> AgentopiaError:
    return NoAnswer(sentence, code="provider_refused")


def _said(answer: Answer) -> str:
    """The sentence of an error, in the ways in which providers put it."""
    content = answer.content
    if isinstance(content, list) and content:
        content = content[0]
    error = content.get("error", content) if isinstance(content, dict) else ""
    text = error.get("message", "") if isinstance(error, dict) else error
    return text if isinstance(text, str) else ""


def _quoted(answer: Answer, target: Target) -> str:
    """What it said, shortened, on one line, and without the key: some repeat it."""
    text = " ".join("".join(letter if letter.isprintable() else " " for letter in _said(answer)[:2000]).split())
    text = text.replace(target.api_key, "…") if target.api_key else text
    return f": “{text[:200].rstrip('.')}”" if text else ""


def _where(answer: Answer) -> str:
    return f" (to {answer.location[:200]})" if answer.location.isprintable() and answer.location else ""


def _missing_part(target: Target) -> str:
    """The usual mistake."""
    return ", which usually ends in /v1" if target.kind.key == "openai" and not target.base_url.rstrip("/").endswith("/v1") else ""
