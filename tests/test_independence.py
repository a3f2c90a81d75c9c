"""One reply that comes again and again is one vote; equal short replies are votes of their own."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import PrivateAttr

from mctsr_graph import CallJournal, MCTSrContext, ScriptedChatModel, Solution, solve
from mctsr_graph.calls.independence import LONG
from mctsr_graph.calls.request import Reply
from mctsr_graph.calls.usage import no_cost
from mctsr_graph.graph.rollout import Leaf, certain_alike, new_leaf, rewards
from mctsr_graph.models.scripted import ScriptedCall
from mctsr_graph.strategies.tuned.evidence import evidence_of, polled
from mctsr_graph.tree.task import Task

SHORT = "The answer is \\boxed{7}."
WORKED = "We add three and four, one after the other, and check the sum twice. " * 4 + SHORT
DRAFTS: dict[str, Any] = {"profile": "tuned", "max_calls": 10, "drafts": 10, "confidence": None}


class Plain(BaseChatModel):
    """A model that takes no seed, as many do, and is random."""

    metered: bool = True
    _made: list[int] = PrivateAttr(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "plain"

    def _generate(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> ChatResult:
        self._made.append(1)
        text = f"{len(self._made)} times: \\boxed{{{len(self._made) % 3}}}"
        usage: Any = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
        message = AIMessage(text, usage_metadata=usage if self.metered else None)
        return ChatResult(generations=[ChatGeneration(message=message)])


@pytest.fixture
def cached() -> Iterator[None]:
    set_llm_cache(InMemoryCache())
    yield
    set_llm_cache(None)


def votes(found: Solution) -> dict[str, int]:
    assert found.choice is not None
    return {one["final_answer"]: one["votes"] for one in found.choice["classes"]}


def confidence(found: Solution) -> float | None:
    assert found.choice is not None
    return found.choice["confidence"]


def always(text: str) -> ScriptedChatModel:
    def reply(call: ScriptedCall) -> str:
        return "Score: 20" if call.role == "evaluate" else text

    return ScriptedChatModel(replies=reply)


@pytest.mark.usefixtures("cached")
@pytest.mark.parametrize("metered", [True, False])
def test_one_reply_from_a_cache_is_one_vote(metered: bool) -> None:
    model, events = Plain(metered=metered), list[Any]()
    with pytest.warns(UserWarning, match="one vote") as told:
        found = solve(
            "How many?",
            model,
            context=MCTSrContext(**DRAFTS),
            on_event=events.append,
        )
    assert len(model._made) == 1
    assert votes(found) == {"1": 1}
    assert len([one for one in told if "one vote" in str(one.message)]) == 1
    [event] = [event for event in events if event["type"] == "mctsr.repeated"]
    assert event == {"type": "mctsr.repeated", "version": 1, "node": "1", "repeats": "0"}
    single = MCTSrContext(**{**DRAFTS, "drafts": 1, "max_calls": 1})
    assert confidence(found) == confidence(solve("How many?", Plain(), context=single))


def test_one_reply_four_times_decides_and_is_still_one_vote() -> None:
    model = always(SHORT)
    with pytest.warns(UserWarning, match="one vote"):
        found = solve(
            "How many?", model, context=MCTSrContext(profile="tuned", draft_temperature=0)
        )
    assert (found.stop_reason, len(model.calls), votes(found)) == ("decided", 4, {"7": 1})


def drawn(text: str, **changed: Any) -> ScriptedChatModel:
    """A model that tells how it drew a reply, as the local backend does; some may be changed."""

    def reply(call: ScriptedCall) -> AIMessage:
        told: dict[str, Any] = {"temperature": 1.0, "top_p": 1.0, "top_k": 50}
        told |= {"seed": call.settings["seed"], **changed}
        said = "Score: 20" if call.role == "evaluate" else text
        return AIMessage(said, response_metadata={"sampling": told})

    return ScriptedChatModel(replies=reply)


@pytest.mark.parametrize("text", [SHORT, WORKED])
def test_equal_drafts_are_votes_of_their_own_where_the_model_tells_that_it_drew_each(
    text: str,
) -> None:
    context = MCTSrContext(profile="tuned")
    found = solve("How many?", drawn(text), context=context)
    assert (found.stop_reason, votes(found)) == ("decided", {"7": 4})
    various = ScriptedChatModel(replies=[f"{i}. {text}" for i in range(4)])
    assert confidence(found) == confidence(solve("How many?", various, context=context))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        silent = solve("How many?", always(text), context=context)
    assert (round(confidence(silent) or 0, 2), round(confidence(found) or 0, 2)) == (0.49, 0.86)


@pytest.mark.parametrize(
    "told",
    [
        {"seed": 5},  # of another request, as a cache gives it
        {"seed": None},
        {"temperature": 0.5},
        {"temperature": "high"},
        {"top_k": 1},
        {"top_p": 0.1},
    ],
)
def test_equal_drafts_are_one_vote_where_that_tells_nothing_of_the_model(
    told: dict[str, Any],
) -> None:
    with pytest.warns(UserWarning, match="one vote"):
        found = solve("How many?", drawn(WORKED, **told), context=MCTSrContext(profile="tuned"))
    assert votes(found) == {"7": 1}


def test_a_refinement_that_leaves_the_text_is_told_by_others_alone() -> None:
    context = MCTSrContext(profile="paper", max_rollouts=2, drafts=1)
    tree = solve("How many?", drawn(SHORT), context=context).tree
    assert [node.get("drawn", False) for node in tree.values()] == [True, False, False]
    assert evidence_of(tree).votes == {"7": 1}


@pytest.mark.usefixtures("cached")
def test_a_cache_that_tells_seeds_apart_gives_the_same_search_again() -> None:
    model = drawn(WORKED)
    first, again = (solve("How many?", model, context=MCTSrContext()) for _ in range(2))
    assert len(model.calls) == 4
    assert again.tree == first.tree
    assert votes(again) == {"7": 4}


def test_how_a_reply_was_drawn_is_in_the_journal(tmp_path: Path) -> None:
    context = MCTSrContext(profile="tuned")
    silent = ScriptedChatModel(replies=[])
    with CallJournal(tmp_path / "calls.db") as journal:
        found = solve("How many?", drawn(WORKED), context=context, journal=journal)
        again = solve("How many?", silent, context=context, journal=journal)
    assert again.tree == found.tree
    assert votes(again) == {"7": 4}


@pytest.mark.parametrize("other", [0, 1, 6, 9])
def test_equal_long_replies_have_votes_where_another_shows_that_the_model_samples(
    other: int,
) -> None:
    # A model with one way to write each answer down: it states "7" in all of ten drafts but one
    def reply(call: ScriptedCall) -> str:
        return WORKED.replace("7", "8") if call.sample == other else WORKED

    found = solve("How many?", ScriptedChatModel(replies=reply), context=MCTSrContext(**DRAFTS))
    assert (votes(found), found.final_answer) == ({"7": 9, "8": 1}, "7")
    assert polled(found.tree) == {"7": 9, "8": 1}
    at_zero = MCTSrContext(**DRAFTS, draft_temperature=0)
    with pytest.warns(UserWarning, match="one vote"):
        found = solve("How many?", ScriptedChatModel(replies=reply), context=at_zero)
    assert votes(found) == {"7": 1, "8": 1}


def test_of_copies_whose_first_is_pruned_one_has_a_vote() -> None:
    with pytest.warns(UserWarning, match="one vote"):
        found = solve("How many?", always(WORKED), context=MCTSrContext(**DRAFTS))
    tree: Any = {**found.tree, "0": {**found.tree["0"], "pruned": True}}
    assert len(tree) == 10
    assert polled(tree) == {"7": 1}
    assert evidence_of(tree).votes == {"7": 1}


@pytest.mark.usefixtures("cached")
def test_a_reply_from_a_cache_costs_no_money() -> None:
    context = MCTSrContext(**DRAFTS, input_price=100_000, output_price=100_000)
    with pytest.warns(UserWarning, match="one vote"):
        found = solve("How many?", Plain(), context=context)
    assert found.cost == 1.5  # 15 tokens at a tenth, once


@pytest.mark.usefixtures("cached")
def test_the_journal_remembers_what_came_from_a_cache(tmp_path: Path) -> None:
    context = MCTSrContext(**DRAFTS)
    for metered in (False, True):
        with CallJournal(tmp_path / f"{metered}.db") as journal:
            first, again = (_found(Plain(metered=metered), context, journal) for _ in range(2))
        assert again.tree == first.tree
        assert (again.usage, again.cost) == (first.usage, first.cost)


def _found(model: Plain, context: MCTSrContext, journal: CallJournal) -> Solution:
    with pytest.warns(UserWarning, match="one vote"):
        return solve("How many?", model, context=context, journal=journal)


def test_a_model_that_takes_a_seed_is_sampled_behind_a_cache(cached: None) -> None:
    model = ScriptedChatModel(replies=lambda call: f"{call.sample}: \\boxed{{7}}")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = solve("How many?", model, context=MCTSrContext(**DRAFTS))
    assert votes(found) == {"7": 10}


def test_equal_short_replies_are_votes_of_their_own() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = solve("How many?", always(SHORT), context=MCTSrContext(**DRAFTS))
    assert votes(found) == {"7": 10}


def test_equal_long_replies_come_from_a_server_that_ignores_sampling() -> None:
    assert len(WORKED) >= LONG
    with pytest.warns(UserWarning, match="one vote"):
        found = solve("How many?", always(WORKED), context=MCTSrContext(**DRAFTS))
    assert votes(found) == {"7": 1}
    assert evidence_of(found.tree).votes == {"7": 1}


def test_at_a_temperature_of_0_equal_replies_are_one_vote() -> None:
    context = MCTSrContext(**DRAFTS, draft_temperature=0)
    with pytest.warns(UserWarning, match="one vote"):
        found = solve("How many?", always(SHORT), context=context)
    assert votes(found) == {"7": 1}


def test_different_texts_of_one_answer_are_votes_of_their_own() -> None:
    model = ScriptedChatModel(replies=lambda call: f"{WORKED} Draft {call.sample}.")
    context = MCTSrContext(**DRAFTS, draft_temperature=0)
    assert votes(solve("How many?", model, context=context)) == {"7": 10}


def test_copies_do_not_agree() -> None:
    context = MCTSrContext(profile="paper", drafts=4, agree=4, max_rollouts=2)
    assert solve("How many?", always(SHORT), context=context).stop_reason == "agreed"
    with pytest.warns(UserWarning, match="one vote"):
        assert solve("How many?", always(WORKED), context=context).stop_reason == "max_rollouts"


def test_a_reward_that_comes_again_counts_once() -> None:
    context = MCTSrContext(
        profile="paper", max_rollouts=1, reward_samples=4, evaluate_temperature=0
    )
    found = solve("How many?", always(SHORT), context=context)
    assert found.tree["0"]["rewards"] == [20.0, 20.0]  # one when drafted, one when refined
    found = solve(
        "How many?",
        always(SHORT),
        context=MCTSrContext(profile="paper", max_rollouts=1, reward_samples=4),
    )
    assert len(found.tree["0"]["rewards"]) == 5


def test_replies_to_unequal_requests_are_no_copies() -> None:
    """Two answers that are refined into the same text by the same words are two answers."""

    def reply(call: ScriptedCall) -> str:
        if call.role == "evaluate":
            return f"Score: {10 * call.rollout}"
        return WORKED if call.role == "refine" else f"Try {call.sample} of {call.rollout}. {SHORT}"

    context = MCTSrContext(profile="paper", max_rollouts=3, refine_temperature=0)
    found = solve("How many?", ScriptedChatModel(replies=reply), context=context)
    assert [node.get("repeats") for node in found.tree.values()] == [None] * 4
    assert votes(found) == {"7": 4}


def test_the_first_reply_of_a_cache_is_a_copy_where_it_comes_after_its_copies() -> None:
    # LangChain marks all but the first, which may be the last to be counted
    copy: Leaf = {**new_leaf(1, {}, Task("draft")), "answer": "It is 7.", "certain": True}
    first: Leaf = {**new_leaf(2, {}, Task("draft")), "answer": "It is 7."}
    other: Leaf = {**new_leaf(3, {}, Task("draft")), "answer": "It is 8."}
    told = certain_alike([copy, first, other])
    assert [leaf.get("certain", False) for leaf in told] == [True, True, False]
    again = Reply(60.0, no_cost(), 0.1, digest="a", is_certain=True)
    assert rewards([again, replace(again, is_certain=False)]) == [60.0]
    assert rewards([replace(again, is_certain=False)] * 2) == [60.0, 60.0]
