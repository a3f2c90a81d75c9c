"""The report's tables: what was run, how it ended, what it cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from mctsr_graph.benchmark.metrics import Group, Metrics, RunMetrics
from mctsr_graph.benchmark.outcomes import VERDICTS, Key
from mctsr_graph.benchmark.published import MATH_LEVELS, MODEL, SOURCE, Published, published_of
from mctsr_graph.benchmark.records import Environment
from mctsr_graph.benchmark.statistics import Interval

from . import words
from .findings import (
    calibration_table,
    comparisons_table,
    judge_table,
    redrafting_table,
    samples_table,
)
from .order import at_equal_tokens
from .table import Table, names


def tables(run: RunMetrics) -> list[Table]:
    """Every table of a run that has rows."""
    found = [
        _accuracy(run),
        comparisons_table(run),
        _missing(run),
        _endings(run),
        _cost(run),
        _refinement(run),
        redrafting_table(run),
        judge_table(run),
        calibration_table(run),
        samples_table(run),
        *_groups(run),
        *_published(run),
    ]
    return [table for table in found if table.rows]


def facts(run: RunMetrics) -> list[tuple[str, str]]:
    """What was run, for the head of a report."""
    settings = run.settings
    seeds = "one seed" if run.seeds == 1 else f"{run.seeds} seeds"
    given = ", ".join(f"{name}={value}" for name, value in settings["settings"].items())
    return [
        ("Data set", f"{settings['dataset']} ({settings['source']})"),
        ("Problems", f"{words.progress(run)}, {seeds}"),
        ("Model", f"{settings['model']} ({settings['label']})"),
        ("Sampling", "follows the seed" if settings["takes_seed"] else "takes no seed"),
        ("Settings", given or "as the profiles have them"),
        *((f"Method {name}", note) for name, note in run.notes),
        ("Run", f"{settings['run']}, {settings['started']}, mctsr_graph {settings['package']}"),
        *(("Graded by", golds) for golds in [settings.get("golds")] if golds),
        *(("Made with", _made_with(one)) for one in settings.get("environments", [])),
    ]


def _made_with(one: Environment) -> str:
    code = f"code {one['code']}"
    if one["commit"]:
        code += f" (commit {one['commit'][:12]}{', changed' if one['changed'] else ''})"
    packages = ", ".join(f"{name} {number}" for name, number in one["packages"].items())
    where = [one["address"], one["device"], one["dtype"], f"Python {one['python']}", one["system"]]
    return "; ".join([code, *(str(part) for part in where if part), packages])


def _by_budget(run: RunMetrics) -> list[Metrics]:
    """First what has a fixed cost, then all at 0 rollouts, all at 1, and so on."""
    ordered = sorted(run.methods, key=lambda key: (key.budget != "own", key.rollouts))
    return [run.methods[key] for key in ordered]


def _accuracy(run: RunMetrics) -> Table:
    return Table(
        "accuracy",
        "Accuracy",
        "Percent of all problems, with 95 % intervals. Selected is the one answer that the method "
        "returns, chosen without the truth: the headline. The oracle upper bound counts a problem "
        "as solved when any attempt is right; nobody who lacks the truth can reach it. Baselines "
        "stand beside the search that they cost as much as, in calls or in tokens; best-of-N "
        "takes the sample with the highest reward that the model gives itself. A problem on which "
        "some call told no tokens is left out of what is compared by tokens.",
        (
            "rollouts",
            "method",
            "budget",
            "selected",
            "majority",
            "majority by reward",
            "first answer",
            "oracle upper bound",
            "selection loss",
        ),
        [
            (
                *names(metrics.key),
                words.percent(metrics.selected),
                words.percent(metrics.majority),
                words.percent(metrics.weighted),
                words.percent(metrics.first),
                words.percent(metrics.oracle),
                words.percent(metrics.selection_loss),
            )
            for metrics in _by_budget(run)
        ],
    )


def _endings(run: RunMetrics) -> Table:
    return Table(
        "endings",
        "How problems ended",
        "All of these are in the denominator, and only right counts. Undecided: the grader could "
        "not tell. Failed: the method returned no answer at all. Cut off: a limit of tokens ended "
        "the selected answer (it has a verdict, too). Short of attempts: the budget had room for "
        "more than the run drew. Replies lost: calls that failed after all retries. Not measured: "
        "problems that are in no figure of this row, since it is not known what was spent.",
        (
            "rollouts",
            "method",
            "budget",
            "problems",
            *(name.replace("_", " ") for name in VERDICTS),
            "cut off",
            "short of attempts",
            "stopped early",
            "replies lost",
            "not measured",
        ),
        [
            (
                *names(metrics.key),
                *(
                    words.count(number)
                    for number in (
                        metrics.problems,
                        *metrics.verdicts.values(),
                        metrics.truncated,
                        metrics.capped,
                        metrics.stopped_early,
                        metrics.failures,
                        metrics.unmeasured,
                    )
                ),
            )
            for metrics in _by_budget(run)
        ],
    )


def _missing(run: RunMetrics) -> Table:
    rows = [("missing", one) for one in run.missing] + [("failed", one) for one in run.failed]
    reasons: dict[tuple[str, str], list[str]] = {}
    for state, one in rows:
        told = one.id if run.seeds == 1 else f"{one.id} (seed {one.seed})"
        reasons.setdefault((state, one.why), []).append(told)
    return Table(
        "missing",
        "Problems that are missing or failed, and why",
        "Missing ones are in no figure: the same command goes on with them. Failed ones are in "
        "every denominator as not right: the server refused them, or could not do them in three "
        "starts of the run; --retry-failed tries them again.",
        ("state", "why", "problems", "which"),
        [
            (state, why, words.count(len(ids)), ", ".join(ids[:20]) + ", ..." * (len(ids) > 20))
            for (state, why), ids in reasons.items()
        ],
    )


def _cost(run: RunMetrics) -> Table:
    return Table(
        "cost",
        "Cost of a problem",
        "Mean / median / 95th percentile. Tokens are input and output together, as the model "
        "reported them, of the problems on which it reported all of them. Seconds are known only "
        "of calls that were made and not replayed. Cached is of the input, thinking of the output. "
        "Money is in the currency of the prices, at those of the day of the run.",
        (
            "rollouts",
            "method",
            "budget",
            "calls",
            "tokens",
            "seconds",
            "cached",
            "thinking",
            "money",
            "tokens for a solved problem",
            "calls without a report",
            "problems with such calls",
        ),
        [
            (
                *names(metrics.key),
                words.spread(metrics.calls, 1),
                words.spread(metrics.tokens),
                words.spread(metrics.seconds, 1),
                words.share_of(metrics.cost["cached_tokens"], metrics.cost["input_tokens"]),
                words.share_of(metrics.cost["reasoning_tokens"], metrics.cost["output_tokens"]),
                words.money(metrics),
                words.count(metrics.tokens_per_solved),
                words.count(metrics.cost["unmetered_calls"]),
                words.count(metrics.untold),
            )
            for metrics in _by_budget(run)
        ],
    )


def _last(run: RunMetrics) -> list[Metrics]:
    return [run.methods[key] for key in run.at_most()]


def _refinement(run: RunMetrics) -> Table:
    return Table(
        "refinement",
        "What refinement does",
        "Percent of the refinements of wrong answers that are right (fix) and of right answers "
        "that are not (break), with 95 % intervals that allow for several in a tree.",
        ("rollouts", "method", "budget", "fix rate", "of so many", "break rate", "of so many"),
        [
            (
                *names(metrics.key),
                words.percent(metrics.fix),
                words.count(metrics.refined[0]),
                words.percent(metrics.breakage),
                words.count(metrics.refined[1]),
            )
            for metrics in _last(run)
            if any(metrics.refined)
        ],
    )


def _groups(run: RunMetrics) -> Iterator[Table]:
    keys = at_equal_tokens(run.at_most())
    for kind in ("level", "subject"):
        groups = [group for group in run.groups if group.kind == kind]
        yield _group_table(kind, "Selected accuracy", keys, [(g, g.selected) for g in groups])
        searches = [key for key in keys if key.searches]
        yield _group_table(kind, "Oracle upper bound", searches, [(g, g.oracle) for g in groups])


def _group_table(
    kind: str,
    title: str,
    keys: Sequence[Key],
    groups: Sequence[tuple[Group, Mapping[Key, Interval]]],
) -> Table:
    return Table(
        f"{kind}-{title.split()[0].lower()}",
        f"{title} by {kind}",
        "Percent of the problems of each row, with 95 % intervals, at the largest budget; what "
        "costs as much as a search at equal tokens, where these are known.",
        (kind, "problems", *(words.full_name(key) for key in keys)),
        [
            (
                group.name,
                words.count(group.problems),
                *(words.percent(shares.get(key)) for key in keys),
            )
            for group, shares in groups
            if keys
        ],
    )


def _published(run: RunMetrics) -> Iterator[Table]:
    own = published_of(run.settings)
    found = [] if own is None else [own]
    if run.settings["dataset"] in ("math", "math500") and found:
        found += MATH_LEVELS.values()
    yield Table(
        "published",
        "What the paper printed (oracle)",
        f"{SOURCE}, {MODEL}. From one rollout on these are shares of problems with any right node, "
        "found by code that stops once it has hit the truth: compare them with no accuracy, "
        "only with an oracle upper bound, and then of the same model.",
        ("set", "problems", "zero-shot CoT", "1 rollout", "4 rollouts", "8 rollouts", "others"),
        [_published_row(published) for published in found],
    )


def _published_row(published: Published) -> tuple[str, ...]:
    figures = (published.accuracy.get(rollouts) for rollouts in (0, 1, 4, 8))
    others = (f"{name} {100 * share:.1f}" for name, share in published.closed_models.items())
    return (
        published.title,
        words.count(published.count),
        *(words.NONE if figure is None else f"{100 * figure:.2f}" for figure in figures),
        ", ".join(others) or words.NONE,
    )
