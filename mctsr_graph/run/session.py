"""One search on its way: what to run, where it is kept, and what it has said so far."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.constants import TAG_NOSTREAM
from langgraph.errors import GraphBubbleUp, GraphDrained
from langgraph.types import StateSnapshot, StreamMode

from mctsr_graph.calls.journal import CallJournal
from mctsr_graph.calls.request import Model, model_name
from mctsr_graph.calls.usage import add_usage, price_told
from mctsr_graph.errors import (
    CheckpointError,
    FingerprintMismatchError,
    MCTSrError,
    MissingExtraError,
    PauseError,
    SearchFailedError,
    SearchInterrupted,
)
from mctsr_graph.graph.channels import overwrite
from mctsr_graph.graph.checksum import told_checksum, with_checksum
from mctsr_graph.graph.graph import graph_of
from mctsr_graph.graph.identity import VERSION
from mctsr_graph.graph.identity_v1 import (
    contexts_before,
    fingerprint_v1,
)
from mctsr_graph.graph.integrity import check_search, values_of
from mctsr_graph.graph.output import Progress
from mctsr_graph.graph.select import seen_by
from mctsr_graph.graph.state import (
    MCTSrInput,
    MCTSrState,
    report_of,
    supersteps,
)
from mctsr_graph.graph.stop import why_stop
from mctsr_graph.judges.base import name_of
from mctsr_graph.models.load import load_model
from mctsr_graph.run.driver import Graph, Way, tell
from mctsr_graph.run.lease import file_lease, memory_lease
from mctsr_graph.run.settled import settled
from mctsr_graph.run.solution import Solution
from mctsr_graph.run.spec import Checkpointer, Problem, SolveOptions, SolveSpec
from mctsr_graph.run.stages import failure_of, kept_of
from mctsr_graph.settings.context import TEMPERATURES, MCTSrContext
from mctsr_graph.settings.question import as_question
from mctsr_graph.strategies.choose import chance_of, with_chances
from mctsr_graph.strategies.conclude import chosen, conclude
from mctsr_graph.strategies.strategy import Strategy
from mctsr_graph.text.packages import install_line
from mctsr_graph.tree.stop_reasons import why_failed

_KEYS = ["answer", "final_answer", *Progress.__annotations__]
_KEYS += ["tree", "record", "failures", "seconds"]


def asked(problem: Problem, model: Model | str | None, options: SolveOptions) -> SolveSpec:
    """What is asked of `solve`, made definite; models that are named are loaded now.

    Raises:
        ConfigError: an option or the problem is wrong.
    """
    name = model if isinstance(model, str) else ""
    others = {}
    for role, other in (
        ("judge_model", options.get("judge_model")),
        ("critic_model", options.get("critic_model")),
    ):
        if isinstance(other, str):
            others[role] = other
            options = cast(SolveOptions, {**options, role: _loaded(other)})
    problem = as_question(problem)
    return SolveSpec.of(_loaded(model), options).about(problem, model_name=name, other_names=others)


def _loaded(model: Model | str | None) -> Model:
    return load_model(model) if model is None or isinstance(model, str) else model


class SearchRun:
    """One search on its way: what to run, and what it has said so far."""

    def __init__(
        self, spec: SolveSpec, saver: BaseCheckpointSaver[Any] | None, journal: CallJournal | None
    ) -> None:
        self._spec, self._saver = spec, saver
        search = replace(spec.search, journal=journal) if journal else spec.search
        graph = graph_of(search, spec.context)
        self.graph: Graph = graph.compile(checkpointer=saver, name="mctsr")
        self.thread_id = spec.thread_id or spec.identity.digest
        self._settings = _kept(spec.context)
        self._made_with = _made_with(spec, self._settings)
        self._input: MCTSrInput | None = {"problem": spec.question.content}
        self._is_over = False
        self._values: dict[str, Any] = {}
        self._drained = False

    async def find_thread(self, way: Way) -> None:
        """Take the name that an earlier version gave to the search, where only that is there."""
        if self._saver is None or self._spec.thread_id is not None or _is_new(self._saver):
            return
        if (await way.get_state(self.graph, self._at(self.thread_id))).values:
            return
        for context in contexts_before(self._spec.context):
            former = replace(self._spec, context=context).identity.digest
            if _is_from_before(await way.get_state(self.graph, self._at(former))):
                self.thread_id = former
                return
        first = self._fingerprint_v1()
        if first and (await way.get_state(self.graph, self._at(first))).values:
            self.thread_id = first

    async def run(self, way: Way) -> None:
        """Search to the end, from where the search stopped if it is kept."""
        if self._saver is not None:
            await self._go_on(way)
        spec, config = self._spec, self._at(self.thread_id)
        if self._is_over:
            return
        # To wait for events takes a task, or a thread, more for every step
        modes: list[StreamMode] = ["values"] if spec.on_event is None else ["custom", "values"]
        how: dict[str, Any] = {
            "config": config,
            "context": spec.context,
            "control": spec.control,
            "output_keys": _KEYS,
            "stream_mode": modes,
        }
        if self._saver is not None:
            # A step that is reported is on disk; the default may lose several at a kill
            how["durability"] = "sync"

        async def hear(mode: str, part: Any) -> None:
            await self._note(way, mode, part)

        try:
            await way.stream(self.graph, self._input, hear, **how)
        except Exception as error:
            if spec.stage is not None and not isinstance(error, MCTSrError | GraphBubbleUp):
                await self._keep_failure(way, error)
            raise
        if self._values.get("stop_reason") is None:
            raise CheckpointError(
                f"what is kept as search {config['configurable']['thread_id']!r} is damaged: it "
                f"has {self._values.get('rollouts', 0)} rollouts, is not over and has no next step"
            )

    async def _go_on(self, way: Way) -> None:
        """Go on with what is kept."""
        at, stage, is_former = self._at(self.thread_id), self._spec.stage, False
        if stage is None:
            found = await settled(way, self.graph, at)
        else:
            found, is_former = await kept_of(way, self.graph, at, stage)
            if stage.has_ended(found):
                check_search(found.values, self.thread_id, told=found.metadata)
                self._values, self._is_over = found.values, True
                return
        update = self._take_up(found)
        if update is None and self._is_over and stage is not None:  # so that it is kept as its end
            update = {"stop_reason": found.values["stop_reason"]}, "finalize"
        if update is None:
            return
        values, as_node = update
        if is_former:  # what came after it has kept other replies
            at = {**at, "configurable": found.config["configurable"]}
            values = {**values, "branch": uuid.uuid4().hex[:12]}
        values = with_checksum(found.values, values, as_node)
        await way.update_state(self.graph, at, values=values, as_node=as_node)

    async def _keep_failure(self, way: Way, error: Exception) -> None:
        """Keep that a stage has failed, so that a batch called again knows without trying."""
        at = self._at(self.thread_id)
        failures: Any = [failure_of(error, self._values.get("rollouts", 0))]
        if not self._values.get("tree"):  # it begins anew when it is taken up
            failures = overwrite(failures)
        values = {"problem": self._spec.problem, "stop_reason": "failed", "failures": failures}
        with suppress(Exception):  # the first error is the one to tell
            found = await way.get_state(self.graph, at)
            kept = await way.get_state(self.graph, found.config)
            values = with_checksum(kept.values, values, "finalize")
            await way.update_state(self.graph, at, values=values, as_node="finalize")
            self._values = (await way.get_state(self.graph, at)).values

    def _at(self, thread_id: str) -> RunnableConfig:
        config: RunnableConfig = {
            "recursion_limit": supersteps(self._spec.context.max_rollouts),
            # Named even where nothing is kept: inside a node of another graph the search would
            # else take that graph's checkpointer, place and context for its own
            "configurable": {"thread_id": thread_id},
            "tags": [TAG_NOSTREAM],  # nor do its tokens belong into that graph's chat
        }
        own, reading = self._spec.search.given, self._spec.search.reading
        if self._saver is not None:
            told = {  # kept with each checkpoint, to take the search up again by
                "mctsr_version": VERSION,
                "mctsr_fingerprint": self._spec.identity.digest,
                "mctsr_package": package_version(),
                "mctsr_model": self._spec.model_name,
                **{f"mctsr_{role}": name for role, name in self._spec.other_names.items()},
                **({"mctsr_strategy": type(own).__qualname__} if own is not None else {}),
                **({"mctsr_final_answer": reading.kind} if reading.kind else {}),
                "mctsr_settings": json.dumps(self._settings),
                **(self._spec.stage.metadata if self._spec.stage is not None else {}),
            }
            config["metadata"] = {**told, "mctsr_checksum": told_checksum(told)}
        return config

    def _take_up(self, found: StateSnapshot) -> tuple[dict[str, Any], str] | None:
        """Go on with the search that a checkpoint holds, if it is this one.

        Decides by what is done: a killed search may name no next node and be far from over.
        Returns the update, and the node that makes it, which leads a search that had stopped back
        into its loop; for one that is over, what another prior changes in the choice.

        Raises:
            FingerprintMismatchError: it is this problem, but another search.
            CheckpointError: it is damaged.
        """
        values, spec = values_of(found), self._spec
        check_search(values, self.thread_id, told=found.metadata)
        same = values.get("problem") == spec.problem
        same = same and (values.get("attachments") or []) == list(spec.blocks)
        if not same or not values.get("tree"):
            return None
        if _is_from_before(found):
            spec = self._as_before(found)
        self._check_identity(found.metadata or {})
        self._input, self._values = None, values
        if values["stop_reason"] is None:
            return None
        again = {}
        if values["stop_reason"] == "failed":
            again = {"failed_rollouts": 0, "lost_rollouts": 0}  # what failed may work now
        state = cast(MCTSrState, {**values, **again})
        reward_calls = spec.search.bound_judge.reward_calls(spec.context)
        is_text = spec.search.reading.is_text
        search = seen_by(self._strategy, state, spec.context, reward_calls, is_text)
        self._is_over = why_stop(self._strategy, state, search) is not None
        if self._is_over and found.next:  # it was killed before it had concluded
            self._is_over = False
            return None
        if self._is_over:
            return self._chosen_again()
        # Without the answer, which every further checkpoint would hold
        without = dict.fromkeys(("answer", "final_answer", "choice", "mctsr"))
        return {"stop_reason": None, **again, **without}, "backpropagate"

    def _as_before(self, found: StateSnapshot) -> SolveSpec:
        """Take the settings for those of the time; keep them in that form, so that it stays one."""
        stored, given = _told(found), _kept(self._spec.context)
        heats = {name: stored[name] for name in TEMPERATURES if name in stored}
        self._settings = {
            **{name: one for name, one in given.items() if name != "profile"},
            **heats,
        }
        recent = len(heats) == len(TEMPERATURES)
        context = contexts_before(self._spec.context)[-1 if recent else 0]
        self._spec = replace(self._spec, context=context)
        return self._spec

    def _check_identity(self, told: Mapping[str, Any]) -> None:
        own, known = self._spec.identity, told.get("mctsr_fingerprint")
        mine = own.digest if told.get("mctsr_version") == VERSION else self._fingerprint_v1()
        if known in (None, mine):
            return
        why = "with other settings, prompts or another model or judge; take those"
        if own.opaque:
            why = f"that nobody can tell from this one: {own.opaque}; make it from plain values"
        raise FingerprintMismatchError(
            f"thread {self.thread_id!r} holds a search for this problem {why}, or another thread_id"
        )

    def _fingerprint_v1(self) -> str | None:
        return fingerprint_v1(self._spec.question.key, self._spec.context, self._spec.search)

    @property
    def _strategy(self) -> Strategy:
        return self._spec.search.strategy(self._spec.context)

    def _chosen_again(self) -> tuple[dict[str, Any], str] | None:
        values = self._values
        tree, context = values["tree"], self._spec.context
        new = conclude(self._strategy, tree, context, chosen(self._strategy, tree, context))
        if new["choice"] == values["choice"] or new["best"] is None:
            return None
        self._values = {**values, **new}
        return {**new, "mctsr": report_of(self._values)}, "finalize"

    def hold(self, values: dict[str, Any]) -> None:
        """Take a state for the latest one."""
        self._values = values

    async def _note(self, way: Way, mode: str, part: Any) -> None:
        """Keep the latest state; pass events and changes of the tree on."""
        if mode == "values":
            if "__interrupt__" in part:
                raise PauseError(
                    "something called interrupt() (the model, a judge or a tool), but a search "
                    "that a call runs cannot be paused; run it as a graph that is kept: "
                    "create_mctsr(...).compile(checkpointer=...)"
                )
            before, self._values = self._values, part
            on_change = self._spec.on_change
            if on_change is not None and _progress(part) != _progress(before):
                await tell(way, on_change, self._under_way(part.get("stop_reason")))
        elif self._spec.on_event is not None:
            await tell(way, self._spec.on_event, part)

    def result(self) -> Solution:
        """The finished search.

        Raises:
            SearchFailedError: it gave up.
        """
        if self._drained:
            return self.so_far("interrupted")
        solution = self.so_far(self._values["stop_reason"])
        if solution.stop_reason == "failed":
            last = solution.failures[-1] if solution.failures else None
            why = f"; the last failure was {last['role']}: {last['message']}" if last else ""
            raise SearchFailedError(
                f"the search gave up: {why_failed(vars(solution))}{why}", solution
            )
        return solution

    @contextmanager
    def ending(self) -> Iterator[None]:
        """Let no end of the search lose what it had found."""
        try:
            yield
        except GraphDrained:
            self._drained = True
        except KeyboardInterrupt:
            raise SearchInterrupted(self.so_far("interrupted")) from None
        except sqlite3.Error as error:
            raise CheckpointError(
                f"the search could not be written ({type(error).__name__}: {error}); what it had "
                "reported is kept, and the same call goes on from there"
            ) from error
        except Exception as error:
            if isinstance(error, MCTSrError | GraphBubbleUp) or not self._values.get("tree"):
                raise
            solution = self.so_far("failed")
            raise SearchFailedError(
                f"the search was ended after {solution.rollouts} rollouts by "
                f"{type(error).__name__}: {error}",
                solution,
            ) from error

    def so_far(self, stop_reason: str | None) -> Solution:
        """The best so far, whatever has been done, and why that is."""
        found, context = self._unexplained(stop_reason), self._spec.context
        found = replace(found, record=with_chances(found.tree, found.record, context))
        if found.choice is not None:  # how it was chosen, which a view of a file cannot know
            return found
        answer, read = self._values.get("answer"), self._spec.search.reading.of
        told = conclude(self._strategy, found.tree, context, found.best, answer, read)
        return replace(found, **told)

    def _under_way(self, stop_reason: str | None) -> Solution:
        """The best so far and its chance. To weigh it all would cost what the search costs."""
        found = self._unexplained(stop_reason)
        if not found.record or found.record[-1]["chance"] is not None:
            return found
        *rows, last = found.record
        chance = chance_of(found.tree, self._spec.context, last["leader"])
        return replace(found, record=[*rows, {**last, "chance": chance}])

    def _unexplained(self, stop_reason: str | None) -> Solution:
        """The best so far, without why."""
        values, tree = self._values, self._values.get("tree") or {}
        best = values.get("best")
        node = tree[best] if best is not None else None
        usage = add_usage([values.get("usage") or {}])  # one of an earlier version tells less
        return Solution(
            problem=self._spec.problem,
            answer=node["answer"] if node is not None else values.get("answer"),
            final_answer=node["final_answer"] if node is not None else None,
            best=best,
            choice=values.get("choice"),
            rollouts=values.get("rollouts", 0),
            usage=usage,
            cost=price_told(usage),
            stop_reason=stop_reason,
            tree=tree,
            failures=values.get("failures") or [],
            record=values.get("record") or [],
            seconds=round(values.get("seconds") or 0.0, 1),
            made_with=self._made_with,
        )


def _progress(values: dict[str, Any]) -> tuple[int, int]:
    """What grows with every change of the tree."""
    return len(values.get("tree") or ()), values.get("rollouts") or 0


@contextmanager
def opened(spec: SolveSpec) -> Iterator[SearchRun]:
    """Open what the search is kept in, with the journal that goes with it."""
    checkpointer = spec.checkpointer
    if checkpointer is not None:
        need_sqlite()
    if checkpointer is None or isinstance(checkpointer, BaseCheckpointSaver):
        yield SearchRun(spec, checkpointer, None)
        return
    from mctsr_graph.run.sqlite_saver import open_file

    own = nullcontext(spec.search.journal) if spec.search.journal else CallJournal(checkpointer)
    with open_file(checkpointer) as saver, own as journal:
        yield SearchRun(spec, saver, journal)


@contextmanager
def only_runner(checkpointer: Checkpointer | None, thread_id: str) -> Iterator[None]:
    """Be the only runner of a search.

    Raises:
        SearchLockedError: there is another.
    """
    if checkpointer is None:
        yield
        return
    is_saver = isinstance(checkpointer, BaseCheckpointSaver)
    lease: Any = memory_lease if is_saver else file_lease
    with lease(checkpointer, thread_id):
        yield


def _kept(context: MCTSrContext) -> dict[str, Any]:
    """What is kept of settings: the profile, whose default may change, and what was given."""
    return {
        "profile": context.profile,
        **context.model_dump(mode="json", exclude_unset=True),
    }


def _made_with(spec: SolveSpec, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a person may want to know of how a search was made."""
    search, own = spec.search, spec.search.given
    others = {"judge_model": search.bound_judge.model, "critic_model": search.critic}
    judge = search.bound_judge.judge
    return {
        "model": spec.model_name or model_name(search.model()),
        **({"judge": name_of(judge)} if judge is not None else {}),
        **{role: model_name(made()) for role, made in others.items() if made is not None},
        **spec.other_names,
        **({"strategy": type(own).__qualname__} if own is not None else {}),
        "seed": spec.context.seed,
        **settings,
        "version": package_version(),
        "defaults": {
            name: value
            for name, value in spec.context.model_dump(mode="json").items()
            if name not in settings
        },
    }


@lru_cache
def package_version() -> str:
    """The version of this package, as it is installed."""
    return version("mctsr-graph")


def _told(found: StateSnapshot) -> dict[str, Any]:
    told: Mapping[str, Any] = found.metadata or {}
    settings: dict[str, Any] = json.loads(told.get("mctsr_settings", "{}"))
    return settings


def _is_from_before(found: StateSnapshot) -> bool:
    """Whether a search is there that was kept when "paper" was the default."""
    return bool(found.values) and "profile" not in _told(found)


def _is_new(saver: BaseCheckpointSaver[Any]) -> bool:
    """Whether no earlier version can have written it, since it is in memory."""
    from langgraph.checkpoint.memory import InMemorySaver

    return isinstance(saver, InMemorySaver)


def need_sqlite() -> None:
    """Raise MissingExtraError where the package is missing that keeps searches."""
    if find_spec("langgraph.checkpoint.sqlite") is None:
        raise MissingExtraError(
            f"a kept search needs langgraph-checkpoint-sqlite: {install_line('sqlite')}"
        )
