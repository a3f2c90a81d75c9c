"""What README and docs/ say is true: their Python runs, picture, table and links are the code's."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mctsr_graph import MCTSrContext, ScriptedChatModel, create_mctsr
from mctsr_graph.settings.context import allowed_values

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


@pytest.mark.parametrize("place", ALONE)
def test_a_python_block_runs(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(blocks("python")[place], place, "exec"), {"__name__": "readme"})


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
