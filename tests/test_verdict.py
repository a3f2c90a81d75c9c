"""The verdict: what a search has come to, in figures that a person computed, and in sentences."""

from __future__ import annotations

from typing import Any

import pytest

from mctsr_graph import MCTSrContext, ScriptedChatModel, SearchFailedError, Solution, solve
from mctsr_graph.calls.usage import no_cost
from mctsr_graph.models.scripted import ScriptedCall
from mctsr_graph.strategies import PaperStrategy
from mctsr_graph.text.figures import percent, points
from mctsr_graph.tree.stop_reasons import stopped_in_words
from mctsr_graph.tree.tree import Tree, add_child, merge, new_node
from mctsr_graph.tree.verdict import verdict_of

from .conftest import keyed_reply
from .test_golden import PROBLEM, reply

USAGE = {"draft": {**no_cost(), "calls": 35, "input_tokens": 12_000, "output_tokens": 345}}


def tree_of(*answers: tuple[str | None, str | None, list[float]]) -> Tree:
    """Nodes of parent, final answer and rewards; no two have the same text."""
    tree: Tree = {}
    for parent, final_answer, rewards in answers:
        node = new_node(
            tree,
            parent=parent,
            answer=f"text {len(tree)}",
            final_answer=final_answer,
            rewards=rewards,
            rollout=len(tree),
        )
        node["answer_class"], node["q"] = final_answer, 12.5
        tree = merge(tree, [add_child(tree, node)])
    return tree


TREE = tree_of(
    (None, "4", []), (None, "5", [60.0]), ("1", "5", [40.0]), (None, "5", []), ("0", "4", [-10.0])
)


def row(index: int, leader: str, calls: int) -> dict[str, Any]:
    node = {"node": str(index), "leader": leader}  # that of the rollout
    return {"index": index, **node, "calls": calls, "chance": 0.4}


def found(*classes: tuple[str, list[str], int, float], **more: Any) -> dict[str, Any]:
    """A search that has come to node 1; classes of answer, nodes, votes and chance."""
    told = [
        {"final_answer": answer, "nodes": nodes, "votes": votes, "reward": None, "chance": chance}
        for answer, nodes, votes, chance in classes
    ]
    choice = {"rule": "weighted", "node": "1", "confidence": None, "classes": told}
    own = next((one for one in told if "1" in one["nodes"]), None)
    choice["confidence"] = own["chance"] if own is not None else None
    return {
        **{"tree": TREE, "best": "1", "final_answer": "5", "choice": choice, "usage": USAGE},
        **{"cost": 0.0125, "seconds": 12.3, "rollouts": 4, "stop_reason": "max_calls"},
        "record": [
            row(0, "0", 1),
            row(1, "1", 3),
            row(2, "0", 6),
            row(3, "2", 10),
            row(4, "1", 35),
        ],
        **more,
    }


FIVE, FOUR = ("5", ["1", "2", "3"], 3), ("4", ["0", "4"], 2)


def test_a_verdict_tells_what_a_reader_asks() -> None:
    verdict = verdict_of(found((*FIVE, 0.58), (*FOUR, 0.15)))
    says = verdict.pop("says")
    assert verdict == {
        **{
            "answer": "5",
            "chance": 0.58,
            "means": "right",
            "nodes": 3,
            "standing": "clear",
            "rule": "weighted",
        },
        **{"runner_up": "4", "runner_up_chance": 0.15, "runner_up_nodes": 2},
        **{"first": "4", "first_agrees": False, "settled": 10, "settled_by": "3"},
        **{"calls": 35, "tokens": 12_345},
        "calls_for": {"draft": 35},
        **{"unmetered_calls": 0, "seconds": 12.3, "cost": 0.0125, "rollouts": 4, "is_over": True},
    }
    # Judged: 60 and 40 are for it, -10 is not. Settled: rows 3 and 4 lead with a 5, row 2 does not
    assert says == {
        "likely": "5, 58 % likely (next: 4, 15 %).",
        "close": "Clear: 3 nodes to 2.",
        "why": "Chosen by votes, refinements and rewards: stated by 2 of 3 independent answers and "
        "1 of 2 refinements; judged 50.0 on average, others -10.0.",
        "draft": "A single draft said 4.",
        "settled": "Settled at call 10 of 35, by a draft.",
        "cost": "Cost: 35 calls in 4 rollouts, 12,345 tokens, 12.3 s, price 0.0125.",
        "stopped": stopped_in_words({"stop_reason": "max_calls"}),
    }
    assert [*says] == ["likely", "close", "why", "draft", "settled", "cost", "stopped"]


