"""Runs of the benchmark with scripted models: every figure below was found by hand."""

from __future__ import annotations

import asyncio
import copy
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage

from mctsr_graph import (
    CallJournal,
    ConfigError,
    FingerprintMismatchError,
    JournalMismatchError,
    MCTSrContext,
    ScriptedChatModel,
    SearchLockedError,
    solve,
)
from mctsr_graph.benchmark import finishing
from mctsr_graph.benchmark import run as run_module
from mctsr_graph.benchmark.again import regrade, replay
from mctsr_graph.benchmark.environment import environment_of
from mctsr_graph.benchmark.grading import Verdict
from mctsr_graph.benchmark.metrics import measure
from mctsr_graph.benchmark.outcomes import Key
from mctsr_graph.benchmark.plan import Plan, Task
from mctsr_graph.benchmark.problems import DataSet, Problem
from mctsr_graph.benchmark.records import Line, MethodRecord, outcome, tree_of
from mctsr_graph.benchmark.run import Job, local, run, settings_of
from mctsr_graph.benchmark.solving import solve_task
from mctsr_graph.benchmark.stand_in import about
from mctsr_graph.benchmark.store import RunFolder, read_run
from mctsr_graph.benchmark.unfinished import TooManyFailedError, Unfinished
from mctsr_graph.calls.usage import no_cost, total_cost
from mctsr_graph.models.scripted import ScriptedCall
from mctsr_graph.prompts import Prompts

from .conftest import HANGS, keyed_reply, of_processes

ALL = ("cot", "self-refine", "self-consistency", "best-of-n", "paper", "official")
TOKENS = {"draft": 20, "evaluate": 30, "critique": 40, "refine": 50}
# Final answers of drafts by sample, and their rewards; the truth is 5
DRAFTS = [7, 5, 5, 7, 7, 9, 5, 9, 9, 9, 9, 5, 5, 5, 5, 5, 5, 5, 5, 5]
REWARDS = [10, 30, 30, 20, 50, 0, 0, 0, 0, 0]
# Rollout -> answer, its reward, one more reward of the answer that it refines
ROLLOUTS = {1: (5, 40, 20), 2: (9, 60, 30)}


def golden_reply(call: ScriptedCall) -> AIMessage:
    told = {
        "draft": lambda: f"\\boxed{{{DRAFTS[call.sample % len(DRAFTS)]}}}",
        "critique": lambda: "Count again.",
        "refine": lambda: f"I see. \\boxed{{{ROLLOUTS[call.rollout][0]}}}",
        "evaluate": lambda: (
            f"Score: {ROLLOUTS[call.rollout][min(1 + call.sample, 2)]}"
            if call.rollout
            else f"Score: {REWARDS[call.sample % len(REWARDS)]}"
        ),
    }
    half = TOKENS[str(call.role)] // 2
    usage = {"input_tokens": half, "output_tokens": half, "total_tokens": 2 * half}
    return AIMessage(told[str(call.role)](), usage_metadata=usage)


def solved(model: Any, plan: Plan, problem: str = "What is 2 + 3?") -> dict[str, MethodRecord]:
    task = Task(problem, 0, plan)
    with CallJournal(":memory:") as journal:
        return asyncio.run(solve_task(task, model, journal))


@pytest.fixture(scope="module")
def golden() -> dict[str, MethodRecord]:
    model = ScriptedChatModel(replies=golden_reply)
    return solved(model, Plan(ALL[:5], (0, 1, 2)))


def points(record: MethodRecord, *fields: str) -> list[tuple[Any, ...]]:
    return [tuple(dict(point)[field] for field in fields) for point in record["points"]]


def test_chain_of_thought_is_one_draft(golden: dict[str, MethodRecord]) -> None:
    [attempt], [point] = golden["cot"]["attempts"], golden["cot"]["points"]
    assert attempt["final_answer"] == "7"
    assert (point["budget"], point["selected"], point["cost"]["calls"]) == ("own", 0, 1)


def test_self_refine_is_a_draft_a_critique_and_a_refinement(
    golden: dict[str, MethodRecord],
) -> None:
    record = golden["self-refine"]
    assert [a["final_answer"] for a in record["attempts"]] == ["7", "5"]
    assert (record["attempts"][1]["parent"], record["attempts"][1]["critique"]) == (
        0,
        "Count again.",
    )
    assert points(record, "budget", "selected", "rollouts") == [("own", 1, 0)]
    counts = {"calls": 3, "input_tokens": 55, "output_tokens": 55, "unpriced_calls": 3}
    assert record["points"][0]["cost"] == {**no_cost(), **counts}


def test_self_consistency_has_as_many_calls_and_as_many_tokens_as_a_search(
    golden: dict[str, MethodRecord],
) -> None:
    # The search took 2, 6 and 10 calls and 50, 200 and 350 tokens; a draft takes 20. Of the first
    # 2 drafts the first says 7; of 6 three say 7; of 10 four say 9; of 17 nine say 5
    assert points(
        golden["self-consistency"], "rollouts", "budget", "against", "limit", "attempts", "selected"
    ) == [
        (0, "calls", "paper", 2, 2, 0),
        (1, "calls", "paper", 6, 6, 0),
        (2, "calls", "paper", 10, 10, 5),
        (0, "tokens", "paper", 50, 2, 0),
        (1, "tokens", "paper", 200, 10, 5),
        (2, "tokens", "paper", 350, 17, 1),
    ]
    assert len(golden["self-consistency"]["attempts"]) == 17
    assert {point["weighted"] for point in golden["self-consistency"]["points"]} == {None}


def test_best_of_n_pays_for_its_judge(golden: dict[str, MethodRecord]) -> None:
    # A candidate takes two calls and 50 tokens; the judge likes draft 4 best
    assert points(
        golden["best-of-n"], "rollouts", "budget", "attempts", "selected", "majority"
    ) == [
        (0, "calls", 1, 0, 0),
        (1, "calls", 3, 1, 1),
        (2, "calls", 5, 4, 0),
        (0, "tokens", 1, 0, 0),
        (1, "tokens", 4, 1, 0),
        (2, "tokens", 7, 4, 0),
    ]
    assert [attempt["rewards"] for attempt in golden["best-of-n"]["attempts"]] == [
        [float(reward)] for reward in REWARDS[:7]
    ]


