"""The report's tables that say what was found: comparisons, judge, confidence, samples."""

from __future__ import annotations

from collections.abc import Sequence

from mctsr_graph.benchmark.across import AcrossRuns
from mctsr_graph.benchmark.comparisons import Comparison
from mctsr_graph.benchmark.metrics import PassAt, RunMetrics
from mctsr_graph.benchmark.outcomes import Key

from . import words
from .table import Table, names

_COMPARED = ("problems", "difference", "only this", "only that", "p", "p (Holm)", "would show")


def _compared(one: Comparison) -> tuple[str, ...]:
    return (
        words.count(one.problems),
        words.points(one.difference),
        str(one.only_first),
        str(one.only_second),
        words.p_value(one.p),
        words.p_value(one.holm),
        f"{100 * one.shows:.0f}",
        "no difference shown" if one.finding == "not shown" else one.finding,
    )


def comparisons_table(run: RunMetrics) -> Table:
    """Methods against each other."""
    test = "the exact McNemar test" if run.seeds == 1 else "a sign test of problems"
    return Table(
        "comparisons",
        "Comparisons on the same problems",
        "Difference of the selected accuracies in points, with a 95 % interval: the wider of a "
        "paired bootstrap of whole problems and of a score interval. Then the counts of problems "
        f"on which only one of the two did better, {test}, and its p after Holm's "
        "correction for all rows. Problems are those on which it is known what both sides spent "
        "(times seeds); metrics.json names the others. Nothing is called better unless the "
        "interval leaves 0 out and the corrected p is below 0.05. With as many problems, and as "
        'many on which the two differ, a difference of "would show" points would be seen four '
        "times out of five (p below 0.05, uncorrected).",
        ("this", "against", *_COMPARED, "finding"),
        [
            (words.full_name(one.first), words.full_name(one.second), *_compared(one))
            for one in run.comparisons
        ],
    )


def across_table(found: Sequence[AcrossRuns]) -> Table:
    """The comparison of runs."""
    return Table(
        "across",
        "Runs on the same problems",
        "Each run against the first, by method at the largest budget they share; as the "
        "comparisons of one run, with one correction for all rows.",
        ("run", "against", "method", *_COMPARED, "finding"),
        [
            (one.this, one.that, words.full_name(one.comparison.first), *_compared(one.comparison))
            for one in found
        ],
    )


def calibration_table(run: RunMetrics) -> Table:
    """Confidence against the truth."""
    return Table(
        "calibration",
        "How sure, and how often right",
        "Confidence is the chance that a search gave its answer; it never saw the truth. The "
        "calibration error is the mean distance of confidence and share right over ten bins; the "
        "Brier score the mean squared distance from what came true (0 is best, a coin has 0.25).",
        ("rollouts", "method", "budget", "answers", "confidence", "right", "error", "Brier score"),
        [
            (
                *names(key),
                words.count(one.problems),
                f"{100 * one.confidence:.1f}",
                words.percent(one.right),
                f"{one.error:.3f}",
                f"{one.brier:.3f}",
            )
            for key, one in run.calibrations.items()
        ],
    )


def judge_table(run: RunMetrics) -> Table:
    """Rewards against the truth."""
    return Table(
        "judge",
        "What the judge knows",
        "Rewards against the truth, which the search never sees; 0.5 is a judge that knows "
        "nothing. AUC pools all problems. Pairwise accuracy compares answers to the same problem, "
        "which is what a search needs.",
        ("rollouts", "method", "budget", "AUC", "pairwise accuracy", "pairs", "answers"),
        [
            (
                *names(key),
                words.share(judge.auc),
                words.share(judge.pairwise),
                words.count(judge.pairs),
                words.count(judge.answers),
            )
            for key, judge in run.judges.items()
        ],
    )


def samples_table(run: RunMetrics) -> Table:
    """pass@k."""
    numbers = sorted({k for found in run.pass_at_k.values() for k in found})
    return Table(
        "samples",
        "pass@k of independent samples (oracle upper bound)",
        "Percent chance that at least one of k samples is right, unbiased. At k = 1 it is the "
        "accuracy of a single sample, averaged over all of them. Problems with fewer samples than "
        'k cannot tell it: "of" counts those that can.',
        ("method", *(f"k = {k}" for k in numbers)),
        [
            (
                words.method_name(Key(name, "own", 0, None)),
                *(_pass_at(found.get(k)) for k in numbers),
            )
            for name, found in run.pass_at_k.items()
        ],
    )


def _pass_at(found: PassAt | None) -> str:
    return words.NONE if found is None else f"{words.percent(found.chance)} of {found.problems}"