def test_where_the_calls_went_is_told() -> None:
    """A refinement takes two of them, and the scale of a judge is looked at before the search."""
    roles = {"draft": 10, "critique": 5, "refine": 6, "merge": 0, "evaluate": 1200, "calibrate": 4}
    usage = {role: {**no_cost(), "calls": calls} for role, calls in roles.items()}
    verdict = verdict_of(found((*FIVE, 0.5), usage=usage))
    assert verdict["calls_for"] == {"draft": 10, "refine": 11, "judge": 1204}
    said = "Cost: 1,225 calls (10 to draft, 11 to refine, 1,204 to judge) in 4 rollouts, "
    assert verdict["says"]["cost"].startswith(said)


def test_an_answer_that_is_likelier_is_not_called_the_next() -> None:
    verdict = verdict_of(found((*FOUR, 0.5), (*FIVE, 0.2)))
    assert verdict["says"]["likely"] == "5, 20 % likely (likelier: 4, 50 %)."


def test_a_search_that_failed_says_so() -> None:
    for best in ("1", None):
        verdict = verdict_of(found((*FIVE, 0.5), best=best, stop_reason="failed", record=[]))
        assert verdict["says"]["stopped"] == "Stopped (failed): too many rollouts failed."


@pytest.mark.parametrize(
    ("role", "words"),
    [
        ("draft", "no first draft could be used"),
        ("evaluate", "no first draft could be judged"),
        ("refine", "5 of 5 rollouts failed"),
    ],
)
def test_what_has_failed_is_named(role: str, words: str) -> None:
    def silent(call: ScriptedCall) -> str:
        return "" if call.role == role else keyed_reply(call)

    context = MCTSrContext(profile="paper", max_rollouts=9, max_retries=0)
    with pytest.raises(SearchFailedError, match=f"the search gave up: {words}; the last") as told:
        solve("?", ScriptedChatModel(replies=silent), context=context)
    assert told.value.solution.summary().endswith(f"Stopped (failed): {words}.")


def test_an_error_that_ends_a_search_is_no_failed_rollout() -> None:
    """It is raised by a strategy's own code, not by a call."""

    class Broken(PaperStrategy):
        def choose(self, tree: Tree, context: MCTSrContext) -> str | None:
            if len(tree) > 2:
                raise ZeroDivisionError
            return super().choose(tree, context)

    context = MCTSrContext(profile="paper", max_rollouts=9)
    with pytest.raises(SearchFailedError, match="ended after 1 rollouts by ZeroDiv") as told:
        solve("?", ScriptedChatModel(replies=keyed_reply), context=context, strategy=Broken())
    assert told.value.solution.summary().endswith("Stopped (failed): an error ended it.")


@pytest.mark.parametrize(
    ("parent", "merged", "words"),
    [
        (None, None, "by a draft"),
        ("1", None, "by refining node 1"),
        ("0", None, "by refining node 0, which said 4"),
        ("0", ["0", "1"], "by merging nodes 0 and 1"),
    ],
)
def test_what_has_settled_it_is_told(
    parent: str | None, merged: list[str] | None, words: str
) -> None:
    made = {**TREE["3"], "parent": parent, **({"parents": merged} if merged else {})}
    says = verdict_of(found((*FIVE, 0.5), tree={**TREE, "3": made}))["says"]
    assert says["settled"] == f"Settled at call 10 of 35, {words}."
    # Not by a node that says another thing, or that was there before
    rows = [row(0, "0", 1), {**row(3, "1", 10), "node": "4"}, row(4, "1", 35)]
    assert verdict_of(found((*FIVE, 0.5), record=rows))["says"]["settled"].endswith("of 35.")
    rows[1] = {**row(4, "1", 10), "node": "3"}
    assert verdict_of(found((*FIVE, 0.5), record=rows))["says"]["settled"].endswith("of 35.")


@pytest.mark.parametrize(
    ("own", "other", "standing", "words"),
    [
        ((3, 0.9), None, "alone", "No other answer was found: 3 nodes."),
        ((3, 0.58), (2, 0.15), "clear", "Clear: 3 nodes to 2."),
        ((3, 0.58), (3, 0.15), "close", "Close: 3 nodes to 3."),
        ((3, 0.58), (2, 0.4), "close", "Close: 3 nodes to 2."),
        ((3, 0.3), (2, 0.11), "close", "Close: 3 nodes to 2."),
        ((3, 0.45), (1, 0.1), "unsure", "Ahead, but not likely: 3 nodes to 1."),
        ((1, 0.2), (4, 0.5), "behind", "Another answer is likelier: 4 nodes to 1 of this one."),
    ],
)
def test_how_close_it_is_goes_by_chances_and_nodes(
    own: tuple[int, float], other: tuple[int, float] | None, standing: str, words: str
) -> None:
    classes = [("5", ["1"], *own), *([("4", ["0"], *other)] if other else [])]
    verdict = verdict_of(found(*sorted(classes, key=lambda one: -one[3])))
    assert (verdict["standing"], verdict["says"]["close"]) == (standing, words)


