"""A chat model that stands in for another: the same name and abilities, but someone else replies.

Calls in a journal belong to a model by its class and name. So a replay, or a worker whose model
lives in another process, needs a model that is called the same.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr, create_model

from mctsr_graph.calls.logprobs import NAMES, logprob_fields
from mctsr_graph.calls.request import innermost, model_name
from mctsr_graph.calls.sync_async import Scorer
from mctsr_graph.errors import JournalMismatchError

Send = Callable[[list[BaseMessage], dict[str, Any], dict[str, Any]], Awaitable[AIMessage]]
"""Takes messages, settings of the call, and the metadata of its run."""
Score = Callable[[list[BaseMessage]], Awaitable[Any]]


@dataclass(frozen=True)
class About:
    """What of a model its calls depend on, besides its replies."""

    label: str
    """Class and name."""
    takes_seed: bool
    tells_scores: bool
    tells_logprobs: bool = False
    """Whether its class has words to ask for likelihoods of tokens."""


def about(model: Any) -> About:
    """What has to be known of a model to stand in for it."""
    inner = innermost(model)
    takes_seed = "seed" in getattr(type(inner), "model_fields", {})
    tells_logprobs = not isinstance(logprob_fields(inner, 1), str)
    return About(model_name(model), takes_seed, isinstance(inner, Scorer), tells_logprobs)


def stand_in(for_model: About, send: Send, score: Score | None = None) -> BaseChatModel:
    """Make a model that is called like another; `send` and `score` reply in its place."""
    kind, _, name = for_model.label.partition(":")
    fields: dict[str, Any] = {"model_name": (str, name)}
    if for_model.takes_seed:
        fields["seed"] = (int | None, None)
    if for_model.tells_logprobs:
        fields |= {name: (Any, None) for name in NAMES}
    base = _ScoringStandIn if for_model.tells_scores else _StandIn
    made = create_model(kind, __base__=base, **fields)()
    made._send, made._score = send, score
    return made


def replayed(for_model: About) -> BaseChatModel:
    """Make a model all of whose replies have to be in the journal."""

    async def refuse(*asked: Any) -> Any:
        raise JournalMismatchError(
            "the recorded calls end here: the run was not finished, or a prompt or the code has "
            "changed since"
        )

    return stand_in(for_model, refuse, refuse)


class _StandIn(BaseChatModel):
    _send: Any = PrivateAttr(default=None)
    _score: Any = PrivateAttr(default=None)

    @property
    def _llm_type(self) -> str:
        return "stand-in"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError("a stand-in is awaited")

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        settings = {**kwargs, **({"stop": stop} if stop else {})}
        told = (run_manager.metadata if run_manager else None) or {}
        message = await self._send(messages, settings, told)
        return ChatResult(generations=[ChatGeneration(message=message)])


class _ScoringStandIn(_StandIn):
    def score(self, messages: list[BaseMessage]) -> Any:
        """Not to be had: a stand-in is awaited."""
        raise NotImplementedError("a stand-in is awaited")

    async def ascore(self, messages: list[BaseMessage]) -> Any:
        """Return the distribution over scores of the model that it stands for."""
        return await self._score(messages)
