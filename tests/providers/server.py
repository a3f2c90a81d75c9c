"""One server that answers as the vendors do, and refuses what they refuse in their words.

Its address names the vendor: `server.url + "/anthropic"`. What is not in a vendor's list of
parameters is refused as that vendor refuses it; so are the values that its reasoning models refuse.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from typing import Any

from tests.loopback import LoopbackServer, completion

Body = dict[str, Any]
Refusal = tuple[int, Any] | None

_BASIC = {"model", "messages", "stream", "temperature", "top_p", "stop"}
_OPENAI = {*_BASIC, "max_completion_tokens", "seed", "n", "reasoning_effort", "logprobs", "tools"}
_SAMPLING = ("temperature", "top_p", "stop")
_REASONING = ("gpt-5", "o1", "o3", "o4")


class Vendors(LoopbackServer):
    """Keeps each body that it was sent, with what became of it."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Body] = []
        """Bodies that were answered."""
        self.refused: list[Body] = []
        """Bodies that were refused."""
        self.takes_no: tuple[str, ...] = ()
        """Names of parameters that are refused besides."""
        self.ending = "end_turn"
        """How replies in Anthropic's form end."""
        self.most_tokens: int | None = None
        """What a limit may be at most."""
        self.texts: Callable[[str], str] = text_for
        self._lock = threading.Lock()

    def reply_at(self, path: str, body: Any, headers: Mapping[str, str]) -> tuple[int, Any]:
        vendor = path.split("/")[1]
        refuse, answer = VENDORS[vendor]
        refusal = refuse(body) or self._too_large(body) or self._refused(vendor, body)
        with self._lock:
            (self.asked if refusal is None else self.refused).append(body)
        if refusal is not None:
            return refusal
        status, reply = answer(body, self.texts(json.dumps(body)))
        if vendor == "anthropic":
            reply["stop_reason"] = self.ending
        return status, reply

    def headers_of(self, status: int) -> Mapping[str, str]:
        """Some clients are never closed, and would leave their connections open."""
        return {"Connection": "close"}

    def _refused(self, vendor: str, body: Body) -> Refusal:
        parameters = body.get("generationConfig") or body.get("options") or body
        name = next((name for name in self.takes_no if name in parameters), None)
        form = FORMS.get(vendor, lambda name: _of_openai(f"Unknown parameter: '{name}'.", name))
        return None if name is None else form(name)

    def _too_large(self, body: Body) -> Refusal:
        asked = body.get("max_tokens", 0)
        if self.most_tokens is None or asked <= self.most_tokens:
            return None
        said = f"max_tokens: {asked} > {self.most_tokens}, which is the maximum allowed number"
        return _of_anthropic(said)


def text_for(asked: str) -> str:
    """What a critic, an author and a judge would say."""
    return "Score: 60" if "grade" in asked else "12 * 8 - 70 = 26: \\boxed{26}"


# What is refused ----------------------------------------------------------------------------------
def openai(body: Body) -> Refusal:
    """The Chat Completions API: unknown parameters, and what reasoning models do not take."""
    for name in body:
        if name not in _OPENAI and name != "max_tokens":
            return _of_openai(f"Unrecognized request argument supplied: {name}", None)
    if not body["model"].startswith(_REASONING):
        return None
    if "max_tokens" in body:
        said = "Unsupported parameter: 'max_tokens' is not supported with this model. "
        return _of_openai(said + "Use 'max_completion_tokens' instead.", "max_tokens")
    if body.get("temperature", 1) != 1:
        said = f"Unsupported value: 'temperature' does not support {body['temperature']} with this "
        return _of_openai(said + "model. Only the default (1) value is supported.", "temperature")
    if "stop" in body:
        said = "Unsupported parameter: 'stop' is not supported with this model."
        return _of_openai(said, "stop")
    return None


def responses(body: Body) -> Refusal:
    """The Responses API."""
    known = {"model", "input", "stream", "temperature", "max_output_tokens", "reasoning", "store"}
    for name in body:
        if name not in known:
            return _of_openai(f"Unknown parameter: '{name}'.", name)
    if "temperature" in body and body["model"].startswith(_REASONING):
        said = "Unsupported parameter: 'temperature' is not supported with this model."
        return _of_openai(said, "temperature")
    return None


def _of_openai(message: str, param: str | None) -> tuple[int, Any]:
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": None}
    return 400, {"error": error}


def _of_anthropic(message: str) -> tuple[int, Any]:
    return 400, {"type": "error", "error": {"type": "invalid_request_error", "message": message}}


def _of_gemini(name: str) -> tuple[int, Any]:
    said = f"Invalid JSON payload received. Unknown name \"{name}\" at 'generation_config'"
    return 400, {"error": {"code": 400, "message": said, "status": "INVALID_ARGUMENT"}}


def _of_mistral(name: str) -> tuple[int, Any]:
    detail = {"type": "extra_forbidden", "loc": ["body", name], "input": 0}
    return 422, {"detail": [{**detail, "msg": "Extra inputs are not permitted"}]}


FORMS: dict[str, Callable[[str], tuple[int, Any]]] = {
    "anthropic": lambda name: _of_anthropic(f"{name}: Extra inputs are not permitted"),
    "gemini": _of_gemini,
    "api": lambda name: (400, {"error": f"invalid option: {name}"}),
    "mistral": _of_mistral,
}
"""How vendors refuse a parameter, where not as OpenAI does."""


