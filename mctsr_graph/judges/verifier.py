"""A function as the judge: unit tests, a proof checker, a program."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from mctsr_graph.judges.base import Case, JudgeCalls
from mctsr_graph.text.reward_scale import scaled

Check = Callable[[str, str], float | bool | Awaitable[float | bool]]
"""Takes problem and answer; returns points on the reward scale, or whether the answer is right."""


@dataclass(frozen=True)
class Verifier:
    """Rewards an answer with what a function says of it; True is the highest, False the lowest.

    The function may be async. One that is not is called in threads, several at once. It is not
    a model, so its calls are neither counted nor kept in the journal, and no reward of it is
    too good to be believed: full scores are not suppressed.
    """

    reward_calls: ClassVar[int] = 0
    prompts_used: ClassVar[Sequence[str]] = ()
    check: Check = field(repr=False)

    @property
    def name(self) -> str:
        """The function's full name."""
        named = self.check if hasattr(self.check, "__qualname__") else type(self.check)
        return f"{named.__module__}.{named.__qualname__}"

    def label_parts(self) -> Mapping[str, Any]:
        """What tells it from others: the function."""
        return {"check": self.check}

    async def reward(self, case: Case, calls: JudgeCalls) -> float:
        """Return the function's verdict, points."""
        said = await calls.call(self.check, case.problem, case.answer)
        value = said.item() if hasattr(said, "item") else said  # of NumPy or PyTorch
        return scaled(value) if isinstance(value, bool) else value
