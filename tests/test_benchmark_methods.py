"""Published ways without a search, as methods of the benchmark: every figure was found by hand."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from mctsr_graph import ConfigError, ReplyError, ScriptedChatModel
from mctsr_graph.benchmark.again import replay
from mctsr_graph.benchmark.confidence import read_percent, with_confidence
from mctsr_graph.benchmark.plan import Plan
from mctsr_graph.benchmark.store import RunFolder
from mctsr_graph.benchmark.votes import borda_weights, next_round, softmax_weights
from mctsr_graph.calls.logprobs import token_confidences
from mctsr_graph.models.scripted import ScriptedCall

from .test_benchmark_run import keep, points, solved

USAGE = {"input_tokens": 5, "output_tokens": 5, "total_tokens": 10}


def drafting(*finals: int, judged: Any = lambda call: "Score: 0") -> ScriptedChatModel:
    """Drafts these final answers, one after the other, and replies to the judge's questions."""

    def reply(call: ScriptedCall) -> AIMessage:
        if call.role != "draft":
            return AIMessage(judged(call), usage_metadata=USAGE)
        return AIMessage(f"\\boxed{{{finals[call.sample % len(finals)]}}}", usage_metadata=USAGE)

    return ScriptedChatModel(replies=reply)


def test_adaptive_consistency_draws_until_the_vote_is_decided() -> None:
    model = drafting(5)
    made = solved(model, Plan(["adaptive-consistency"], [0, 2]))["adaptive-consistency"]
    # Four that agree: a Beta(5, 1) variable is above 1/2 with chance 31/32; three: 15/16
    assert points(made, "limit", "attempts", "selected", "capped") == [
        (3, 3, 0, False),
        (11, 4, 0, False),
    ]
    assert len(model.calls) == 4


def test_adaptive_consistency_goes_on_while_answers_differ() -> None:
    made = solved(drafting(7, 5), Plan(["adaptive-consistency"], [2]))["adaptive-consistency"]
    assert points(made, "attempts", "selected") == [(11, 0)]


SURE = {"7": 20, "5": 90, "9": 30}


def sure_in_words(call: ScriptedCall) -> str:
    text = call.messages[-2].content
    return next(f"{number}" for final, number in SURE.items() if f"{{{final}}}" in text)


def test_cisc_asks_a_model_without_likelihoods_for_a_number() -> None:
    model = drafting(7, 5, 7, 9, 7, judged=sure_in_words)
    made = solved(model, Plan(["cisc", "self-consistency"], [2]))
    # 11 calls are 5 drafts and a question about each: three 7 weigh 3 e^2, one 5 e^9
    assert points(made["cisc"], "attempts", "selected", "majority") == [(5, 1, 0)]
    assert [attempt.get("confidence") for attempt in made["cisc"]["attempts"]] == [
        0.2,
        0.9,
        0.2,
        0.3,
        0.2,
    ]
    assert made["cisc"]["points"][0]["cost"]["calls"] == 10
    assert "0 to 100" in made["cisc"]["note"]
    assert "confidence" not in made["self-consistency"]["attempts"][0]
    assert len(model.calls) == 11 + 5  # the drafts are those of self-consistency


class Telling(ScriptedChatModel):
    """Has words for likelihoods, as OpenAI's class has."""

    logprobs: bool | None = None
    top_logprobs: int | None = None


def telling(chances: dict[str, float]) -> dict[str, Any]:
    """A first token, as servers tell it."""
    top = [{"token": word, "logprob": math.log(chance)} for word, chance in chances.items()]
    return {"logprobs": {"content": [{**top[0], "top_logprobs": top}]}}


def test_cisc_reads_the_chance_of_true_where_the_model_tells_it() -> None:
    def reply(call: ScriptedCall) -> AIMessage:
        if call.role == "draft":
            return AIMessage(f"\\boxed{{{(7, 5, 7)[call.sample]}}}")
        right = 0.8 if "{5}" in call.messages[-2].content else 0.4
        metadata = telling({"True": right, "False": 1 - right})
        return AIMessage("True", response_metadata=metadata)

    made = solved(Telling(replies=reply), Plan(["cisc"], [1]))["cisc"]
    # Two 7 weigh 2 e^4, one 5 e^8
    assert points(made, "attempts", "selected") == [(3, 1)]
    assert [a["confidence"] for a in made["attempts"]] == pytest.approx([0.4, 0.8, 0.4])
    assert "True in one token" in made["note"]


def tokens(*logs: tuple[float, float]) -> dict[str, Any]:
    """Log-probabilities of the two likeliest tokens at each place."""
    content = [{"top_logprobs": [{"token": "x", "logprob": log} for log in two]} for two in logs]
    return {"logprobs": {"content": content}}


def test_drafts_are_weighed_by_what_their_tokens_tell() -> None:
    # A token is sure where the second best is hardly possible: minus the mean of both logs
    sure, unsure = (-0.0, -8.0), (-0.7, -0.7)

    def reply(call: ScriptedCall) -> AIMessage:
        final = (7, 5, 7)[call.sample]
        told = tokens(*([sure] if final == 5 else [unsure]))
        return AIMessage(f"\\boxed{{{final}}}", response_metadata=told)

    made = solved(ScriptedChatModel(replies=reply), Plan(["deepconf", "self-certainty"], [0]))
    # One 5 weighs 4, two 7 weigh 0.7 each; of three votes the ranks weigh nothing yet
    assert points(made["deepconf"], "attempts", "selected") == [(3, 1)]
    assert points(made["self-certainty"], "attempts", "selected") == [(3, 0)]
    assert [a["confidence"] for a in made["deepconf"]["attempts"]] == pytest.approx([0.7, 4, 0.7])


