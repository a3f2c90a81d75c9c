"""Fit simulated worlds to logged trees of which every node is graded.

    python -m benchmarks.graded_trees FILE [--worlds WORLDS.json]

FILE holds one tree a line, a JSON object:

    set     name of the logs that the tree belongs to; each set becomes a world
    log     the problem; the same in another set is the same problem
    model   who answered (optional; else the set's name up to its last "-"): the first answers of
            one model to one problem are independent, whichever set they are in
    nodes   the answers in order of creation, each with
        parent   index of the answer that it refines, or null
        right    whether its final answer is right
        cls      number of its final answer's class in the tree, or null where it states none
        rewards  the points it got, in order; with `reread` (optional) in their place
        dummy    whether it only says that it does not know

Prints one line of JSON a set, every figure as [value, low, high] with a 95 % interval by a
bootstrap over problems; null is what the logs do not tell. Spreads are in standard deviations of a
reward, after rewards were replaced by their normal scores, so that humps and few values do not
matter. With --worlds, sets of enough trees become worlds for `benchmarks.policies --worlds`; what
fewer than 20 observations tell of one is as in `World()`.
"""

from __future__ import annotations

import argparse
import json
import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from statistics import NormalDist, fmean
from typing import Any, NamedTuple

from mctsr_graph.benchmark.simulation import World
from mctsr_graph.text.reward_scale import scaled, share_of

GradedTree = Mapping[str, Any]
_DRAWS = 400
_CONCENTRATIONS = [0.2 * 1.15**step for step in range(34)]  # 0.2 to 20
_RATIOS = [step / 20 for step in range(1, 20)]
_LEAST = 20  # observations that a figure of a world needs
_LEAST_REFINED = 40  # refinements of wrong answers that a world needs
_SD = 0.2  # of a reward, as a share of the scale; with scores only ratios of spreads matter
_SCORES = 20
_FIELDS = (  # field of a world, figure, what has to be counted often enough
    ("mends", "mends", "wrong0"),
    ("mends_again", "mends_again", "wrong0"),
    ("keeps", "keeps", "right"),
    ("sticks", "stays", "unmended"),
    ("unstated", "unstated", "answers"),
    ("auc", "auc", "pairs"),
    ("noise", "noise", "repeats"),
    ("answer_spread", "answer_spread", "same"),
    ("class_spread", "class_spread", "other"),
    ("level_spread", "level_spread", "levels"),
)
_SPREADS = {"noise", "answer_spread", "class_spread", "level_spread"}


class Problem(NamedTuple):
    """What one tree tells."""

    drafts: tuple[int, int]
    """Independent answers of the model to the problem: right ones, and all."""
    counts: Counter[str]
    """Sums, by the names that `figures` knows."""


def problems(trees: Sequence[GradedTree], of_set: str) -> list[Problem]:
    """What each tree of a set tells; the model's first answers come from all sets."""
    first: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for tree in trees:
        roots = [n for n in tree["nodes"] if n["parent"] is None and not n["dummy"]]
        first[_model(tree), tree["log"]] += [bool(node["right"]) for node in roots]
    chosen = [tree for tree in trees if tree["set"] == of_set]
    scores = _normal_scores(reward for node in _answers(chosen) for reward in _rewards(node))
    found = []
    for tree in chosen:
        rights = first[_model(tree), tree["log"]]
        found.append(Problem((sum(rights), len(rights)), _counts(tree, scores)))
    return found


def figures(seen: Sequence[Problem]) -> dict[str, float | None]:
    """Every figure; None where nothing tells it."""
    total = _summed(seen)
    drafts = Counter(one.drafts for one in seen)
    right, drawn = (sum(one[i] * times for one, times in drafts.items()) for i in (0, 1))
    skill = _ratio(right, drawn)
    weight = _concentration(drafts, skill or 0.5)
    expected = dict.fromkeys(("0", "1"), 0.0)
    for one in seen:
        right, count = one.drafts
        chance = ((skill or 0.5) * weight + right) / (weight + count)
        for depth in ("0", "1"):
            expected[depth] += chance * one.counts["wrong" + depth]
    mends = [_ratio(total["fixed" + depth], expected[depth]) for depth in ("0", "1")]
    deep = _ratio(total["depth"], total["wrong1"])
    again = mends[1] / mends[0] if mends[0] and mends[1] is not None else None
    noise = _ratio(total["repeats2"], total["repeats"])
    same, other = (_ratio(total[name + "2"], total[name]) for name in ("same", "other"))
    return {
        "first_right": skill,
        "concentration": weight if any(n > 1 for _, n in drafts) else None,
        "fixed": _ratio(total["fixed0"] + total["fixed1"], total["wrong0"] + total["wrong1"]),
        "mends": mends[0],
        "mends_again": None if again is None or not deep else min(1.0, again ** (1 / deep)),
        "keeps": _ratio(total["kept"], total["right"]),
        "stays": _ratio(total["stayed"], total["unmended"]),
        "unstated": _ratio(total["unstated"], total["answers"]),
        "auc": _ratio(total["won"], 2 * total["pairs"]),
        "noise": _root(noise),
        "answer_spread": None if same is None or noise is None else _root(same - noise),
        "class_spread": None if same is None or other is None else _root(other - same),
        "level_spread": _level_spread(total),
        "above_middle": _ratio(total["above"], total["rewards"]),
        "mean_below": _ratio(total["sum_below"], total["rewards"] - total["above"]),
        "mean_above": _ratio(total["sum_above"], total["above"]),
    }


