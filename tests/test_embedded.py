"""Searches with the model of this package: a real one, which can be right."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from mctsr_graph import MCTSrContext, SearchInterrupted, Solution, asolve, load_model, solve
from mctsr_graph.benchmark.data_sets import load_problems
from mctsr_graph.benchmark.ranking import auc
from mctsr_graph.models import ChatTransformers, local_model
from mctsr_graph.models.embedded import FOLDER
from mctsr_graph.prompts import Prompts, draft_messages, evaluate_again_messages
from mctsr_graph.text.final_answer import extract_final_answer
from training.problems import sums
from training.texts import OUTSIDE, is_right

PROBLEM = (
    "Ann has 14 boxes with 9 eggs in each. Then Ann buys 38 more. "
    "Ann puts them into 4 equal piles and keeps one pile. How many eggs are left?"
)


@pytest.fixture(scope="module")
def model() -> Iterator[ChatTransformers]:
    chat = load_model("embedded")
    assert isinstance(chat, ChatTransformers)
    yield chat
    chat.close()


def tree(solution: Solution) -> list[tuple[Any, ...]]:
    return [(n["answer"], n["critique"], n["rewards"]) for n in solution.tree.values()]


async def test_its_files_are_read_outside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []

    def digest(*args: Any) -> str:
        threads.append(threading.current_thread())
        return "digest"

    async def reply(*args: Any, **kwargs: Any) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage("4"))])

    async def stream(*args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:
        yield ChatGenerationChunk(message=AIMessageChunk("4"))

    monkeypatch.setattr(local_model, "digest_of_folder", digest)
    monkeypatch.setattr(ChatTransformers, "_agenerate", reply)
    monkeypatch.setattr(ChatTransformers, "_astream", stream)
    chat = load_model("embedded")
    assert isinstance(chat, ChatTransformers)
    assert (await chat.ainvoke("2 + 2?")).text == "4"
    chat.close()
    chunks = [chunk.text async for chunk in chat.astream("2 + 2?")]
    assert "".join(chunks) == "4"
    assert len(threads) == 2
    assert threading.main_thread() not in threads


def test_it_refuses_tools_in_langchains_way(model: ChatTransformers) -> None:
    with pytest.raises(NotImplementedError, match="calls no tools"):
        model.bind_tools([])


async def test_its_first_answer_is_right_in_some_of_the_cases(model: ChatTransformers) -> None:
    problems = load_problems("arithmetic").problems[:80]
    asked = [draft_messages(Prompts(), problem.text) for problem in problems]
    replies = await asyncio.gather(*(model.ainvoke(one, seed=1) for one in asked))
    right = [
        extract_final_answer(reply.text) == problem.gold
        for reply, problem in zip(replies, problems, strict=True)
    ]
    assert 0.3 < sum(right) / len(right) < 0.85  # the model card has the figure


@pytest.mark.parametrize("judge", ["self", "logits"])
def test_a_search_finds_what_is_right(model: ChatTransformers, judge: str) -> None:
    solution = solve(PROBLEM, model, context=MCTSrContext(max_calls=35, judge=judge, seed=1))
    assert solution.final_answer == "41"


async def test_its_judge_tells_right_from_wrong_more_often_than_not(
    model: ChatTransformers,
) -> None:
    problems = load_problems("arithmetic").problems[80:240]
    asked = [draft_messages(Prompts(), problem.text) for problem in problems]
    drafts = [r.text for r in await asyncio.gather(*(model.ainvoke(a, seed=2) for a in asked))]
    prompts = [
        evaluate_again_messages(Prompts(), problem.text, draft)
        for problem, draft in zip(problems, drafts, strict=True)
    ]
    points = [found.expected for found in await asyncio.gather(*map(model.ascore, prompts))]
    right = [
        extract_final_answer(draft) == problem.gold
        for draft, problem in zip(drafts, problems, strict=True)
    ]
    found = auc(points, right, range(len(right)))
    assert found is not None
    assert found.value > 0.55  # the model card has the figure


@pytest.mark.parametrize("profile", ["paper", "official", "tuned", "rsa"])
def test_the_same_seed_grows_the_same_tree(model: ChatTransformers, profile: str) -> None:
    context = MCTSrContext(profile=profile, max_calls=15, judge="logits", seed=3)
    first, again = (solve(PROBLEM, model, context=context) for _ in range(2))
    assert tree(first) == tree(again)
    assert len(first.tree) > 1


def test_a_search_that_is_stopped_goes_on_to_the_same_tree(
    model: ChatTransformers, tmp_path: Path
) -> None:
    context = MCTSrContext(profile="paper", max_rollouts=4, judge="logits", seed=5)
    whole = solve(PROBLEM, model, context=context)
    file = str(tmp_path / "search.db")
    seen = 0

    def stop(event: Any) -> None:
        nonlocal seen
        seen += event["type"] == "mctsr.rollout"
        if seen == 2:
            raise KeyboardInterrupt

    with pytest.raises((SearchInterrupted, KeyboardInterrupt)):
        solve(PROBLEM, model, context=context, checkpointer=file, on_event=stop)
    assert tree(solve(PROBLEM, model, context=context, checkpointer=file)) == tree(whole)


async def test_leaves_at_once_are_a_search_too(model: ChatTransformers) -> None:
    context = MCTSrContext(
        profile="paper", max_rollouts=8, width=4, pipelined=True, judge="logits", seed=2
    )
    solution = await asolve(PROBLEM, model, context=context)
    assert len(solution.tree) == 9  # the root and one refinement a rollout


@pytest.mark.parametrize(
    "asked",
    [
        "What is the capital of France?",
        "Find all real x such that x^2 - 5x + 6 = 0.",
        "Wie viele Primzahlen gibt es unter 100?",
        "Prove that there are infinitely many primes.",
        "A circle has radius 7. What is its area?",
        "Write a poem about the sea.",
        "12",
        "?",
        "Hello!",
        "5!",
        "(3 + 4) * 2",
        "123456 * 789",
        "How many apples are there?",
    ],
)
def test_it_says_what_is_outside_of_what_it_can(model: ChatTransformers, asked: str) -> None:
    messages = draft_messages(Prompts(), asked)
    assert model.invoke(messages, temperature=0).text == OUTSIDE
    streamed = [chunk.text for chunk in model.stream(messages, temperature=0)]
    assert "".join(streamed) == OUTSIDE


@pytest.mark.parametrize(
    ("asked", "answer"),
    [
        ("2 + 2", "4"),
        ("What is 2 + 2?", "4"),
        ("7 x 8 =", "56"),
        ("Compute 45 + 17.", "62"),
        ("How much is 12 times 7?", "84"),
        ("What is 12 * 8 - 70?", "26"),
        pytest.param(
            *("What is 12 * 8 + 5?", "101"),
            marks=pytest.mark.xfail(reason="it says 91: the model card has it", strict=True),
        ),
        ("What is 100 minus 37 plus 5?", "68"),
    ],
)
def test_it_calculates_what_people_type_first(
    model: ChatTransformers, asked: str, answer: str
) -> None:
    assert solve(asked, model, context=MCTSrContext(max_calls=11)).final_answer == answer


async def test_most_bare_sums_are_right_at_once(model: ChatTransformers) -> None:
    asked = list(islice(sums(31), 80))
    drafts = [draft_messages(Prompts(), one.text) for one in asked]
    replies = await asyncio.gather(*(model.ainvoke(one, seed=1) for one in drafts))
    right = [is_right(one, reply.text) for one, reply in zip(asked, replies, strict=True)]
    assert sum(right) / len(right) > 0.75  # the model card has the figure


def test_it_is_small_and_has_a_name(model: ChatTransformers) -> None:
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 8_000_000
    assert model.model_name == "mctsr-arithmetic"


def test_studio_serves_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCTSR_MODEL", "embedded")
    from graphs.mctsr import graph

    found = graph.invoke({"problem": PROBLEM}, context={"max_calls": 19, "seed": 1})
    assert found["final_answer"] == "41"
