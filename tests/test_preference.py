"""What the judge prefers where no answer states a final one: classes, chances and words."""

from __future__ import annotations

import math
import random
import re
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from mctsr_graph import MCTSrContext, Prompts, ScriptedChatModel, create_mctsr_tool, solve
from mctsr_graph.models.scripted import ScriptedCall
from mctsr_graph.strategies.choose import explain
from mctsr_graph.text.digests import digest_of
from mctsr_graph.tree.preference import preferred
from mctsr_graph.viewers.page_data import data_of

from .test_benchmark_methods import Telling, telling

Told = tuple[str, list[float]] | tuple[str, list[float], dict[str, list[float]]]


def tree(*told: Told, **marks: Any) -> Any:
    """Nodes of text, rewards and comparisons by the other's text."""
    nodes: dict[str, Any] = {}
    for i, (text, rewards, *compared) in enumerate(told):
        node = {"id": str(i), "answer": text, "final_answer": None, "rewards": rewards, "q": None,
                "dummy": False, "parent": None, "children": []}  # fmt: skip
        if compared:
            node["compared"] = {digest_of(text): said for text, said in compared[0].items()}
        nodes[str(i)] = {**node, **marks}
    return nodes


def chances(nodes: Any) -> dict[str, float]:
    """By the ids of a class, joined."""
    return {"".join(one.nodes): pytest.approx(one.chance, abs=1e-3) for one in preferred(nodes)}


# ------------------------------------------------------------------------------- of rewards
def test_two_answers_fifty_points_apart() -> None:
    """Each errs by 25, so their difference by 25 √2: Φ(√2) is 0.921."""
    assert chances(tree(("a", [50.0]), ("b", [0.0]))) == {"0": 0.921, "1": 0.079}


def test_equal_rewards_are_one_class() -> None:
    """Of 50, 50 and 0 the last is best by ∫ φ(x) Φ(x - 2)² dx = 0.0231 (errors of 25)."""
    steps = [(i + 0.5) / 500 - 8 for i in range(8000)]
    third = sum(
        math.exp(-x * x / 2) / math.sqrt(2 * math.pi) * (math.erfc((2 - x) / math.sqrt(2)) / 2) ** 2
        for x in steps
    )
    assert third / 500 == pytest.approx(0.0231, abs=1e-4)
    found = chances(tree(("a", [50.0]), ("b", [0.0]), ("c", [50.0])))
    assert found == {"02": 1 - 0.0231, "1": 0.0231}


def test_a_lone_answer_has_all() -> None:
    assert chances(tree(("a", [7.0]))) == {"0": 1}
    assert preferred({}) == []


def test_more_rewards_of_one_text_tell_more() -> None:
    """[40, 60] and [0]: the error is √((4 * 625 + 200) / 5) = 23.24; 50 / (23.24 √1.5) = 1.757."""
    own = 0.5 * math.erfc(-1.757 / math.sqrt(2))
    assert chances(tree(("a", [40.0, 60.0]), ("b", [0.0]))) == {"0": own, "1": 1 - own}
    assert chances(tree(("a", [40.0]), ("a", [60.0]), ("b", [0.0]))) == {"01": own, "2": 1 - own}


def test_what_is_not_judged_or_not_in_play_has_no_chance() -> None:
    assert preferred(tree(("a", []))) == []
    assert preferred(tree(("a", [1.0]), dummy=True)) == []
    assert preferred(tree(("a", [1.0]), pruned=True)) == []


# --------------------------------------------------------------------------- of comparisons
BETTER = {"a": [0.0, 0.0]}  # a is better, in both orders


def test_the_winner_of_both_orders() -> None:
    """With one draw against nobody, a's worth x solves 2x²/(x² + 1) + x/(x + 1) = 5/2: 2.751.

    b's is 1/x. A comparison of both has the variance 0.883 * 0.117, one with nobody 0.733 * 0.267.
    So each log worth errs by 1/√(2 * 0.103 + 0.196) = 1.577: Φ(2 ln 2.751 / (1.577 √2)) = 0.818.
    """
    nodes = tree(("a", [0.0]), ("b", [0.0], BETTER))
    assert chances(nodes) == {"0": 0.818, "1": 0.182}
    assert [(one.won, one.times) for one in preferred(nodes)] == [(2, 2), (0, 2)]


def test_answers_that_are_called_equal_are_one_class() -> None:
    """c is as good as a, so that nothing else is told than of the two before."""
    found = chances(tree(("a", [0.0]), ("b", [0.0], BETTER), ("c", [0.0], {"a": [0.5, 0.5]})))
    assert found == {"02": 0.818, "1": 0.182}


