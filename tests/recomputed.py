"""Every figure of a report's tables computed again from the run's lines, by code of its own.

It imports nothing of `mctsr_graph`: the formulas stand here once more, from the notes of the tables
and from docs/evaluation.md. `differences` returns the cells that differ.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from statistics import NormalDist, fmean
from typing import Any, NamedTuple

import numpy

NO_SEARCH = {
    **{"cot": "zero-shot CoT", "self-refine": "one-turn self-refine", "best-of-n": "best-of-N"},
    **{"self-consistency": "self-consistency", "cisc": "CISC", "tournament": "tournament"},
    "adaptive-consistency": "adaptive consistency",
}
SAMPLERS = ("self-consistency", "best-of-n")
Z = NormalDist().inv_cdf(0.975)
DRAWS = 8_000
HALF = 0.5000001  # of a last digit: how far a rounded number may be from its own


Found = Iterator[tuple[Any, list[str], list[Any]]]


class Row(NamedTuple):
    """A method at a budget, which is a row of most tables."""

    method: str
    budget: str
    rollouts: int
    against: str | None

    @property
    def is_search(self) -> bool:
        return self.method not in NO_SEARCH

    @property
    def named(self) -> tuple[str, str, str]:
        """Its first three cells."""
        name = NO_SEARCH.get(self.method, f"MCTSr {self.method}")
        ours = {"own": "its own", "calls": f"{3 + 4 * self.rollouts} calls"}
        budget = ours.get(self.budget, f"{self.rollouts} rollout{'s' * (self.rollouts != 1)}")
        if self.against:
            budget = f"{self.budget} of MCTSr {self.against}"
        return "–" if self.budget == "own" else str(self.rollouts), name, budget

    @property
    def full(self) -> str:
        _, name, budget = self.named
        return name if self.budget == "own" else f"{name}, {budget}"


class About(NamedTuple):
    """A number as it has to be printed, with its digits; of a bootstrap also the most it may be."""

    value: float
    digits: int = 0
    most: float | None = None


class One(NamedTuple):
    """A row on one line."""

    id: str
    line: Any
    method: Any
    point: Any

    @property
    def seen(self) -> list[Any]:
        return self.method["attempts"][: self.point["attempts"]] if self.point else []

    @property
    def real(self) -> list[Any]:
        return [one for one in self.seen if not one["dummy"]]

    def verdict(self, name: str) -> str:
        index = self.point[name] if self.point else None
        return "failed" if index is None else self.method["attempts"][index]["verdict"]

    @property
    def right(self) -> bool:
        return self.verdict("selected") == "right"

    @property
    def oracle(self) -> bool:
        return any(one["verdict"] == "right" for one in self.real)

    def cost(self, name: str) -> float:
        """What it has spent; of one that gave up, what its attempts had."""
        parts = [self.point] if self.point else self.method["attempts"] if self.method else []
        return sum(part["cost"][name] for part in parts)

    @property
    def tokens(self) -> float:
        return self.cost("input_tokens") + self.cost("output_tokens")

    def refined(self, right: bool) -> list[bool]:
        """Of the refinements of answers that are (not) right: whether each is right."""
        alone = [one for one in self.seen if one["parent"] is not None and "parents" not in one]
        pairs = [(self.seen[one["parent"]], one) for one in alone]
        return [
            one["verdict"] == "right"
            for parent, one in pairs
            if not parent["dummy"] and (parent["verdict"] == "right") == right
        ]

    def rewarded(self, right: bool) -> list[float]:
        """Mean rewards that (in)correct answers had by then."""
        counted = zip(self.seen, self.point["visits"] if self.point else [], strict=True)
        return [
            fmean(one["rewards"][:count])
            for one, count in counted
            if count and not one["dummy"] and (one["verdict"] == "right") == right
        ]


# --- Intervals: value, low, high, and how far the ends may be off, all in [-1, 1] ---
def wilson(hits: float, count: int, z: float = Z) -> tuple[float, float]:
    """The two shares at which the score test would just refuse the share seen."""
    share = hits / count
    root = z * math.sqrt(4 * count * share * (1 - share) + z * z)
    ends = [(2 * count * share + z * z + sign * root) / (2 * (count + z * z)) for sign in (-1, 1)]
    return ends[0], ends[1]


Ends = tuple[tuple[float, float], tuple[float, float]]


def drawn_again(values: Sequence[tuple[float, float]], chance: float) -> Ends:
    """Ends of a percentile interval of a ratio of sums: whole problems are drawn anew.

    Each end is what it may be by other draws: four standard errors of its place.
    """
    table = numpy.array(values, dtype=float)
    rng = numpy.random.default_rng(20_26)
    sums = table[rng.integers(0, len(table), (DRAWS, len(table)))].sum(axis=1)
    some = sums[sums[:, 1] > 0]
    off = 4 * error_of(chance / 2)
    places = [chance / 2 - off, chance / 2 + off]
    places += [1 - place for place in reversed(places)]
    ends = numpy.quantile(some[:, 0] / some[:, 1], numpy.clip(places, 0, 1)).tolist()
    return (ends[0], ends[1]), (ends[2], ends[3])


def error_of(share: float) -> float:
    """Standard error of the difference of a share in our draws and in those of the report."""
    return math.sqrt(share * (1 - share) * (1 / DRAWS + 1 / 10_000))


def widest(exact: Sequence[tuple[float, float]], drawn: Ends) -> Ends:
    """The widest of intervals, one of which is drawn."""
    low, high = min(one[0] for one in exact), max(one[1] for one in exact)
    (least, most), (at_least, at_most) = drawn
    return (min(low, least), min(low, most)), (max(high, at_least), max(high, at_most))


def shown(value: float, ends: Ends, scale: float, digits: int) -> list[About]:
    """A number with its interval."""
    both = [About(scale * least, digits, scale * most) for least, most in ends]
    return [About(scale * value, digits), *both]


def share_of(hits: Sequence[float], trials: Sequence[int], ids: Sequence[str]) -> list[About]:
    """A share in percent, as it is printed with its interval."""
    value, alone = sum(hits) / sum(trials), wilson(sum(hits), sum(trials))
    ends: Ends = (alone[0], alone[0]), (alone[1], alone[1])
    if max(trials) > 1 or len(set(ids)) < len(ids):
        sums: dict[str, tuple[float, float]] = {}
        for name, hit, trial in zip(ids, hits, trials, strict=True):
            before = sums.get(name, (0.0, 0.0))
            sums[name] = before[0] + hit, before[1] + trial
        ends = widest([alone], drawn_again([*sums.values()], 0.05))
    return shown(value, ends, 100, 1)


def left_out_one(value: float, without: Sequence[float]) -> tuple[float, float]:
    """The jackknife's interval on the scale of log odds."""
    n = len(without)
    if n < 2:
        return 0.0, 1.0
    centre = fmean(without)
    spread = math.sqrt((n - 1) / n * sum((one - centre) ** 2 for one in without))
    if spread == 0 or value in (0, 1):
        return wilson(value * n, n)
    odds = math.log(value / (1 - value))
    half = student(n - 1) * spread / (value * (1 - value))
    return 1 / (1 + math.exp(half - odds)), 1 / (1 + math.exp(-half - odds))


