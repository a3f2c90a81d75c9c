"""Drafts of one problem, with what the baselines make of them, each asked for once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import mctsr_graph.prompts as say
from mctsr_graph.calls.ask import Asker
from mctsr_graph.calls.budget import Budget
from mctsr_graph.calls.logprobs import MOST
from mctsr_graph.calls.request import Model, Reply, Request, model_name
from mctsr_graph.calls.sync_async import AWAITING, all_at_once
from mctsr_graph.calls.usage import sum_costs
from mctsr_graph.errors import ConfigError
from mctsr_graph.graph.identity_v1 import digest_of
from mctsr_graph.graph.rollout import rewards
from mctsr_graph.graph.services import Services
from mctsr_graph.graph.spec import SearchOptions, SearchSpec
from mctsr_graph.judges import Case, Judge
from mctsr_graph.judges.pairwise import Pairwise
from mctsr_graph.prompts import Prompts
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.text.final_answer import extract_final_answer
from mctsr_graph.text.hostile import is_suspicious
from mctsr_graph.text.reward_scale import share_of

from .confidence import Confidence, with_confidence
from .ledger import Ledger
from .records import BY_TOKENS, Attempt

Asked = Literal["reward", "confidence"]
"""What a method may ask about each draft."""


@dataclass
class Drafts:
    """Asks as a search asks: the same prompts, sampling, retries and journal."""

    problem: str
    model: Model
    context: MCTSrContext
    prompts: Prompts
    ledger: Ledger
    tells_tokens: bool = False
    """Whether drafts are asked for with the likelihoods of their tokens."""

    def __post_init__(self) -> None:
        self.drafts: list[Reply] = []
        self.refinement: list[Reply] = []
        """The critique of the first draft, and the refinement, as far as they could be had."""
        self.matches: dict[tuple[int, int], Reply] = {}
        """By two drafts that were compared: a reward of the first against the second."""
        self._about: dict[Asked, list[list[Reply]]] = {"reward": [], "confidence": []}
        """For each of the first drafts what it was asked about it; [] for one that was lost."""
        budget = Budget(self.context, [], 0.0)
        self._services = self._judging(None)
        spec = self._services.spec

        def is_kept(digest: str) -> bool:
            return self.ledger.holds(f"baselines|{digest}")

        self._name = f"baselines|{digest_of(self.problem, self.context, spec, is_kept)}"
        self._asker = Asker(self.model, self.context, budget, self.ledger, self._name)

    async def draw(self, count: int) -> None:
        """Have at least `count` drafts.

        Raises:
            ConfigError: the model does not tell the likelihoods that are asked for.
        """
        messages = say.draft_messages(self.prompts, self.problem)
        samples = range(len(self.drafts), count)
        requests = [self._services.text("draft", messages, 0, sample) for sample in samples]
        if not self.tells_tokens:
            self.drafts += await self._ask(requests)
            return
        told = [replace(r, settings={"logprobs": MOST}, kept=with_confidence) for r in requests]
        # Each for itself: of several replies to one request the likelihoods are not kept
        jobs = [lambda way, one=one: self._asker.ask(one, way) for one in told]
        self.drafts += await all_at_once(jobs, self.model, AWAITING)
        if any(draft.code == "logprobs" for draft in self.drafts):
            raise ConfigError(
                f"method {' and '.join(BY_TOKENS)} need the log-probabilities of tokens, which "
                f"{model_name(self.model)} does not tell; allowed are the other methods"
            )

    async def have(self, count: int, asked: Asked | None) -> None:
        """Have at least `count` drafts, and what a method asks about each.

        A reward is asked for as a search would ask for that of a new answer.
        """
        await self.draw(count)
        if asked is None:
            return
        done, times = self._about[asked], self.context.reward_samples if asked == "reward" else 1
        texts = {i: d.value for i, d in enumerate(self.drafts[:count]) if d.code is None}
        known = {i: [texts[k] for k in texts if k <= i] for i in texts}
        new = range(len(done), count)
        cases = [
            [Case(self.problem, texts[i], 0, i * times + k, known[i]) for k in range(times)]
            for i in new
            if i in texts
        ]
        services = self._services if asked == "reward" else self._judging(Confidence())
        asker = self._asker if asked == "reward" else self._named(asked)
        replies = iter(await services.judge(cases, asker, AWAITING))
        done += [next(replies) if i in texts else [] for i in new]

    def about(self, asked: Asked | None, count: int) -> list[Reply]:
        """What a method has asked about the first drafts."""
        return (
            [] if asked is None else [r for replies in self._about[asked][:count] for r in replies]
        )

    def calls_about(self, asked: Asked | None) -> int:
        """Calls that asking about a draft takes at most, where every reply can be used."""
        if asked != "reward":
            return int(asked is not None)
        one = self._services.spec.bound_judge.reward_calls(self.context)
        return one * self.context.reward_samples

    async def compare(self, pairs: Sequence[tuple[int, int]]) -> None:
        """Have pairs of drafts compared, each in both orders, into `matches`."""
        new = [pair for pair in pairs if pair not in self.matches]
        texts = [(self.drafts[one].value, self.drafts[two].value) for one, two in new]
        cases = [
            [Case(self.problem, text, one + 1, two, [text, rival])]
            for (one, two), (text, rival) in zip(new, texts, strict=True)
        ]
        services, asker = self._judging(Pairwise(rivals=1)), self._named("tournament")
        replies = await services.judge(cases, asker, AWAITING)
        self.matches |= {pair: reply for pair, [reply] in zip(new, replies, strict=True)}

    def _judging(self, judge: Judge | None) -> Services:
        given: SearchOptions = {"prompts": self.prompts, "journal": self.ledger, "judge": judge}
        return Services(SearchSpec.of(self.model, given))

    def _named(self, what: str) -> Asker:
        """Keeps its calls beside those of others that are of the same role and number."""
        return replace(self._asker, search=f"{self._name}|{what}")

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

    def is_recalled(self, role: str, count: int, what: str = "") -> bool:
        """Whether a reply to one of the first `count` requests of a role was in the journal."""
        name = f"{self._name}|{what}" if what else self._name
        slots = (call.slot for call in self.ledger.calls if call.recalled)
        return any(s.search == name and s.role == role and s.sample < count for s in slots)

    def attempt(self, index: int, asked: Asked | None = None) -> Attempt:
        """A draft as an attempt, with what the method asks about it."""
        draft = self.drafts[index]
        about = self._about[asked][index] if asked else []
        same = [i for i in range(index) if self.drafts[i].value == draft.value]
        made = as_attempt(draft)
        made["cost"] = sum_costs(reply.cost for reply in [draft, *about])
        made["rewards"] = rewards(about) if asked == "reward" else []
        if asked == "confidence":
            made["confidence"] = next((share_of(value) for value in rewards(about)), None)
        made["duplicate_of"] = same[0] if same and draft.code is None else None
        return made

    def token_confidence(self, index: int, figure: str) -> float | None:
        """What the tokens of a draft tell: its "mean" or its "lowest" group's confidence."""
        slots = (self._name, "draft", index)
        told = [
            call.told
            for call in self.ledger.calls
            if (call.slot.search, call.slot.role, call.slot.sample) == slots
        ]
        return told[-1].get(figure) if told else None

    async def _ask(self, requests: list[Request]) -> list[Reply]:
        return await self._asker.ask_all(requests, AWAITING)


@lru_cache(maxsize=1024)  # each method makes attempts of the same drafts
def _read(text: str) -> tuple[str | None, bool]:
    return extract_final_answer(text) if text else None, is_suspicious(text)


def as_attempt(reply: Reply) -> Attempt:
    """A reply as an attempt; one that could not be had has no text."""
    text = reply.value if reply.code is None else ""
    final_answer, suspicious = _read(text)
    return Attempt(
        text=text,
        final_answer=final_answer,
        parent=None,
        critique=None,
        rollout=0,
        rewards=[],
        q=None,
        dummy=False,
        truncated=reply.truncated,
        suspicious=suspicious,
        duplicate_of=None,
        cost=reply.cost,
        verdict=None,
    )
