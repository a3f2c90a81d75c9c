"""What a run does with each problem."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from mctsr_graph.errors import ConfigError
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.settings.profiles import PROFILES
from mctsr_graph.strategies.strategy import strategy_of

from .records import EQUAL, FORMULA, SIMPLE_METHODS

_OURS = ("profile", "max_rollouts", "max_calls", "max_tokens", "max_seconds", "seed")


@dataclass(frozen=True)
class Plan:
    """The methods, and the rollouts at which they are compared.

    Raises:
        ConfigError: a method, a number of rollouts or a setting is wrong.
    """

    methods: Sequence[str]
    rollouts: Sequence[int]
    """Ascending, each 0 or more."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of `MCTSrContext` for every method; the rest is the profile's."""
    equal: Sequence[str] = EQUAL
    """What baselines get as much of as each search took on the same problem: "calls", "tokens",
    or both. "formula": calls by 3 + 4N, whatever a search took."""

    def __post_init__(self) -> None:
        allowed = (*SIMPLE_METHODS, *PROFILES)
        for name in self.methods:
            if name not in allowed:
                raise ConfigError(f"method is {name!r}, allowed {', '.join(allowed)}")
        if not self.methods or len(set(self.methods)) < len(self.methods):
            raise ConfigError(f"methods are {list(self.methods)}, allowed one or more, each once")
        ascending = list(self.rollouts) == sorted(set(self.rollouts))
        if not self.rollouts or not ascending or not 0 <= min(self.rollouts) <= 4096:
            raise ConfigError(f"rollouts are {list(self.rollouts)}, allowed 0 to 4096, ascending")
        if not set(self.equal) <= {*EQUAL, FORMULA} or not self.equal:
            raise ConfigError(f"equal is {list(self.equal)}, allowed {', '.join(EQUAL)}, {FORMULA}")
        for name in _OURS:
            if name in self.settings:
                raise ConfigError(f"--set {name} is the benchmark's own to choose")
        self.context("paper", 0)  # so that a wrong setting is told now

    @property
    def profiles(self) -> list[str]:
        """The methods that are searches."""
        return [name for name in self.methods if name in PROFILES]

    def context(self, profile: str, seed: int) -> MCTSrContext:
        """Settings of a search as long as the longest that is compared."""
        most, settings = max(self.rollouts), {**self.settings, "profile": profile, "seed": seed}
        if is_counted_by_calls(MCTSrContext(**settings)):
            return MCTSrContext(**settings, max_calls=calls_of(most))
        return MCTSrContext(**settings, max_rollouts=max(most, 1))


def is_counted_by_calls(context: MCTSrContext) -> bool:
    """Whether rollouts of a search differ in cost: it has calls instead, as many as baselines."""
    return len(strategy_of(context).kinds) > 1


@dataclass(frozen=True)
class Task:
    """A problem to be solved. It does not know the answer."""

    problem: str
    seed: int
    plan: Plan
    has_answered: bool = False
    """Whether the model has answered before, so that nothing is wrong with key and settings."""


def calls_of(rollouts: int) -> int:
    """Model calls for so many rollouts: those of the official code, 3 + 4N.

    A search whose rollouts differ in cost gets as many, and so do baselines where no search tells.
    """
    return 3 + 4 * rollouts