def student(freedom: int) -> float:
    """97.5 % quantile of Student's distribution: its density summed until that is reached."""
    log = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)
    scale = math.exp(log) / math.sqrt(freedom * math.pi)
    step, area, x = 1e-4, 0.5, 0.0
    while area < 0.975:
        area += step * scale * (1 + (x + step / 2) ** 2 / freedom) ** (-(freedom + 1) / 2)
        x += step
    return x


def halved(test: Callable[[float], bool]) -> float:
    """The number in [0, 1] from which on a test holds."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if test(middle) else (middle, high)
    return high


# --- A run ---
class Run:
    """The lines of a run, and what follows from them."""

    def __init__(self, folder: Path) -> None:
        self.settings = json.loads((folder / "run.json").read_text("utf-8"))
        lines = [json.loads(raw) for raw in (folder / "lines.jsonl").read_bytes().splitlines()]
        first = {(one["id"], one["seed"]): one for one in reversed(lines)}
        self.lines = [first[key] for key in sorted(first)]
        found = {
            Row(name, point["budget"], point["rollouts"], point["against"])
            for line in self.lines
            for name, method in line["methods"].items()
            for point in method["points"]
        }
        self.rows = {row.named: row for row in found}
        most = max(row.rollouts for row in found)
        self.last = {row for row in found if row.rollouts == most or row.budget == "own"}
        self.ones = {row: [*self._ones(row)] for row in found}

    def _ones(self, row: Row) -> Iterator[One]:
        """A row on each line; where it is not known what was spent there is none."""
        for line in self.lines:
            method = line["methods"].get(row.method)
            point = self._point(line, row)
            if row.budget == "tokens":
                rivals = line["methods"].get(row.against, {"points": []})["points"]
                rivals = [one for one in rivals if one["rollouts"] == row.rollouts]
                if any(one["cost"]["unmetered_calls"] for one in [*rivals, *filter(None, [point])]):
                    continue
            yield One(line["id"], line, method, point)

    @staticmethod
    def _point(line: Any, row: Row) -> Any:
        for point in line["methods"].get(row.method, {"points": []})["points"]:
            if Row(row.method, point["budget"], point["rollouts"], point["against"]) == row:
                return point
        return None

    # --- Tables: what the cells behind the names must hold ---
    def accuracy(self, row: Row) -> list[Any]:
        ones = self.ones[row]

        def told(test: Callable[[One], bool]) -> list[About]:
            return share_of([*map(test, ones)], [1] * len(ones), [one.id for one in ones])

        def vote(name: str) -> Any:
            if all(one.point is None or one.point[name] is None for one in ones):
                return "–"
            return told(lambda one: one.verdict(name) == "right")

        return [
            told(lambda one: one.right),
            vote("majority"),
            vote("weighted"),
            told(lambda one: bool(one.real) and one.real[0]["verdict"] == "right"),
            told(lambda one: one.oracle),
            told(lambda one: one.oracle and not one.right),
        ]

    def endings(self, row: Row) -> list[Any]:
        ones = self.ones[row]
        kinds = Counter(one.verdict("selected") for one in ones)
        ended = ("right", "wrong", "no_answer", "undecided", "failed")
        with_answer = [one for one in ones if one.verdict("selected") != "failed"]
        chosen = [one.method["attempts"][one.point["selected"]] for one in with_answer]
        counts = [
            len(ones),
            *(kinds[name] for name in ended),
            sum(one["truncated"] for one in chosen),
            sum(one.point["capped"] for one in ones if one.point),
            sum(one.point.get("stop_reason") is not None for one in ones if one.point),
            sum(len(one.method["failures"]) for one in ones if one.method),
            len(self.lines) - len(ones),
        ]
        assert sum(kinds.values()) == sum(kinds[name] for name in ended)
        return [[About(number)] for number in counts]

    def cost(self, row: Row) -> list[Any]:
        ones = self.ones[row]
        told = [one for one in ones if not one.cost("unmetered_calls")]
        seconds = [one.point["seconds"] for one in ones if one.point]
        seconds = [number for number in seconds if number is not None]
        tokens, solved = [one.tokens for one in told], sum(one.right for one in told)
        total = {
            name: sum(one.cost(name) for one in ones)
            for name in ("cached_tokens", "input_tokens", "reasoning_tokens", "output_tokens")
        }

        def share(part: str, whole: str) -> list[About]:
            return [About(100 * total[part] / total[whole])]

        return [
            spread([one.cost("calls") for one in ones], 1),
            spread(tokens, 0),
            spread(seconds, 1),
            share("cached_tokens", "input_tokens"),
            share("reasoning_tokens", "output_tokens"),
            "–",  # without prices
            [About(sum(tokens) / solved)] if solved else "–",
            [About(sum(one.cost("unmetered_calls") for one in ones))],
            [About(len(ones) - len(told))],
        ]

    def refinement(self, row: Row) -> list[Any]:
        found: list[Any] = []
        for right in (False, True):
            each = [one.refined(right) for one in self.ones[row]]
            hits = [own.count(not right) for own in each]
            count = sum(map(len, each))
            ids = [one.id for one in self.ones[row]]
            found += [share_of(hits, [*map(len, each)], ids) if count else "–", [About(count)]]
        return found

    def redrafting(self, row: Row) -> list[Any]:
        most = max(SAMPLERS, key=lambda name: sum(one[1] for one in self._samples(name)))
        others: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for name, drawn, right, first, _ in self._samples(most):
            others[name][0] += right - first
            others[name][1] += max(0, drawn - 1)
        tried = [(one.id, one.refined(False)) for one in self.ones[row] if one.refined(False)]
        known = [(name, own) for name, own in tried if others[name][1]]
        fresh = [len(own) * others[name][0] / others[name][1] for name, own in known]
        ids, trials = [name for name, _ in tried], [len(own) for _, own in tried]
        return [
            share_of([own.count(True) for _, own in tried], trials, ids),
            [About(sum(trials))],
            share_of(fresh, [len(own) for _, own in known], [name for name, _ in known]),
            [About(sum(others[name][1] for name in {name for name, _ in known}))],
        ]

    def _samples(self, name: str) -> list[tuple[str, int, int, bool, bool]]:
        """Id, drafts, right ones, whether the first is one, and if all are lost, of each line."""
        told = []
        for line in self.lines:
            attempts = line["methods"].get(name, {"attempts": []})["attempts"]
            right = [one["verdict"] == "right" for one in attempts]
            lost = all(one["text"] == "" for one in attempts)
            told.append((line["id"], len(right), sum(right), right[:1] == [True], lost))
        return told

    def judge(self, row: Row) -> list[Any]:
        each = [(one.id, one.rewarded(True), one.rewarded(False)) for one in self.ones[row]]
        good: dict[str, list[float]] = defaultdict(list)
        bad: dict[str, list[float]] = defaultdict(list)
        for name, ours, theirs in each:
            good[name] += ours
            bad[name] += theirs
        names = [name for name in {**good, **bad} if good[name] or bad[name]]

        def auc(leave: str = "") -> float | None:
            ours = [x for name in names if name != leave for x in good[name]]
            theirs = [x for name in names if name != leave for x in bad[name]]
            return won(ours, theirs) / (len(ours) * len(theirs)) if ours and theirs else None

        value = auc()
        assert value is not None
        without = [one for name in names if (one := auc(name)) is not None]
        ends = left_out_one(value, without)
        answers = sum(len(ours) + len(theirs) for _, ours, theirs in each)
        inside: dict[str, tuple[float, float]] = {}
        for name, ours, theirs in each:
            before = inside.get(name, (0.0, 0.0))
            inside[name] = before[0] + won(ours, theirs), before[1] + len(ours) * len(theirs)
        hits, pairs = (sum(one[i] for one in inside.values()) for i in (0, 1))
        left = [(hits - mine) / (pairs - n) for mine, n in inside.values() if n and pairs > n]
        exact = [wilson(hits, int(pairs)), left_out_one(hits / pairs, left)]
        return [
            [About(value, 2), *(About(end, 2) for end in ends)],
            shown(hits / pairs, widest(exact, drawn_again([*inside.values()], 0.05)), 1, 2),
            [About(pairs)],
            [About(answers)],
        ]

    def calibration(self, row: Row) -> list[Any]:
        told = [
            one for one in self.ones[row] if one.point and one.point.get("confidence") is not None
        ]
        sure = [one.point["confidence"] for one in told]
        bins: dict[int, list[One]] = defaultdict(list)
        for one, chance in zip(told, sure, strict=True):
            bins[min(9, int(10 * chance))].append(one)
        error = sum(
            abs(sum(one.point["confidence"] - one.right for one in own)) for own in bins.values()
        )
        rights = [float(one.right) for one in told]
        brier = fmean((chance - right) ** 2 for chance, right in zip(sure, rights, strict=True))
        return [
            [About(len(told))],
            [About(100 * fmean(sure), 1)],
            share_of(rights, [1] * len(told), [one.id for one in told]),
            [About(error / len(told), 3)],
            [About(brier, 3)],
        ]

    def samples(self, name: str, cells: int) -> list[Any]:
        found: list[Any] = []
        usual = sorted(one[1] for one in self._samples(name))
        middle = (usual[(len(usual) - 1) // 2] + usual[len(usual) // 2]) // 2
        for k in (2**power for power in range(cells)):
            if k > middle:
                found.append("–")
                continue
            known = [one for one in self._samples(name) if one[1] >= k or one[4]]
            chances = [
                0.0 if lost else 1 - math.prod((n - right - i) / (n - i) for i in range(k))
                for _, n, right, _, lost in known
            ]
            part = share_of(chances, [1] * len(known), [one[0] for one in known])
            found.append([*part, About(len(known))])
        return found

    def comparison(self, first: Row, second: Row, family: int) -> list[Any]:
        """All cells behind the names, for a comparison corrected with so many."""
        theirs = {(one.id, one.line["seed"]): one for one in self.ones[second]}
        both = [
            (one, theirs[one.id, one.line["seed"]])
            for one in self.ones[first]
            if (one.id, one.line["seed"]) in theirs
        ]
        grouped: dict[str, list[int]] = defaultdict(list)
        for one, other in both:
            grouped[one.id].append(one.right - other.right)
        each = {name: fmean(values) for name, values in grouped.items()}
        n, alpha = len(each), 0.05 / family
        gains, losses = sum(x > 0 for x in each.values()), sum(x < 0 for x in each.values())
        gained = sum(max(0.0, x) for x in each.values())
        lost = sum(max(0.0, -x) for x in each.values())
        value = (gained - lost) / n

        def score(chance: float) -> tuple[float, float]:
            z = NormalDist().inv_cdf(1 - chance / 2)
            (a, b), (c, d) = wilson(gained, n, z), wilson(lost, n, z)
            down = math.hypot(gained / n - a, d - lost / n)
            up = math.hypot(b - gained / n, lost / n - c)
            return max(-1.0, value - down), min(1.0, value + up)

        def exact(chance: float) -> tuple[float, float]:
            either, differed = gains + losses, (gained + lost) / n
            low = halved(lambda share: tail(gains, either, share) >= chance / 2) if gains else 0.0
            high = (
                halved(lambda share: tail(losses, either, share) >= chance / 2) if losses else 0.0
            )
            return (2 * low - 1) * differed, (1 - 2 * high) * differed

        again = [(x, 1.0) for x in each.values()]
        ends = widest([score(alpha), exact(alpha)], drawn_again(again, alpha))
        (_, low), (high, _) = ends

        def leaves_out(chance: float) -> bool:
            down, up = score(chance)
            return down > 0 or up < 0

        mcnemar = min(1.0, 2 * tail(max(gains, losses), gains + losses, 0.5))
        p = max(mcnemar, halved(leaves_out))
        table = numpy.array([*each.values()])
        rng = numpy.random.default_rng(11)
        means = table[rng.integers(0, n, (DRAWS, n))].mean(axis=1)
        by_luck = min(float((means <= 0).mean()), float((means >= 0).mean()))
        off = 4 * error_of(by_luck) + 1 / DRAWS
        p_ends = [min(1.0, max(p, 2 * (by_luck + sign * off)) * family) for sign in (-1, 1)]
        beyond, power = NormalDist().inv_cdf(1 - alpha / 2), NormalDist().inv_cdf(0.8)

        def seen(difference: float) -> bool:
            differing = max((gains + losses) / n, difference)
            root = beyond * math.sqrt(differing) + power * math.sqrt(differing - difference**2)
            return (root / difference) ** 2 <= n

        finding = "no difference shown" if low <= 0 <= high else "better" if value > 0 else "worse"
        return [
            [About(len(both))],
            shown(value, ends, 100, 1),
            [About(gains)],
            [About(losses)],
            [About(p_ends[0], 3, p_ends[1])],
            [About(100 * halved(seen))],
            finding,
        ]


def tail(hits: int, count: int, share: float) -> float:
    """Chance of so many hits or more."""
    return sum(
        math.comb(count, k) * share**k * (1 - share) ** (count - k) for k in range(hits, count + 1)
    )


def won(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Pairs in which ours is higher; equal ones are half."""
    return sum((a > b) + 0.5 * (a == b) for a in ours for b in theirs)