def test_what_is_not_known_is_said_or_left_out() -> None:
    begun_before = [row(3, "2", 10), row(4, "1", 35)]
    silent = {"draft": {**no_cost(), "calls": 3, "unmetered_calls": 1, "output_tokens": 7}}
    verdict = verdict_of(
        found((*FIVE, 0.5), record=begun_before, usage=silent, cost=None, seconds=None)
    )
    assert verdict["settled"] is None
    assert verdict["says"]["settled"] == "When it was settled is not known."
    assert verdict["says"]["cost"] == (
        "Cost: 3 calls in 4 rollouts, 7 tokens (not known of 1 call), price not known."
    )
    under_way = verdict_of(found(choice=None, stop_reason=None))
    assert under_way["says"]["likely"] == "5, 40 % likely."  # as the last row says
    assert under_way["says"]["settled"] == "It leads since call 10 of 35, by a draft."
    assert {"close", "why"}.isdisjoint(under_way["says"])
    nothing = verdict_of(found(best=None, tree={}, choice=None, record=[]))
    assert [*nothing["says"]] == ["likely", "cost", "stopped"]
    assert nothing["says"]["likely"] == "No answer was found."


@pytest.mark.parametrize(
    ("profile", "how"),
    [
        ("paper", "Chosen by the highest q, "),
        ("official", "Chosen by the highest q, "),
        ("tuned", "Chosen by votes, refinements and rewards: "),
        ("rsa", "Chosen by most votes in the last population: "),
    ],
)
def test_every_profile_tells_its_chance_and_its_rule(profile: str, how: str) -> None:
    solution = solve(
        PROBLEM, ScriptedChatModel(replies=reply), context=MCTSrContext(profile=profile)
    )
    verdict = solution.verdict
    assert verdict["chance"] == solution.confidence is not None
    assert " likely" in verdict["says"]["likely"]
    assert verdict["says"]["why"].startswith(how)
    assert verdict["calls"] == solution.record[-1]["calls"]
    assert Solution.from_dict(solution.to_dict()).verdict == verdict


def test_when_it_was_settled_is_what_the_events_say() -> None:
    events: list[Any] = []
    solution = solve(
        PROBLEM,
        ScriptedChatModel(replies=reply),
        context=MCTSrContext(profile="paper", max_rollouts=14),
        on_event=events.append,
    )
    answers = [(one["usage"]["calls"], one["best"]["final_answer"]) for one in events[1:-1]]
    others = [calls for calls, answer in answers if answer != solution.final_answer]
    after = [calls for calls, _ in answers if calls > max(others)]
    assert solution.verdict["settled"] == after[0]
    assert 2 < after[0] < solution.verdict["calls"]


def test_texts_of_a_model_stay_on_their_line() -> None:
    def hostile(call: ScriptedCall) -> str:
        if call.role == "evaluate":
            return keyed_reply(call)
        return "It is \\boxed{4\n\x1b[31m" + "9" * 300 + f"{call.rollout}.{call.sample}" + "}."

    solution = solve("p", ScriptedChatModel(replies=hostile), context=MCTSrContext(max_calls=9))
    for words in solution.verdict["says"].values():
        assert words.isprintable()
        assert len(words) < 400


@pytest.mark.parametrize(
    ("chance", "words"),
    [
        *((0.0, "0 %"), (0.004, "under 1 %"), (0.005, "1 %"), (0.584, "58 %"), (0.585, "59 %")),
        *((0.994, "99 %"), (0.996, "over 99 %"), (1.0, "100 %")),
    ],
)
def test_no_chance_is_rounded_to_certainty(chance: float, words: str) -> None:
    assert percent(chance) == words


@pytest.mark.parametrize(
    ("q", "words"),
    [
        *((60.25, "60.3"), (-4.25, "-4.3"), (2.0, "2.0"), (None, "-")),
        (1e300, f"{1e300:.1f}"),
    ],
)
def test_points_are_rounded_as_a_page_rounds_them(q: float | None, words: str) -> None:
    assert points(q) == words


@pytest.mark.parametrize(
    ("wordings", "said"),
    [
        (1, "stated by 4 of 4 independent answers (all one text, which counts once)"),
        (2, "stated by 4 of 4 independent answers; never judged"),
    ],
)
def test_equal_texts_are_said_to_count_once(wordings: int, said: str) -> None:
    def pupil(call: ScriptedCall) -> str:
        return "So it is \\boxed{4}." + "!" * (call.rollout % wordings)

    solution = solve(PROBLEM, ScriptedChatModel(replies=pupil), context=MCTSrContext(max_calls=11))
    assert said in solution.summary()
