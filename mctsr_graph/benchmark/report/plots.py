"""The report's plots, as matplotlib figures: a run's metrics in, figures out."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib
import numpy
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from mctsr_graph.benchmark.judge import Judge
from mctsr_graph.benchmark.metrics import Metrics, RunMetrics, Spread
from mctsr_graph.benchmark.published import MODEL, Published, published_of
from mctsr_graph.benchmark.statistics import Interval
from mctsr_graph.text.reward_scale import HIGHEST, LOWEST, at

from . import words
from .drawing import (
    FAINT,
    STYLE,
    Label,
    Look,
    Panel,
    Percents,
    Plot,
    curve,
    name_lines,
    panels,
    percent_axis,
)
from .looks import BLUE, ORANGE, looks_of, name_of
from .rows import by_level, by_subject, differences, redrafting, refinement
from .sampling import by_samples, reliability

_NOTHING = Published("", 0, {})


def plots(run: RunMetrics, narrow: bool = False) -> list[Plot]:
    """Every plot of a run for which it has figures.

    Args:
        run: What was measured.
        narrow: Whether to draw them for a phone.
    """
    makers = (
        *(differences, _by_tokens, _by_rollouts, reliability, redrafting, refinement),
        *(by_level, by_subject, _rewards, by_samples),
    )
    with matplotlib.rc_context(STYLE):
        found = [make(run, narrow) for make in makers]
    return [plot for plot in found if plot is not None]


def _curves(run: RunMetrics) -> Iterator[tuple[str, list[Metrics]]]:
    """Metrics of each method by rollouts; of the baselines those at the calls of one search."""
    keys = [key for key in run.methods if key.budget != "tokens"]
    for method in dict.fromkeys(key.method for key in keys):
        first = next(key for key in keys if key.method == method)
        same = (method, first.budget, first.against)
        yield method, [run.methods[k] for k in keys if (k.method, k.budget, k.against) == same]


def _label(panel: Panel, x: float, y: float, method: str, look: Look, main: bool) -> None:
    weight = "bold" if main else "normal"
    panel.labels.append(Label(x, y, name_of(method), look.colour, weight, look.marker))


def _by_rollouts(run: RunMetrics, narrow: bool) -> Plot:
    published = published_of(run.settings) or _NOTHING
    counts = sorted({0, *(key.rollouts for key in run.methods), *published.accuracy})
    figure, (left, right) = panels(11.2, 4.4, 2, narrow=narrow, sharey=True)
    ours, bound = Panel(left), Panel(right)
    for panel, title in ((ours, "Accuracy of the answer returned"), (bound, "Oracle upper bound")):
        panel.axes.set_title(title)
        panel.axes.set_xticks(counts)
        panel.axes.set_xlim(-0.4, max(counts) + 0.4)
    left.set_xlabel("rollouts; baselines at as many calls")
    right.set_xlabel("rollouts")
    shares = [*published.accuracy.values(), *published.closed_models.values()]
    curves, looks = list(_curves(run)), looks_of(run)
    for place, (method, metrics) in enumerate(curves):
        shift = 0.08 * (place - (len(curves) - 1) / 2)  # so that error bars stay apart
        shares += _rollout_curve(ours, metrics, looks[method], shift, oracle=False)
        if metrics[0].key.searches:
            shares += _rollout_curve(bound, metrics, looks[method], shift, oracle=True)
    _published(ours, bound, published)
    percent_axis(left, shares)
    right.grid(axis="x", visible=False)
    name_lines([ours, bound], narrow)
    note = (
        "First the share of problems whose one returned answer is right, then the share with "
        "any right answer in the tree, which cannot be had without the truth. Bars are 95 % "
        "intervals."
    )
    if published.accuracy:
        note += (
            f" The published curve ({published.title}, {published.count:,} problems, {MODEL}) is "
            "an oracle figure from its first rollout on, so it stands with these."
        )
    if published.closed_models:
        note += " Dotted lines: other models as the paper quotes them, with one answer each."
    return Plot("rollouts", "Accuracy against rollouts", note, figure, narrow)


def _rollout_curve(
    panel: Panel, metrics: list[Metrics], look: Look, shift: float, *, oracle: bool
) -> list[float]:
    """Draw a method, and return the ends of its intervals."""
    key = metrics[0].key
    values = [one.oracle if oracle else one.selected for one in metrics]
    if key.budget == "own":  # its cost is fixed: a level to compare with
        panel.axes.axhline(values[0].value, color=look.colour, linewidth=1.1, alpha=0.5, zorder=2)
        places = [1 if key.method == "self-refine" else 0]
        end = panel.axes.get_xlim()[1]
    else:
        places = [one.key.rollouts for one in metrics]
        end = places[-1] + shift
    curve(panel.axes, [place + shift for place in places], values, look, main=key.searches)
    _label(panel, end, values[-1].value, key.method, look, key.searches)
    return _ends(values)


def _ends(values: list[Interval]) -> list[float]:
    return [end for value in values for end in (value.low, value.high)]


def _published(ours: Panel, bound: Panel, published: Published) -> None:
    for name, share in published.closed_models.items():
        ours.axes.axhline(share, color="#9AA5B1", linewidth=1, linestyle=(0, (1, 2)), zorder=1)
        ours.labels.append(Label(ours.axes.get_xlim()[1], share, f"{name} (quoted)", FAINT))
    if published.accuracy:
        counts, shares = list(published.accuracy), list(published.accuracy.values())
        bound.axes.plot(counts, shares, color=FAINT, marker="h", linestyle=(0, (1, 1)), zorder=2)
        name = "published (oracle)"
        bound.labels.append(Label(counts[-1], shares[-1], name, "#52606D", "bold"))


def _by_tokens(run: RunMetrics, narrow: bool) -> Plot | None:
    count = len({key.method for key in run.methods})
    figure, (axes,) = panels(9.2, 3.6 + 0.2 * count if narrow else 4.6, 1, narrow=narrow)
    panel, looks = Panel(axes), looks_of(run)
    shares: list[float] = []
    for method, lines in _at_tokens(run):
        look, main, end = looks[method], lines[0][0].key.searches, (0.0, 0.0)
        for line in lines:
            values = [one.selected for one in line]
            means = [0.0 if one.tokens is None else one.tokens.mean for one in line]
            curve(axes, means, values, look, main=main)
            shares += _ends(values)
            end = max(end, (means[-1], values[-1].value))
        _label(panel, *end, method, look, main)
    if not shares:
        return None
    axes.set_xscale("log")
    _token_axis(axes, narrow)
    percent_axis(axes, shares)
    axes.set_xlabel("tokens a problem, mean (logarithmic)")
    axes.set_ylabel("accuracy of the answer returned")
    name_lines([panel], narrow)
    note = (
        "What an accuracy costs, in input and output tokens. Methods without a search have a curve "
        "at the tokens that each search took on the same problems, where these are known: a search "
        "earns its tokens only where it lies above them. Bars are 95 % intervals."
    )
    return Plot("tokens", "Accuracy against tokens", note, figure, narrow)


def _at_tokens(run: RunMetrics) -> Iterator[tuple[str, list[list[Metrics]]]]:
    """Lines of each method, by tokens; of a baseline one for each search that it costs as much."""
    told = [one for one in run.methods.values() if one.tokens and one.tokens.mean > 0]
    for method in dict.fromkeys(one.key.method for one in told):
        own = [one for one in told if one.key.method == method]
        equal = [one for one in own if one.key.budget == "tokens"] or own
        kinds = dict.fromkeys((one.key.budget, one.key.against) for one in equal)
        lines = [
            [one for one in equal if (one.key.budget, one.key.against) == kind] for kind in kinds
        ]
        yield (
            method,
            [sorted(line, key=lambda one: one.tokens or Spread(0, 0, 0)) for line in lines],
        )


def _token_axis(axes: Axes, narrow: bool) -> None:
    low, high = axes.get_xlim()
    digits = (1,) if narrow and high > 30 * low else (1, 2, 5)
    steps = [digit * 10**power for power in range(9) for digit in digits]
    axes.set_xticks([step for step in steps if low <= step <= high])
    axes.set_xlim(low, high)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda number, _: words.count(number)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())


def _rewards(run: RunMetrics, narrow: bool) -> Plot | None:
    judges: dict[str, Judge] = {}
    for key, judge in run.judges.items():
        judges.setdefault(key.method, judge)  # at the calls of the first search
    judged = list(judges.items())
    if not judged:
        return None
    figure, axes = panels(max(4.8, 3.4 * len(judged)), 3.3, len(judged), narrow=narrow, sharey=True)
    for one, (method, judge) in zip(axes, judged, strict=True):
        one.set_title(name_of(method))
        _histogram(one, judge)
    axes[0].set_ylabel("share of the answers")
    note = (
        "Rewards that the model gave its own answers: those that the grader found right, and the "
        "others, each as a share of its kind. The farther apart, the more the judge knows."
    )
    return Plot("rewards", "Rewards of right and wrong answers", note, figure, narrow)


def _histogram(axes: Axes, judge: Judge) -> None:
    kinds = (("wrong", judge.wrong, ORANGE, (0, (4, 1.5))), ("right", judge.right, BLUE, "-"))
    for name, rewards, colour, line in kinds:
        inside = numpy.clip(rewards, LOWEST, HIGHEST)  # "official" keeps others
        counts, edges = numpy.histogram(inside, [at(share / 20) for share in range(21)])
        shares = counts / max(1, len(rewards))
        label = f"{name}: {words.count(len(rewards))}"
        axes.stairs(shares, edges, fill=True, color=colour, alpha=0.22)
        axes.stairs(shares, edges, color=colour, linewidth=1.8, linestyle=line, label=label)
    axes.set_xlabel("mean reward of an answer, points")
    axes.set_xlim(LOWEST, HIGHEST)
    axes.set_xticks([at(0.25), at(0.5), at(0.75)])
    axes.yaxis.set_major_formatter(Percents())
    axes.grid(axis="x", visible=False)
    axes.margins(y=0.4)  # room for the legend
    axes.set_yticks([share for share in axes.get_yticks() if 0 <= share <= 1])
    area = f"AUC {words.share(judge.auc)}"
    legend = axes.legend(loc="upper left", frameon=False, handlelength=1.6, title=area)
    legend.set_alignment("left")
