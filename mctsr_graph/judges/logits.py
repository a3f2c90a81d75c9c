"""The judge that reads likelihoods, where the model can tell them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from langchain_core.messages import AIMessage, BaseMessage

from mctsr_graph.calls.conversation import abilities_of
from mctsr_graph.calls.logprobs import MOST, first_token, logprob_fields
from mctsr_graph.calls.request import Request, innermost, model_name
from mctsr_graph.calls.sync_async import Scorer, Way
from mctsr_graph.errors import ReplyError
from mctsr_graph.judges.base import Case, JudgeCalls
from mctsr_graph.judges.self_evaluation import evaluation
from mctsr_graph.prompts import evaluate_messages
from mctsr_graph.text.reward_scale import scaled

_ASK = (
    "Now decide as a harsh examiner: is the final answer of the solution above right, and what was "
    "asked for? Reply with one word: True or False."
)
_TRUE, _FALSE = "true", "false"
_LEAST = 0.5  # of the probability for both words, else the model has not understood
_UNTOLD = "logprobs"  # code of a reply without likelihoods


@dataclass(frozen=True)
class Logits:
    """Takes the mean score that the model's logits give, or how likely it finds the answer right.

    A local model tells its whole distribution over scores. A served one that gives `top_logprobs`
    (OpenAI's chat, vLLM, DeepSeek, Ollama) is asked for one token: the chance of "True" against
    "False" is the reward's share of the scale. A model that cannot tell is asked for a score, and
    a warning says so once.
    """

    name: ClassVar = "logits"
    ask: ClassVar = _ASK

    async def reward(self, case: Case, calls: JudgeCalls) -> float:
        """Return the reward, lowered where it is too good to be believed."""
        score: float = await self._score(case, calls)
        return calls.strategy.suppressed(score, calls.context)

    async def _score(self, case: Case, calls: JudgeCalls) -> Any:
        told = await self.told(case, calls)
        if not isinstance(told, str):
            return told
        _say_once(calls, told)
        return await calls.ask(evaluation(case, calls))

    async def told(self, case: Case, calls: JudgeCalls) -> float | str:
        """What likelihoods say, points; or why the model tells none."""
        request, model = evaluation(case, calls), innermost(calls.model)
        if isinstance(model, Scorer):
            by_logits = replace(request, messages=request.again(), send=_by_logits)
            return float(await calls.ask(by_logits))
        why = logprob_fields(model, MOST)
        if abilities_of(model).tells_logprobs and not isinstance(why, str):
            try:
                return float(await calls.ask(_by_logprobs(request, case, calls, self.ask)))
            except ReplyError as error:
                if error.code != _UNTOLD:
                    raise
                why = error.why
        return str(why)


class TextLogits(Logits):
    """The same for texts that state no final answer."""

    ask: ClassVar = (
        "Now decide as a harsh reader: does the text above do all that was asked for, and do it "
        "well? Reply with one word: True or False."
    )


async def _by_logits(model: Any, messages: list[BaseMessage], way: Way) -> AIMessage:
    found = await way.score(innermost(model), messages)
    return AIMessage(f"Score: {found.expected:.6f}")


def _by_logprobs(request: Request, case: Case, calls: JudgeCalls, ask: str) -> Request:
    """The request for one token, whose likelihoods become a score."""
    prompts = replace(calls.prompts, evaluate=ask)
    messages = evaluate_messages(prompts, case.problem, case.answer)
    settings = {"max_tokens": 1, "logprobs": MOST}
    return replace(
        request, messages=messages, again=lambda: messages, settings=settings, kept=as_score
    )


def as_score(reply: AIMessage) -> AIMessage:
    """What the likelihoods of a reply's first token say, as a reply with a score.

    Raises:
        ReplyError: there are none ("logprobs"), or they are of other words ("missing").
    """
    words = first_token(reply)
    if not words:
        raise ReplyError(_UNTOLD, "the reply tells no likelihoods", str(reply.text))
    chances = dict.fromkeys((_TRUE, _FALSE), 0.0)
    for token, chance in words.items():
        word = token.strip(" \n\t*_\"'`.▁Ġ").lower()
        if word in chances:
            chances[word] += chance
    both = sum(chances.values())
    if both < _LEAST:
        raise ReplyError("missing", "the first token is neither True nor False", str(reply.text))
    score = AIMessage(f"Score: {scaled(chances[_TRUE] / both):.6f}")
    told = {"usage_metadata": reply.usage_metadata, "response_metadata": _without(reply)}
    return score.model_copy(update=told)


def _without(reply: AIMessage) -> dict[str, Any]:
    """What else a reply tells: not its likelihoods, nor that one token was its limit."""
    gone = ("logprobs", "finish_reason", "stop_reason", "done_reason")
    return {name: one for name, one in reply.response_metadata.items() if name not in gone}


def _say_once(calls: JudgeCalls, why: str) -> None:
    """Remember that a model tells no likelihoods, and say so."""
    name = model_name(calls.model)
    if not abilities_of(calls.model).lose("tells_logprobs"):
        return
    if calls.asker.tell is not None:
        calls.asker.tell("logprobs", MOST, name, why)
    warnings.warn(
        f"judge is 'logits', but the model {name} tells no log-probabilities ({why}); it is asked "
        "for a score instead",
        UserWarning,
        stacklevel=2,
    )