def test_a_model_that_tells_no_tokens_cannot_be_asked_for_them() -> None:
    with pytest.raises(ConfigError, match="self-certainty and deepconf need the log-prob"):
        solved(drafting(5), Plan(["deepconf"], [0]))


def test_the_lowest_group_is_that_of_2048_neighbours() -> None:
    sure, unsure = (0.0, -8.0), (0.0, -2.0)
    told = tokens(*[sure] * 2048, *[unsure] * 2048, *[sure] * 2048)
    message = AIMessage("x", response_metadata={**told, "finish_reason": "stop"})
    assert with_confidence(message).response_metadata == {
        "finish_reason": "stop",
        "token_confidence": {"mean": pytest.approx(3), "lowest": pytest.approx(1)},
    }


def test_one_token_a_place_tells_no_confidence() -> None:
    content = [{"token": "x", "logprob": -0.1, "top_logprobs": [{"token": "x", "logprob": -0.1}]}]
    message = AIMessage("x", response_metadata={"logprobs": {"content": content}})
    assert token_confidences(message) == []


def better(call: ScriptedCall) -> str:
    """Likes 5 best, then 9, then 7, in either place."""
    text = call.messages[-1].content
    a, b = text.index("solution_a"), text.index("solution_b")
    first, second = text[a:b], text[b:]
    order = ("{5}", "{9}", "{7}")
    mine, other = (next(i for i, one in enumerate(order) if one in t) for t in (first, second))
    return f"Better: {'A' if mine < other else 'B'}"


def test_a_tournament_is_a_knockout_of_drafts() -> None:
    model = drafting(7, 7, 9, 5, judged=better)
    made = solved(model, Plan(["tournament"], [0, 1, 2]))["tournament"]
    # 3 calls are one draft, 7 are three: 7 and 7 do not meet, 7 loses against 9.
    # 11 calls are four: 7, and 5 which beats 9; then 5
    assert points(made, "limit", "attempts", "selected") == [(3, 1, 0), (7, 3, 2), (11, 4, 3)]
    assert [point["cost"]["calls"] for point in made["points"]] == [1, 5, 8]


def test_who_cannot_be_told_apart_goes_on_as_the_first() -> None:
    model = drafting(7, 5, judged=lambda call: "Better: A")  # favours a place, so a draw
    [point] = solved(model, Plan(["tournament"], [1]))["tournament"]["points"]
    assert (point["attempts"], point["selected"]) == (3, 0)


def test_a_tournament_has_as_many_tokens_as_a_search() -> None:
    def reply(call: ScriptedCall) -> AIMessage:
        if call.role == "draft":
            return AIMessage(f"\\boxed{{{call.sample}}}", usage_metadata=USAGE)
        text = call.messages[-1].content
        judged = "Better: equal" if "solution_a" in text else "Score: 0"
        return AIMessage(judged, usage_metadata=USAGE)

    plan = Plan(["paper", "tournament"], [1], equal=["tokens"])
    made = solved(ScriptedChatModel(replies=reply), plan)
    # The search made 6 calls of 10 tokens. Two drafts and their match are 4, three are 7
    assert points(made["tournament"], "limit", "attempts", "selected") == [(60, 2, 0)]


def test_weights_of_votes() -> None:
    assert softmax_weights([0.1, 0.3]) == pytest.approx([math.e, math.e**3])
    ranked = borda_weights([0.5, 0.9, *[0.1] * 6])
    assert ranked[:2] == pytest.approx([7**0.3, 8**0.3])  # p is 0.3 for eight votes
    assert borda_weights([0.5, 0.9]) == [1.0, 1.0]
    assert next_round([0, 1, 2, 3, 4], [True, False]) == [0, 3, 4]
    assert next_round([6], []) == [6]


@pytest.mark.parametrize(
    ("reply", "share"), [("85", 0.85), ("Confidence: 85%", 0.85), ("85 of 100", 0.85), ("100", 1)]
)
def test_a_confidence_in_words_is_read(reply: str, share: float) -> None:
    assert read_percent(reply) == share


@pytest.mark.parametrize(
    ("reply", "code"), [("quite", "missing"), ("60 or 70", "ambiguous"), ("250", "out_of_range")]
)
def test_what_is_no_confidence_is_refused(reply: str, code: str) -> None:
    with pytest.raises(ReplyError) as told:
        read_percent(reply)
    assert told.value.code == code


def sure_of_five(call: ScriptedCall) -> AIMessage:
    if call.role == "draft":
        told = tokens((-0.0, -8.0), (-0.7, -0.7))
        return AIMessage(f"\\boxed{{{5 + call.sample}}}", response_metadata=told)
    right = 0.8 if "{5}" in call.messages[-2].content else 0.4
    return AIMessage("True", response_metadata=telling({"True": right, "False": 1 - right}))


def test_what_likelihoods_told_is_replayed_without_the_model(tmp_path: Path) -> None:
    plan = Plan(["cisc", "deepconf", "self-certainty", "tournament"], [0, 1])
    lines, _ = keep(tmp_path / "run", Telling(replies=sure_of_five), plan)
    assert lines[0]["methods"]["cisc"]["attempts"][0]["confidence"] == pytest.approx(0.8)
    again = asyncio.run(replay(RunFolder(tmp_path / "run"), RunFolder(tmp_path / "again")))
    assert again == (4, [])