def test_one_search_gives_every_number_of_rollouts(golden: dict[str, MethodRecord]) -> None:
    record = golden["paper"]
    assert [a["final_answer"] for a in record["attempts"]] == ["7", "5", "9"]
    # Rollout 1 refines the root (10), which gets 20 more: q 12.5 alone, 26.25 with the child at
    # 40. So rollout 2 refines the child, which gets 30 more: 32.5 alone, 46.25 with 60 below
    assert [a["rewards"] for a in record["attempts"]] == [[10, 20], [40, 30], [60]]
    assert [a["parent"] for a in record["attempts"]] == [None, 0, 1]
    assert points(record, "rollouts", "budget", "attempts", "visits", "selected", "majority") == [
        (0, "rollouts", 1, [1], 0, 0),
        (1, "rollouts", 2, [2, 1], 1, 0),
        (2, "rollouts", 3, [2, 2, 1], 2, 0),
    ]
    # Means 15 and 40, then 15, 35 and 60: the best has the largest weight
    assert [point["weighted"] for point in record["points"]] == [0, 1, 2]
    costs = [point["cost"] for point in record["points"]]
    assert [cost["calls"] for cost in costs] == [2, 6, 10]
    assert [cost["input_tokens"] + cost["output_tokens"] for cost in costs] == [50, 200, 350]
    assert record["stop_reason"] == "max_rollouts"


def flawed_reply(call: ScriptedCall) -> Any:
    """Some evaluations hold no score, some refinements are equal texts, one is empty."""
    number = 5 * call.rollout + call.sample
    if call.role == "evaluate" and number in (6, 10, 21):
        return "I would rather not say."
    if call.role == "refine" and call.rollout == 3:
        return ""
    if call.role == "refine":
        return f"\\boxed{{{call.rollout % 2}}}"
    return keyed_reply(call)


@pytest.mark.parametrize("profile", ["paper", "official"])
@pytest.mark.parametrize("reply", [keyed_reply, flawed_reply])
def test_a_prefix_is_what_a_shorter_search_finds(profile: str, reply: Any) -> None:
    settings = {"max_retries": 0, "reward_samples": 2}
    made = solved(ScriptedChatModel(replies=reply), Plan([profile], range(7), settings), "P")
    for point in made[profile]["points"]:
        count = max(point["rollouts"], 1)
        context = MCTSrContext(**{**settings, "profile": profile, "max_rollouts": count})
        if point["rollouts"] == 0:
            roots = 2 if profile == "paper" else 4
            context = MCTSrContext(**{**settings, "profile": profile, "max_calls": 1 + roots})
        alone = solve("P", ScriptedChatModel(replies=reply), context=context)
        assert point["visits"] == [len(node["rewards"]) for node in alone.tree.values()]
        assert point["selected"] == (None if alone.best is None else int(alone.best))
        assert point["cost"] == total_cost(alone.usage)
        assert point["rollouts_made"] == point["rollouts"]


def test_a_record_holds_the_whole_tree() -> None:
    made = solved(ScriptedChatModel(replies=keyed_reply), Plan(["official"], [4]), "P")
    context = MCTSrContext(profile="official", max_rollouts=4)
    alone = solve("P", ScriptedChatModel(replies=keyed_reply), context=context)
    plain = {key: {k: v for k, v in node.items() if k != "uct"} for key, node in alone.tree.items()}
    assert tree_of(made["official"]) == plain


def test_rsa_is_compared_at_equal_calls_and_its_record_holds_every_parent() -> None:
    made = solved(ScriptedChatModel(replies=keyed_reply), Plan(["rsa"], [0, 2]), "P")
    # 3 + 4 * 2 = 11 calls: 7 drafts and 4 merges. 3 calls are fewer than its drafts take
    told = [(point["limit"], point["cost"]["calls"]) for point in made["rsa"]["points"]]
    assert told == [(3, 7), (11, 11)]
    context = MCTSrContext(profile="rsa", max_calls=11)
    alone = solve("P", ScriptedChatModel(replies=keyed_reply), context=context)
    assert tree_of(made["rsa"]) == alone.tree
    assert made["rsa"]["points"][-1]["selected"] == int(alone.best or "")
    assert [len(one.get("parents", [])) for one in made["rsa"]["attempts"]] == [0] * 7 + [3] * 4


def test_zero_rollouts_are_a_draft_and_its_evaluation() -> None:
    model = ScriptedChatModel(replies=golden_reply)
    made = solved(model, Plan(["paper", "self-consistency"], [0]))
    assert points(made["paper"], "attempts", "rollouts_made", "selected") == [(1, 0, 0)]
    assert made["paper"]["stop_reason"] == "max_rollouts"
    assert len(model.calls) == 2 + 3


def test_a_draft_that_cannot_be_had_is_counted_and_votes_for_nothing() -> None:
    def reply(call: ScriptedCall) -> Any:
        return "" if call.role == "draft" and call.sample < 2 else golden_reply(call)

    made = solved(
        ScriptedChatModel(replies=reply), Plan(["cot", "self-consistency", "best-of-n"], [0, 1])
    )
    assert made["cot"]["points"][0]["selected"] is None
    assert made["cot"]["error"] is not None
    assert outcome(made["cot"], None) == "failed"
    # Each lost draft has taken three calls, so that 3 calls are 1 draft and 7 are 3
    assert points(made["self-consistency"], "attempts", "selected") == [(1, None), (3, 2)]
    # ... and an evaluation of nothing is not asked for
    assert points(made["best-of-n"], "attempts", "selected") == [(1, None), (2, None)]


