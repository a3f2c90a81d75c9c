"""What README and docs/ say is true: their Python runs, picture, table and links are the code's."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

from benchmarks import graph_pictures
from mctsr_graph import MCTSrContext, ScriptedChatModel, create_mctsr
from mctsr_graph.settings.context import allowed_values
from tests.faults import postgres
from tests.loopback import LoopbackServer, completion

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
SETTINGS = (ROOT / "docs" / "settings.md").read_text("utf-8")
PAGES = {path.name: path for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]}


def blocks(kind: str) -> dict[str, str]:
    """Every block of a kind in the README and docs/, by page and number."""
    return {
        f"{name}-{number}": block
        for name, path in PAGES.items()
        for number, block in enumerate(
            re.findall(rf"```{kind}\n(.*?)```", path.read_text("utf-8"), re.S)
        )
    }


ALONE = [place for place in blocks("python") if not place.startswith("strategies.md")]


class Provider(LoopbackServer):
    """A provider whose model calls the tool that it is offered, and else knows one answer."""

    def reply(self, body: Any, headers: Mapping[str, str]) -> tuple[int, Any]:
        told = completion(["It is \\boxed{24}."] * (body.get("n") or 1), 10, 10)
        if body.get("tools") and body["messages"][-1]["role"] == "user":
            function = {"name": body["tools"][0]["function"]["name"]}
            given = {"arguments": json.dumps({"problem": "Is 31 prime?"}), **function}
            call = {"id": "call_1", "type": "function", "function": given}
            told["choices"][0]["message"] |= {"content": None, "tool_calls": [call]}
        return 200, told


@pytest.mark.parametrize("place", ALONE)
def test_a_python_block_runs(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    block = blocks("python")[place]
    with ExitStack() as around:
        if '"openai:' in block:
            address = around.enter_context(Provider()).url
            monkeypatch.setenv("OPENAI_BASE_URL", f"{address}/v1")
            monkeypatch.setenv("OPENAI_API_KEY", "none")
        if "DATABASE_URL" in block:
            monkeypatch.setenv("DATABASE_URL", around.enter_context(postgres.server()))
        exec(compile(block, place, "exec"), {"__name__": "readme"})


@pytest.mark.parametrize("page", ["README.md", "quick-start.md"])
def test_the_command_for_a_provider_s_model_finds_its_answer(page: str, tmp_path: Path) -> None:
    shown = re.findall(
        r"^\$ mctsr (solve .*openai:gpt-5-mini.*)$", PAGES[page].read_text("utf-8"), re.M
    )
    with Provider() as server:
        address = {"OPENAI_BASE_URL": f"{server.url}/v1", "OPENAI_API_KEY": "none"}
        done = subprocess.run(
            [sys.executable, "-m", "mctsr_graph", *shlex.split(shown[0])],
            cwd=tmp_path,
            env={**os.environ, **address, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^24, \d+ % likely", done.stdout, re.M)


async def test_the_service_of_the_page_answers(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "deployment.md").read_text("utf-8")
    [block] = [block for block in blocks("python").values() if "FastAPI()" in block]
    module = ModuleType("service")  # in which pydantic looks for the types
    sys.modules["service"], names = module, vars(module)
    try:
        exec(compile(block, "service", "exec"), names)
        transport = httpx.ASGITransport(app=names["app"])
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            health = await client.get("/health")
            solved = await client.post("/solve", json={"problem": "2 + 2?"})
            refused = await client.post("/solve", json={"problem": "", "effort": "high"})
            names["model"].replies = lambda call: ""
            failed = await client.post("/solve", json={"problem": "3 + 3?"})
    finally:
        del sys.modules["service"]
    assert health.text in page
    told = solved.json()
    assert [told[name] for name in ("final_answer", "stop_reason")] == ["4", "decided"]
    assert f'"confidence":{told["confidence"]:.2f}'[:-1] in page
    assert f'"calls":{told["calls"]}' in page
    assert (refused.status_code, failed.status_code) == (422, 503)


@pytest.mark.usefixtures("profiles")
def test_the_blocks_of_a_page_on_strategies_run_one_after_the_other() -> None:
    page = {place: block for place, block in blocks("python").items() if place not in ALONE}
    assert len(page) == 4
    [strategy] = [block for block in page.values() if "class " in block]
    assert len(strategy.splitlines()) < 40
    names: dict[str, Any] = {"__name__": "strategies"}
    for place, block in page.items():
        exec(compile(block, place, "exec"), names)


def test_a_block_that_needs_a_gpu_is_at_least_python() -> None:
    assert len(blocks("python")) >= 8
    for place, block in blocks("python no-run").items():
        compile(block, place, "exec")


def test_every_link_to_a_file_leads_to_one() -> None:
    for path in PAGES.values():
        for link in re.findall(r"\]\(([^)#:]+)\)", path.read_text("utf-8")):
            assert (path.parent / link).exists(), f"{path.name}: {link}"


def test_the_picture_is_the_graph() -> None:
    graph = create_mctsr(ScriptedChatModel(replies=[])).compile(name="mctsr")
    drawn = graph.get_graph().draw_mermaid(with_styles=False).strip()
    assert f"```mermaid\n{drawn}\n```" in README


def test_the_picture_of_the_graphs_is_theirs(tmp_path: Path) -> None:
    graph_pictures.main(tmp_path / "drawn.svg")
    drawn = (tmp_path / "drawn.svg").read_text("utf-8")
    assert drawn == graph_pictures.FILE.read_text("utf-8"), "make pictures draws it anew"
    assert drawn.count("<rect ") > 20


def shown(value: Any) -> str:
    return f"`{value:g}`" if isinstance(value, float) else f"`{json.dumps(value)}`"


def test_the_table_of_settings_is_the_code() -> None:
    rows = {
        cells[0].strip("` "): cells
        for line in SETTINGS.splitlines()
        if line.startswith("| `")
        and len(cells := [cell.strip() for cell in line.strip("|").split("|")]) == 7
    }
    assert list(rows) == list(MCTSrContext.model_fields)
    profiles = [MCTSrContext(profile=name) for name in ("paper", "official", "tuned")]
    for name, field in MCTSrContext.model_fields.items():
        _, *values, allowed, what, source = rows[name]
        assert values == [shown(getattr(profile, name)) for profile in profiles]
        assert allowed == allowed_values(name)
        assert what == field.description
        assert source


def test_every_command_of_the_readme_is_in_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.M))
    assert set(re.findall(r"make ([a-z-]+)", README.replace("pip and make, and", ""))) <= targets
