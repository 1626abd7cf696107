"""What goes wrong between a run and its model: what of it is tried again, when, and what its user is told.

code                retried   next model   what happened
model_rate_limited  yes       yes          429, with or without Retry-After
model_overloaded    yes       yes          503, 529: too busy
model_error         yes       yes          any other 5xx
model_unreachable   yes       yes          no connection, or it broke, before or in the middle of the stream
model_silent        yes       yes          nothing came for too long
model_garbled       yes       yes          something that cannot be read came
model_empty         (asked)   yes          neither text nor a call, after it was asked again
model_quota         no        yes          the account has no credit left
model_key           no        yes          the key is not accepted
model_missing       no        yes          there is no such model
context_too_long    no        yes          the conversation does not fit into the model's window
model_refused       no        yes          400 and the like: the request itself is not accepted
content_filtered    no        no           the provider's filter
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic_ai.exceptions import (
    AgentRunError,
    ContentFilterError,
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelContextWindowExceededError,
    ModelHTTPError,
    ModelNotFoundError,
    ModelQuotaExceededError,
    ModelRateLimitError,
    ModelRequestRejectedError,
    ModelRequestTimeout,
    ModelServerError,
    ModelTimeoutError,
    ModelUnavailableError,
    UnexpectedModelBehavior,
)

from agentopia.lib.errors import AgentopiaError

PAUSES = (0.5, 2.0, 5.0, 15.0)
"""Seconds before the same model is asked again, where it does not say how long."""
SILENT = "model_silent"
PATIENCE = 60.0
"""Longer than this a model is not waited for."""
MOST_SILENCES = 1
"""So often a model is asked again that said nothing for as long as it may think."""


class ModelSilent(Exception):
    """Nothing came for so many ``seconds``."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds


@dataclass(eq=False)
class ModelFailure(Exception):
    """``retry`` and ``switch``: whether the same model, or another one, may do better. ``after`` is what it asked for, in seconds."""

    code: str
    message: str
    retry: bool = True
    switch: bool = True
    after: float | None = None

    def pause(self, failures: int) -> float | None:
        """Seconds until the same model is asked again after so many failures in a row; None: not again."""
        if not self.retry or failures > len(PAUSES) or (self.code == SILENT and failures > MOST_SILENCES):
            return None
        if self.after is not None:
            return self.after if self.after <= PATIENCE else None
        return PAUSES[failures - 1]


_KINDS: tuple[tuple[type[ModelAPIError], str, str, bool], ...] = (
    (ModelQuotaExceededError, "model_quota", "Its account has no credit left: check the provider's billing.", False),
    (ModelRateLimitError, "model_rate_limited", "It takes no more requests for now.", True),
    (ModelUnavailableError, "model_overloaded", "It is too busy, or down, for now.", True),
    (ModelServerError, "model_error", "It failed.", True),
    (ModelTimeoutError, SILENT, "It did not answer in time.", True),
    (ModelRequestTimeout, SILENT, "It did not answer in time.", True),
    (ModelConnectionError, "model_unreachable", "The connection to it could not be made, or broke.", True),
    (ModelContextWindowExceededError, "context_too_long", "The conversation is longer than it can read: begin a new one.", False),
    (ModelAuthenticationError, "model_key", "Its provider does not accept the key: enter a new one under Models.", False),
    (ModelNotFoundError, "model_missing", "Its provider has no such model: choose another one for the agent.", False),
    (ModelRequestRejectedError, "model_refused", "Its provider does not accept the request.", False),
)


def failure_of(error: Exception, model: str) -> ModelFailure:
    """What this means, said of the model of this name. Anything that is not a model's failure is raised again."""
    who = f"The model “{model}” gave no answer."
    if isinstance(error, ModelFailure):
        return error
    if isinstance(error, ModelSilent):
        return ModelFailure(SILENT, f"{who} Nothing came from it for {error.seconds:g} s.")
    if isinstance(error, ContentFilterError):
        return ModelFailure("content_filtered", f"{who} Its provider's content filter stopped it.", retry=False, switch=False)
    if isinstance(error, ModelAPIError):
        return _of_api(error, who)
    if isinstance(error, UnexpectedModelBehavior):
        return ModelFailure("model_empty", f"{who} What it sends is neither an answer nor a call of a tool.", retry=False)
    if isinstance(error, AgentopiaError):
        return ModelFailure(error.code, error.message, retry=False)
    if isinstance(error, AgentRunError | ValueError | OSError | TimeoutError):
        return ModelFailure("model_garbled", f"{who} What came from it cannot be read.")
    raise error


def _of_api(error: ModelAPIError, who: str) -> ModelFailure:
    for kind, code, sentence, retry in _KINDS:
        if isinstance(error, kind):
            return ModelFailure(code, f"{who} {sentence}{_detail(error)}", retry=retry, after=_asked_for(error))
    if isinstance(error, ModelHTTPError):
        again = error.status_code >= 500 or error.status_code in (408, 409, 425)
        code = "model_error" if again else "model_refused"
        return ModelFailure(code, f"{who} Its provider answered with HTTP {error.status_code}.{_detail(error)}", retry=again)
    return ModelFailure("model_garbled", f"{who} What came from it cannot be read.")


def _asked_for(error: ModelAPIError) -> float | None:
    """The pause in seconds that it wants; some say it with a point in it, which the library does not read."""
    if error.retry_after is not None or not isinstance(error, ModelHTTPError) or not error.headers:
        return error.retry_after
    try:
        return max(0.0, float(error.headers.get("retry-after", "")))
    except ValueError:
        return None


def _detail(error: ModelAPIError) -> str:
    """The provider's own words, where there are any; they are not trusted to be short."""
    body = error.body
    inner = body.get("error", body) if isinstance(body, dict) else None
    words = inner.get("message") if isinstance(inner, dict) else None
    return f" (It says: {' '.join(words.split())[:200]})" if isinstance(words, str) and words.strip() else ""
