"""What was published about MCTSr, to be shown beside own figures and never compared with them.

Source: arXiv 2406.07394 ("Accessing GPT-4 level Mathematical Olympiad Solutions via Monte Carlo
Tree Self-refine with LLaMa-3 8B"). Its model is Llama-3-8B-Instruct.

The figures after one rollout and more count a problem as solved when any node is right, and the
published code stops as soon as the true answer was hit: an oracle upper bound, not an accuracy.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .records import RunSettings

SOURCE = "arXiv 2406.07394"
MODEL = "Llama-3-8B-Instruct"


@dataclass(frozen=True)
class Published:
    """The paper's figures for one data set; shares in [0, 1]."""

    title: str
    """The set as the paper calls it."""
    count: int
    """Problems in it."""
    accuracy: dict[int, float]
    """By rollouts; 0 is zero-shot chain of thought, 1 is one self-refine."""
    closed_models: dict[str, float] = field(default_factory=dict)
    """Accuracy of other models, which is no oracle figure."""


def _percent(*figures: float) -> dict[int, float]:
    return dict(zip((0, 1, 4, 8), (figure / 100 for figure in figures), strict=True))


def _closed(gemini: float, claude: float, gpt: float) -> dict[str, float]:
    figures = {"Gemini 1.5 Pro": gemini, "Claude 3 Opus": claude, "GPT-4 Turbo": gpt}
    return {name: figure / 100 for name, figure in figures.items()}


_MATH = Published("MATH", 5000, _percent(24.36, 35.74, 47.14, 58.24), _closed(67.7, 60.1, 73.4))

PUBLISHED: dict[str, Published] = {
    "gsm8k": Published(
        "GSM8K", 1319, _percent(74.07, 86.96, 93.03, 96.66), _closed(94.4, 95.0, 97.1)
    ),
    "gsm_hard": Published("GSM-Hard", 1319, _percent(25.47, 33.36, 39.88, 45.49)),
    "math": _MATH,
    "math500": _MATH,
    "aime": Published("AIME 1983-2024", 933, _percent(2.36, 4.39, 7.50, 11.79)),
    "math_odyssey": Published(
        "Math Odyssey", 389, _percent(17.22, 30.33, 40.10, 49.36), _closed(45.0, 40.0, 49.1)
    ),
    "olympiadbench": Published("OlympiadBench", 1275, _percent(1.25, 3.06, 5.25, 7.76)),
}
"""By the name of the data set here. The subset math500 stands beside the paper's whole MATH."""


def published_of(settings: RunSettings) -> Published | None:
    """What the paper printed of a run's data set, which is no file that happens to be so called."""
    is_of_hub = " sha256:" not in settings["source"]
    return PUBLISHED.get(settings["dataset"]) if is_of_hub else None


MATH_LEVELS: dict[str, Published] = {
    str(level): Published(f"MATH level {level}", count, {0: first / 100, 8: last / 100})
    for level, count, first, last in (
        (1, 437, 57.21, 90.16),
        (2, 894, 40.60, 77.40),
        (3, 1131, 27.32, 63.57),
        (4, 1214, 16.64, 54.04),
        (5, 1324, 7.10, 34.06),
    )
}
"""MATH by level, "1" to "5"."""
