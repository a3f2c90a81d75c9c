"""What is asked of a chat model, and what came of it."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from langchain_core.language_models import BaseChatModel, BaseLanguageModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable
from typing_extensions import TypedDict

from mctsr_graph.calls.per_object import OnePerObject
from mctsr_graph.calls.usage import Cost, Role

Model = Runnable[Any, Any]
"""A chat model, or one wrapped by `bind`, `with_retry`, `with_fallbacks`, ..."""


@dataclass(frozen=True)
class Request:
    """One thing wanted from the model."""

    role: Role
    messages: list[BaseMessage]
    read: Callable[[str], Any]
    """Reads the reply's text; raises ReplyError where it cannot be used."""
    again: Callable[[], list[BaseMessage]]
    """Makes what is sent after a reply that could not be used."""
    shorter: Sequence[Callable[[], list[BaseMessage]]] = ()
    """Makes what is sent instead, one after the other, if it is too long for the model."""
    is_whole: Callable[[str], bool] = lambda text: True
    """Whether a reply that was cut off is worth keeping without asking once more."""
    send: Callable[..., Awaitable[AIMessage]] | None = None
    """Gets the reply from (model, messages, way) where it is not by a chat."""
    server: Any = None
    """What `send` asks, if that is not the model: when that is away, the model need not be."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Asked for besides, in place of what the settings of the search say."""
    kept: Callable[[AIMessage], AIMessage] | None = None
    """Makes of a reply what is read and kept; raises ReplyError where it cannot be used."""
    schema: dict[str, Any] | None = None
    """JSON schema of what may be asked for in place of text; `read` takes both."""
    rollout: int = 0
    """Number of the rollout, from 1; 0 for the roots."""
    sample: int = 0
    """Tells apart the requests of one role in one rollout."""


@dataclass(frozen=True)
class Reply:
    """What came of a request: a value, or a failure's code and message."""

    value: Any
    cost: Cost
    seconds: float
    code: str | None = None
    message: str = ""
    truncated: bool = False
    """Whether a limit of tokens cut the reply off."""
    digest: Hashable = None
    """Of the request and the whole text; None where there is no one reply."""
    is_certain: bool = False
    """Whether another reply of this digest is no sample of its own."""
    by_length: bool = False
    """Whether that is so for the length of its text alone."""
    is_drawn: bool = False
    """Whether the model tells that it drew the reply for this request alone."""
    compared: dict[str, list[float]] = field(default_factory=dict)
    """Of a judge that compares: what it said, as in `mctsr_graph.tree.comparisons`."""


class Failure(TypedDict):
    """A reply that could not be had. The search goes on without it."""

    rollout: int
    """Number of the rollout, from 1; 0 while the roots are made."""
    node: str | None
    """Id of the node whose reward is missing, or None if a new answer was lost."""
    role: str
    """What the model was asked for: "draft", "critique", "refine" or "evaluate"."""
    code: str
    """A short word: "missing" (no score), "empty", "budget", "unavailable" (it may work later),
    "model_error", "judge_error", ..."""
    message: str
    """The reason, with the beginning of the offending reply."""


def derive_seed(*parts: object) -> int:
    """A seed in [0, 2**31) that depends on every part and on nothing else."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def innermost(model: Any) -> Any:
    """The chat model inside `bind`, `with_retry` and `with_fallbacks`, or `Unchosen`."""
    for _ in range(16):
        if isinstance(model, BaseChatModel):
            break
        own = getattr(model, "__dict__", {})
        inner = own.get("bound") or own.get("runnable")
        if inner is None:
            break
        model = inner
    return _unchosen(model) if makes_models(model) else model


def makes_models(model: Any) -> bool:
    """Whether it is what `init_chat_model(configurable_fields=...)` returns."""
    return type(model).__name__ == "_ConfigurableModel" and hasattr(type(model), "_model")


class Unchosen:
    """Stands for a model that the configuration of each call chooses: nothing is known of it.

    Whoever asks the model itself for an attribute has it make a chat model, of all that is
    configurable in the run.
    """


_unchosen = OnePerObject(lambda model: Unchosen())


def told_by(model: Any, *fields: str) -> list[Any]:
    """What a chat model says of itself in these fields, in order, as far as it has them."""
    inner = innermost(model)
    # Others may make a model to look for a field, as what `init_chat_model` returns does
    own = inner if isinstance(inner, BaseLanguageModel) else None
    return [value for name in fields if (value := getattr(own, name, None)) is not None]


def profile_of(model: Any) -> dict[str, Any]:
    """What LangChain knows of a chat model; {} where it knows nothing."""
    return next(iter(told_by(model, "profile")), {})


def limit_of(model: Any) -> int | None:
    """The limit of tokens of a reply that a model has by itself, if it tells one."""
    limits = told_by(model, "max_tokens", "max_output_tokens", "num_predict")
    return next((one for one in limits if isinstance(one, int) and one > 0), None)


def names_of(model: Any) -> list[str]:
    """The names that a model gives itself."""
    names = told_by(model, "model_name", "model", "model_id")
    return [name for name in names if isinstance(name, str)]


def model_name(model: Any) -> str:
    """A model's class and name, as far as it says them."""
    return f"{type(innermost(model)).__name__}:{next(iter(names_of(model)), '')}"
