"""The program that draws the pictures of README and docs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.pictures import PICTURES, demo, pages, photograph, pupil
from mctsr_graph import ScriptedChatModel

ROOT = Path(__file__).parent.parent
SIZE = slice(16, 24)  # of a PNG file: its width and its height


def test_every_picture_that_is_shown_is_drawn() -> None:
    files = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    shown = {
        name for file in files for name in re.findall(r"images/(\w+)\.png", file.read_text("utf-8"))
    }
    assert shown == {picture.name for picture in PICTURES}


@pytest.mark.filterwarnings("ignore:equal requests")
def test_pictures_are_drawn_of_any_model(browser: object, tmp_path: Path) -> None:
    drawn = pages(ScriptedChatModel(replies=pupil), rollouts=70)
    assert set(drawn) == {picture.page for picture in PICTURES}
    some = tuple(one._replace(page="tuned") for one in PICTURES[:1])
    photograph(browser, drawn, tmp_path, some)
    data = (tmp_path / "search.png").read_bytes()[SIZE]
    assert (int.from_bytes(data[:4], "big"), int.from_bytes(data[4:], "big")) == (1360, 850)


def test_the_demo_is_what_the_readme_says_of_it() -> None:
    """416 / 8 is 52; the first draft says something else."""
    solution = demo()
    assert solution.final_answer == "52"
    assert solution.tree["0"]["final_answer"] not in (None, "52")
    assert solution.confidence is not None
    assert solution.confidence > 0.5
    makefile, readme = ((ROOT / name).read_text("utf-8") for name in ("Makefile", "README.md"))
    command = re.search(r"^\t\$\(BIN\)/(mctsr solve .*--html demo\.html)$", makefile, re.M)
    assert command is not None
    given = dict(re.findall(r"^(PROBLEM|SEED) := (.*)$", makefile, re.M))
    said = command[1].replace("$(PROBLEM)", given["PROBLEM"]).replace("$(SEED)", given["SEED"])
    assert said in " ".join(readme.split())
