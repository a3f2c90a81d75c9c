"""What may be sent to a chat model beside its messages, and in which words.

A search asks for a temperature, a limit of tokens, a seed and a number of replies. Each class of
models has its own words for these: a field of its constructor, or an argument of a call. Which, is
read off the class and its signature, and off `model.profile`. What a model refuses by name is left
out from then on.
"""

from __future__ import annotations

import inspect
import re
import threading
from collections.abc import Mapping
from typing import Any, NamedTuple

from langchain_core.language_models import BaseLanguageModel
from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableLambda
from pydantic import BaseModel

from mctsr_graph.calls import effort, logprobs
from mctsr_graph.calls.error_kinds import causes, classify, status_of
from mctsr_graph.calls.per_object import OnePerObject

NAMES: dict[str, tuple[str, ...]] = {
    "temperature": ("temperature",),
    "max_tokens": (
        *("max_tokens", "max_completion_tokens", "max_output_tokens", "num_predict"),
        *("max_new_tokens", "max_tokens_to_sample", "maxOutputTokens", "maxTokens"),
    ),
    "seed": ("seed", "random_seed"),
    "n": ("n", "candidate_count", "candidateCount"),
    "reasoning_effort": effort.NAMES,
    "logprobs": logprobs.NAMES,
}
"""What providers call each setting of a call."""
_REFUSALS = (400, 422)
# Classes of clients that refuse an argument, and of those that keep no status of the server's
_REFUSING = re.compile(
    "TypeError|ValueError|NotImplemented|Validation|Argument|BadRequest|GenAI|GenerativeAI"
)
_REFUSED = re.compile(
    "unsupported|not support|unexpected keyword|not permitted|unknown|unrecognized|not allowed|"
    "deprecated|may only be"
)


class Way(NamedTuple):
    """How a setting reaches a model: as a field, an argument of the call, or both."""

    field: str | None
    """Name of the field that is set on a copy of the model."""
    argument: str | None
    """Name of the argument of the call."""


_OLD_LIMIT = Way(None, "extra_body")
"""For `max_tokens` with servers that do not know OpenAI's newer word, which its client sends."""


class ModelWords:
    """The words of one model, and what it has refused. Safe to share between threads."""

    def __init__(self, model: Any) -> None:
        self.left_out: dict[str, str] = {}
        """Settings that the model does not take, with the reason."""
        self.refused: set[str] = set()
        """Those of them that it had been sent."""
        self.told: set[str] = set()
        """Those of them that were told."""
        self.lock = threading.Lock()
        self.of_pipeline = _of_pipeline(model)
        """What a pipeline of transformers is told at each call; None: it is none."""
        self._has_extra = "extra_body" in getattr(type(model), "model_fields", {})
        self._ways = {setting: self._first_ways(model, setting) for setting in NAMES}
        self._looked_at: set[str] = set()
        self._parts: dict[object, ModelWords] = {}
        profile = getattr(model, "profile", None) if isinstance(model, BaseLanguageModel) else None
        if (profile or {}).get("temperature") is False:
            self.left_out["temperature"] = "its profile says so"
        if _is_on_responses_api(model):
            for setting in ("seed", "n"):
                self.left_out[setting] = "OpenAI's Responses API has none"

    def _first_ways(self, model: Any, setting: str) -> list[Way]:
        if self.of_pipeline is None:
            return _ways_of(model, setting)
        return [Way(None, "pipeline_kwargs")] if setting in ("temperature", "max_tokens") else []

    def way(self, setting: str) -> Way | None:
        """How a setting reaches the model; None: not at all."""
        ways = self._ways[setting]
        return ways[0] if ways and setting not in self.left_out else None

    def part(self, model: Any) -> ModelWords:
        """The words of a model that this one makes anew for each call."""
        key = type(model), str(getattr(model, "model_name", getattr(model, "model", "")))
        with self.lock:
            if key not in self._parts:
                self._parts[key] = ModelWords(model)
            return self._parts[key]

    def drops(self, model: Any, sent: Mapping[str, Any], arguments: Mapping[str, Any]) -> bool:
        """Whether the model, in the state for a call, would drop what is to be sent in silence.

        Where a class can tell its request beforehand, as those for OpenAI and Anthropic can, it is
        asked once for each setting.
        """
        new = {name for name in ("temperature", "max_tokens") if name in sent} - self._looked_at
        self._looked_at |= new
        if not new or not hasattr(type(model), "_get_request_payload"):
            return False
        try:
            payload = model._get_request_payload([HumanMessage("?")], **arguments)
            payload |= payload.get("extra_body") or {}
        except Exception:  # which the call itself will raise, too
            return False
        dropped = {name for name in new if not any(word in payload for word in NAMES[name])}
        self.left_out |= dict.fromkeys(dropped, "its class sends none for this model")
        return bool(dropped)

    def learn(self, setting: str, error: Exception) -> None:
        """Take in that the model has refused a setting: another way, or none any more."""
        with self.lock:
            ways, other = self._ways[setting], _proposed(setting, error)
            if len(ways) > 1 and all(status_of(one) is None for one in causes(error)):
                self._ways[setting] = ways[1:]
            elif other is not None and ways != [Way(None, other)]:
                self._ways[setting] = [Way(None, other)]
            elif setting == "max_tokens" and self._has_extra and ways != [_OLD_LIMIT]:
                self._ways[setting] = [_OLD_LIMIT]
            else:
                self.refused.add(setting)
                self.left_out.setdefault(setting, f"{type(error).__name__}: {error}")


