"""The API of OpenAI (chat completions), wherever it is spoken."""

from __future__ import annotations

from typing import Any

from chat.providers.base import Kind, Preset, Question, named

PRESETS = (
    Preset(
        "openai",
        "OpenAI",
        "The GPT models, with a key of OpenAI's platform.",
        "https://api.openai.com/v1",
        keys_url="https://platform.openai.com/api-keys",
        docs_url="https://platform.openai.com/docs/models",
        example="gpt-5-mini",
    ),
    Preset(
        "openrouter",
        "OpenRouter",
        "Models of many providers with one key.",
        "https://openrouter.ai/api/v1",
        keys_url="https://openrouter.ai/settings/keys",
        docs_url="https://openrouter.ai/models",
        example="anthropic/claude-sonnet-4.5",
    ),
    Preset(
        "ollama",
        "Ollama",
        "Models on a machine of your own; no key is needed.",
        "http://localhost:11434/v1",
        asks_url=True,
        needs_key=False,
        docs_url="https://docs.ollama.com/openai",
        example="qwen3:8b",
    ),
    Preset(
        "vllm",
        "vLLM",
        "A server for models on GPUs. Start it with --enable-auto-tool-choice, else its models call no tools.",
        "http://localhost:8000/v1",
        asks_url=True,
        needs_key=False,
        docs_url="https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
        example="Qwen/Qwen3-8B",
    ),
    Preset(
        "llamacpp",
        "llama.cpp",
        "A small server for models of your own. Start llama-server with --jinja, else its models call no tools.",
        "http://localhost:8080/v1",
        asks_url=True,
        needs_key=False,
        docs_url="https://github.com/ggml-org/llama.cpp/tree/master/tools/server",
        example="default",
    ),
    Preset(
        "compatible",
        "Another compatible one",
        "Anything that speaks OpenAI's API: enter its address, as far as /v1.",
        asks_url=True,
        needs_key=False,
    ),
)


class OpenAI(Kind):
    """Chat completions below ``/v1``."""

    key = "openai"
    label = "OpenAI-compatible"
    base_url = "https://api.openai.com/v1"
    needs_key = False
    presets: tuple[Preset, ...] = PRESETS

    def headers(self, api_key: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {api_key}"} if api_key else {}

    @property
    def listing(self) -> Question:
        return Question("/models")

    def smallest(self, model: str) -> Question:
        # No limit on tokens: max_tokens is refused by OpenAI's newer models, max_completion_tokens unknown to others.
        message = {"role": "user", "content": "Answer with the one word: yes"}
        return Question("/chat/completions", body={"model": model, "messages": [message]})

    def names(self, answer: Any) -> list[str] | None:
        return named(answer.get("data"), "id") if isinstance(answer, dict) else None


OPENAI = OpenAI()
