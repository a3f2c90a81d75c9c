"""The steps of a search.

Each reads the state, asks the model or does the maths, and returns an update; none changes what
it is given.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from langgraph.types import Command, Overwrite

from . import prompts as say
from .answers import clean_text, extract_final_answer
from .asking import Asker
from .calls import Budget, Model, Reply, Request, derive_seed
from .config import MCTSrContext
from .defuse import is_suspicious
from .errors import ConfigError
from .events import rollout_event, start_event, stop_event
from .fingerprint import fingerprint
from .journal import CallJournal
from .judges import Case, Court, cases_of
from .leaves import (
    Leaf,
    failures,
    grow,
    known_answers,
    longest,
    new_leaf,
    rewards,
    with_rewards,
    with_text,
)
from .prompts import Prompts
from .search import add_child, backpropagate, new_node, select_wave
from .state import MCTSrState, fresh_state
from .step import Run
from .stopping import affordable_width, check_tree, why_stop
from .tree import Node, Patch, Tree, best_node, merge
from .usage import Role, add_usage


@dataclass(frozen=True)
class Nodes:
    """The seven nodes of the graph, over one model, one court and one set of prompts."""

    model: Callable[[], Model]
    prompts: Prompts
    court: Court
    journal: CallJournal | None = None

    async def initialize(self, state: MCTSrState, run: Run) -> dict[str, Any]:
        """Make the roots: draft an answer and evaluate it. Forgets any earlier search."""
        fresh = fresh_state(_checked_problem(state["problem"]))
        run.emit(start_event(fresh["problem"], run.context))
        fresh["search"] = self._id_in_journal(state, fresh["problem"], run)
        answers, drafts = await self._root_answers(fresh, run)
        truncated = any(reply.truncated for reply in drafts)
        fresh["usage"] = add_usage({"draft": reply.cost} for reply in drafts)
        fresh["seconds"] = sum(reply.seconds for reply in drafts)
        replies = await self._root_rewards(answers, fresh, run)
        tree: Tree = {}
        for answer, own in zip(answers, replies, strict=True):
            earned = rewards(own)
            tree = merge(tree, [self._root(tree, answer, earned, truncated, run)])
        evaluations = [reply for own in replies for reply in own]
        lost = failures(drafts, "draft", 0) + failures(evaluations, "evaluate", 0)
        return {
            **fresh,
            "tree": Overwrite(tree),
            "wave": Overwrite({}),
            "failures": Overwrite(lost),
            "usage": add_usage([fresh["usage"], *({"evaluate": r.cost} for r in evaluations)]),
            "seconds": fresh["seconds"] + max((r.seconds for r in evaluations), default=0.0),
            # A draft that could not be evaluated is in no node, and is not to be lost
            "answer": answers[0] if answers and not tree else None,
            "best": best_node(tree),
        }

    async def select(self, state: MCTSrState, run: Run) -> Command[str]:
        """Choose the leaves of the next wave, or say why the search is over."""
        check_tree(state)
        reason = why_stop(state, run.context)
        leaves = [] if reason is not None else self._wave(state, run.context)
        if not leaves:
            update = {"wave": Overwrite({}), "stop_reason": reason or "exhausted"}
            return Command(update=update, goto="finalize")
        wave = {str(leaf["rollout"]): leaf for leaf in leaves}
        return Command(update={"wave": Overwrite(wave), "stop_reason": None}, goto="critique")

    async def critique(self, state: MCTSrState, run: Run) -> dict[str, Any]:
        """Ask for the flaws of every selected answer."""

        def messages(leaf: Leaf) -> list[Any]:
            answer = state["tree"][leaf["parent"]]["answer"]
            return say.critique_messages(self.prompts, state["problem"], answer)

        return {"wave": await self._texts("critique", messages, state, run)}

    async def refine(self, state: MCTSrState, run: Run) -> dict[str, Any]:
        """Ask for a better answer in the light of each critique."""

        def messages(leaf: Leaf) -> list[Any]:
            answer, critique = state["tree"][leaf["parent"]]["answer"], leaf["critique"] or ""
            return say.refine_messages(
                self.prompts, state["problem"], answer, critique, run.context
            )

        def shorter(leaf: Leaf) -> list[Callable[[], list[Any]]]:
            return say.shorter_refine_messages(
                self.prompts, state["problem"], leaf["critique"] or ""
            )

        return {"wave": await self._texts("refine", messages, state, run, shorter)}

    async def evaluate(self, state: MCTSrState, run: Run) -> dict[str, Any]:
        """Have every new answer judged, and the answer that it refines once more."""
        live, cases = _live(state), []
        known = known_answers(state["tree"], live)
        for leaf in live:
            new, refined = leaf["answer"] or "", state["tree"][leaf["parent"]]["answer"]
            answers = [*[new] * run.context.reward_samples, refined]
            cases.append(cases_of(state["problem"], answers, known, leaf["rollout"]))
        replies = await self._judge(state, run, cases)
        return {
            "wave": {
                str(leaf["rollout"]): with_rewards(leaf, own)
                for leaf, own in zip(live, replies, strict=True)
            }
        }

    async def backpropagate(self, state: MCTSrState, run: Run) -> dict[str, Any]:
        """Write the wave into the tree, leaf by leaf in order, and carry the values upwards."""
        tree, best, usage = state["tree"], state["best"], state["usage"]
        idle, failed = state["idle_rollouts"], state["failed_rollouts"]
        leaves, patches = list(state["wave"].values()), []
        for leaf in leaves:
            node, patch = grow(tree, leaf, run.context)
            tree = merge(tree, [patch])
            patches.append(patch)
            best = best_node(tree)
            usage = add_usage([usage, leaf["usage"]])
            improved = node is not None and node["id"] == best and not _is_repeated(node, leaf)
            idle = 0 if improved else idle + 1
            failed = failed + 1 if node is None else 0
            run.emit(rollout_event(leaf, node, tree, best, usage))
        return {
            "tree": merge({}, patches),
            "failures": [failure for leaf in leaves for failure in leaf["failures"]],
            "rollouts": state["rollouts"] + len(leaves),
            "usage": usage,
            "seconds": state["seconds"] + longest(leaves),
            "idle_rollouts": idle,
            "failed_rollouts": failed,
            "lost_rollouts": state["lost_rollouts"] + sum(leaf["lost"] for leaf in leaves),
            "best": best,
        }

    async def finalize(self, state: MCTSrState, run: Run) -> dict[str, Any]:
        """Return the best answer."""
        tree, best = state["tree"], best_node(state["tree"])
        answer = tree[best]["answer"] if best is not None else state["answer"]
        run.emit(stop_event(state["stop_reason"], state["rollouts"], tree, best, state["usage"]))
        return {
            "answer": answer,
            "final_answer": extract_final_answer(answer) if answer else None,
            "best": best,
        }

    def _id_in_journal(self, state: MCTSrState, problem: str, run: Run) -> str:
        """The id under which the journal keeps the calls of this search.

        It is the same after a crash, even one that lost every checkpoint; but where the thread
        holds this very search as finished, it is to be made anew.
        """
        if self.journal is None:
            return ""
        who = (self.model(), self.court.label())
        name = f"{run.place}|{fingerprint(problem, run.context, self.prompts, *who)}"
        known, _, generation = (state.get("search") or "").rpartition(":")
        if known != name:
            return f"{name}:0"
        over = state.get("stop_reason") is not None
        return f"{name}:{int(generation) + over}"

    async def _root_answers(self, state: MCTSrState, run: Run) -> tuple[list[str], list[Reply]]:
        dummy = [] if run.context.init == "answer" else [self.prompts.dummy_answer]
        if run.context.init == "dummy":
            return dummy, []
        messages = say.draft_messages(self.prompts, state["problem"])
        [reply] = await self._ask(state, run, [self._text("draft", messages, 0)], strict=True)
        return ([reply.value] if reply.code is None else []) + dummy, [reply]

    async def _root_rewards(
        self, answers: Sequence[str], state: MCTSrState, run: Run
    ) -> list[list[Reply]]:
        times = run.context.reward_samples
        known = [answer for answer in answers if answer != self.prompts.dummy_answer]
        cases = [
            cases_of(state["problem"], [answer] * times, known, first=i * times)
            for i, answer in enumerate(answers)
        ]
        return await self._judge(state, run, cases, strict=True)

    def _root(
        self, tree: Tree, answer: str, earned: list[float], truncated: bool, run: Run
    ) -> Patch:
        """The patch that adds a root; nothing if it could not be evaluated."""
        if not earned:
            return {}
        dummy = answer == self.prompts.dummy_answer
        root = new_node(
            tree,
            parent=None,
            answer=answer,
            final_answer=None if dummy else extract_final_answer(answer),
            rewards=earned,
            dummy=dummy,
            truncated=truncated and not dummy,
            suspicious=is_suspicious(answer),
        )
        patch = add_child(tree, root)
        return merge(patch, [backpropagate(merge(tree, [patch]), root["id"], run.context)])

    def _wave(self, state: MCTSrState, context: MCTSrContext) -> list[Leaf]:
        rng = random.Random(derive_seed(context.seed, "select", state["rollouts"]))
        first = state["rollouts"] + 1
        chosen = select_wave(state["tree"], context, rng, affordable_width(state, context), first)
        return [new_leaf(first + i, state["tree"][id]) for i, id in enumerate(chosen)]

    async def _texts(
        self,
        role: Literal["critique", "refine"],
        messages: Callable[[Leaf], list[Any]],
        state: MCTSrState,
        run: Run,
        shorter: Callable[[Leaf], Sequence[Callable[[], list[Any]]]] = lambda leaf: (),
    ) -> Patch:
        """Ask for one text a live leaf, unless a person has written it."""
        text: Literal["critique", "answer"] = "critique" if role == "critique" else "answer"
        live = [leaf for leaf in _live(state) if leaf[text] is None]
        requests = [
            self._text(role, messages(leaf), leaf["rollout"], shorter(leaf)) for leaf in live
        ]
        replies = await self._ask(state, run, requests)
        return {
            str(leaf["rollout"]): with_text(leaf, role, reply)
            for leaf, reply in zip(live, replies, strict=True)
        }

    def _text(
        self,
        role: Role,
        messages: list[Any],
        rollout: int,
        shorter: Sequence[Callable[[], list[Any]]] = (),
    ) -> Request:
        return Request(
            role,
            messages,
            say.read_text,
            lambda: say.write_again_messages(self.prompts, messages),
            shorter,
            lambda text: role == "critique" or extract_final_answer(text) is not None,
            rollout=rollout,
        )

    async def _ask(
        self, state: MCTSrState, run: Run, requests: Sequence[Request], *, strict: bool = False
    ) -> list[Reply]:
        return await self._asker(state, run, strict).ask_all(requests, run.way)

    async def _judge(
        self, state: MCTSrState, run: Run, cases: list[list[Case]], *, strict: bool = False
    ) -> list[list[Reply]]:
        asker = self._asker(state, run, strict)
        return await self.court.rewards(cases, asker, self.prompts, run.way)

    def _asker(self, state: MCTSrState, run: Run, strict: bool) -> Asker:
        leaves = state["wave"].values()
        usages = [state["usage"], *(leaf["usage"] for leaf in leaves)]
        budget = Budget(run.context, usages, state["seconds"] + longest(leaves))
        search = f"{state['search']}/{state.get('branch') or ''}"
        return Asker(self.model(), run.context, budget, self.journal, search, strict)


def _live(state: MCTSrState) -> list[Leaf]:
    return [leaf for leaf in state["wave"].values() if not leaf["lost"]]


def _is_repeated(node: Node, leaf: Leaf) -> bool:
    return node["duplicate_of"] is not None or node["rollout"] != leaf["rollout"]


def _checked_problem(problem: Any) -> str:
    if not isinstance(problem, str) or not clean_text(problem).strip():
        raise ConfigError(f"problem is {problem!r}, allowed a text that is not blank")
    return clean_text(problem)
