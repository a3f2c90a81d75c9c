"""The measure of growth tells a pass over a text from one over all pairs of its characters."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from .growth import MOST, growth


def loop(text: str) -> int:
    return sum(ord(character) for character in text)


def loop_in_a_loop(text: str) -> int:
    return sum(character == other for character in text for other in text)


def copy_for_each_character(text: str) -> str:
    rest = text
    while rest:
        rest = rest[1:]
    return rest


def both(text: str) -> int:
    """Several times as dear by the pairs as by the characters."""
    return loop(text * 500) + loop_in_a_loop(text)


LINEAR: dict[str, tuple[Callable[[str], Any], int]] = {
    "a loop": (loop, 2_000_000),
    "sorting": (sorted, 4_000_000),
    "an expression": (re.compile("a+b").findall, 4_000_000),
}
QUADRATIC: dict[str, tuple[Callable[[str], Any], int]] = {
    "a loop in a loop": (loop_in_a_loop, 2_000),
    "a copy for each character": (copy_for_each_character, 100_000),
    "an expression that backtracks": (re.compile("a+b").search, 10_000),
    "a loop, and one in a loop": (both, 2_000),
}


@pytest.mark.parametrize("name", LINEAR)
def test_what_reads_each_character_once_passes(name: str) -> None:
    function, size = LINEAR[name]
    text = "ab" * (size // 2)
    assert 0 < growth(function, text) <= MOST


@pytest.mark.parametrize("name", QUADRATIC)
def test_what_looks_at_each_pair_of_characters_fails(name: str) -> None:
    function, size = QUADRATIC[name]
    # Each run of a quarter may be made dearer by other work, which would hide a growth
    assert growth(function, "a" * size, least=8) > MOST


def test_what_costs_next_to_nothing_is_not_compared() -> None:
    assert growth(len, "a" * 1_000_000) == 0
    assert growth(loop_in_a_loop, "") == 0
