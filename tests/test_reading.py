"""Final answers that are read, and compared, as a user says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import BaseModel
from typing_extensions import TypedDict

from mctsr_graph import (
    ConfigError,
    FinalAnswer,
    FingerprintMismatchError,
    MCTSrContext,
    ScriptedChatModel,
    create_mctsr,
    solve,
)
from mctsr_graph.run.steering import add_answer, prune, steer
from mctsr_graph.run.stored import stored_searches, stored_solution

FIVE = MCTSrContext(profile="tuned", drafts=5, max_calls=5)
SAID = ["I say: Paris", "I say: paris.", "I say: Rome", "I do not know", "I say: PARIS"]


def said(text: str) -> str | None:
    """What stands behind "I say:"."""
    return text.partition("I say:")[2] or None


def same(one: str, two: str) -> bool:
    return one.strip(". ").lower() == two.strip(". ").lower()


def model(*replies: str) -> ScriptedChatModel:
    """Drafts these, one after the other, and judges all alike."""
    return ScriptedChatModel(
        replies=lambda call: (
            "Score: 40" if call.role == "evaluate" else replies[(call.rollout + call.sample) % 5]
        )
    )


def votes(solution: Any) -> dict[str, int]:
    return {one["final_answer"]: one["votes"] for one in solution.choice["classes"]}


# --------------------------------------------------------------------------- functions
def test_a_function_reads_and_another_says_what_is_equal() -> None:
    read = FinalAnswer(read=said, equal=same)
    solution = solve("The capital?", model(*SAID), context=FIVE, final_answer=read)
    assert [node["final_answer"] for node in solution.tree.values()] == [
        "Paris", "paris.", "Rome", None, "PARIS",
    ]  # fmt: skip
    assert votes(solution) == {"Paris": 3, "Rome": 1}
    assert solution.final_answer in ("Paris", "paris.", "PARIS")
    assert solution.confidence is not None
    assert solution.confidence > 0.5


def test_without_another_answers_of_equal_text_are_equal() -> None:
    solution = solve("The capital?", model(*SAID), context=FIVE, final_answer=said)
    assert votes(solution) == {"Paris": 1, "paris.": 1, "Rome": 1, "PARIS": 1}


def test_what_mathematics_states_may_be_compared_in_another_way() -> None:
    """0.5 and 1/2 are equal in mathematics, and not as texts."""
    halves = model(*(["It is \\boxed{0.5}.", "It is \\boxed{1/2}."] * 3)[:5])
    usual = solve("How much?", halves, context=FIVE)
    assert len(votes(usual)) == 1
    exact = FinalAnswer(equal=lambda one, two: one == two)
    assert len(votes(solve("How much?", halves, context=FIVE, final_answer=exact))) == 2


@pytest.mark.parametrize(
    ("function", "wrong"),
    [
        (lambda text: 7, "returned 7, allowed a text or None"),
        (lambda text: text[10_000], "raised IndexError: string index out of range (for 'I say: P"),
    ],
)
def test_what_a_function_does_wrong_is_said(function: Any, wrong: str) -> None:
    with pytest.raises(ConfigError) as told:
        solve("The capital?", model(*SAID), context=FIVE, final_answer=function)
    assert wrong in str(told.value)


def test_an_answer_that_shows_nothing_is_none() -> None:
    assert FinalAnswer(read=lambda text: " \u200b").of("?") is None
    assert FinalAnswer(read=lambda text: " a\0 ").of("?") == "a"


@pytest.mark.parametrize("given", [7, "boxed", int, {"type": "object"}])
def test_what_reads_nothing_is_refused(given: Any) -> None:
    with pytest.raises(ConfigError, match=r"allowed a function of a text .* or a schema"):
        solve("The capital?", model(*SAID), final_answer=given)
    with pytest.raises(ConfigError, match="equal is 7, allowed a function of two texts"):
        FinalAnswer(equal=7)  # type: ignore[arg-type]


# --------------------------------------------------------------------------- schemas
class City(BaseModel):
    name: str
    people: int = 0


class Place(TypedDict):
    name: str


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        ('So {"people": "3", "name": "Rome"}.', '{"name": "Rome", "people": 3}'),
        ('{"name": "Rome"} or rather {"name": "Paris"}', '{"name": "Paris", "people": 0}'),
        ('```json\n{"name": "a {b}"}\n``` \\frac{1}{2}', '{"name": "a {b}", "people": 0}'),
        ('{"name": "outer", "more": {"name": "inner"}}', '{"name": "outer", "people": 0}'),
        ('{"name": 3} and {broken', None),
        ("no JSON at all", None),
    ],
)
def test_the_last_json_that_fits_is_the_answer(text: str, stated: str | None) -> None:
    assert FinalAnswer(read=City).of(text) == stated


def test_with_a_schema_the_model_is_told_and_equal_values_are_one_class() -> None:
    replies = ['{"name": "Rome"}', 'Hm. {"name":   "Rome"}', '{"name": "Oslo"}', "?", "{}"]
    scripted = model(*replies)
    solution = solve("The capital?", scripted, context=FIVE, final_answer=Place)
    assert votes(solution) == {'{"name": "Rome"}': 2, '{"name": "Oslo"}': 1}
    asked = str(scripted.calls[0].messages[-1].content)
    assert "boxed" not in asked
    schema = asked.partition("and nothing after it:\n")[2]
    assert json.loads(schema)["properties"]["name"]["type"] == "string"


# --------------------------------------------------------------------------- kept searches
def test_a_kept_search_goes_on_with_the_same_reading_only(tmp_path: Path) -> None:
    kept: Any = {"checkpointer": tmp_path / "a.db", "thread_id": "t"}
    first = solve("The capital?", model(*SAID), context=FIVE, final_answer=said, **kept)
    silent = ScriptedChatModel(replies=[])
    again = solve("The capital?", model(*SAID), context=FIVE, final_answer=said, **kept)
    assert again.tree == first.tree
    for other in (None, FinalAnswer(read=said, equal=same), City):
        with pytest.raises(FingerprintMismatchError):
            solve("The capital?", silent, context=FIVE, final_answer=other, **kept)
    [stored] = stored_searches(kept["checkpointer"])
    seen = stored_solution(kept["checkpointer"], stored)
    assert (seen.final_answer, votes(seen)) == (first.final_answer, votes(first))


def test_an_answer_of_yours_is_read_in_the_same_way() -> None:
    config: Any = {"configurable": {"thread_id": "t"}}
    saver = InMemorySaver()
    read = FinalAnswer(read=said, equal=same)
    kept: Any = {"checkpointer": saver, "thread_id": "t", "context": FIVE}
    solve("The capital?", model(*SAID), final_answer=read, **kept)
    graph = create_mctsr(model(*SAID), final_answer=read).compile(checkpointer=saver)
    mine = add_answer("I say: ROME", parent="0", reward=50.0)
    node = steer(graph, config, mine, by="Ann").values["tree"]["5"]
    assert (node["final_answer"], node["answer_class"]) == ("ROME", "Rome")
    other = create_mctsr(model(*SAID)).compile(checkpointer=saver)
    steer(other, config, prune("1"), by="Ann")
    with pytest.raises(ConfigError, match="reads final answers in its own way"):
        steer(other, config, mine, by="Ann")


def test_what_is_read_is_what_is_asked_for() -> None:
    form = "Finish with one line: The city is: <name>"
    asked = model(*SAID)
    solve("The capital?", asked, context=FIVE, final_answer=FinalAnswer(read=said, form=form))
    assert all(form in str(call.messages[-1].content) for call in asked.calls)
    assert not any("boxed" in str(call.messages) for call in asked.calls)
    with pytest.raises(ConfigError, match="form is 3, allowed a text"):
        FinalAnswer(form=3)  # type: ignore[arg-type]