def spread(values: Sequence[float], digits: int) -> Any:
    """Mean, median and 95th percentile."""
    if not values:
        return "–"
    ordered = sorted(values)

    def at(share: float) -> float:
        place = share * (len(ordered) - 1)
        below = math.floor(place)
        above = min(below + 1, len(ordered) - 1)
        return ordered[below] + (place - below) * (ordered[above] - ordered[below])

    return [About(number, digits) for number in (fmean(values), at(0.5), at(0.95))]


# --- The report ---
def numbers_in(cell: str) -> list[float]:
    """The numbers of a cell as it is printed."""
    plain = cell.replace("\u202f", "").replace("−", "-").lstrip("'")
    return [float(found) for found in re.findall(r"[+-]?\d+(?:\.\d+)?", plain)]


def is_as(cell: str, wanted: Any) -> bool:
    """Whether a cell shows what it must."""
    if isinstance(wanted, str):
        return cell == wanted
    if cell == "< 0.001":
        return bool(wanted[0].value < 0.001)
    numbers = numbers_in(cell)
    return len(numbers) == len(wanted) and all(map(is_about, numbers, wanted))


def is_about(number: float, wanted: About) -> bool:
    """Whether a number is what it must be, rounded."""
    half = HALF * 10.0**-wanted.digits
    most = wanted.value if wanted.most is None else wanted.most
    return wanted.value - half <= number <= most + half