def test_orders_that_contradict_each_other_are_a_draw_and_no_equality() -> None:
    found = chances(tree(("a", [0.0]), ("b", [0.0], {"a": [1.0, 0.0]})))
    assert found == {"0": 0.5, "1": 0.5}


def test_who_was_beaten_counts_and_not_the_share_of_wins() -> None:
    """b beats the weakest, as a does; but a beats b: the rewards are equal, the worths are not."""
    nodes = tree(("w", [0.0]), ("b", [50.0], {"w": [1.0, 1.0]}), ("a", [50.0], {"b": [1.0, 1.0]}))
    assert [one.nodes for one in preferred(nodes)] == [["2"], ["1"], ["0"]]


def test_what_was_said_of_an_answer_that_is_gone_is_left_out() -> None:
    nodes = tree(("a", [0.0]), ("b", [30.0], BETTER), ("c", [0.0]))
    nodes["0"]["pruned"] = True
    assert preferred(nodes)[0].nodes == ["1"]  # by rewards, as nothing is compared any more


# ------------------------------------------------------------------------------ in a search
def test_a_choice_says_what_its_confidence_means() -> None:
    nodes = tree(("a", [0.0]), ("b", [0.0], BETTER))
    reasons = explain(nodes, MCTSrContext(), "weighted", "0")
    assert reasons["means"] == "preferred"
    assert reasons["confidence"] == pytest.approx(0.818, abs=1e-3)
    assert reasons["margin"] == pytest.approx(0.636, abs=2e-3)
    assert [(one["final_answer"], one["nodes"]) for one in reasons["classes"]] == [
        (None, ["0"]),
        (None, ["1"]),
    ]
    equal = tree(("a", [0.0]), ("b", [0.0], {"a": [0.5, 0.5]}))
    assert explain(equal, MCTSrContext(), "weighted", "0")["confidence"] is None


SCORES = {"A tale of a cat.": 60, "A tale of a dog.": 10}


def scored(call: ScriptedCall) -> str:
    if call.role == "evaluate":
        text = next(one for one in SCORES if one in str(call.messages))
        return f"Score: {SCORES[text]}"
    return "Too short." if call.role == "critique" else list(SCORES)[call.rollout % 2]


def test_a_judge_of_points_says_how_likely_it_prefers_the_text() -> None:
    """Rewards 60, 60 and 10: the error is √((4 * 625 + 0) / 5) = 22.4, as one more was seen."""
    context = MCTSrContext(profile="paper", max_rollouts=1)
    found = solve("Write a tale.", ScriptedChatModel(replies=scored), context=context)
    own = 0.5 * math.erfc(-50 / (22.36 * math.sqrt(1.5)) / math.sqrt(2))  # 0.966
    assert (found.answer, found.final_answer) == ("A tale of a cat.", None)
    assert found.confidence == pytest.approx(own, abs=1e-3)
    assert found.summary().splitlines()[:3] == [
        "No final answer is stated. The judge prefers this one to all others with a chance of "
        "97 % (next: 3 %); that is no chance to be right.",
        "Clear: 97 % to 3 %. Chosen by the highest q, 35.0: judged 60.0 on average, others 10.0.",
        "It is the first draft. Settled at call 2 of 6, by a draft.",
    ]
    assert str(found).startswith("A tale of a cat.\n\nNo final answer")
    page = data_of(found.to_dict())
    assert page["classes"] == []  # a page says of those that they are likely to be right
    assert page["verdict"]["says"] == found.verdict["says"]


def test_where_final_answers_are_stated_confidence_is_of_being_right(
    keyed: ScriptedChatModel,
) -> None:
    choice = solve("How many?", keyed, context=MCTSrContext(max_calls=5)).choice
    assert choice is not None
    assert "means" not in choice


def comparing(seed: int) -> tuple[ScriptedChatModel, dict[str, float]]:
    """A model whose texts have a worth, and whose judge sees it through noise and likes place A."""
    worth: dict[str, float] = {}

    def reply(call: ScriptedCall) -> str:
        # Calls may be made at once, in any order: so each draws for itself
        rng = random.Random(f"{seed}/{call.role}/{call.rollout}/{call.sample}/{call.attempt}")
        asked = "\n".join(str(message.content) for message in call.messages)
        named = re.findall(r"Tale \d+ of \d+\.", asked)
        text = f"Tale {call.rollout}{call.sample:02} of {seed}."
        if call.role == "draft":
            worth[text] = rng.gauss(0, 1)
            return text
        if call.role == "refine":
            worth[text] = 0.7 * worth[named[0]] + rng.gauss(0.15, 0.8)
            return text
        if call.role == "critique":
            return "Too short."
        ahead = worth[named[0]] - worth[named[1]] + rng.gauss(0.3, 0.5)
        return "Better: equal" if abs(ahead) < 0.1 else f"Better: {'A' if ahead > 0 else 'B'}"

    return ScriptedChatModel(replies=reply), worth


