"""The paper's figures hang together."""

from __future__ import annotations

from mctsr_graph.benchmark.published import MATH_LEVELS, PUBLISHED


def test_the_levels_of_math_add_up_to_the_whole() -> None:
    math = PUBLISHED["math"]
    assert sum(level.count for level in MATH_LEVELS.values()) == math.count
    for rollouts in (0, 8):
        solved = sum(level.count * level.accuracy[rollouts] for level in MATH_LEVELS.values())
        assert round(solved / math.count, 4) == round(math.accuracy[rollouts], 4)


def test_every_figure_is_a_number_of_problems() -> None:
    for published in (*PUBLISHED.values(), *MATH_LEVELS.values()):
        for share in published.accuracy.values():
            solved = share * published.count
            # Printed to a hundredth of a percent
            assert abs(solved - round(solved)) <= 0.00005 * published.count
