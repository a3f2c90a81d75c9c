"""The pictures of README and docs, drawn from searches that it makes itself.

    python -m benchmarks.pictures --model huggingface:Qwen/Qwen2.5-7B-Instruct

Needs Chromium. `make pictures` runs it with $MCTSR_MODEL, else with a scripted model of its own.
The first picture is the page of `make demo`, whatever the model.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from mctsr_graph import MCTSrContext, ScriptedChatModel, Solution, solve
from mctsr_graph.models.scripted import ScriptedCall
from mctsr_graph.viewers.html import render_html, render_pair

ROOT = Path(__file__).parent.parent
OUT = ROOT / "docs" / "images"
PROBLEM = (
    "A baker makes 12 trays of 8 muffins and sells 70 of them; a quarter of what is left is "
    "given away. How many muffins remain? Let $n = 12 \\cdot 8$."
)


SEED = 16
KEPT = {0.25: "a quarter", 0.75: "three quarters", 1.25: "five quarters"}


class Picture(NamedTuple):
    """A picture to be taken."""

    name: str
    page: str
    """Which page: "demo", "tuned", "paper", "large" or "pair"."""
    width: int = 1360
    height: int = 850
    click: str = ""
    """What to click first."""
    scheme: str = "light"


PICTURES = (
    Picture("search", "demo"),
    Picture("steps", "paper", height=980, scheme="dark"),
    Picture("overview", "large", height=760),
    Picture("pair", "pair", height=900),
    Picture("phone", "tuned", width=390, height=844),
)


def pupil(call: ScriptedCall) -> str:
    """What a pupil might reply who is right about half of the time."""
    luck = random.Random(f"{SEED} {call.role} {call.rollout} {call.sample}")
    if call.role == "critique":
        return luck.choice(
            [
                "Step 2 subtracts 70 from 98, but $12 \\cdot 8 = 96$. Compute the product again.",
                "A quarter is given away, so three quarters remain: step 3 keeps the quarter.",
                "The steps are right, but step 3 does not say how many muffins the quarter is.",
            ]
        )
    product, keeps = luck.choice([(96, 0.75), (96, 0.75), (96, 0.25), (98, 0.75), (96, 1.25)])
    rest = product - 70
    answer = f"{rest * keeps:g}"
    if call.role == "evaluate":
        said = str(call.messages[-2].text) if len(call.messages) > 1 else ""
        is_right = "\\boxed{19.5}" in said
        score = luck.randrange(45, 92) if is_right else luck.randrange(-70, 35)
        return f"The product is {'right' if is_right else 'not checked'}.\nScore: {score}"
    begin = luck.choice(["All muffins", "He makes", "There are"])
    sold = luck.choice(["After the sale", "When 70 are sold", "Then"])
    return (
        f"Step 1. {begin}: \\[12 \\cdot 8 = {product}.\\]\n"
        f"Step 2. {sold} ${product} - 70 = {rest}$ are left.\n"
        f"Step 3. Of these {KEPT[keeps]} remain{luck.choice(['', ', it follows'])}: "
        f"${keeps:g} \\cdot {rest} = {answer}$.\n"
        f"The final answer is \\boxed{{{answer}}}."
    )


def demo() -> Solution:
    """The search that `make demo` makes."""
    makefile = (ROOT / "Makefile").read_text("utf-8")
    given = dict(re.findall(r"^(PROBLEM|SEED) := (.*)$", makefile, re.M))
    return solve(given["PROBLEM"], "embedded", context=MCTSrContext(seed=int(given["SEED"])))


def pages(model: Any, rollouts: int) -> dict[str, str]:
    """The pages that are photographed, by name."""

    def found(**settings: Any) -> Solution:
        return solve(PROBLEM, model, context=MCTSrContext(**settings))

    tuned = asdict(found(profile="tuned"))
    paper = asdict(found(profile="paper", max_rollouts=8))
    large = asdict(found(profile="paper", max_rollouts=rollouts))
    return {
        "demo": render_html(asdict(demo())),
        "tuned": render_html(tuned),
        "paper": render_html(paper),
        "large": render_html(large),
        "pair": render_pair([tuned, paper], ["tuned", "paper"]),
    }


def photograph(
    browser: Any, drawn: dict[str, str], out: Path, pictures: tuple[Picture, ...] = PICTURES
) -> None:
    """Write each picture as a PNG file into a folder, by a browser of Playwright."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in drawn.items():
            Path(folder, f"{name}.html").write_text(text, encoding="utf-8")
        for picture in pictures:
            page = browser.new_page(
                viewport={"width": picture.width, "height": picture.height},
                color_scheme=picture.scheme,
            )
            page.goto(Path(folder, f"{picture.page}.html").as_uri())
            page.wait_for_selector("html[data-ready]", state="attached")
            if picture.click:
                page.click(picture.click)
            page.wait_for_timeout(500)  # formulas
            page.screenshot(path=out / f"{picture.name}.png")
            page.close()


def main(arguments: list[str] | None = None) -> None:
    """Draw all pictures anew."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--model",
        default=os.environ.get("MCTSR_MODEL") or None,
        help="embedded, huggingface:ID, provider:name. By default $MCTSR_MODEL, else scripted.",
    )
    parser.add_argument("--rollouts", type=int, default=150, help="Of the large search.")
    parser.add_argument("--out", type=Path, default=OUT, help="The folder for the pictures.")
    given = parser.parse_args(arguments)
    given.out.mkdir(parents=True, exist_ok=True)
    model = given.model or ScriptedChatModel(replies=pupil)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        sys.exit("no Chromium is installed: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        photograph(browser, pages(model, given.rollouts), given.out)
        browser.close()
    print("\n".join(str(given.out / f"{picture.name}.png") for picture in PICTURES))


if __name__ == "__main__":
    main()
