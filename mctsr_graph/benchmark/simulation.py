"""A simulated chat model: it answers through the real protocol, with skill that is known.

Nothing here is a language model, and every figure that comes of it is a simulation. It makes ways
to search comparable at equal cost, over thousands of problems in seconds.

    world = World(skill=0.4, auc=0.7)
    model = world.model()
    solve(world.problem(0).text, model)
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist
from typing import Any, NamedTuple, cast

from mctsr_graph.calls.request import derive_seed
from mctsr_graph.errors import ConfigError
from mctsr_graph.models.scripted import ScriptedCall, ScriptedChatModel
from mctsr_graph.text.reward_scale import LOWEST, scaled

_PROBLEM = re.compile(r"Simulated problem (\d+)\.")
_ANSWER = re.compile(r"Attempt (\d+)(?:, revision (\d+))?\. The final answer is \\boxed\{(\d+)\}")
_OFFSET = 1000  # the right answers, far from each other so that no wrong one of a problem is one
_TRAP = 1  # the wrong answer that is shared where there is a trap
_NORMAL = NormalDist()
_CHANCES = (
    *("skill", "auc", "keeps", "sticks", "picks", "keeps_merging", "wrong_ratio", "traps"),
    *("trap_share", "unstated", "confidence_auc"),
)
_HIGHEST = 0.97  # of the scale: none is flawless


def _on_scale(share: float) -> int:
    return round(max(LOWEST, scaled(min(_HIGHEST, share))))


@dataclass(frozen=True)
class Simulated:
    """A simulated problem."""

    id: str
    text: str
    gold: str


class _Stated(NamedTuple):
    """What an answer says."""

    token: int
    """Tells it from others that state the same."""
    revision: int
    """How often it was refined."""
    kind: int
    """0 is right, the others are wrong."""


@dataclass(frozen=True)
class World:
    """How well the simulated model and judge do.

    Chances are in [0, 1]. What is said of rewards is in shares of the reward scale.
    """

    skill: float = 0.5
    """Mean chance that an independent answer is right. A problem's own is drawn from a Beta
    distribution ..."""
    auc: float = 0.65
    """Chance that one reward of each tells a right answer from a wrong one of the same problem,
    before rewards become `scores`. Below 0.5 the judge is worse than chance."""
    noise: float = 0.15
    """Spread of a reward each time, ..."""
    answer_spread: float = 0.075
    """... from answer to answer, ..."""
    class_spread: float = 0.0
    """... from one final answer to the next (errors the judge shares with itself) ..."""
    keeps: float = 0.88
    """Chance that a refinement of a right answer stays right."""
    mends: float = 0.7
    """Chance that a refinement of a wrong answer is right, as a share of the problem's own."""
    sticks: float = 0.7
    """Chance that one that mends nothing leaves the answer as it was; else it strays."""
    picks: float = 0.3
    """Chance that a merge goes on from a right answer that it is shown, else from the one that most
    state. With a wrong one it does as a refinement does, ..."""
    keeps_merging: float = 0.97
    """... and a right one it keeps with this chance."""
    concentration: float = 2.0
    """... of this concentration: below 2 problems are easy or hard, and few between."""
    wrong_ratio: float = 0.75
    """Wrong answers cluster geometrically: how much rarer each is than the one before."""
    wrong_kinds: int = 10
    level_spread: float = 0.1
    """... and that of all rewards from problem to problem."""
    seed: int = 0
    mends_again: float = 1.0
    """How much of `mends` is left with each further refinement of an answer."""
    traps: float = 0.0
    """Share of the problems that have a wrong answer which is popular ..."""
    trap_share: float = 0.75
    """... with this share of the wrong ones ..."""
    trap_liked: float = 0.0
    """... and which the judge rewards by so much more."""
    unstated: float = 0.0
    """Chance that an answer states no final answer."""
    level: float = 0.0
    """How far rewards lie above the middle of the scale."""
    scores: tuple[float, ...] = ()
    """The scores that the judge gives, as shares of the scale and in ascending order, each as
    often as the others; two humps and few values are told by repeating some. () for any."""
    confidence_auc: float = 0.6
    """As `auc`, of the confidence that the tokens of an independent answer tell."""

    def __post_init__(self) -> None:
        """Make the scores hashable.

        Raises:
            ConfigError: a chance is none.
        """
        object.__setattr__(self, "scores", tuple(self.scores))
        for name in _CHANCES:
            value = getattr(self, name)
            if not 0 <= value <= 1 or (value in (0, 1) and name.endswith("auc")):
                between = "above 0 and below 1" if name.endswith("auc") else "0 to 1"
                raise ConfigError(f"{name} is {value!r}, allowed {between}")

    def problem(self, number: int) -> Simulated:
        """Problem `number`, from 0."""
        text = f"Simulated problem {number}. What is its answer?"
        return Simulated(f"simulated-{number}", text, str(_OFFSET * (number + 1)))

    def model(self, latency: float = 0.0, records_calls: bool = True) -> ScriptedChatModel:
        """The chat model; `latency` is seconds per call. A long run has no room for its calls."""
        model = ScriptedChatModel(replies=self.reply, latency=latency)
        if not records_calls:
            model._calls = cast(Any, deque(maxlen=0))
        return model

    def reply(self, call: ScriptedCall) -> str:
        """The reply to one call. It depends on its messages and its seed only."""
        text = "\n".join(str(message.content) for message in call.messages)
        number, seed = int(_PROBLEM.findall(text)[-1]), int(call.settings.get("seed", 0))
        answers = [found[0] for found in _ANSWER.finditer(text)]
        last = answers[-1] if answers else ""  # none follows the dummy answer
        if call.role == "critique":
            return self.critique(last)
        if call.role == "draft":
            return self.draft(number, seed)
        merged = _ANSWER.finditer(str(call.messages[-1].content)) if call.role == "refine" else ()
        if shown := [found[0] for found in merged]:
            return self.merge(number, shown, seed)
        if call.role == "refine":
            return self.refine(number, last, seed)
        return f"Score: {self.reward(number, last, seed)}"

    def chance(self, number: int) -> float:
        """Chance that an independent answer to a problem is right."""
        return _chance(self, number)

    def draft(self, number: int, seed: int) -> str:
        """An independent answer."""
        rng = self._rng("draft", number, seed)
        right = rng.random() < self.chance(number)
        return self._answer(number, 0 if right else self._wrong(number, rng), seed, 0, rng)

    def critique(self, answer: str) -> str:
        """A critique, which repeats the answer for those who refine without seeing it."""
        stated = _ANSWER.search(answer)
        return f"Check this again: {stated[0]}" if stated else "Check this again."

    def refine(self, number: int, answer: str, seed: int) -> str:
        """A refinement of an answer; of one that states nothing, an independent answer."""
        stated = _read(number, answer)
        if stated is None:
            return self.draft(number, seed)
        rng = self._rng("refine", number, seed)
        after = self._after(rng, number, stated.kind, self.keeps, stated.revision)
        return self._answer(number, after, seed, stated.revision + 1, rng)

    def merge(self, number: int, answers: Sequence[str], seed: int) -> str:
        """A merge of answers, whatever their order; of none that states anything, a draft."""
        stated = [found for answer in answers if (found := _read(number, answer)) is not None]
        if not stated:
            return self.draft(number, seed)
        rng, votes = self._rng("merge", number, seed), Counter(one.kind for one in stated)
        most = max(votes.values())
        kind = rng.choice(sorted(kind for kind in votes if votes[kind] == most))
        if 0 in votes and rng.random() < self.picks:
            kind = 0
        revision = max(one.revision for one in stated)
        after = self._after(rng, number, kind, self.keeps_merging, revision)
        return self._answer(number, after, seed, revision + 1, rng)

    def _after(
        self, rng: random.Random, number: int, kind: int, keeps: float, revision: int
    ) -> int:
        """What becomes of an answer of some kind; 0 is the right one."""
        if kind == 0:
            return 0 if rng.random() < keeps else self._wrong(number, rng)
        if rng.random() < self.mends * self.mends_again**revision * self.chance(number):
            return 0
        return kind if rng.random() < self.sticks else self._wrong(number, rng)

    def reward(self, number: int, answer: str, seed: int) -> int:
        """A whole score of an answer, points; low for one that states nothing."""
        value = self._reward(number, answer, seed)
        if value is None:
            return _on_scale(self._rng("dummy", number, seed).gauss(0.05, 0.025))
        if not self.scores:
            return _on_scale(0.5 + value)
        spreads = (self.noise, self.answer_spread, self.class_spread, self.level_spread)
        place = _NORMAL.cdf(value / math.hypot(*spreads))
        return round(scaled(self.scores[min(int(place * len(self.scores)), len(self.scores) - 1)]))

    def prefers(self, number: int, first: str, second: str, seed: int) -> bool:
        """Whether the judge, asked which of two answers is better, names the first."""
        one, two = (self._reward(number, answer, seed) for answer in (first, second))
        return two is None or (one is not None and one >= two)

    def confidence(self, number: int, answer: str) -> float:
        """What the tokens of an independent answer tell, in standard deviations."""
        stated = _read(number, answer)
        if stated is None:
            return 0.0
        gap = _NORMAL.inv_cdf(self.confidence_auc) * math.sqrt(2)
        rng = self._rng("confidence", number, stated.token)
        return rng.gauss(gap / 2 if stated.kind == 0 else -gap / 2, 1)

    def _reward(self, number: int, answer: str, seed: int) -> float | None:
        """A reward before it is a score: how far from the middle, as a share of the scale."""
        stated = _read(number, answer)
        if stated is None:
            return None
        mean = _mean_reward(self, number, stated.token, stated.kind)
        return mean + self._rng("reward", number, stated.token, seed).gauss(0, self.noise)

    def _wrong(self, number: int, rng: random.Random) -> int:
        if self.traps and _has_trap(self, number) and rng.random() < self.trap_share:
            return _TRAP
        kinds = range(1, self.wrong_kinds + 1)
        return rng.choices(kinds, [self.wrong_ratio**kind for kind in kinds])[0]

    def _answer(self, number: int, kind: int, seed: int, revision: int, rng: random.Random) -> str:
        made = f"Attempt {seed}" + (f", revision {revision}" if revision else "")
        if self.unstated and rng.random() < self.unstated:
            return f"{made}. I have tried this and that, and stop here."
        value = _OFFSET * (number + 1) + kind
        return f"{made}. The final answer is \\boxed{{{value}}}."

    def _rng(self, *parts: object) -> random.Random:
        return random.Random(derive_seed(self.seed, *parts))


