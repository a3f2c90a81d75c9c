"""Drafts of one problem, with what the baselines make of them, each asked for once."""

from __future__ import annotations

from dataclasses import dataclass

import mctsr_graph.prompts as say
from mctsr_graph.calls.ask import Asker
from mctsr_graph.calls.budget import Budget
from mctsr_graph.calls.request import Model, Reply, Request
from mctsr_graph.calls.sync_async import AWAITING
from mctsr_graph.calls.usage import sum_costs
from mctsr_graph.graph.identity_v1 import digest_of
from mctsr_graph.graph.rollout import rewards
from mctsr_graph.graph.services import Services
from mctsr_graph.graph.spec import SearchSpec
from mctsr_graph.judges import Case
from mctsr_graph.prompts import Prompts
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.text.final_answer import extract_final_answer
from mctsr_graph.text.hostile import is_suspicious

from .ledger import Ledger
from .records import Attempt


@dataclass
class Drafts:
    """Asks as a search asks: the same prompts, sampling, retries and journal."""

    problem: str
    model: Model
    context: MCTSrContext
    prompts: Prompts
    ledger: Ledger

    def __post_init__(self) -> None:
        self.drafts: list[Reply] = []
        self.evaluations: list[Reply] = []
        """One for each of the first drafts; the evaluation of no text is an empty reply."""
        self.refinement: list[Reply] = []
        """The critique of the first draft, and the refinement, as far as they could be had."""
        budget = Budget(self.context, [], 0.0)
        spec = SearchSpec.of(self.model, {"prompts": self.prompts, "journal": self.ledger})

        def is_kept(digest: str) -> bool:
            return self.ledger.holds(f"baselines|{digest}")

        name = f"baselines|{digest_of(self.problem, self.context, spec, is_kept)}"
        self._asker = Asker(self.model, self.context, budget, self.ledger, name)
        self._services = Services(spec)

    async def draw(self, count: int) -> None:
        """Have at least `count` drafts."""
        messages = say.draft_messages(self.prompts, self.problem)
        samples = range(len(self.drafts), count)
        self.drafts += await self._ask(
            [self._services.text("draft", messages, 0, sample) for sample in samples]
        )

    async def evaluate(self, count: int) -> None:
        """Have at least `count` drafts, each judged once as a search would judge it."""
        await self.draw(count)
        samples = range(len(self.evaluations), count)
        asked = [i for i in samples if self.drafts[i].code is None]
        texts = {i: self.drafts[i].value for i in range(count) if self.drafts[i].code is None}
        cases = [
            [Case(self.problem, texts[i], 0, i, [texts[k] for k in texts if k <= i])] for i in asked
        ]
        replies = await self._services.judge(cases, self._asker, AWAITING)
        by_sample = {i: reply for i, [reply] in zip(asked, replies, strict=True)}
        self.evaluations += [by_sample.get(i, _NOTHING) for i in samples]

    async def refine(self) -> None:
        """Have a critique of the first draft, and a refinement."""
        await self.draw(1)
        draft = self.drafts[0]
        if draft.code is not None or self.refinement:
            return
        messages = say.critique_messages(self.prompts, self.problem, draft.value)
        request = self._services.text("critique", messages, 1)
        [critique] = self.refinement = await self._ask([request])
        if critique.code is None:
            messages = say.refine_messages(self.prompts, self.problem, draft.value, critique.value)
            shorter = say.shorter_refine_messages(self.prompts, self.problem, critique.value)
            self.refinement += await self._ask(
                [self._services.text("refine", messages, 1, shorter=shorter)]
            )

    def is_recalled(self, role: str, count: int) -> bool:
        """Whether one of the first `count` replies of a role came from the journal."""
        slots = (call.slot for call in self.ledger.calls if call.recalled)
        return any(slot.role == role and slot.sample < count for slot in slots)

    def attempt(self, index: int, *, evaluated: bool) -> Attempt:
        """A draft as an attempt, with its evaluation if the method makes one."""
        draft = self.drafts[index]
        replies = [draft, *([self.evaluations[index]] if evaluated else [])]
        same = [i for i in range(index) if self.drafts[i].value == draft.value]
        made = as_attempt(draft)
        made["cost"] = sum_costs(reply.cost for reply in replies)
        made["rewards"] = rewards(replies[1:])
        made["duplicate_of"] = same[0] if same and draft.code is None else None
        return made

    async def _ask(self, requests: list[Request]) -> list[Reply]:
        return await self._asker.ask_all(requests, AWAITING)


def as_attempt(reply: Reply) -> Attempt:
    """A reply as an attempt; one that could not be had has no text."""
    text = reply.value if reply.code is None else ""
    return Attempt(
        text=text,
        final_answer=extract_final_answer(text) if text else None,
        parent=None,
        critique=None,
        rollout=0,
        rewards=[],
        q=None,
        dummy=False,
        truncated=reply.truncated,
        suspicious=is_suspicious(text),
        duplicate_of=None,
        cost=reply.cost,
        verdict=None,
    )


_NOTHING = Reply(None, sum_costs([]), 0.0, "unasked")
