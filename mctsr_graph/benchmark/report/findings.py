"""The report's tables that say what was found: comparisons, judge, confidence, samples."""

from __future__ import annotations

from collections.abc import Sequence

from mctsr_graph.benchmark.across import AcrossRuns
from mctsr_graph.benchmark.comparisons import Comparison
from mctsr_graph.benchmark.metrics import PassAt, RunMetrics
from mctsr_graph.benchmark.outcomes import Key

from . import words
from .conclusions import across_sure, how_sure
from .table import Table, names

_COMPARED = ("problems", "difference", "only this", "only that", "p", "would show")


def _compared(one: Comparison) -> tuple[str, ...]:
    return (
        words.count(one.problems),
        words.points(one.difference),
        str(one.only_first),
        str(one.only_second),
        words.p_value(one.corrected),
        f"{100 * one.shows:.0f}",
        "no difference shown" if one.finding == "not shown" else one.finding,
    )


def comparisons_table(run: RunMetrics) -> Table:
    """Methods against each other."""
    test = "the exact McNemar test" if run.seeds == 1 else "a sign test of problems"
    return Table(
        "comparisons",
        "Comparisons on the same problems",
        f"{how_sure(run)} Difference of the selected accuracies in points, with an interval: the "
        "widest of a paired bootstrap of whole problems, of a score interval, and of what "
        f"{test} does not refuse. Then the counts of problems on which only one of the two did "
        "better, and p, the smallest chance of error at which the interval leaves 0 out. Interval, "
        "p and finding of the primary comparisons, one a search, are corrected together "
        "(Bonferroni); exploratory ones are not corrected, and prove nothing. Problems are "
        "those on which it is known what both sides spent (times seeds); metrics.json names the "
        'others. A difference of "would show" points would be seen four times out of five, on as '
        "many problems of which as many differ.",
        ("this", "against", *_COMPARED, "finding"),
        [
            (words.full_name(one.first), words.full_name(one.second), *_compared(one))
            for one in run.comparisons
        ],
    )


def across_table(found: Sequence[AcrossRuns]) -> Table:
    """Runs against the first of them, method by method."""
    return Table(
        "across",
        "Comparisons on the problems that both runs have",
        f"{across_sure(found)} Difference of the selected accuracies in points; the columns are "
        "those of a report.",
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


def redrafting_table(run: RunMetrics) -> Table:
    """Refinements beside fresh drafts."""
    return Table(
        "redrafting",
        "Refining against drafting anew",
        "Percent of the refinements of wrong answers that are right, and of independent drafts of "
        "the same problems, each problem as often as it has such refinements.",
        ("rollouts", "method", "budget", "refined", "of so many", "drafted anew", "of so many"),
        [
            (
                *names(key),
                words.percent(one.mended),
                words.count(one.refinements),
                words.percent(one.fresh),
                words.count(one.drafts),
            )
            for key, one in run.refining.items()
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
        'k cannot tell it: "of" counts those that can, and those of which none could be had.',
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
