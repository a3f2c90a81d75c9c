"""How sure a model is of its answers: asked for, or told by the tokens of a draft."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any, ClassVar

from langchain_core.messages import AIMessage

from mctsr_graph.calls.conversation import abilities_of
from mctsr_graph.calls.logprobs import TOKENS, token_confidences
from mctsr_graph.calls.request import Request, innermost
from mctsr_graph.calls.sync_async import Scorer
from mctsr_graph.errors import ReplyError
from mctsr_graph.judges import Case
from mctsr_graph.judges.base import JudgeCalls
from mctsr_graph.judges.logits import Logits
from mctsr_graph.prompts import evaluate_messages
from mctsr_graph.text.reward_scale import scaled
from mctsr_graph.text.thinking import strip_reasoning

_GROUP = 2048  # tokens, as in DeepConf; a shorter reply is one group
_ASK = (
    "Now say how sure you are that the final answer of the solution above is right: a whole "
    "number from 0 (certainly wrong) to 100 (certainly right). Reply with the number alone."
)
_NUMBER = re.compile(r"(?<![\w.])\d{1,3}(?:\.\d+)?(?![\w.]*\d)")


@dataclass(frozen=True)
class Confidence:
    """Rewards an answer with how sure the model is of it (CISC, arXiv 2502.06233).

    That is the chance of "True" in one token, or what the logits tell of a local model; a model
    that tells no likelihoods is asked for a number from 0 to 100.
    """

    name: ClassVar = "confidence"
    prompts_used: ClassVar = ()

    async def reward(self, case: Case, calls: JudgeCalls) -> float:
        """Return the confidence, as a share of the reward scale."""
        told = await Logits().told(case, calls)
        if not isinstance(told, str):
            return told
        abilities_of(calls.model).lose("tells_logprobs")
        prompts = replace(calls.prompts, evaluate=_ASK)
        messages = evaluate_messages(prompts, case.problem, case.answer)
        share = await calls.ask(Request("evaluate", messages, read_percent, lambda: messages))
        return scaled(share)


def kind_of(model: Any) -> str:
    """How `Confidence` has asked a model, in words."""
    if isinstance(innermost(model), Scorer):
        return "confidence: the mean score that the logits give"
    if abilities_of(model).tells_logprobs:
        return "confidence: the chance of True in one token"
    return "confidence: a number from 0 to 100, as the model tells no log-probabilities"


def read_percent(reply: str) -> float:
    """The one number from 0 to 100 of a reply, as a share.

    Raises:
        ReplyError: there is none ("missing"), or there are several ("ambiguous").
    """
    found = {float(number) for number in _NUMBER.findall(strip_reasoning(reply))}
    if len(found) > 1:
        found.discard(100.0)  # as in "85 of 100"
    if len(found) != 1:
        code, why = ("ambiguous", "several numbers") if found else ("missing", "no number")
        raise ReplyError(code, why, reply)
    share = found.pop() / 100
    if share > 1:
        raise ReplyError("out_of_range", "the number is above 100", reply)
    return share


def with_confidence(reply: AIMessage) -> AIMessage:
    """A draft with what its tokens tell in place of their likelihoods.

    "mean" over all tokens is what self-certainty ranks by; "lowest" is that of the least
    confident group of neighbours (DeepConf, arXiv 2508.15260).

    Raises:
        ReplyError: there are no likelihoods ("logprobs").
    """
    values = token_confidences(reply)
    if not values:
        raise ReplyError("logprobs", "the reply tells no likelihoods", str(reply.text))
    sums, total = [], sum(values[:_GROUP])
    for begin in range(max(1, len(values) - _GROUP + 1)):
        sums.append(total)
        if begin + _GROUP < len(values):
            total += values[begin + _GROUP] - values[begin]
    told = {"mean": fmean(values), "lowest": min(sums) / min(len(values), _GROUP)}
    metadata = {**reply.response_metadata, TOKENS: told}
    metadata.pop("logprobs", None)
    return reply.model_copy(update={"response_metadata": metadata})
