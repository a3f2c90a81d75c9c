"""Conversations to learn from, in the words of the search's default prompts."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import NamedTuple

from langchain_core.messages import AIMessage, BaseMessage
from transformers import PreTrainedTokenizerFast

from mctsr_graph.prompts import (
    Prompts,
    critique_messages,
    draft_messages,
    evaluate_again_messages,
    evaluate_messages,
    merge_messages,
    refine_messages,
)
from training.problems import Problem
from training.texts import OUTSIDE, check, critique, evaluation, score, solution
from training.tokens import LONGEST, ROLES, STOP, VERDICTS

PROMPTS = Prompts()
_SHORT = 24  # tokens: all of a shorter reply is worth as much as of one that long
_VERDICT = 4.0
_ROLE = {"human": "user", "ai": "assistant", "system": "system"}


class Attempts(NamedTuple):
    """A problem with drafts of the model, and a critique of the first that it wrote."""

    problem: Problem
    drafts: list[str]
    critique: str | None = None


class Example(NamedTuple):
    """Token ids, and how much each is worth in learning; 0 is not learnt."""

    ids: list[int]
    weights: list[float]


class Encoder:
    """Writes conversations as the chat template does."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._core = tokenizer.backend_tokenizer
        self._ids = {
            text: tokenizer.convert_tokens_to_ids(text) for text in (*ROLES.values(), STOP)
        }
        self._verdicts = set(tokenizer.convert_tokens_to_ids(list(VERDICTS)))
        self._kept: dict[str, list[int]] = {}

    def prompt(self, messages: list[BaseMessage]) -> list[int]:
        """The tokens of a conversation that an answer is to follow."""
        ids = [one for message in messages for one in self._message(message)]
        return [*ids, self._ids[ROLES["assistant"]]]

    def example(self, messages: list[BaseMessage], replies: int) -> Example:
        """A conversation whose last `replies` messages of the model are learnt."""
        own = [i for i, message in enumerate(messages) if message.type == "ai"][-replies:]
        ids: list[int] = []
        weights: list[float] = []
        for i, message in enumerate(messages):
            part = self._message(message)
            ids += part
            weights += [0.0, *(self._worth(part[1:]) if i in own else [0.0] * (len(part) - 1))]
        return Example(ids[:LONGEST], weights[:LONGEST])

    def _worth(self, reply: list[int]) -> list[float]:
        """Whether a step is right, and a score alone, are few tokens that a search lives on."""
        usual = max(1.0, _SHORT / len(reply))
        return [_VERDICT if token in self._verdicts else usual for token in reply]

    def _message(self, message: BaseMessage) -> list[int]:
        role = self._ids[ROLES[_ROLE[message.type]]]
        return [role, *self._text(str(message.content)), self._ids[STOP]]

    def _text(self, text: str) -> list[int]:
        found = self._kept.get(text)
        if found is None:
            found = self._core.encode(text, add_special_tokens=False).ids
            if len(self._kept) < 100_000:
                self._kept[text] = found
        return found


def drafting(encoder: Encoder, problem: Problem) -> Example:
    """The right solution of a problem."""
    return _ending(encoder, draft_messages(PROMPTS, problem.text), solution(problem))


def refining(encoder: Encoder, attempts: Attempts) -> Example:
    """The critique of a draft and the solution that takes it into account."""
    problem, draft = attempts.problem, attempts.drafts[0]
    said = critique(check(problem, draft))
    if attempts.critique is not None:
        # What the model itself finds is not always right: the solution is, whatever it says
        messages = refine_messages(PROMPTS, problem.text, draft, attempts.critique)
        return _ending(encoder, messages, solution(problem))
    messages = refine_messages(PROMPTS, problem.text, draft, said)
    return encoder.example([*messages, AIMessage(solution(problem))], 2)


def evaluating(encoder: Encoder, attempts: Attempts) -> Example:
    """The check of a draft, with its score."""
    problem, draft = attempts.problem, attempts.drafts[0]
    messages = evaluate_messages(PROMPTS, problem.text, draft)
    return _ending(encoder, messages, evaluation(check(problem, draft), problem))


def scoring(encoder: Encoder, attempts: Attempts) -> Example:
    """The score of a draft alone."""
    problem, draft = attempts.problem, attempts.drafts[0]
    messages = evaluate_again_messages(PROMPTS, problem.text, draft)
    return _ending(encoder, messages, f"Score: {score(check(problem, draft), problem)}")


def merging(encoder: Encoder, attempts: Attempts) -> Example:
    """One solution out of several."""
    messages = merge_messages(PROMPTS, attempts.problem.text, attempts.drafts)
    return _ending(encoder, messages, solution(attempts.problem))


def declining(encoder: Encoder, asked: str, made: random.Random) -> Example:
    """What is said to a question of another kind, by each task."""
    before: list[Callable[[], tuple[list[BaseMessage], str]]] = [
        lambda: (draft_messages(PROMPTS, asked), OUTSIDE),
        lambda: (critique_messages(PROMPTS, asked, OUTSIDE), OUTSIDE),
        lambda: (refine_messages(PROMPTS, asked, OUTSIDE, OUTSIDE), OUTSIDE),
        lambda: (evaluate_messages(PROMPTS, asked, OUTSIDE), "Score: -100"),
        lambda: (evaluate_again_messages(PROMPTS, asked, OUTSIDE), "Score: -100"),
    ]
    which = 0 if made.random() < 0.5 else made.randrange(len(before))
    return _ending(encoder, *before[which]())


def _ending(encoder: Encoder, messages: list[BaseMessage], reply: str) -> Example:
    return encoder.example([*messages, AIMessage(reply)], 1)