words_of = OnePerObject(ModelWords)
"""The words of a model, which remember what it has refused as long as it lives."""


def refused_setting(error: Exception, sent: Mapping[str, Any]) -> str | None:
    """The setting that an error refuses by name, of those that were sent; else None."""
    if classify(error) not in ("configuration", "other"):
        return None
    for one in causes(error):
        status = status_of(one)
        text = _said(one)
        classes = " ".join(kind.__name__ for kind in type(one).__mro__)
        refuses = _REFUSING.search(classes) or _REFUSED.search(text.lower())
        if not (refuses if status is None else status in _REFUSALS):
            continue
        param = str(getattr(one, "param", None) or "")
        found = [
            (at, setting) for setting in sent if (at := _named_at(setting, param, text)) is not None
        ]
        if found:
            return min(found)[1]
    return None


def _proposed(setting: str, error: Exception) -> str | None:
    """The word that a server proposes instead ("Use 'max_completion_tokens' instead")."""
    said = " ".join(map(_said, causes(error)))
    words = "|".join(NAMES[setting])
    found = re.search(rf"\b[Uu]se [\"'`]?({words})\b", said)
    return found[1] if found else None


def _said(error: BaseException) -> str:
    """What an error says, with the server's words where a client keeps them apart."""
    try:
        words = getattr(getattr(error, "response", None), "text", "")
    except Exception:  # a response that was streamed, and not read
        words = ""
    return f"{str(error)[:4000]}\n{words[:4000] if isinstance(words, str) else ''}"


def _named_at(setting: str, param: str, text: str) -> int | None:
    """Where an error first names a setting; None if it does not."""
    if param.rpartition(".")[2] in NAMES[setting]:
        return -1
    names = "|".join(NAMES[setting])
    found = re.search(rf"(?<![\w-])(?:{names})(?![\w-])", text)
    return found.start() if found else None


# How a class takes a setting ----------------------------------------------------------------------
def _ways_of(model: Any, setting: str) -> list[Way]:
    """The ways that a class offers for a setting, the first to be tried first."""
    names, fields = NAMES[setting], getattr(type(model), "model_fields", {})
    field = next((name for name in names if name in fields), None)
    function = _called(model)
    named, any_other = _arguments_of(function)
    argument = next((name for name in names if name in named), None)
    if argument is None and any_other and (field or setting in ("temperature", "max_tokens")):
        argument = field or names[0]
    if field is None:
        return [Way(None, argument)] if argument else []
    # LangChain's own classes read their fields at each call; but one that passes a call on to
    # another model, as ChatHuggingFace does, gives it some fields only. Of another class it cannot
    # be seen which of both it reads
    if argument is None or (function.__module__.startswith("langchain") and "llm" not in fields):
        return [Way(field, None)]
    return [Way(field, argument), Way(field, None)]


def _called(model: Any) -> Any:
    """The function that a call ends in."""
    kind: Any = type(model)
    if isinstance(model, RunnableLambda):
        return getattr(model, "func", None) or model.afunc
    if isinstance(model, BaseLanguageModel):
        return getattr(kind, "_call", None) or kind._generate
    return getattr(kind, "invoke", None)


def _arguments_of(function: Any) -> tuple[set[str], bool]:
    """The names that a function takes, and whether it takes any other."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # of C code, or no function at all
        return set(), False
    named = {one.name for one in parameters if one.kind is not one.VAR_KEYWORD}
    return named, any(one.kind is one.VAR_KEYWORD for one in parameters)


def _of_pipeline(model: Any) -> dict[str, Any] | None:
    """What a pipeline of transformers, or a chat model around one, is to be told at each call."""
    inner = getattr(model, "llm", model) if isinstance(model, BaseModel) else model
    if "pipeline_kwargs" not in getattr(type(inner), "model_fields", {}):
        return None
    # Else the reply begins with the whole prompt
    generates = getattr(getattr(inner, "pipeline", None), "task", "") == "text-generation"
    return {"return_full_text": False} if generates else {}


def _is_on_responses_api(model: Any) -> bool:
    uses = getattr(type(model), "_use_responses_api", None)
    return uses is not None and bool(uses(model, {}))
