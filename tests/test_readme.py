"""What the README says is true: its Python runs, its picture and its table are the code's."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mctsr_graph import MCTSrContext, ScriptedChatModel, create_mctsr
from mctsr_graph.config import allowed_values

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.S)
NOT_RUN = re.findall(r"```python no-run\n(.*?)```", README, re.S)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_a_python_block_runs(block: str) -> None:
    exec(compile(block, "README.md", "exec"), {"__name__": "readme"})


def test_the_blocks_of_a_page_on_strategies_run_one_after_the_other() -> None:
    page = (ROOT / "docs" / "strategies.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.S)
    assert len(blocks) == 4
    names: dict[str, Any] = {"__name__": "strategies"}
    for block in blocks:
        exec(compile(block, "docs/strategies.md", "exec"), names)


def test_a_block_that_needs_a_gpu_is_at_least_python() -> None:
    assert len(BLOCKS) >= 3
    for block in NOT_RUN:
        compile(block, "README.md", "exec")


def test_the_picture_is_the_graph() -> None:
    graph = create_mctsr(ScriptedChatModel(replies=[])).compile(name="mctsr")
    drawn = graph.get_graph().draw_mermaid(with_styles=False).strip()
    assert f"```mermaid\n{drawn}\n```" in README


def shown(value: Any) -> str:
    return f"`{value:g}`" if isinstance(value, float) else f"`{json.dumps(value)}`"


def test_the_table_of_settings_is_the_code() -> None:
    rows = {
        cells[0].strip("` "): cells
        for line in README.splitlines()
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
