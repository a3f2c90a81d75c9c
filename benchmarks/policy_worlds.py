"""The simulated worlds in which ways to search are compared, by family and name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from mctsr_graph.benchmark.simulation import World

SKILLS, AUCS = (0.2, 0.4, 0.6, 0.8, 0.9), (0.5, 0.6, 0.7, 0.8, 0.9)
QUICK_SKILLS, QUICK_AUCS = (0.2, 0.6, 0.9), (0.5, 0.7, 0.9)
ERRORS: dict[str, dict[str, Any]] = {
    "scattered": {"noise": 0.15, "wrong_ratio": 0.75},
    "correlated": {"noise": 0.15, "wrong_ratio": 0.4, "class_spread": 0.06},
    "noise 12": {"noise": 0.06, "wrong_ratio": 0.6, "class_spread": 0.03},
    "noise 45": {"noise": 0.225, "wrong_ratio": 0.6, "class_spread": 0.03},
}
"""Kinds of errors of the grid: how wrong answers cluster, and how a judge errs."""
OTHER_REFINING: dict[str, dict[str, Any]] = {
    "weak refining": {"wrong_ratio": 0.6, "mends": 0.3, "keeps": 0.8, "sticks": 0.9},
    "strong refining": {"wrong_ratio": 0.6, "mends": 1.0, "keeps": 0.95, "sticks": 0.5},
}
"""Worlds in which refining is worse or better than what `belief` assumes; not in the grid."""
_TWO_HUMPS = (0.1, 0.125, 0.25, 0.25, 0.375, 0.4, 0.875, 0.875, 0.925, 0.95)
_USUAL: dict[str, Any] = {"concentration": 1.2, "wrong_ratio": 0.6, "class_spread": 0.06}
WIDENED: dict[str, dict[str, Any]] = {
    "easy or hard": {"concentration": 0.5},
    "one class": {"class_spread": 0.15},
    "one answer": {"answer_spread": 0.15},
    "two humps": {"scores": _TWO_HUMPS},
    "worse than chance": {"auc": 0.35},
    "a verifier": {"skill": 0.35, "auc": 0.9, "noise": 0.06, "class_spread": 0.02},
    "hardly mends": {"mends": 0.05, "sticks": 0.85},
    "mends well": {"mends": 1.7, "keeps": 0.96, "sticks": 0.4},
    "wears off": {"mends": 1.0, "mends_again": 0.5},
    "anchored": {"mends": 0.3, "sticks": 0.97},
    "shared trap": {"skill": 0.45, "traps": 0.6, "trap_share": 0.8},
    "trap that is liked": {"skill": 0.45, "traps": 0.6, "trap_share": 0.8, "trap_liked": 0.1},
    "no final answer": {"unstated": 0.25},
    "all of it": {
        "concentration": 0.8,
        "class_spread": 0.1,
        "answer_spread": 0.1,
        "scores": _TWO_HUMPS,
        "mends": 0.4,
        "mends_again": 0.7,
        "sticks": 0.85,
        "traps": 0.3,
        "unstated": 0.05,
    },
}
"""What the grid leaves out, each by itself, and all of it together."""
FITTED = Path(__file__).parent / "results" / "fitted-worlds.json"
"""Worlds that `benchmarks.graded_trees` has fitted to graded logs."""


class Cell(NamedTuple):
    """A world, and where it stands among the others."""

    family: str
    """"grid", "widened" or "fitted"."""
    name: str
    world: World


def grid(errors: list[str], *, quick: bool) -> Iterator[Cell]:
    """Skill times AUC times kind of errors.

    Raises:
        KeyError: of a kind that is none of ERRORS and OTHER_REFINING.
    """
    skills, aucs = (QUICK_SKILLS, QUICK_AUCS) if quick else (SKILLS, AUCS)
    for skill in skills:
        for auc in aucs:
            for error in errors:
                fields = {**ERRORS, **OTHER_REFINING}[error]
                world = World(skill=skill, auc=auc, **fields)
                yield Cell("grid", f"skill {skill}, AUC {auc}, {error}", world)


def widened() -> Iterator[Cell]:
    """Each of WIDENED, with problems of its own."""
    for seed, (name, fields) in enumerate(WIDENED.items(), 1):
        yield Cell("widened", name, World(**{**_USUAL, **fields, "seed": seed}))


def fitted(file: Path = FITTED) -> Iterator[Cell]:
    """The worlds of a file: a JSON object, the fields of `World` by name.

    Raises:
        ValueError: it holds something else.
    """
    for name, fields in json.loads(file.read_text("utf-8")).items():
        try:
            yield Cell("fitted", name, World(**fields))
        except TypeError as error:
            raise ValueError(f"{str(file)!r}, world {name!r}: {error}") from None