def measure(trees: Sequence[GradedTree], of_set: str) -> dict[str, Any]:
    """Every figure of a set as [value, low, high], and how much there is to tell it from."""
    seen, rng = problems(trees, of_set), random.Random(0)
    values = figures(seen)
    drawn = [figures(rng.choices(seen, k=len(seen))) for _ in range(_DRAWS)]
    total = _summed(seen)
    found: dict[str, Any] = {
        "set": of_set,
        "trees": len(seen),
        "refinements_of_wrong": total["wrong0"] + total["wrong1"],
        "refinements_of_right": total["right"],
        "pairs_right_wrong": total["pairs"],
    }
    for name, value in values.items():
        known = sorted(v for one in drawn if (v := one[name]) is not None)
        ends = [known[int(len(known) * 0.025)], known[int(len(known) * 0.975)]] if known else []
        found[name] = None if value is None else [round(v, 3) for v in (value, *ends)]
    return found


def world_of(trees: Sequence[GradedTree], of_set: str) -> dict[str, Any]:
    """A set as the fields of a `World`."""
    seen = problems(trees, of_set)
    told, total = figures(seen), _summed(seen)
    answers = list(_answers(tree for tree in trees if tree["set"] == of_set))
    rewards = sorted(reward for node in answers for reward in _rewards(node))
    fields = {name: told[figure] for name, figure, of in _FIELDS if total[of] >= _LEAST}
    fields["skill"], fields["concentration"] = told["first_right"], told["concentration"]
    if total["came"] >= _LEAST:
        fields["wrong_ratio"] = _wrong_ratio(total["agree"] / total["came"])
    for name in _SPREADS & fields.keys():
        fields[name] = (fields[name] or 0.0) * _SD
    known: dict[str, Any] = {n: round(v, 3) for n, v in fields.items() if v is not None}
    steps = [rewards[int((k + 0.5) * len(rewards) / _SCORES)] for k in range(_SCORES)]
    known["scores"] = [round(share_of(step), 3) for step in steps]
    # So that rewards are in the middle on average, as their normal scores are
    world = World(**known)
    spread = math.hypot(world.noise, world.answer_spread, world.class_spread)
    gap = NormalDist().inv_cdf(world.auc) * math.sqrt(2) * spread
    wrong = 1 - fmean(bool(node["right"]) for node in answers)
    return {**known, "level": round(gap * (wrong - 0.5), 3)}


def _came(nodes: Sequence[Mapping[str, Any]], node: Mapping[str, Any]) -> bool:
    """Whether an answer states something else than the one that it refines."""
    before = None if node["parent"] is None else nodes[node["parent"]]["cls"]
    return node["cls"] not in (None, before)


def _summed(seen: Sequence[Problem]) -> Counter[str]:
    total: Counter[str] = Counter()
    for one in seen:
        total.update(one.counts)
    return total


def _counts(tree: GradedTree, scores: Mapping[float, float]) -> Counter[str]:
    found: Counter[str] = Counter()
    nodes = tree["nodes"]
    for node in _answers([tree]):
        found.update(answers=1, unstated=node["cls"] is None)
        _count_rewards(found, _rewards(node), scores)
        if node["parent"] is not None and not nodes[node["parent"]]["dummy"]:
            _count_refinement(found, nodes[node["parent"]], node, _depth(nodes, node) - 1)
    judged = [(node, scores[_rewards(node)[0]]) for node in _answers([tree]) if _rewards(node)]
    for (node, one), (node2, two) in combinations(judged, 2):
        if node["right"] != node2["right"]:
            high, low = (one, two) if node["right"] else (two, one)
            found.update(pairs=1, won=2 * (high > low) + (high == low))
        elif not node["right"] and None not in (node["cls"], node2["cls"]):
            name = "same" if node["cls"] == node2["cls"] else "other"
            found.update({name: 1, name + "2": (one - two) ** 2 / 2})
    # Answers that no other led to, by class: a class is known within a tree only
    came = Counter(n["cls"] for n in _answers([tree]) if not n["right"] and _came(nodes, n))
    found["came"] = math.comb(came.total(), 2)
    found["agree"] = sum(math.comb(count, 2) for count in came.values())
    if len(judged) > 1:
        mean, squares = _mean_and_squares([value for _, value in judged])
        error = squares / (len(judged) - 1) / len(judged)
        found.update({"levels": 1, "level": mean, "level2": mean * mean, "level_error": error})
    return found


