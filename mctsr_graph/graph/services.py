"""What asks the model for texts, and the judge for rewards."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

from langchain_core.messages import BaseMessage

from mctsr_graph import prompts as say
from mctsr_graph.calls.ask import Asker
from mctsr_graph.calls.budget import Budget
from mctsr_graph.calls.request import Reply, Request, derive_seed
from mctsr_graph.calls.sync_async import Way
from mctsr_graph.calls.usage import Role, Usage
from mctsr_graph.graph.events import away_teller, left_out_event
from mctsr_graph.graph.identity_v1 import digest_of
from mctsr_graph.graph.rollout import Leaf, longest
from mctsr_graph.graph.spec import SearchSpec
from mctsr_graph.graph.state import MCTSrState, question_of
from mctsr_graph.graph.step import Run
from mctsr_graph.judges import Case
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.text.replies import ANSWER_SCHEMA, read_answer, read_text

Shorter = Sequence[Callable[[], list[BaseMessage]]]


@dataclass(frozen=True)
class Services:
    """Builds requests, and asks the model and the judge of a search."""

    spec: SearchSpec

    def text(
        self,
        role: Role,
        messages: list[BaseMessage],
        rollout: int,
        sample: int = 0,
        shorter: Shorter = (),
    ) -> Request:
        """The request for a draft, a critique or a refined answer."""
        reading, is_answer = self.spec.reading, role != "critique"
        schema = ANSWER_SCHEMA if reading.read is None else reading.schema
        return Request(
            role,
            messages,
            read_answer if is_answer and reading.read is None else read_text,
            lambda: say.write_again_messages(self.spec.prompts, messages),
            shorter,
            lambda text: not is_answer or reading.of(text) is not None,
            schema=schema if is_answer else None,
            rollout=rollout,
            sample=sample,
        )

    def critique(self, state: MCTSrState, leaf: Leaf) -> Request:
        """The request for the flaws of the answer that a leaf refines."""
        answer = state["tree"][leaf["parent"] or ""]["answer"]
        messages = say.critique_messages(self.spec.prompts, question_of(state).text, answer)
        return self.text("critique", messages, leaf["rollout"])

    def answer(self, state: MCTSrState, context: MCTSrContext, leaf: Leaf) -> Request:
        """The request for a leaf's new answer: a draft, a refinement, or several merged into one.

        A merge has the role of a refinement. It is shown the answers in an order drawn for its
        rollout, as models favour a place.
        """
        prompts, problem, tree = self.spec.prompts, question_of(state).text, state["tree"]
        rollout, critique = leaf["rollout"], leaf["critique"] or ""
        if leaf["task"] == "draft":
            return self.text("draft", say.draft_messages(prompts, problem), rollout)
        if leaf["task"] == "merge":
            rng = random.Random(derive_seed(context.seed, "merge", rollout))
            parents = rng.sample(leaf["parents"], len(leaf["parents"]))
            answers = [tree[node_id]["answer"] for node_id in parents]
            messages = say.merge_messages(prompts, problem, answers)
            shorter = say.shorter_merge_messages(prompts, problem, answers)
        else:
            answer = tree[leaf["parent"] or ""]["answer"]
            sees = self.spec.strategy(context).refine_sees_answer
            messages = say.refine_messages(prompts, problem, answer, critique, sees)
            shorter = say.shorter_refine_messages(prompts, problem, critique)
        return self.text("refine", messages, rollout, shorter=shorter)

    def asker(self, state: MCTSrState, run: Run, *, strict: bool = False) -> Asker:
        """Asks the model, under what is left of the budgets."""
        leaves = state["wave"].values()
        budget = Budget(run.context, [state["usage"]], state["seconds"] + longest(leaves))
        if budget.is_shared_out:
            budget.set_aside(self._planned(leaves, run))
        search = f"{state.get('search') or ''}/{state.get('branch') or ''}"
        here = copy_context()  # in which LangGraph finds the run; a call may be made in a thread

        def tell(setting: str, value: Any, model: str, reason: str) -> None:
            here.copy().run(run.emit, left_out_event(setting, value, model, reason))

        return Asker(
            self.spec.model(),
            run.context,
            budget,
            self.spec.journal,
            search,
            strict,
            tell,
            question_of(state),
            run.gate,
            away_teller(lambda event: here.copy().run(run.emit, event)),
        )

    def _planned(self, leaves: Iterable[Leaf], run: Run) -> dict[int, tuple[int, Usage]]:
        """By rollout, its calls where no reply has to be asked for again, and what it has cost."""
        context, reward_calls = run.context, self.spec.bound_judge.reward_calls(run.context)
        calls_of = self.spec.strategy(context).calls_of
        return {
            leaf["rollout"]: (calls_of(leaf["task"], context, reward_calls), leaf["usage"])
            for leaf in leaves
        }

    async def judge(self, cases: list[list[Case]], asker: Asker, way: Way) -> list[list[Reply]]:
        """Have every case judged at once."""
        strategy, prompts = self.spec.strategy(asker.context), self.spec.prompts
        return await self.spec.bound_judge.rewards(cases, asker, prompts, strategy, way)

    def search_id(self, state: MCTSrState, problem: str, run: Run) -> str:
        """The id under which the journal keeps the calls of this search.

        It is the same after a crash, even one that lost every checkpoint; but where the thread
        holds this very search as finished, it is to be made anew.
        """
        journal = self.spec.journal
        if journal is None:
            return ""
        known, _, generation = (state.get("search") or "").rpartition(":")

        def is_kept(digest: str) -> bool:
            name = f"{run.place}|{digest}"
            return name == known or journal.holds(f"{name}:0/")

        name = f"{run.place}|{digest_of(problem, run.context, self.spec, is_kept)}"
        if known != name:
            return f"{name}:0"
        over = state.get("stop_reason") is not None
        return f"{name}:{int(generation) + over}"
