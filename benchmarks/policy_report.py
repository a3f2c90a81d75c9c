"""What the cells of `benchmarks.policies` say, in figures. All is simulated."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.policy_peers import BUDGETS, Outcome
from benchmarks.policy_worlds import Cell

TARGETS = ("self-consistency", "best-of-n", "paper")
"""What "tuned" is held against."""
OURS = ("tuned", "tuned, learning", "tuned, having learnt")


def report(cell: Cell, outcomes: Mapping[str, list[list[Outcome]]]) -> dict[str, Any]:
    """Accuracy and calls of each policy in a cell, and tuned against the others, in points."""
    ours = [name for name in OURS if name in outcomes]
    rows = []
    for k, budget in enumerate(BUDGETS):
        row: dict[str, Any] = {"budget": budget, "accuracy": {}, "calls": {}, "tuned_minus": {}}
        for name, results in outcomes.items():
            right = [outcome[k].right for outcome in results]
            row["accuracy"][name] = round(100 * sum(right) / len(right), 2)
            row["calls"][name] = round(sum(o[k].calls for o in results) / len(results), 2)
        for tuned in ours:
            mine = [o[k].right for o in outcomes[tuned]]
            row["tuned_minus"][tuned] = {
                name: paired(mine, [o[k].right for o in results])
                for name, results in outcomes.items()
                if name != tuned
            }
        rows.append(row)
    return {
        "family": cell.family,
        "world": cell.name,
        "auc": cell.world.auc,
        "problems": len(outcomes[ours[0]]) if ours else 0,
        "rows": rows,
        "confidence": {name: _tenths(outcomes[name]) for name in ours},
    }


def _tenths(results: Sequence[Sequence[Outcome]]) -> list[list[float]]:
    """By tenths of confidence: sum of confidences, how many were right, how many."""
    tenths = [[0.0, 0.0, 0.0] for _ in range(10)]
    for outcome in (one for result in results for one in result):
        if outcome.confidence is not None:
            tenth = tenths[min(9, int(10 * outcome.confidence))]
            for i, value in enumerate((outcome.confidence, outcome.right, 1)):
                tenth[i] += value
    return [[round(value, 3) for value in tenth] for tenth in tenths]


def paired(ours: Sequence[bool], theirs: Sequence[bool]) -> list[float]:
    """Mean difference in points and its 95 % interval, over the same problems."""
    differences = [a - b for a, b in zip(ours, theirs, strict=True)]
    count = len(differences)
    mean = sum(differences) / count
    variance = sum((one - mean) ** 2 for one in differences) / max(1, count - 1)
    half = 1.96 * math.sqrt(variance / count)
    return [round(100 * value, 2) for value in (mean, mean - half, mean + half)]


def summary(cells: Sequence[Mapping[str, Any]], tuned: str) -> dict[str, Any]:
    """Whether the targets are met: against self-consistency, best-of-N and the paper."""
    worst: tuple[float, str] = (100.0, "")
    above = below = count = 0
    below_vote, vote_worst = 0, worst
    noise_worst, fewer = 100.0, []
    for cell in cells:
        for row in cell["rows"]:
            versus = row["tuned_minus"][tuned]
            best = max(TARGETS, key=lambda name: row["accuracy"][name])
            mean, _, high = versus[best]
            place = f"{place_of(cell)}, {row['budget']} calls"
            worst = min(worst, (mean, f"{place}, against {best}"))
            above += all(versus[name][1] > 0 for name in TARGETS)
            below += high < -3
            count += 1
            fewer.append(row["calls"][tuned] / row["budget"])
            consistent = versus["self-consistency"]
            vote_worst = min(vote_worst, (consistent[0], place))
            below_vote += consistent[2] < 0
            if cell["auc"] == 0.5:
                noise_worst = min(noise_worst, consistent[0])
    return {
        "policy": tuned,
        "cells": count,
        "worst_points_below_best": worst,
        "share_significantly_above_all_three": round(above / count, 3),
        "cells_significantly_more_than_3_below": below,
        "worst_against_self_consistency": vote_worst,
        "cells_significantly_below_self_consistency": below_vote,
        "worst_against_self_consistency_at_auc_0.5": noise_worst,
        "mean_share_of_the_calls": round(sum(fewer) / len(fewer), 3),
    }


def calibration(cells: Sequence[Mapping[str, Any]], tuned: str) -> dict[str, Any]:
    """Confidence against how often it was right, in tenths."""
    tenths = [[0.0, 0.0, 0.0] for _ in range(10)]
    for cell in cells:
        for total, one in zip(tenths, cell["confidence"][tuned], strict=True):
            total[:] = [a + b for a, b in zip(total, one, strict=True)]
    count = sum(one[2] for one in tenths)
    error = sum(abs(said - was) for said, was, _ in tenths) / count
    rows = [[round(s / n, 3), round(w / n, 3), int(n)] for s, w, n in tenths if n]
    return {"policy": tuned, "expected_calibration_error": round(error, 3), "said_was_count": rows}


def mean_accuracy(cells: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Accuracy and calls of each policy at each budget, averaged over the cells."""

    def mean(what: str, name: str) -> list[float]:
        return [
            round(sum(cell["rows"][k][what][name] for cell in cells) / len(cells), 2)
            for k in range(len(BUDGETS))
        ]

    names = cells[0]["rows"][0]["accuracy"]
    return {
        "mean_over_cells_at_calls": BUDGETS,
        "accuracy": {name: mean("accuracy", name) for name in names},
        "calls": {name: mean("calls", name) for name in names},
    }


def show(cells: Sequence[Mapping[str, Any]]) -> None:
    """Print what the cells of each family say together."""
    for family in dict.fromkeys(cell.get("family", "grid") for cell in cells):
        own = [cell for cell in cells if cell.get("family", "grid") == family]
        for tuned in own[0]["confidence"]:
            print(json.dumps({"family": family, **summary(own, tuned)}))
            print(json.dumps({"family": family, **calibration(own, tuned)}))
        print(json.dumps({"family": family, "cells": len(own), **mean_accuracy(own)}))


def place_of(cell: Mapping[str, Any]) -> str:
    """A cell in words."""
    if "world" in cell:
        return str(cell["world"])
    return f"skill {cell['skill']}, AUC {cell['auc']}, {cell['error']}"
