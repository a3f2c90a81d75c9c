"""The judge that reads logits, as methods of a chat model."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from langchain_core.messages import BaseMessage

from mctsr_graph.models.control_tokens import added_tokens
from mctsr_graph.models.engine.protocol import ContextLengthError, Engine
from mctsr_graph.models.reasoning import answer_lead
from mctsr_graph.models.score import ScoreDistribution, distribution, score_tree
from mctsr_graph.models.template import TOKENIZER_LOCK, prompt_of, to_chat
from mctsr_graph.models.weights import window_of
from mctsr_graph.text import reward_scale

T = TypeVar("T")


class LogitScores:
    """Adds `score` and `ascore` to a chat model that has an engine; their presence is the sign."""

    def _engine(self) -> Engine:
        raise NotImplementedError

    def _load(self) -> tuple[Any, Any]:
        raise NotImplementedError

    async def _ready(self) -> None:
        raise NotImplementedError

    def _options(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError

    def score(
        self, messages: list[BaseMessage], lead: str = "Score: ", labels: Sequence[float] = ()
    ) -> ScoreDistribution:
        """How likely each score is to follow `lead` at the beginning of the reply.

        Exact, from the logits, in one forward for all scores, and nothing is sampled.

        Args:
            messages: The conversation that asks for a score.
            lead: What the reply begins with.
            labels: The numbers allowed, those of the reward scale by default: whole ones, or
                hundredths of a scale that is shorter than 100 points.

        Raises:
            ContextLengthError: The prompt with a score is longer than the context window.
        """
        ids, tree, ends = self._scoring(messages, lead, labels)
        future = self._engine().score(ids, tree)
        return distribution(tree, ends, awaited(future))

    async def ascore(
        self, messages: list[BaseMessage], lead: str = "Score: ", labels: Sequence[float] = ()
    ) -> ScoreDistribution:
        """As `score`, awaited. Several at once share a forward."""
        await self._ready()
        ids, tree, ends = self._scoring(messages, lead, labels)
        future = self._engine().score(ids, tree)
        return distribution(tree, ends, await asyncio.wrap_future(future))

    def _scoring(self, messages: list[BaseMessage], lead: str, labels: Sequence[float]) -> Any:
        model, tokenizer = self._load()
        with TOKENIZER_LOCK:
            prompt = prompt_of(tokenizer, to_chat(messages), None, self._options({}))
            added = [str(token.content) for token in added_tokens(tokenizer).values()]
            begun = answer_lead(prompt.tail, added)  # a model that thinks first does not, here
            ids = prompt.ids + tokenizer(begun, add_special_tokens=False)["input_ids"]
            more, tree, ends = _score_tree(tokenizer, lead, tuple(labels) or reward_scale.labels())
        ids, window = ids + more, window_of(model)
        if window is not None and len(ids) + tree.depth() > window:
            raise ContextLengthError(
                f"the prompt and a score have {len(ids) + tree.depth()} tokens, the window {window}"
            )
        return ids, tree, ends


@functools.lru_cache(maxsize=8)
def _score_tree(tokenizer: Any, lead: str, labels: Sequence[float]) -> Any:
    return score_tree(tokenizer, lead, labels)  # tokenises every label, so once is enough


def awaited(future: Future[T]) -> T:
    """The result; what interrupts the waiting (Ctrl-C) cancels the request."""
    try:
        return future.result()
    finally:
        future.cancel()
