"""The examples run, and print what they promise."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver

from benchmarks.bare_loop import bare_loop
from benchmarks.overhead import Waiting, run_graph, search, settings
from examples.code_tests import passed
from examples.scripted import PROBLEM
from training.texts import OUTSIDE

EXPECTED = {
    "solve_offline": "26 after 3 rollouts",
    "stream_events": "4 2 -> 4 80.0",
    "own_strategy": "26 [None, None, None, '0', '3']",
    "tracing": "rollout 0: draft took 70 tokens\nrollout 0: evaluate took 182 tokens\n"
    "rollout 1: critique took 145 tokens\n",
    "steering": "without node 1, the answer is 50\nafter a critique by Ann, it is 26\n"
    "and undone twice, 26 again\n",
    "router": "4 | (no need to explain)\n26 | Twelve trays of eight",
    "chain": "{'12': '6', '60': '12', '360': '24'}",
    "parent_checkpointer": "stopped at call 8\n26 after 19 calls, one of them made twice",
    "fork": "exploration 0: depths [0, 1, 2, 1, 2, 3, 1]\nexploration 200: depths [0, 1, 2, 3, ",
    "own_prompt": "the critic was told: Ask three short questions",
    "agent_tool": "26 are left.\n3 answers were tried",
    "chat_agent": "math_expert: 12 * 8 = 96 muffins, and 96 - 70 = 26.",
    "middleware": "answered: 4\nsearched: 12 * 8 = 96 muffins",
    "code_tests": "Stopped (passed).\nrewards: [[-33.3, -33.3], [100.0]]\n",
    "by_schema": '2 say {"count": 12, "item": "egg"}\n1 say {"count": 10, "item": "egg"}\n'
    "order: item='egg' count=12\n",
    "person": "the person's choice: 26\n",
    "two_models": "Settled at call 6 of 10, by refining node 0, which said 50.\n",
}
BY_JOB = ("agent_tool", "batch_csv", "by_schema", "code_tests", "free_text", "person", "two_models")


@pytest.fixture(autouse=True)
def _no_model_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MCTSR_MODEL", raising=False)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_an_example_runs_offline(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    importlib.import_module(f"examples.{name}").main()
    assert EXPECTED[name] in capsys.readouterr().out


def test_a_batch_goes_on_with_what_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    importlib.import_module("examples.batch_csv").main()
    told = capsys.readouterr().out
    first, second = re.findall(r"(\d+) calls in all; after a second run still (\d+)", told)[0]
    assert first == second
    # 12 = 2² * 3 has 3 * 2 divisors, 60 = 2² * 3 * 5 has 12, 360 = 2³ * 3² * 5 has 24
    assert [line.split(",")[1] for line in told.splitlines()[2:5]] == ["6", "12", "24"]


def test_a_text_without_a_final_answer_says_what_its_confidence_means(
    capsys: pytest.CaptureFixture[str],
) -> None:
    importlib.import_module("examples.free_text").main()
    told = capsys.readouterr().out
    assert told.startswith("Come and eat with us on Saturday")
    assert "The judge prefers this one to all others with a chance of over 99 %" in told
    assert told.endswith(" means preferred\n")


def test_the_service_answers_and_refuses(tmp_path: Path) -> None:
    client_of = pytest.importorskip("fastapi.testclient").TestClient
    from examples.service import build

    with client_of(build(kept=tmp_path / "service.db")) as client:
        assert client.get("/health").json() == {"status": "ok"}
        told = client.post("/solve", json={"problem": PROBLEM, "max_calls": 35}).json()
        assert (told["final_answer"], told["verdict"]["cost"][:5]) == ("50", "Cost:")
        for wrong in ({"problem": ""}, {"problem": PROBLEM, "max_calls": 1000}):
            assert client.post("/solve", json=wrong).status_code == 422


@pytest.mark.parametrize("name", BY_JOB)
def test_an_example_by_job_asks_the_model_that_is_named(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here one that knows nothing: the search ends all the same, and what it found is told."""
    monkeypatch.setenv("MCTSR_MODEL", "demo")
    importlib.import_module(f"examples.{name}").main()
    assert capsys.readouterr().out


def test_every_example_is_listed_with_a_sentence() -> None:
    import examples

    listed = re.findall(r"^- (\w+): \S.*\.$", examples.__doc__ or "", re.MULTILINE)
    files = {file.stem for file in Path("examples").glob("*.py")} - {"__init__", "scripted"}
    assert sorted(listed) == sorted(files)


async def test_the_chain_runs_many_at_once_without_threads_too() -> None:
    from examples.chain import build

    assert await build().abatch([{"number": "12"}, {"number": "360"}]) == ["6", "24"]


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize("saver", [None, InMemorySaver])
async def test_the_router_searches_only_where_it_is_hard(way: str, saver: Any) -> None:
    from examples.router import build

    lesson, config = build(saver and saver()), {"configurable": {"thread_id": "t"}}
    if way == "async":
        output = await lesson.ainvoke({"problem": PROBLEM}, config)
        parts = [p async for p in lesson.astream({"problem": "2 + 2?"}, config)]
    else:
        output = lesson.invoke({"problem": PROBLEM}, config)
        parts = list(lesson.stream({"problem": "2 + 2?"}, config))
    assert (output["final_answer"], "tree" in output) == ("26", False)
    assert [list(part) for part in parts] == [["direct"]]
    assert {"search:critique", "direct"} <= set(lesson.get_graph(xray=True).nodes)


def test_the_example_with_the_embedded_model_runs(capfd: pytest.CaptureFixture[str]) -> None:
    importlib.import_module("examples.embedded").main()
    told = capfd.readouterr()
    assert "rollout 1: best 26" in told.out
    assert not re.search("warn|deprecat", told.err, re.IGNORECASE), told.err


def test_the_notebook_runs_with_the_embedded_model(capsys: pytest.CaptureFixture[str]) -> None:
    notebook = json.loads(Path("examples/first_search.ipynb").read_text("utf-8"))
    names: dict[str, Any] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    told = capsys.readouterr().out
    assert names["solution"].final_answer == "41"  # 14 * 9 = 126, + 38 = 164, / 4 = 41
    assert OUTSIDE in told
    assert "critique:\nStep 1: 14 * 9 = 90 + 36 = 126, " in told


def test_the_benchmark_of_overhead_reads_what_searches_return() -> None:
    model = Waiting()
    assert search(model, settings(2, 1))["rollouts"] == 2
    loop = run_graph(bare_loop(model, 2, 1), model, {"rollouts": 0, "wave": []})
    assert loop["rollouts"] == 2


def test_code_that_never_ends_passes_no_test(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("examples.code_tests.SECONDS", 0.5)
    assert passed("Write a median.", "```python\nwhile True:\n    pass\n```") == -100