def anthropic(body: Body) -> Refusal:
    """The Messages API: no sampling with thinking, or with the models that fix it."""
    known = {*_BASIC, "max_tokens", "stop_sequences", "thinking", "system", "metadata"} - {"stop"}
    said = None
    for name in body:
        if name not in known:
            return FORMS["anthropic"](name)
    if "temperature" in body and body["model"].startswith("claude-opus-4-7"):
        said = "`temperature` is deprecated for this model."
    if "temperature" in body and body.get("thinking", {}).get("type") == "enabled":
        said = (
            "`temperature` may only be set to 1 when thinking is enabled. Please consult our "
            "documentation at https://docs.claude.com/en/docs/build-with-claude/extended-thinking"
        )
    return None if said is None else _of_anthropic(said)


def gemini(body: Body) -> Refusal:
    """The Gemini API."""
    known = {"temperature", "maxOutputTokens", "seed", "stopSequences", "candidateCount"}
    for name in body.get("generationConfig", {}):
        if name not in {*known, "topP", "topK", "thinkingConfig"}:
            return _of_gemini(name)
    return None


def ollama(body: Body) -> Refusal:
    """A server of Ollama: what it is asked for stands in `options`."""
    known = {"model", "messages", "options", "stream", "tools", "think", "format", "keep_alive"}
    options = {"temperature", "num_predict", "seed", "stop", "top_p", "top_k", "num_ctx"}
    wrong = [*(set(body) - known), *(set(body.get("options", {})) - options)]
    return FORMS["api"](wrong[0]) if wrong else None


def mistral(body: Body) -> Refusal:
    """Mistral's API."""
    for name in body:
        if name not in {*_BASIC, "max_tokens", "random_seed", "safe_prompt", "tools"}:
            return _of_mistral(name)
    return None


def groq(body: Body) -> Refusal:
    """Groq's API: no more than one reply."""
    for name in body:
        if name not in {*_OPENAI, "max_tokens", "reasoning_format", "service_tier"}:
            return _of_openai(f"property '{name}' is unsupported", None)
    if body.get("n", 1) != 1:
        return _of_openai("'n' : number must be at most 1", None)
    return None


def one_reply(body: Body) -> Refusal:
    """llama.cpp's server: no more than one reply, all else that OpenAI has."""
    if body.get("n", 1) != 1:
        return _of_openai("Only one completion choice is allowed", None)
    return None if set(body) <= {*_OPENAI, "max_tokens"} else _of_openai("unknown field", None)


def any_of_openai(body: Body) -> Refusal:
    """vLLM's server, OpenRouter, DeepSeek, text-generation-inference."""
    for name in body:
        if name not in {*_OPENAI, "max_tokens"}:
            return _of_openai(f"Extra inputs are not permitted, field: '{name}'", name)
    return None


# What is answered ---------------------------------------------------------------------------------
def as_chat(body: Body, text: str) -> tuple[int, Any]:
    count = body.get("n") or 1
    return 200, completion([text] * count, 10, 5 * count)


def as_responses(body: Body, text: str) -> tuple[int, Any]:
    content = [{"type": "output_text", "text": text, "annotations": []}]
    message = {"type": "message", "id": "m", "role": "assistant", "status": "completed"}
    usage = {
        **{"input_tokens": 10, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 5},
        **{"output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 15},
    }
    return 200, {
        **{"id": "r", "object": "response", "created_at": 0, "model": body["model"]},
        **{"status": "completed", "error": None, "incomplete_details": None, "tools": []},
        **{"output": [{**message, "content": content}], "usage": usage, "metadata": {}},
        **{"parallel_tool_calls": True, "tool_choice": "auto", "instructions": None},
    }


def as_anthropic(body: Body, text: str) -> tuple[int, Any]:
    thought = {"type": "thinking", "thinking": "Let me see.", "signature": "s"}
    thinks = [thought] if body.get("thinking", {}).get("type") == "enabled" else []
    return 200, {
        **{"id": "m", "type": "message", "role": "assistant", "model": body["model"]},
        **{"content": [*thinks, {"type": "text", "text": text}], "stop_reason": "end_turn"},
        **{"stop_sequence": None, "usage": {"input_tokens": 10, "output_tokens": 5}},
    }


def as_gemini(body: Body, text: str) -> tuple[int, Any]:
    count = body.get("generationConfig", {}).get("candidateCount") or 1
    content = {"role": "model", "parts": [{"text": text}]}
    usage = {"promptTokenCount": 10, "candidatesTokenCount": 5 * count, "totalTokenCount": 15}
    return 200, {
        "candidates": [
            {"content": content, "finishReason": "STOP", "index": i} for i in range(count)
        ],
        **{"usageMetadata": usage, "modelVersion": "gemini"},
    }


def as_ollama(body: Body, text: str) -> tuple[int, Any]:
    line = {
        **{"model": body["model"], "created_at": "2026-11-30T00:00:00Z", "done": True},
        **{"message": {"role": "assistant", "content": text}, "done_reason": "stop"},
        **{"prompt_eval_count": 10, "eval_count": 5},
    }
    return 200, json.dumps(line).encode() + b"\n"


VENDORS: dict[str, tuple[Callable[[Body], Refusal], Callable[[Body, str], tuple[int, Any]]]] = {
    "openai": (openai, as_chat),
    "responses": (responses, as_responses),
    "anthropic": (anthropic, as_anthropic),
    "gemini": (gemini, as_gemini),
    "api": (ollama, as_ollama),  # Ollama's address is a host without a path
    "mistral": (mistral, as_chat),
    "groq": (groq, as_chat),
    "deepseek": (any_of_openai, as_chat),
    "openrouter": (any_of_openai, as_chat),
    "vllm": (any_of_openai, as_chat),
    "llamacpp": (one_reply, as_chat),
    "hf": (any_of_openai, as_chat),
}
