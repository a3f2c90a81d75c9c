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
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

from mctsr_graph.calls.request import derive_seed
from mctsr_graph.models.scripted import ScriptedCall, ScriptedChatModel
from mctsr_graph.text.reward_scale import LOWEST, scaled

_PROBLEM = re.compile(r"Simulated problem (\d+)\.")
_ANSWER = re.compile(r"Attempt (\d+)\. The final answer is \\boxed\{(\d+)\}")
_OFFSET = 1000  # the right answers, far from each other so that no wrong one of a problem is one


def _on_scale(score: float) -> int:
    return round(max(LOWEST, min(scaled(0.97), score)))


@dataclass(frozen=True)
class Simulated:
    """A simulated problem."""

    id: str
    text: str
    gold: str


@dataclass(frozen=True)
class World:
    """How well the simulated model and judge do. Chances in [0, 1], rewards in points.

    A problem has its own chance that an independent answer is right, drawn from a Beta
    distribution around `skill`; its wrong answers cluster geometrically. A refinement of a right
    answer keeps it right with chance `keeps`; one of a wrong answer mends it with `mends` times the
    problem's chance, else leaves it as it was with chance `sticks`. A merge goes on from a right
    answer that it is shown with chance `picks`, else from the one that most state; it keeps a right
    one with `keeps_merging`, and does with a wrong one as a refinement does. A reward scatters by
    `noise` each time, by `answer_spread` from answer to answer and by `class_spread` from one
    final answer to the next (errors the judge shares with itself); right ones are higher by so
    much that one reward of each tells right from wrong with probability `auc`.
    """

    skill: float = 0.5
    auc: float = 0.65
    noise: float = 30.0
    answer_spread: float = 15.0
    class_spread: float = 0.0
    keeps: float = 0.88
    mends: float = 0.7
    sticks: float = 0.7
    picks: float = 0.3
    keeps_merging: float = 0.97
    concentration: float = 2.0
    wrong_ratio: float = 0.75
    wrong_kinds: int = 10
    level_spread: float = 20.0
    """Spread of the level of all rewards from problem to problem, points."""
    seed: int = 0

    def problem(self, number: int) -> Simulated:
        """Problem `number`, from 0."""
        text = f"Simulated problem {number}. What is its answer?"
        return Simulated(f"simulated-{number}", text, str(_OFFSET * (number + 1)))

    def model(self, latency: float = 0.0) -> ScriptedChatModel:
        """The chat model; `latency` is seconds per call."""
        return ScriptedChatModel(replies=self.reply, latency=latency)

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
        return self._answer(number, 0 if right else self._wrong(rng), seed)

    def critique(self, answer: str) -> str:
        """A critique, which repeats the answer for those who refine without seeing it."""
        stated = _ANSWER.search(answer)
        return f"Check this again: {stated[0] if stated else answer}"

    def refine(self, number: int, answer: str, seed: int) -> str:
        """A refinement of an answer; of one that states nothing, an independent answer."""
        stated = _ANSWER.search(answer)
        if stated is None:
            return self.draft(number, seed)
        rng, kind = self._rng("refine", number, seed), int(stated[2]) - _OFFSET * (number + 1)
        return self._answer(number, self._after(rng, number, kind, self.keeps), seed)

    def merge(self, number: int, answers: Sequence[str], seed: int) -> str:
        """A merge of answers, whatever their order; of none that states anything, a draft."""
        stated = [found for answer in answers if (found := _ANSWER.search(answer)) is not None]
        if not stated:
            return self.draft(number, seed)
        rng = self._rng("merge", number, seed)
        votes = Counter(int(found[2]) - _OFFSET * (number + 1) for found in stated)
        most = max(votes.values())
        kind = rng.choice(sorted(kind for kind in votes if votes[kind] == most))
        if 0 in votes and rng.random() < self.picks:
            kind = 0
        return self._answer(number, self._after(rng, number, kind, self.keeps_merging), seed)

    def _after(self, rng: random.Random, number: int, kind: int, keeps: float) -> int:
        """What becomes of an answer of some kind; 0 is the right one."""
        if kind == 0:
            after = 0 if rng.random() < keeps else self._wrong(rng)
        elif rng.random() < self.mends * self.chance(number):
            after = 0
        else:
            after = kind if rng.random() < self.sticks else self._wrong(rng)
        return after

    def reward(self, number: int, answer: str, seed: int) -> int:
        """A whole score of an answer, points; low for one that states nothing."""
        stated = _ANSWER.search(answer)
        if stated is None:
            return _on_scale(self._rng("dummy", number, seed).gauss(scaled(0.05), 5))
        token, value = int(stated[1]), int(stated[2])
        mean = _mean_reward(self, number, token, value)
        score = mean + self._rng("reward", number, token, seed).gauss(0, self.noise)
        return _on_scale(score)

    def _wrong(self, rng: random.Random) -> int:
        kinds = range(1, self.wrong_kinds + 1)
        return rng.choices(kinds, [self.wrong_ratio**kind for kind in kinds])[0]

    def _answer(self, number: int, kind: int, seed: int) -> str:
        value = _OFFSET * (number + 1) + kind
        return f"Attempt {seed}. The final answer is \\boxed{{{value}}}."

    def _rng(self, *parts: object) -> random.Random:
        return random.Random(derive_seed(self.seed, *parts))


@lru_cache(maxsize=65536)
def _chance(world: World, number: int) -> float:
    rng = random.Random(derive_seed(world.seed, "chance", number))
    weight = world.concentration
    return rng.betavariate(max(world.skill * weight, 1e-3), max((1 - world.skill) * weight, 1e-3))


@lru_cache(maxsize=65536)
def _mean_reward(world: World, number: int, token: int, value: int) -> float:
    """What the judge holds of an answer on average."""
    right = value == _OFFSET * (number + 1)
    total = math.hypot(world.noise, world.answer_spread, world.class_spread)
    gap = NormalDist().inv_cdf(world.auc) * math.sqrt(2) * total
    shifts = (
        (world.level_spread, ("level", number)),
        (world.class_spread, ("class", number, value)),
        (world.answer_spread, ("answer", number, value, token)),
    )
    mean = gap / 2 if right else -gap / 2
    for spread, parts in shifts:
        if spread:
            mean += random.Random(derive_seed(world.seed, *parts)).gauss(0, spread)
    return mean
