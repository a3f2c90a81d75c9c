"""The steps of a search.

Each reads the state, asks the model or does the maths, and returns an update; none changes what
it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from langgraph.errors import GraphInterrupt
from langgraph.types import Command

from mctsr_graph.calls.ask import Asker
from mctsr_graph.calls.request import Request
from mctsr_graph.calls.sync_async import Way, all_at_once
from mctsr_graph.calls.usage import Usage, add_usage, usage_patch
from mctsr_graph.errors import PauseError
from mctsr_graph.graph.channels import overwrite
from mctsr_graph.graph.checksum import BY_PATCHES
from mctsr_graph.graph.events import rollout_event, start_event, stop_event, tell_repeated
from mctsr_graph.graph.finalize import judge_the_rest
from mctsr_graph.graph.initialize import make_roots
from mctsr_graph.graph.recording import Moment, judged_recorded, rollout_recorded
from mctsr_graph.graph.rollout import (
    Leaf,
    certain_alike,
    grow,
    known_answers,
    longest,
    with_rewards,
    with_text,
)
from mctsr_graph.graph.select import next_leaves, seen_by
from mctsr_graph.graph.services import Services
from mctsr_graph.graph.state import (
    ROLLOUT,
    WHILE_ABSENT,
    MCTSrState,
    fresh_state,
    question_of,
    report_of,
)
from mctsr_graph.graph.step import Run
from mctsr_graph.graph.stop import why_stop
from mctsr_graph.judges import cases_of
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.settings.question import as_question
from mctsr_graph.strategies.conclude import chosen, conclude
from mctsr_graph.tree.record import compact
from mctsr_graph.tree.tree import Node, Patch, Tree, merge

Texts = Callable[[Leaf], Request]

_LARGE = 200  # nodes from which on a tree is weighed in a thread


@dataclass(frozen=True)
class Nodes:
    """The nodes of the graph, over the services that they share."""

    services: Services

    async def initialize(self, state: MCTSrState, run: Run) -> dict[str, Any]:
        """Make the roots: draft answers and have them judged. Forgets any earlier search."""
        question = as_question(state.get("problem"))
        fresh = fresh_state(question)
        drafted = state.get("drafted")
        if drafted and drafted["problem"] == question.key:
            fresh["drafted"] = drafted
        else:
            run.emit(start_event(question.text, run.context))
        fresh["search"] = self.services.search_id(state, question.key, run)
        tree, made = await make_roots(self.services, fresh, run)
        if made["drafted"]:  # the problem stays as it was given, with its pictures
            return _changed(state, {"search": fresh["search"], **made})
        tell_repeated(tree, {}, tree, run.emit)
        new = _changed(state, {**fresh, **made, "tree": tree})
        new = {name: overwrite(new[name]) if name in BY_PATCHES else new[name] for name in new}
        return {**new, "mctsr": None}  # tells whoever runs a graph that is paused of the output

    async def select(self, state: MCTSrState, run: Run) -> Command[str]:
        """Choose the leaves of the next wave, or say why the search is over."""
        if state.get("drafted"):
            return Command(goto="initialize")
        spec, context = self.services.spec, run.context
        strategy = spec.strategy(context)
        reward_calls = spec.bound_judge.reward_calls(context)
        search = seen_by(strategy, state, context, reward_calls, spec.reading.is_text)
        reason = why_stop(strategy, state, search)
        leaves, reason = ([], reason) if reason else next_leaves(strategy, search)
        if not leaves:
            return Command(update={"wave": overwrite({}), "stop_reason": reason}, goto="finalize")
        wave = {str(leaf["rollout"]): leaf for leaf in leaves}
        update: dict[str, Any] = {"wave": overwrite(wave)}
        if state["stop_reason"] is not None:  # of a search that is gone on with
            update["stop_reason"] = None
        return Command(update=update, goto=ROLLOUT[1])

    async def critique(self, state: MCTSrState, run: Run) -> dict[str, Any]:
        """Ask for the flaws of every answer selected to be refined."""
        step = self._through if run.context.pipelined else self._critique
        return {"wave": await step(state, _live(state), self.services.asker(state, run), run.way)}

    async def refine(self, state: MCTSrState, run: Run) -> dict[str, Any]:
        """Ask for a better answer by each critique, for one made of several, or for a fresh one."""
        asker = self.services.asker(state, run)
        return {"wave": await self._refine(state, _live(state), asker, run.way)}

    async def evaluate(self, state: MCTSrState, run: Run) -> dict[str, Any]:
        """Have every new answer judged, and the answer that it refines once more."""
        asker = self.services.asker(state, run)
        return {"wave": await self._evaluate(state, _live(state), asker, run.way)}

    async def backpropagate(self, state: MCTSrState, run: Run) -> dict[str, Any]:
        """Write the wave into the tree, leaf by leaf in order, and carry the values upwards."""
        tree, best, usage = state["tree"], state["best"], state["usage"]
        idle, failed = state["idle_rollouts"], state.get("failed_rollouts", 0)
        leaves, patches = certain_alike(list(state["wave"].values())), []
        seconds, rows = state["seconds"] + longest(leaves), []
        record, is_heard = state.get("record") or [], run.is_heard
        spec, strategy = self.services.spec, self.services.spec.strategy(run.context)
        for leaf in leaves:
            node, patch = grow(tree, leaf, strategy, run.context, spec.reading)
            before, tree = tree, merge(tree, [patch])
            patches.append(patch)
            best = self._choose(tree, run.context)
            usage = add_usage([usage, leaf["usage"]])
            now = Moment(tree, run.context, best, usage, seconds, record)
            row = rollout_recorded(now, before, leaf, node, patch)
            rows.append(compact(row, before, tree, now.value))
            improved = node is not None and node["id"] == best and not _is_repeated(node, leaf)
            idle = 0 if improved else idle + 1
            failed = failed + 1 if node is None else 0
            if is_heard:
                run.emit(rollout_event(row, now, leaf["failures"]))
            await run.way.between(len(patches))
        patch = merge({}, patches)
        tell_repeated(patch, state["tree"], tree, run.emit)
        failures = [failure for leaf in leaves for failure in leaf["failures"]]
        values = {
            "rollouts": state["rollouts"] + len(leaves),
            "seconds": seconds,
            "idle_rollouts": idle,
            "failed_rollouts": failed,
            "lost_rollouts": state.get("lost_rollouts", 0) + sum(leaf["lost"] for leaf in leaves),
            "best": best,
        }
        return {
            "tree": patch,
            "record": rows,
            **({"failures": failures} if failures else {}),
            **_changed(state, values),
            **_spent(state, usage),
        }

    async def finalize(self, state: MCTSrState, run: Run) -> dict[str, Any]:
        """Return the best answer, and why it is taken for the best."""
        last = await judge_the_rest(self.services, state, run)
        tree, usage, reading = last.tree, last.usage, self.services.spec.reading
        strategy, best = self.services.spec.strategy(run.context), self._choose(tree, run.context)
        asked = (strategy, tree, run.context, best, state["answer"], reading.of)
        found = await run.way.call(conclude, *asked) if len(tree) > _LARGE else conclude(*asked)
        record = state.get("record") or []
        now = Moment(tree, run.context, best, usage, state["seconds"], record)
        run.emit(stop_event(now, state["stop_reason"], state["rollouts"]))
        rows = judged_recorded(now, last.judged, state["rollouts"])
        told = {"failures": last.failures, **({"record": rows} if rows else {})}
        told = {**{name: value for name, value in told.items() if value}, **_spent(state, usage)}
        report = report_of({**state, "usage": usage, **found})
        return {"tree": last.patch, **told, **found, "mctsr": report}

    def _choose(self, tree: Tree, context: MCTSrContext) -> str | None:
        return chosen(self.services.spec.strategy(context), tree, context)

    async def _critique(
        self, state: MCTSrState, leaves: Sequence[Leaf], asker: Asker, way: Way
    ) -> Patch:
        wanted = [leaf for leaf in leaves if leaf["task"] == "refine" and leaf["critique"] is None]
        if (critic := self.services.spec.critic) is not None:
            asker = replace(asker, model=critic())
        return await self._texts(wanted, partial(self.services.critique, state), asker, way)

    async def _refine(
        self, state: MCTSrState, leaves: Sequence[Leaf], asker: Asker, way: Way
    ) -> Patch:
        wanted = [leaf for leaf in leaves if leaf["answer"] is None]
        request = partial(self.services.answer, state, asker.context)
        return await self._texts(wanted, request, asker, way)

    async def _evaluate(
        self, state: MCTSrState, leaves: Sequence[Leaf], asker: Asker, way: Way
    ) -> Patch:
        wants_reward = self.services.spec.strategy(asker.context).wants_reward
        leaves = [
            leaf
            for leaf in leaves
            if not leaf["rewards"] and ("steering" in leaf or wants_reward(leaf["task"]))
        ]
        known, cases = known_answers(state["tree"], leaves) if leaves else [], []
        samples, problem = asker.context.reward_samples, question_of(state).text
        for leaf in leaves:
            own = [leaf["answer"] or ""] * samples
            refined = state["tree"][leaf["parent"] or ""] if leaf["task"] == "refine" else None
            again = [refined["answer"]] if refined is not None else []
            cases.append(cases_of(problem, [*own, *again], known, leaf["rollout"]))
        replies = await self.services.judge(cases, asker, way)
        return {
            str(leaf["rollout"]): with_rewards(leaf, own[:samples], own[samples:])
            for leaf, own in zip(leaves, replies, strict=True)
        }

    async def _texts(self, leaves: Sequence[Leaf], request: Texts, asker: Asker, way: Way) -> Patch:
        """Ask for one text a leaf."""
        requests = [request(leaf) for leaf in leaves]
        replies = await asker.ask_all(requests, way)
        return {
            str(leaf["rollout"]): with_text(leaf, request.role, reply)
            for leaf, request, reply in zip(leaves, requests, replies, strict=True)
        }

    async def _through(
        self, state: MCTSrState, leaves: Sequence[Leaf], asker: Asker, way: Way
    ) -> Patch:
        """Take each leaf through all its calls, without waiting for the others."""

        def job(leaf: Leaf) -> Callable[[Way], Any]:
            async def run(way: Way) -> Patch:
                number = str(leaf["rollout"])
                done: Patch = {}
                for name in ROLLOUT[1:-1]:
                    step = getattr(self, f"_{name}")
                    now: Any = {**leaf, **done.get(number, {})}
                    if not now["lost"]:
                        done = merge(done, [await step(state, [now], asker, way)])
                return merge(done, [{number: {"through": True}}])

            return run

        try:
            done = await all_at_once([job(leaf) for leaf in leaves], asker.model, way)
        except GraphInterrupt:
            raise PauseError(
                "pipelined is True, with which a rollout is one step, that cannot be paused in "
                "between (something called interrupt()); allowed: false"
            ) from None
        return merge({}, done)


def _changed(state: MCTSrState, values: Mapping[str, Any]) -> dict[str, Any]:
    """The update that makes these values of the state, without those that it has already.

    Each would only be kept once more.
    """
    return {
        name: value
        for name, value in values.items()
        if value != state.get(name, WHILE_ABSENT.get(name))
    }


def _spent(state: MCTSrState, usage: Usage) -> dict[str, Any]:
    """The update that makes this the usage of the search."""
    patch = usage_patch(state["usage"], usage)
    return {"usage": patch} if patch else {}


def _live(state: MCTSrState) -> list[Leaf]:
    """The leaves that the rest of the steps are for."""
    leaves = state["wave"].values()
    return [leaf for leaf in leaves if not leaf["lost"] and not leaf.get("through")]


def _is_repeated(node: Node, leaf: Leaf) -> bool:
    return node["duplicate_of"] is not None or node["rollout"] != leaf["rollout"]