def _read(number: int, answer: str) -> _Stated | None:
    found = _ANSWER.search(answer)
    if found is None:
        return None
    token, revision, value = found.groups(default="0")
    return _Stated(int(token), int(revision), int(value) - _OFFSET * (number + 1))


@lru_cache(maxsize=65536)
def _chance(world: World, number: int) -> float:
    rng = random.Random(derive_seed(world.seed, "chance", number))
    weight = world.concentration
    return rng.betavariate(max(world.skill * weight, 1e-3), max((1 - world.skill) * weight, 1e-3))


@lru_cache(maxsize=65536)
def _has_trap(world: World, number: int) -> bool:
    return random.Random(derive_seed(world.seed, "trap", number)).random() < world.traps


@lru_cache(maxsize=65536)
def _mean_reward(world: World, number: int, token: int, kind: int) -> float:
    """What the judge holds of an answer on average: how far from the middle."""
    total = math.hypot(world.noise, world.answer_spread, world.class_spread)
    gap = _NORMAL.inv_cdf(world.auc) * math.sqrt(2) * total
    value = _OFFSET * (number + 1) + kind
    shifts = (
        (world.level_spread, ("level", number)),
        (world.class_spread, ("class", number, value)),
        (world.answer_spread, ("answer", number, value, token)),
    )
    mean = world.level + (gap / 2 if kind == 0 else -gap / 2)
    if kind == _TRAP and world.trap_liked and _has_trap(world, number):
        mean += world.trap_liked
    for spread, parts in shifts:
        if spread:
            mean += random.Random(derive_seed(world.seed, *parts)).gauss(0, spread)
    return mean