def test_a_draft_without_a_final_answer_is_returned_where_there_is_no_better() -> None:
    model = ScriptedChatModel(replies=lambda call: "I wonder.")
    [point] = solved(model, Plan(["self-consistency"], [0]))["self-consistency"]["points"]
    assert (point["selected"], point["majority"]) == (0, None)


def test_a_model_that_tells_no_tokens_is_compared_by_calls_alone() -> None:
    def reply(call: ScriptedCall) -> AIMessage:
        return AIMessage(golden_reply(call).text)

    made = solved(ScriptedChatModel(replies=reply), Plan(["self-consistency", "paper"], [1]))
    assert points(made["self-consistency"], "budget") == [("calls",)]


def test_equal_tokens_have_a_bound() -> None:
    def reply(call: ScriptedCall) -> AIMessage:
        message = golden_reply(call)
        if call.role == "draft":
            usage = {"input_tokens": 1, "output_tokens": 0, "total_tokens": 1}
            return message.model_copy(update={"usage_metadata": usage})
        return message

    made = solved(ScriptedChatModel(replies=reply), Plan(["self-consistency", "paper"], [0]))
    # 31 tokens would buy 31 drafts; 8 times the 2 calls of the search are drawn
    assert points(made["self-consistency"], "limit", "attempts", "capped") == [
        (2, 2, False),
        (31, 16, True),
    ]


def test_a_method_always_makes_one_attempt() -> None:
    def reply(call: ScriptedCall) -> Any:
        late = call.role == "draft" and call.attempt < 2
        return "" if late else golden_reply(call)

    [point] = solved(ScriptedChatModel(replies=reply), Plan(["best-of-n"], [0]))["best-of-n"][
        "points"
    ]
    # The draft came at the third time of asking, and with its evaluation took four calls of three
    assert (point["limit"], point["attempts"], point["cost"]["calls"]) == (3, 1, 4)


def messy_reply(call: ScriptedCall) -> AIMessage:
    """As golden, but the first critique is empty and asked for again."""
    return AIMessage("") if call.role == "critique" and call.attempt == 0 else golden_reply(call)