def _count_rewards(
    found: Counter[str], rewards: Sequence[float], scores: Mapping[float, float]
) -> None:
    for reward in rewards:
        side = "above" if reward > scaled(0.5) else "below"
        found.update({"rewards": 1, "above": side == "above", f"sum_{side}": reward})
    # The first led to the selection, so that it is left out
    if again := [scores[reward] for reward in rewards[1:]]:
        found.update({"repeats": len(again) - 1, "repeats2": _mean_and_squares(again)[1]})


def _mean_and_squares(values: Sequence[float]) -> tuple[float, float]:
    mean = fmean(values)
    return mean, sum((value - mean) ** 2 for value in values)


def _count_refinement(
    found: Counter[str], parent: Mapping[str, Any], node: Mapping[str, Any], depth: int
) -> None:
    if parent["right"]:
        found.update(right=1, kept=bool(node["right"]))
        return
    deep = "1" if depth else "0"
    found.update({"wrong" + deep: 1, "fixed" + deep: bool(node["right"]), "depth": depth})
    if not node["right"] and parent["cls"] is not None:
        found.update(unmended=1, stayed=node["cls"] == parent["cls"])


def _answers(trees: Iterable[GradedTree]) -> Iterator[Mapping[str, Any]]:
    return (node for tree in trees for node in tree["nodes"] if not node["dummy"])


def _rewards(node: Mapping[str, Any]) -> Sequence[float]:
    rewards: Sequence[float] = node.get("reread") or node["rewards"]
    return [reward for reward in rewards if reward is not None]


def _model(tree: GradedTree) -> str:
    return str(tree.get("model") or tree["set"].rpartition("-")[0] or tree["set"])


def _depth(nodes: Sequence[Mapping[str, Any]], node: Mapping[str, Any]) -> int:
    depth = 0
    while node["parent"] is not None:
        node, depth = nodes[node["parent"]], depth + 1
    return depth


def _normal_scores(rewards: Iterable[float]) -> dict[float, float]:
    """By reward: the quantile of a normal distribution at the middle of its ranks."""
    counts, below, found = Counter(rewards), 0, {}
    for value in sorted(counts):
        place = (below + counts[value] / 2) / counts.total()
        found[value], below = NormalDist().inv_cdf(place), below + counts[value]
    return found


def _concentration(drafts: Mapping[tuple[int, int], int], mean: float) -> float:
    """Of the Beta distribution of chances, the likeliest."""
    mean = min(max(mean, 0.01), 0.99)

    def log_likelihood(weight: float) -> float:
        a, b = mean * weight, (1 - mean) * weight
        return sum(
            k * (_log_beta(a + r, b + n - r) - _log_beta(a, b)) for (r, n), k in drafts.items()
        )

    return max(_CONCENTRATIONS, key=log_likelihood)


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _wrong_ratio(agreement: float) -> float:
    """How wrong answers cluster, from how often two that came from elsewhere agree."""

    def agreeing(ratio: float) -> float:
        shares = [ratio**kind for kind in range(1, World().wrong_kinds + 1)]
        return sum(share * share for share in shares) / sum(shares) ** 2

    return min(_RATIOS, key=lambda ratio: abs(agreeing(ratio) - agreement))


def _level_spread(total: Counter[str]) -> float | None:
    count = total["levels"]
    if count < 2:
        return None
    variance = (total["level2"] - total["level"] ** 2 / count) / (count - 1)
    return _root(variance - total["level_error"] / count)


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _root(variance: float | None) -> float | None:
    return None if variance is None else math.sqrt(max(0.0, variance))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the fit of each set, and write worlds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path, help="JSON lines, as above")
    parser.add_argument("--worlds", type=Path, help="write the worlds to this file")
    chosen = parser.parse_args(arguments)
    lines = chosen.file.read_text("utf-8").splitlines()
    trees = [json.loads(line) for line in lines if line.strip()]
    worlds = {}
    for of_set in dict.fromkeys(tree["set"] for tree in trees):
        measured = measure(trees, of_set)
        print(json.dumps(measured), flush=True)
        if measured["refinements_of_wrong"] >= _LEAST_REFINED:
            worlds[of_set] = world_of(trees, of_set)
    if chosen.worlds:
        chosen.worlds.write_text(json.dumps(worlds, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
