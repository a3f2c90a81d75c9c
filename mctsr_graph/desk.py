"""Where questions go out from: for texts of the model, and for rewards of the judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from langchain_core.messages import BaseMessage

from . import prompts as say
from .answers import extract_final_answer
from .asking import Asker
from .calls import Budget, Model, Reply, Request
from .fingerprint import fingerprint
from .journal import CallJournal
from .judges import Case, Court
from .leaves import longest
from .prompts import Prompts
from .state import MCTSrState
from .step import Run
from .strategy import Strategy
from .usage import Role, Usage
from .ways import Way

Shorter = Sequence[Callable[[], list[BaseMessage]]]


@dataclass(frozen=True)
class Desk:
    """One model, one set of prompts, who judges, and how to decide."""

    model: Callable[[], Model]
    prompts: Prompts
    court: Court
    strategy: Strategy
    journal: CallJournal | None = None

    def prepare(self) -> None:
        """Load the models that are named, which may wait for a disk."""
        self.model()
        if self.court.model is not None:
            self.court.model()

    def text(
        self,
        role: Role,
        messages: list[BaseMessage],
        rollout: int,
        sample: int = 0,
        shorter: Shorter = (),
    ) -> Request:
        """The request for a draft, a critique or a refined answer."""
        return Request(
            role,
            messages,
            say.read_text,
            lambda: say.write_again_messages(self.prompts, messages),
            shorter,
            lambda text: role == "critique" or extract_final_answer(text) is not None,
            rollout=rollout,
            sample=sample,
        )

    def asker(self, state: MCTSrState, run: Run, *, strict: bool = False) -> Asker:
        """Asks the model, under what is left of the budgets."""
        leaves = state["wave"].values()
        usages: list[Usage] = [state["usage"], *(leaf["usage"] for leaf in leaves)]
        budget = Budget(run.context, usages, state["seconds"] + longest(leaves))
        search = f"{state['search']}/{state.get('branch') or ''}"
        return Asker(self.model(), run.context, budget, self.journal, search, strict)

    async def judge(self, cases: list[list[Case]], asker: Asker, way: Way) -> list[list[Reply]]:
        """Have every case judged at once."""
        return await self.court.rewards(cases, asker, self.prompts, way)

    def search_id(self, state: MCTSrState, problem: str, run: Run) -> str:
        """The id under which the journal keeps the calls of this search.

        It is the same after a crash, even one that lost every checkpoint; but where the thread
        holds this very search as finished, it is to be made anew.
        """
        if self.journal is None:
            return ""
        others = self.court.label() + self.strategy.label()
        told = fingerprint(problem, run.context, self.prompts, self.model(), others)
        name = f"{run.place}|{told}"
        known, _, generation = (state.get("search") or "").rpartition(":")
        if known != name:
            return f"{name}:0"
        over = state.get("stop_reason") is not None
        return f"{name}:{int(generation) + over}"
