"""The colours of the pages can be read, and told apart by eyes of every kind."""

from __future__ import annotations

from itertools import combinations

import pytest

from mctsr_graph.viewers.html import grammar

from .colours import EYES, contrast, distance, linear, mixed, oklab, themes

THEMES = themes(grammar())
_GREEN, _RED = "#4f8a10", "#a0522d"


def test_contrast_and_distance_are_those_of_the_standards() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.005)  # WCAG's own example
    assert distance("#000000", "#ffffff", "deutan") == pytest.approx(1, abs=1e-3)
    # Olive green and sienna are told apart by most, and by few deutan eyes
    assert distance(_GREEN, _RED, "normal") > 0.15
    assert distance(_GREEN, _RED, "deutan") < 0.07
    assert mixed("#000000", "#ffffff", 0.5) == "#636363"  # lightness 0.5 in OKLab


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize(
    ("ink", "grounds"),
    [
        ("text", ["back", "pane", "soft"]),
        ("muted", ["back", "pane", "soft"]),
        ("accent", ["back", "pane", "soft"]),
        ("warn", ["pane", "warn-soft"]),
        ("new", ["pane", "new-soft"]),
        ("gone", ["pane", "gone-soft"]),
        ("pane", ["accent"]),  # a link that the pointer is on
        ("ink-light", ["class-0", "class-2", "class-4", "class-rest"]),
        ("ink-dark", ["class-1", "class-3", "class-5"]),
    ],
)
def test_text_has_a_contrast_of_four_and_a_half(theme: str, ink: str, grounds: list[str]) -> None:
    colours = THEMES[theme]
    for ground in grounds:
        assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)


@pytest.mark.parametrize("theme", THEMES)
def test_the_borders_of_controls_have_a_contrast_of_three(theme: str) -> None:
    colours = THEMES[theme]
    assert contrast(colours["edge"], colours["pane"]) >= 3
    assert contrast(colours["accent"], colours["pane"]) >= 3


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("eyes", EYES)
def test_the_scale_is_told_apart_by_every_eye_and_gets_steadily_darker(
    theme: str, eyes: str
) -> None:
    low, mid, high = (THEMES[theme][name] for name in ("low", "mid", "high"))
    stops = [low, mixed(low, mid, 0.5), mid, mixed(mid, high, 0.5), high]  # -100, -50, 0, 50, 100
    for first, second in combinations(stops, 2):
        assert distance(first, second, eyes) >= 0.07, (first, second)
    assert distance(low, high, eyes) > 0.35
    lightness = [oklab(linear(stop))[0] for stop in stops]
    assert lightness == sorted(lightness, reverse=theme != "dark")


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("eyes", EYES)
def test_classes_of_answers_are_told_apart_by_every_eye(theme: str, eyes: str) -> None:
    classes = [THEMES[theme][f"class-{number}"] for number in range(6)]
    for first, second in combinations(classes, 2):
        assert distance(first, second, eyes) >= 0.15, (first, second)


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("eyes", EYES)
def test_what_is_new_and_what_is_gone_are_told_apart_by_every_eye(theme: str, eyes: str) -> None:
    assert distance(THEMES[theme]["new"], THEMES[theme]["gone"], eyes) >= 0.1
