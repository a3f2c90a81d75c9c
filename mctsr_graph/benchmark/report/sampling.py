"""The plots of confidence and of independent samples."""

from __future__ import annotations

import math

from matplotlib.ticker import FuncFormatter

from mctsr_graph.benchmark.metrics import RunMetrics
from mctsr_graph.benchmark.statistics import wilson

from . import words
from .drawing import (
    FAINT,
    Label,
    Panel,
    Percents,
    Plot,
    curve,
    errors,
    name_lines,
    panels,
    percent_axis,
)
from .looks import looks_of, name_of


def reliability(run: RunMetrics, narrow: bool) -> Plot | None:
    """Confidence against the share that was right; None where no search told any."""
    found = list(run.calibrations.items())
    if not found:
        return None
    looks = looks_of(run)
    figure, axes = panels(max(4.6, 3.6 * len(found)), 3.9, len(found), narrow=narrow, sharey=True)
    for one, (key, measured) in zip(axes, found, strict=True):
        look = looks[key.method]
        one.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle=(0, (1, 2)), zorder=1)
        shares = [wilson(round(bin.right * bin.count), bin.count) for bin in measured.bins]
        for bin, share in zip(measured.bins, shares, strict=True):
            one.errorbar(
                [bin.chance],
                [share.value],
                yerr=errors([share]),
                color=look.colour,
                marker=look.marker,
                markersize=min(5 + math.sqrt(bin.count), 16),
                elinewidth=1.2,
            )
        for bin, share in zip(measured.bins, shares, strict=True):
            one.annotate(
                words.count(bin.count),
                (bin.chance, share.value),
                xytext=(8, 5),
                textcoords="offset points",
                fontsize=8.5,
                color=FAINT,
            )
        one.set_title(name_of(key.method))
        one.set_xlabel(f"confidence (error {measured.error:.2f}, Brier {measured.brier:.2f})")
        one.set_xlim(-0.02, 1.02)
        one.set_ylim(-0.02, 1.02)
        one.xaxis.set_major_formatter(Percents())
        one.yaxis.set_major_formatter(Percents())
    axes[0].set_ylabel("share of the answers that were right")
    note = (
        "Answers by how sure the search was, which never saw the truth: on the dotted line it is "
        "right as often as it believes. Numbers are answers in a bin; bars are 95 % intervals."
    )
    return Plot("reliability", "How sure, and how often right", note, figure, narrow)


def by_samples(run: RunMetrics, narrow: bool) -> Plot | None:
    """pass@k against k; None where no method draws more than one sample."""
    drawn = {name: found for name, found in run.pass_at_k.items() if len(found) > 1}
    if not drawn:
        return None
    looks = looks_of(run)
    figure, (axes,) = panels(7.6, 4.2, 1, narrow=narrow)
    panel, ends = Panel(axes), []
    for name, found in drawn.items():
        values = [one.chance for one in found.values()]
        curve(axes, list(found), values, looks[name], main=False)
        look = looks[name]
        label = Label(max(found), values[-1].value, name_of(name), look.colour, marker=look.marker)
        panel.labels.append(label)
        ends += [end for value in values for end in (value.low, value.high)]
    axes.set_xscale("log", base=2)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda number, _: words.count(number)))
    percent_axis(axes, ends)
    axes.set_xlabel("k, independent samples (logarithmic)")
    axes.set_ylabel("pass@k, an oracle upper bound")
    name_lines([panel], narrow)
    note = (
        "Chance that one of k independent samples is right, which only the truth can tell. Bars "
        "are 95 % intervals. Problems with fewer samples than k are left out."
    )
    return Plot("samples", "pass@k", note, figure, narrow)