@pytest.mark.parametrize(
    ("reply", "settings", "calls"),
    [
        (golden_reply, {}, 6),  # draft, reward; critique, refinement, two rewards
        (messy_reply, {}, 7),
        (golden_reply, {"reward_samples": 2}, 8),
    ],
)
def test_a_baseline_gets_the_calls_that_the_search_took(
    reply: Any, settings: dict[str, Any], calls: int
) -> None:
    plan = Plan(["self-consistency", "best-of-n", "paper"], [1], settings)
    made = solved(ScriptedChatModel(replies=reply), plan)
    assert points(made["paper"], "cost")[0][0]["calls"] == calls
    limits = ("against", "limit", "attempts")
    assert points(made["self-consistency"], *limits)[0] == ("paper", calls, calls)
    each = 1 + settings.get("reward_samples", 1)  # best-of-N asks as often for a reward
    assert points(made["best-of-n"], *limits)[0] == ("paper", calls, calls // each)
    rewards = [len(attempt["rewards"]) for attempt in made["best-of-n"]["attempts"]]
    assert set(rewards) == {each - 1}


def test_a_judge_of_several_calls_is_paid_for_on_both_sides() -> None:
    plan = Plan(["self-consistency", "best-of-n", "paper"], [1], {"judge": "pairwise"})
    model = ScriptedChatModel(replies=lambda call: "1" if call.role == "evaluate" else "\\boxed{5}")
    made = solved(model, plan)
    [paper] = points(made["paper"], "cost")
    spent = {name: made[name]["points"][0]["cost"]["calls"] for name in plan.methods}
    assert spent["self-consistency"] == spent["paper"] == paper[0]["calls"]
    assert 0 < spent["best-of-n"] <= spent["paper"]


@pytest.mark.parametrize(
    ("equal", "budgets"),
    [
        (["calls"], {("calls", "paper")}),
        (["tokens"], {("tokens", "paper")}),
        (["calls", "tokens"], {("calls", "paper"), ("tokens", "paper")}),
        (["formula"], {("calls", None)}),
    ],
)
def test_a_user_chooses_what_is_equal(equal: list[str], budgets: set[Any]) -> None:
    plan = Plan(["self-consistency", "paper"], [1], equal=equal)
    made = solved(ScriptedChatModel(replies=golden_reply), plan)
    assert set(points(made["self-consistency"], "budget", "against")) == budgets


def test_one_reply_without_token_counts_is_no_defeat_of_the_baseline(tmp_path: Path) -> None:
    # The baseline is right on 4 of 4, and the search, too; one of its replies tells no tokens
    def reply(call: ScriptedCall) -> AIMessage:
        message = golden_reply(call)
        text = "Score: 5" if call.role == "evaluate" else "\\boxed{5}"
        silent = call.role == "critique" and "2 + 2" in str(call.messages[1].content)
        return AIMessage(text, usage_metadata=None if silent else message.usage_metadata)

    plan = Plan(["self-consistency", "paper"], [1])
    lines, _ = keep(tmp_path, ScriptedChatModel(replies=reply), plan, golds=("5",) * 4)
    settings, _ = read_run(tmp_path)
    found = measure(settings, lines)
    vote = found.methods[Key("self-consistency", "tokens", 1, "paper")]
    assert (vote.problems, vote.unmeasured, vote.verdicts["failed"]) == (3, 1, 0)
    by_budget = {one.second.budget: one for one in found.comparisons}
    assert by_budget["tokens"].difference.value == 0
    assert (by_budget["tokens"].problems, by_budget["tokens"].left_out) == (3, ("p2",))
    assert (by_budget["calls"].problems, by_budget["calls"].left_out) == (4, ())
    paper = found.methods[Key("paper", "rollouts", 1, None)]
    assert paper.untold == 1
    assert paper.tokens is not None
    assert paper.tokens.mean == 200  # of the three that told all


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"equal": ["money"]}, "equal is .'money'., allowed calls, tokens, formula"),
        ({"methods": ["guess"]}, "method is 'guess', allowed cot, .*paper, official"),
        ({"methods": []}, "one or more"),
        ({"methods": ["cot", "cot"]}, "each once"),
        ({"rollouts": [4, 1]}, "ascending"),
        ({"rollouts": [-1]}, "0 to 4096"),
        ({"settings": {"seed": 3}}, "--set seed is the benchmark's own"),
        ({"settings": {"width": 0}}, "width is 0"),
    ],
)
def test_a_wrong_plan_is_explained(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Plan(**{"methods": ["cot"], "rollouts": [0], **given})


# --- Runs ---

GOLDS = ("5", "5", "7", "9")


def data(golds: tuple[str, ...] = GOLDS) -> DataSet:
    kept = [Problem(f"p{i}", f"What is {i} + {i}?", gold) for i, gold in enumerate(golds)]
    return DataSet("sums", "made here", kept)


def keep(
    path: Path,
    model: Any,
    plan: Plan | None = None,
    golds: tuple[str, ...] = GOLDS,
    **more: Any,
) -> tuple[list[Line], list[str]]:
    folder, plan = RunFolder(path), plan or Plan(ALL, (0, 2))
    jobs = [Job(problem, 0) for problem in data(golds).problems]
    settings = settings_of(data(), "scripted", about(model), plan)
    unfinished = asyncio.run(run(folder, settings, jobs, local(model), **more))
    return list(folder.lines()), unfinished


def plainly(lines: list[Line], *without: str) -> dict[str, Any]:
    """Lines by id, without seconds and some more keys, wherever they are."""

    def strip(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: strip(v) for k, v in value.items() if k not in ("seconds", *without)}
        return [strip(item) for item in value] if isinstance(value, list) else value

    return {line["id"]: strip(line) for line in lines}


def recorded(path: Path) -> list[tuple[Any, ...]]:
    with sqlite3.connect(path / "calls.db") as connection:
        rows = sorted(connection.execute("SELECT * FROM mctsr_calls"))
    connection.close()
    return rows


def test_a_run_grades_every_answer(tmp_path: Path) -> None:
    lines, unfinished = keep(tmp_path / "run", ScriptedChatModel(replies=golden_reply))
    assert unfinished == []
    by_id = {line["id"]: line["methods"] for line in lines}
    verdicts = [a["verdict"] for a in by_id["p0"]["paper"]["attempts"]]
    assert verdicts == ["wrong", "right", "wrong"]
    assert by_id["p0"]["official"]["attempts"][1]["verdict"] is None  # the dummy
    selected = {
        id_: outcome(methods["paper"], methods["paper"]["points"][-1]["selected"])
        for id_, methods in by_id.items()
    }
    assert selected == {"p0": "wrong", "p1": "wrong", "p2": "wrong", "p3": "right"}
    settings, again = read_run(tmp_path / "run")
    assert plainly(list(again)) == plainly(lines)
    assert {line["run"] for line in lines} == {settings["run"]}


def test_the_truth_changes_nothing_but_the_grades(tmp_path: Path) -> None:
    first, second = (ScriptedChatModel(replies=keyed_reply) for _ in range(2))
    lines, _ = keep(tmp_path / "a", first, golds=("0", "1", "2", "3"), concurrency=2)
    wrong, _ = keep(tmp_path / "b", second, golds=("x", "y", "-1", "\\pi"), concurrency=2)
    # Calls made at once may arrive in any order
    assert sorted(map(repr, first.calls)) == sorted(map(repr, second.calls))
    assert recorded(tmp_path / "a") == recorded(tmp_path / "b")
    assert plainly(lines, "gold", "verdict") == plainly(wrong, "gold", "verdict")

    def verdicts(found: list[Line]) -> set[Any]:
        return {
            attempt["verdict"]
            for line in found
            for method in line["methods"].values()
            for attempt in method["attempts"]
        }

    assert verdicts(lines) == {"right", "wrong", None}
    assert verdicts(wrong) == {"wrong", None}


def test_the_words_of_a_merge_are_part_of_the_runs_that_merge(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def ids() -> list[str]:
        model = about(ScriptedChatModel(replies=[]))
        plans = [Plan(["cot", "paper"], (0,)), Plan(["cot", "rsa"], (0,))]
        return [settings_of(data(), "scripted", model, plan)["run"] for plan in plans]

    before = ids()
    words = "Other words: {problem} {answers}"
    monkeypatch.setattr("mctsr_graph.benchmark.run.Prompts", lambda: Prompts(merge=words))
    after = ids()
    assert (before[0], before[1] == after[1]) == (after[0], False)


def test_a_finished_run_asks_nothing_and_another_is_not_mixed_in(tmp_path: Path) -> None:
    lines, _ = keep(tmp_path, ScriptedChatModel(replies=golden_reply))
    idle = ScriptedChatModel(replies=[])
    assert keep(tmp_path, idle)[0] == lines
    assert idle.calls == []
    with pytest.raises(FingerprintMismatchError, match="rollouts differ"):
        keep(tmp_path, idle, Plan(ALL, (0, 3)))


def test_a_torn_last_line_is_dropped_and_made_again(tmp_path: Path) -> None:
    lines, _ = keep(tmp_path, ScriptedChatModel(replies=golden_reply))
    file = tmp_path / "lines.jsonl"
    file.write_bytes(file.read_bytes()[:-40])
    assert [line["id"] for line in RunFolder(tmp_path).lines()] == [e["id"] for e in lines[:-1]]
    idle = ScriptedChatModel(replies=[])  # its calls are in the journal
    again, _ = keep(tmp_path, idle)
    assert plainly(again) == plainly(lines)
    assert again[-1]["methods"]["paper"]["points"][0]["seconds"] is None


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    keep(tmp_path, ScriptedChatModel(replies=golden_reply))
    file = tmp_path / "lines.jsonl"
    file.write_bytes(b"{}\n" + file.read_bytes())
    with pytest.raises(ConfigError, match=r"line 1 of .* has version None, allowed 1"):
        list(RunFolder(tmp_path).lines())


@pytest.mark.parametrize("damage", [("attempts", []), ("points", [{}]), ("attempts", None)])
def test_a_line_that_was_edited_is_named(tmp_path: Path, damage: tuple[str, Any]) -> None:
    keep(tmp_path, ScriptedChatModel(replies=golden_reply), Plan(["cot"], [0]))
    file = tmp_path / "lines.jsonl"
    first, rest = file.read_text("utf-8").split("\n", 1)
    line = json.loads(first)
    line["methods"]["cot"] |= dict([damage])
    file.write_text(json.dumps(line) + "\n" + rest, "utf-8")
    with pytest.raises(ConfigError, match=r"line 1 of .* is damaged"):
        list(RunFolder(tmp_path).lines())


def test_a_folder_has_one_writer(tmp_path: Path) -> None:
    with RunFolder(tmp_path).lease(), pytest.raises(SearchLockedError, match="another writer"):
        keep(tmp_path, ScriptedChatModel(replies=golden_reply))


@pytest.mark.parametrize("methods", [ALL, ["paper"], ["self-refine"]])
def test_what_the_server_failed_is_left_to_the_next_start(
    tmp_path: Path, methods: list[str]
) -> None:
    plan = Plan(methods, (0, 2), {"max_attempts": 1})

    def reply(call: ScriptedCall) -> Any:
        down = call.role == "refine" and "3 + 3" in str(call.messages[1].content)
        return ConnectionError("down") if down else golden_reply(call)

    broken, mended = ScriptedChatModel(replies=reply), ScriptedChatModel(replies=golden_reply)
    lines, unfinished = keep(tmp_path, broken, plan)
    assert unfinished == ["p3"]
    assert sorted(line["id"] for line in lines) == ["p0", "p1", "p2"]
    again, unfinished = keep(tmp_path, mended, plan)
    assert (unfinished, len(again)) == ([], 4)
    whole, _ = keep(tmp_path / "whole", ScriptedChatModel(replies=golden_reply), plan)
    assert plainly(again) == plainly(whole)
    asked = {"3 + 3" in str(call.messages[1].content) for call in mended.calls}
    assert asked == {True}


def test_a_server_that_is_down_ends_the_run(tmp_path: Path) -> None:
    model = ScriptedChatModel(replies=lambda call: ConnectionError("down"))
    with pytest.raises(Unfinished, match="down"):
        keep(tmp_path, model, Plan(["cot"], [0], {"max_attempts": 1}), golds=("1",) * 6)


def test_a_wrong_key_ends_the_run_at_once(tmp_path: Path) -> None:
    class AuthenticationError(Exception):
        status_code = 401

    model = ScriptedChatModel(replies=lambda call: AuthenticationError("no such key"))
    for method in ("cot", "paper"):
        with pytest.raises(AuthenticationError):
            keep(tmp_path / method, model, Plan([method], [0]))


def test_a_run_that_ends_early_keeps_no_line_that_it_could_not_grade(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, closed = threading.Event(), threading.Event()

    class SlowGrader:
        def __enter__(self) -> SlowGrader:
            return self

        def __exit__(self, *_: object) -> None:
            closed.set()

        def grade(self, reply: str | None, gold: str) -> Verdict:
            begun.set()
            assert closed.wait(10)
            return Verdict.UNDECIDED  # as the grader says of what it is closed in the middle of

    monkeypatch.setattr(run_module, "Grader", SlowGrader)
    plan, model = Plan(["cot"], [0]), ScriptedChatModel(replies=golden_reply)

    @asynccontextmanager
    async def engine(folder: RunFolder) -> AsyncIterator[Any]:
        async def solve(task: Task) -> dict[str, MethodRecord]:
            if "1 + 1" in task.problem:
                await asyncio.to_thread(begun.wait, 10)
                raise Unfinished("down")
            with CallJournal(":memory:") as journal:
                return await solve_task(task, model, journal)

        yield solve

    settings = settings_of(data(), "scripted", about(model), plan)
    jobs = [Job(problem, 0) for problem in data().problems[:2]]
    monkeypatch.setattr(finishing, "_MOST_IN_A_ROW", 1)
    with pytest.raises(Unfinished):
        asyncio.run(run(RunFolder(tmp_path), settings, jobs, engine))
    assert begun.is_set()
    assert list(RunFolder(tmp_path).lines()) == []


def test_a_search_that_gives_up_is_a_result(tmp_path: Path) -> None:
    def reply(call: ScriptedCall) -> Any:
        return "" if call.role == "refine" else golden_reply(call)

    model = ScriptedChatModel(replies=reply)
    lines, _ = keep(tmp_path, model, Plan(["paper"], [0, 8]))
    record = lines[0]["methods"]["paper"]
    assert record["stop_reason"] == "failed"
    assert "gave up" in str(record["error"])
    assert points(record, "rollouts_made", "selected") == [(0, 0), (5, 0)]


def test_a_run_is_replayed_without_its_model(tmp_path: Path) -> None:
    lines, _ = keep(tmp_path / "run", ScriptedChatModel(replies=keyed_reply))
    made, differ = asyncio.run(replay(RunFolder(tmp_path / "run"), RunFolder(tmp_path / "again")))
    assert (made, differ) == (4, [])
    again = list(RunFolder(tmp_path / "again").lines())
    assert plainly(again) == plainly(lines)
    # A replay is a run, which can be replayed; and a line that was touched is found
    tampered = copy.deepcopy(again)
    tampered[2]["methods"]["paper"]["attempts"][0]["verdict"] = "right"
    RunFolder(tmp_path / "again").rewrite(tampered)
    _, differ = asyncio.run(replay(RunFolder(tmp_path / "again"), RunFolder(tmp_path / "third")))
    assert differ == [tampered[2]["id"]]


def test_a_call_that_was_not_recorded_ends_a_replay(tmp_path: Path) -> None:
    keep(tmp_path / "run", ScriptedChatModel(replies=keyed_reply))
    with sqlite3.connect(tmp_path / "run" / "calls.db") as connection:
        connection.execute("DELETE FROM mctsr_calls WHERE role = 'refine' AND rollout = 2")
    connection.close()
    with pytest.raises(JournalMismatchError, match="recorded calls end here"):
        asyncio.run(replay(RunFolder(tmp_path / "run"), RunFolder(tmp_path / "again")))


def test_a_run_is_graded_anew(tmp_path: Path) -> None:
    lines, _ = keep(tmp_path, ScriptedChatModel(replies=golden_reply), Plan(["paper"], [2]))
    spoiled = copy.deepcopy(lines)
    for line in spoiled:
        line["methods"]["paper"]["attempts"][0]["verdict"] = "undecided"
    RunFolder(tmp_path).rewrite(spoiled)
    assert regrade(RunFolder(tmp_path)) == (12, 4, 0, 0)
    assert list(RunFolder(tmp_path).lines()) == lines
    assert regrade(RunFolder(tmp_path)) == (12, 0, 0, 0)


def test_a_run_is_graded_anew_under_corrected_answers(tmp_path: Path) -> None:
    # The trees say 7, 5 and 9, and p2 is given as 7, which was a slip for 5
    plan, model = Plan(["paper"], [2]), ScriptedChatModel(replies=golden_reply)
    keep(tmp_path / "run", model, plan)
    file = tmp_path / "golds.jsonl"
    file.write_text('{"id": "p2", "answer": "5"}\n{"id": "none", "answer": "1"}\n')
    folder = RunFolder(tmp_path / "run")
    assert regrade(folder, file) == (12, 2, 1, 1)
    by_id = {line["id"]: line for line in folder.lines()}
    assert (by_id["p2"]["gold"], by_id["p2"]["gold_before"]) == ("5", "7")
    verdicts = [attempt["verdict"] for attempt in by_id["p2"]["methods"]["paper"]["attempts"]]
    assert verdicts == ["wrong", "right", "wrong"]
    assert "gold_before" not in by_id["p1"]
    assert read_run(folder.path)[0]["golds"].startswith("golds.jsonl sha256:")
    # The calls are still what they were
    assert asyncio.run(replay(folder, RunFolder(tmp_path / "again"))) == (4, [])
    file.write_text('{"id": "none", "answer": "1"}\n')
    with pytest.raises(ConfigError, match="holds no id of the run"):
        regrade(folder, file)


def test_a_line_says_how_sure_and_with_what(tmp_path: Path) -> None:
    def cached(call: ScriptedCall) -> AIMessage:
        usage = {
            "input_tokens": 1000,
            "output_tokens": 100,
            "total_tokens": 1100,
            "input_token_details": {"cache_read": 400},
            "output_token_details": {"reasoning": 60},
        }
        return AIMessage(keyed_reply(call), usage_metadata=usage)

    prices = {"input_price": 1.0, "cached_input_price": 0.5, "output_price": 10.0}
    plan = Plan(["self-consistency", "paper", "tuned"], [0, 2], prices)
    model = ScriptedChatModel(replies=cached)
    lines, _ = keep(tmp_path, model, plan, environment=environment_of(model), golds=("5",))
    settings, _ = read_run(tmp_path)
    [environment] = settings["environments"]
    assert lines[0]["environment"] == 0
    assert len(environment["code"]) == 12
    assert environment["packages"]["langgraph"]
    for name, method in lines[0]["methods"].items():
        last = method["points"][-1]
        # A call is 600 + 400 / 2 + 100 * 10 millionths
        assert last["cost"]["price"] == pytest.approx(last["cost"]["calls"] * 0.0018)
        assert last["cost"]["cached_tokens"] == 400 * last["cost"]["calls"]
        assert last["cost"]["reasoning_tokens"] == 60 * last["cost"]["calls"]
        assert method["attempts"][0]["cost"]["price"] > 0
        if name != "self-consistency":
            assert 0 < (last["confidence"] or 0) < 1
    context = MCTSrContext(profile="paper", max_rollouts=2)
    alone = solve("What is 0 + 0?", ScriptedChatModel(replies=cached), context=context)
    confidence = alone.choice and alone.choice["confidence"]
    assert lines[0]["methods"]["paper"]["points"][-1]["confidence"] == confidence


def test_a_search_that_ends_by_itself_has_stopped_early(tmp_path: Path) -> None:
    agreed = ScriptedChatModel(
        replies=lambda call: "Score: 5" if call.role == "evaluate" else "\\boxed{5}"
    )
    lines, _ = keep(tmp_path, agreed, Plan(["tuned"], [1, 16]), golds=("5",) * 2)
    for line in lines:
        last = line["methods"]["tuned"]["points"][-1]
        assert last["stop_reason"] == line["methods"]["tuned"]["stop_reason"] is not None
        assert last["cost"]["calls"] < (last["limit"] or 0)
    found = measure(read_run(tmp_path)[0], lines)
    assert found.methods[Key("tuned", "calls", 16, None)].stopped_early == 2
    # Lines of earlier versions do not say so at each point
    for line in lines:
        for point in line["methods"]["tuned"]["points"]:
            del point["stop_reason"]
    found = measure(read_run(tmp_path)[0], lines)
    assert found.methods[Key("tuned", "calls", 16, None)].stopped_early == 2


def test_who_goes_on_with_other_code_is_told(tmp_path: Path) -> None:
    plan, model = Plan(["cot"], [0]), ScriptedChatModel(replies=golden_reply)
    here = environment_of(model)
    keep(tmp_path, model, plan, environment=here, golds=("5",))
    keep(tmp_path, model, plan, environment=here, golds=("5",) * 2)  # the same: nothing is said
    other = {**here, "code": "000000000000", "packages": {**here["packages"], "numpy": "0.1"}}
    with pytest.warns(UserWarning, match=r"goes on with something else \(code .* -> 0+, numpy"):
        keep(tmp_path, model, plan, environment=other, golds=("5",) * 3)  # type: ignore[arg-type]
    settings, lines = read_run(tmp_path)
    assert settings["environments"] == [here, other]
    assert [line["environment"] for line in lines] == [0, 0, 1]


def test_an_address_is_kept_without_its_keys() -> None:
    class Served(ScriptedChatModel):
        base_url: str = "https://me:secret@models.example:8000/v1?key=secret"

    told = environment_of(Served(replies=[]))
    assert told["address"] == "https://models.example:8000/v1"
    assert "secret" not in json.dumps(told)


# --- Problems that the server does not do ---


class ContentPolicyError(Exception):
    status_code = 400


class TooLongError(Exception):
    def __init__(self) -> None:
        super().__init__("This model's maximum context length is 8 tokens")


class OddRequestError(Exception):
    status_code = 400


class StrangeError(Exception):
    pass


def failing(error: Exception, *problems: str, roles: tuple[str, ...] = ("draft",)) -> Any:
    """Replies as golden, but raises for some problems of `data`."""

    def reply(call: ScriptedCall) -> Any:
        asked = str(call.messages[1].content)
        is_bad = any(f"{number} + {number}" in asked for number in problems)
        return error if is_bad and call.role in roles else golden_reply(call)

    return ScriptedChatModel(replies=reply)


@pytest.mark.parametrize("error", [ContentPolicyError("no"), TooLongError(), OddRequestError("?")])
@pytest.mark.parametrize("roles", [("draft",), ("evaluate",), ("critique",)])
def test_a_problem_that_the_server_refuses_has_failed(
    tmp_path: Path, error: Exception, roles: tuple[str, ...]
) -> None:
    plan = Plan(ALL, (0, 2))
    lines, unfinished = keep(tmp_path, failing(error, "2", roles=roles), plan, concurrency=1)
    assert unfinished == []
    assert [line["id"] for line in lines] == ["p0", "p1", "p2", "p3"]
    found = measure(RunFolder(tmp_path).settings(), lines)  # type: ignore[arg-type]
    paper = found.methods[Key("paper", "rollouts", 2, None)]
    if "critique" in roles:  # the search is left with its draft
        assert paper.verdicts["failed"] == 0
        return
    assert paper.verdicts["failed"] == 1
    assert lines[2]["methods"]["paper"]["points"][1]["selected"] is None
    assert type(error).__name__ in str(lines[2]["methods"]["paper"]["error"])
    [failed] = found.failed
    assert (failed.id, failed.seed) == ("p2", 0)
    assert type(error).__name__ in failed.why
    # What can be had without the role that failed is had
    vote = lines[2]["methods"]["self-consistency"]["points"][0]
    assert (vote["selected"] is None) == ("draft" in roles)


def test_a_problem_that_is_refused_is_no_wrong_setting_in_the_next_start(tmp_path: Path) -> None:
    plan = Plan(["cot"], [0])
    keep(tmp_path, ScriptedChatModel(replies=golden_reply), plan, golds=("5",) * 2)
    lines, _ = keep(tmp_path, failing(OddRequestError("?"), "2"), plan, golds=("5",) * 3)
    assert lines[2]["methods"]["cot"]["points"][0]["selected"] is None
    # But where it never took any request, it is
    with pytest.raises(OddRequestError):
        keep(tmp_path / "other", failing(OddRequestError("?"), "0", "1", "2", "3"), plan)


def test_a_key_that_ends_in_the_middle_ends_the_run(tmp_path: Path) -> None:
    class AuthenticationError(Exception):
        status_code = 401

    with pytest.raises(AuthenticationError):
        keep(tmp_path, failing(AuthenticationError("over"), "2"), Plan(["cot"], [0]), concurrency=1)
    assert [line["id"] for line in RunFolder(tmp_path).lines()] == ["p0", "p1"]


def test_what_three_starts_could_not_do_has_failed(tmp_path: Path) -> None:
    plan, model = Plan(["cot", "paper"], [1]), failing(StrangeError("odd"), "1")
    for _ in range(2):
        lines, unfinished = keep(tmp_path, model, plan)
        assert (len(lines), unfinished) == (3, ["p1"])
        found = measure(read_run(tmp_path)[0], lines, RunFolder(tmp_path).unfinished())
        assert (found.planned, found.missing[0].id) == (4, "p1")
        assert "StrangeError: odd" in found.missing[0].why
    lines, unfinished = keep(tmp_path, model, plan)
    assert (len(lines), unfinished) == (4, [])
    assert "StrangeError: odd" in str(lines[3]["methods"]["paper"]["error"])
    found = measure(read_run(tmp_path)[0], lines)
    assert {one.verdicts["failed"] for one in found.methods.values()} == {1}
    # What is mended since is solved anew, and nothing else
    good = ScriptedChatModel(replies=golden_reply)
    again, _ = keep(tmp_path, good, plan, retry_failed=True)
    assert {"1 + 1" in str(call.messages[1].content) for call in good.calls} == {True}
    whole, _ = keep(tmp_path / "whole", ScriptedChatModel(replies=golden_reply), plan)
    assert plainly(again) == plainly(whole)


def test_problems_that_fail_hold_up_no_others(tmp_path: Path) -> None:
    plan, golds = Plan(["cot"], [0]), ("5",) * 8
    model = failing(StrangeError("odd"), "0", "1", "2", "3", "4")
    with pytest.raises(Unfinished):  # five in a row look like a server that is down
        keep(tmp_path, model, plan, golds=golds, concurrency=1)
    with pytest.raises(Unfinished):
        keep(tmp_path, model, plan, golds=golds, concurrency=1)
    assert sorted(line["id"] for line in RunFolder(tmp_path).lines()) == ["p5", "p6", "p7"]
    with pytest.raises(Unfinished):
        keep(tmp_path, model, plan, golds=golds, concurrency=1)
    lines, unfinished = keep(tmp_path, model, plan, golds=golds, concurrency=1)
    assert (len(lines), unfinished) == (8, [])


def test_a_run_stops_where_more_fail_than_allowed(tmp_path: Path) -> None:
    model = failing(ContentPolicyError("no"), "1", "2")
    with pytest.raises(TooManyFailedError, match="2 problems have failed, allowed 1"):
        keep(tmp_path, model, Plan(["cot"], [0]), max_failed=0.25, concurrency=1)
    assert len(list(RunFolder(tmp_path).lines())) == 3
    with pytest.raises(TooManyFailedError):  # not a problem more
        keep(tmp_path, model, Plan(["cot"], [0]), max_failed=0.25)
    assert len(list(RunFolder(tmp_path).lines())) == 3
    assert len(keep(tmp_path, model, Plan(["cot"], [0]), max_failed=0.5)[0]) == 4


def test_a_replay_leaves_out_what_no_journal_holds(tmp_path: Path) -> None:
    keep(tmp_path / "run", failing(ContentPolicyError("no"), "2"))
    made, differ = asyncio.run(replay(RunFolder(tmp_path / "run"), RunFolder(tmp_path / "again")))
    assert (made, differ) == (3, [])


def test_a_run_says_what_it_is_to_solve(tmp_path: Path) -> None:
    keep(tmp_path, ScriptedChatModel(replies=golden_reply), Plan(["cot"], [0]), golds=("5",) * 2)
    keep(tmp_path, ScriptedChatModel(replies=golden_reply), Plan(["cot"], [0]), golds=("5",) * 3)
    settings, _ = read_run(tmp_path)
    assert settings["planned"] == [{"seed": 0, "ids": ["p0", "p1", "p2"]}]
    assert "careful" in settings["prompts"]["system"]


def test_half_a_character_is_kept(tmp_path: Path) -> None:
    model, plan = ScriptedChatModel(replies=golden_reply), Plan(["cot"], [0])
    lines, _ = keep(tmp_path, model, plan, golds=("\ud835",))
    assert [line["gold"] for line in lines] == ["\ud835"]


def test_a_line_of_another_run_is_named(tmp_path: Path) -> None:
    keep(tmp_path / "a", ScriptedChatModel(replies=golden_reply), Plan(["cot"], [0]))
    keep(tmp_path / "b", ScriptedChatModel(replies=golden_reply), Plan(["paper"], [0]))
    with (tmp_path / "a" / "lines.jsonl").open("ab") as file:
        file.write((tmp_path / "b" / "lines.jsonl").read_bytes())
    with pytest.raises(ConfigError, match=r"line 5 of .* is of run '\w+', but the folder holds"):
        list(RunFolder(tmp_path / "a").lines())


KILLED = """
import asyncio, os, signal, sys
sys.path.insert(0, {root!r})
from tests.test_benchmark_run import ALL, GOLDS, Job, Path, Plan, RunFolder, about, data
from tests.test_benchmark_run import ScriptedChatModel, keyed_reply, local, run, settings_of
later = []

def reply(call):
    lines = Path(sys.argv[1], "lines.jsonl")
    if lines.exists() and lines.stat().st_size:  # into the problems after the first
        later.append(call)
    if len(later) > 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return keyed_reply(call)

model = ScriptedChatModel(replies=reply, latency=0.01)
plan = Plan(ALL, (0, 2))
jobs = [Job(problem, 0) for problem in data().problems]
settings = settings_of(data(), "scripted", about(model), plan)
asyncio.run(run(RunFolder(sys.argv[1]), settings, jobs, local(model), concurrency=2))
"""


@of_processes
def test_a_killed_run_goes_on_and_repeats_no_finished_call(tmp_path: Path) -> None:
    root = str(Path(__file__).parent.parent)
    code = KILLED.format(root=root)
    env = {**os.environ, "PYTHONPATH": root}
    killed = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "run")], env=env, timeout=HANGS, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    before, calls = list(RunFolder(tmp_path / "run").lines()), recorded(tmp_path / "run")
    assert 1 <= len(before) < 4
    model = ScriptedChatModel(replies=keyed_reply)
    lines, _ = keep(tmp_path / "run", model)
    whole = ScriptedChatModel(replies=keyed_reply)
    expected, _ = keep(tmp_path / "whole", whole)
    assert len(model.calls) == len(whole.calls) - len(calls)
    assert len({line["id"] for line in lines}) == len(lines) == 4
    assert plainly(lines) == plainly(expected)


def test_several_seeds_are_several_lines(tmp_path: Path) -> None:
    model = ScriptedChatModel(replies=golden_reply)
    plan = Plan(["cot"], [0])
    jobs = [Job(problem, seed) for seed in (0, 1) for problem in data().problems]
    settings = settings_of(data(), "scripted", about(model), plan)
    asyncio.run(run(RunFolder(tmp_path), settings, jobs, local(model)))
    keys = {(line["id"], line["seed"]) for line in RunFolder(tmp_path).lines()}
    assert len(keys) == 8
    seeds = {call.settings["seed"] for call in model.calls}
    assert len(seeds) == 2


def test_problems_run_at_once_as_far_as_allowed(tmp_path: Path) -> None:
    running, most = 0, 0

    async def solve_slowly(task: Task) -> dict[str, MethodRecord]:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.05)
        running -= 1
        return {}

    @asynccontextmanager
    async def engine(folder: RunFolder) -> AsyncIterator[Any]:
        yield solve_slowly

    plan = Plan(["cot"], [0])
    settings = settings_of(data(), "none", about(ScriptedChatModel(replies=[])), plan)
    jobs = [Job(problem, seed) for seed in range(3) for problem in data().problems]
    asyncio.run(run(RunFolder(tmp_path), settings, jobs, engine, concurrency=5))
    assert most == 5
    assert len(list(RunFolder(tmp_path).lines())) == 12


def test_a_line_is_one_line_of_json(tmp_path: Path) -> None:
    def reply(call: ScriptedCall) -> str:
        return "One\u2028two\nthree \\boxed{5}" if call.role == "draft" else "Score: 5"

    keep(tmp_path, ScriptedChatModel(replies=reply), Plan(["cot"], [0]))
    raw = (tmp_path / "lines.jsonl").read_bytes()
    assert raw.count(b"\n") == 4
    assert [json.loads(line)["id"] for line in raw.split(b"\n") if line]