def test_a_judge_that_compares_picks_a_better_text_than_the_first_draft() -> None:
    better, gained, by_q = 0, 0.0, 0.0
    for seed in range(10):
        model, worth = comparing(seed)
        context = MCTSrContext(max_calls=35, judge="pairwise", seed=seed)
        found = solve("Write a tale.", model, context=context)
        assert len(model.calls) <= 35
        assert found.best is not None
        first = worth[found.tree["0"]["answer"]]
        highest = max(found.tree.values(), key=lambda node: node["q"] or -math.inf)
        better += worth[found.answer or ""] > first
        gained += worth[found.answer or ""] - first
        by_q += worth[highest["answer"]] - first
        why = found.verdict["says"]["why"]
        assert re.fullmatch(
            r"Chosen by what the judge prefers: better in [\d.]+ of \d+ comparisons\.", why
        )
    assert better >= 8
    assert gained > by_q  # what won against strong ones, not what won most often


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("judge", ["self", "pairwise"])
@pytest.mark.parametrize("most", [3, 7, 8, 11, 15, 35])
def test_no_text_is_written_that_nothing_is_left_to_judge(
    most: int, judge: str, width: int
) -> None:
    model, _ = comparing(0)
    told = model.replies

    def reply(call: ScriptedCall) -> str:
        return "Score: 30" if judge == "self" and call.role == "evaluate" else told(call)

    context = MCTSrContext(max_calls=most, judge=judge, width=width)
    model = ScriptedChatModel(replies=reply)
    found = solve("Write a tale.", model, context=context, final_answer=False)
    assert len(model.calls) <= most
    assert found.stop_reason == "max_calls"
    unjudged = {node["id"] for node in found.tree.values() if not node["rewards"]}
    assert unjudged <= {"0", "1"}  # the first two are written before anything else
    if most > 7:
        assert unjudged == set()


def test_an_agent_is_told_what_the_chance_is_of() -> None:
    context = MCTSrContext(profile="paper", max_rollouts=1)
    tool = create_mctsr_tool(ScriptedChatModel(replies=scored), context=context)
    told = tool.invoke({"problem": "Write a tale."})
    assert told.startswith("A tale of a cat.\n\n(No final answer is stated. The judge prefers")


def test_texts_are_asked_for_without_a_final_answer() -> None:
    """Not even where one seems to state it; and the judges that are named are for texts."""

    def reply(call: ScriptedCall) -> str:
        asked = "\n".join(str(message.content) for message in call.messages)
        assert "boxed" not in asked.lower()
        assert "solution of" not in asked
        if call.role != "evaluate":
            return f"The answer is {call.rollout}, said the cat."
        if "Better: <" in asked:
            assert "<A, B or equal>" in asked
            return "Better: A"
        return "Task: 30\nContent: 20\nLanguage: 20" if "Content:" in asked else "Score: 20"

    for judge in ("self", "rubric", "pairwise"):
        context = MCTSrContext(max_calls=15, judge=judge)
        model = ScriptedChatModel(replies=reply)
        found = solve("Write a tale.", model, context=context, final_answer=False)
        assert found.final_answer is None
        assert found.failures == []
        assert {"draft", "critique", "refine", "evaluate"} == {call.role for call in model.calls}


def test_words_of_ones_own_stay_where_texts_are_asked_for() -> None:
    words = Prompts(critique="Is it funny?")
    model = ScriptedChatModel(replies=scored)
    context = MCTSrContext(profile="paper", max_rollouts=1)
    solve("Write a tale.", model, context=context, prompts=words, final_answer=False)
    asked = {call.role: str(call.messages[-1].content) for call in model.calls}
    assert asked["critique"] == "Is it funny?"
    assert asked["draft"].startswith("Write a tale.\n\nReply with the text")


def test_the_chance_of_true_is_asked_of_a_text() -> None:
    """0.8 for true and 0.2 for false: 80 % of the scale from -100 to 100 are 60 points."""

    def reply(call: ScriptedCall) -> AIMessage:
        if call.role != "evaluate":
            return AIMessage("A tale of a cat.")
        assert "does the text above do all" in str(call.messages[-1].content)
        return AIMessage("True", response_metadata=telling({"True": 0.8, "False": 0.2}))

    context = MCTSrContext(profile="paper", max_rollouts=1, judge="logits")
    found = solve("Write a tale.", Telling(replies=reply), context=context, final_answer=False)
    assert found.failures == []
    assert found.tree["0"]["rewards"] == pytest.approx([60.0, 60.0])