def differences(folder: Path, report: Path) -> tuple[int, list[str]]:
    """Compare all tables of a report of one run with its lines.

    Returns:
        How many cells were computed again, and those that differ.
    """
    checked, wrong = 0, list[str]()
    for table, names, cells, wanted in compared(Run(folder), report):
        assert len(cells) == len(wanted), (table, names)
        checked += len(cells)
        wrong += [
            f"{table} {names}: {cell!r} is {one}"
            for cell, one in zip(cells, wanted, strict=True)
            if not is_as(cell, one)
        ]
    return checked, wrong


def compared(run: Run, report: Path) -> Iterator[tuple[str, Any, list[str], list[Any]]]:
    """Table, names, cells and what they must be, row by row."""
    for file in sorted((report / "tables").glob("*-1.csv")):
        name = file.name.removesuffix("-1.csv")
        with file.open(newline="", encoding="utf-8") as opened:
            head, *rows = csv.reader(opened)
        special = {"comparisons": comparisons, "samples": samples, "missing": missing}
        parts = groups if name.startswith(("level-", "subject-")) else special.get(name)
        if parts is None:
            own = getattr(run, name)
            found: Found = ((row[:3], row[3:], own(run.rows[tuple(row[:3])])) for row in rows)
        else:
            found = parts(run, name, head, rows)
        for names, cells, wanted in found:
            yield name, names, cells, wanted


def comparisons(run: Run, name: str, head: list[str], rows: list[list[str]]) -> Found:
    by_name = {row.full: row for row in run.last}
    family = sum(row[-1] != "exploratory" for row in rows)
    for this, that, *cells in rows:
        primary = cells[-1] != "exploratory"
        found = run.comparison(by_name[this], by_name[that], family if primary else 1)
        yield (this, that), cells, found if primary else [*found[:-1], "exploratory"]


def samples(run: Run, name: str, head: list[str], rows: list[list[str]]) -> Found:
    by_name = {text: method for method, text in NO_SEARCH.items()}
    for method, *cells in rows:
        yield method, cells, run.samples(by_name[method], len(cells))


def groups(run: Run, name: str, head: list[str], rows: list[list[str]]) -> Found:
    kind, what = name.split("-")
    by_name = {row.full: row for row in run.last}
    for group, *cells in rows:
        wanted, sizes = [], []
        for column in head[2:]:
            own = [one for one in run.ones[by_name[column]] if one.line[kind] == group]
            hits = [one.right if what == "selected" else one.oracle for one in own]
            wanted.append(share_of(hits, [1] * len(own), [one.id for one in own]))
            sizes.append(len(own))
        yield group, cells, [[About(max(sizes))], *wanted]


def missing(run: Run, name: str, head: list[str], rows: list[list[str]]) -> Found:
    told = Counter(row[0] for row in rows for _ in range(int(row[2])))
    planned = sum(len(one["ids"]) for one in run.settings["planned"])
    counts = {"failed": sum(map(lost_by_server, run.lines)), "missing": planned - len(run.lines)}
    for state, count in counts.items():
        yield state, [str(told[state])], [[About(count)]]


def lost_by_server(line: Any) -> bool:
    """Whether a method returned nothing since the server refused."""
    codes = {"refusal", "context", "model_error", "unfinished"}
    return any(
        method["failures"]
        and method["failures"][-1]["code"] in codes
        and (not method["points"] or method["points"][-1]["selected"] is None)
        for method in line["methods"].values()
    )
