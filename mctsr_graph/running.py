"""One search on its way: what to run, where it is kept, and what it has said so far."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.constants import TAG_NOSTREAM
from langgraph.errors import GraphDrained
from langgraph.runtime import RunControl
from langgraph.types import StateSnapshot, StateUpdate, StreamMode

from .answers import extract_final_answer
from .calls import Model
from .choice import explain
from .config import MCTSrContext, checked_problem
from .errors import (
    CheckpointError,
    FingerprintMismatchError,
    MCTSrError,
    MissingExtraError,
    SearchFailedError,
    SearchInterrupted,
)
from .events import Event
from .fingerprint import check_stored, fingerprint
from .graph import create_mctsr
from .journal import CallJournal
from .judges import JudgeLike, as_court, as_judge
from .models.load import load_model
from .prompts import Prompts
from .solution import Solution
from .state import MCTSrInput, MCTSrOutput, MCTSrState
from .stopping import why_stop
from .strategy import Strategy
from .usage import no_usage

Checkpointer = BaseCheckpointSaver[Any] | str | Path
OnEvent = Callable[[Event], None]
OnChange = Callable[[Solution], None]
SearchControl = RunControl
"""Its `request_drain()` stops a search after the step under way, from any thread or signal."""

_KEYS = [*MCTSrOutput.__annotations__, "tree", "failures"]


class Wanted:
    """What is asked of solve, made definite."""

    def __init__(
        self,
        problem: str,
        model: Model | str | None,
        context: MCTSrContext | None = None,
        prompts: Prompts | None = None,
        judge: JudgeLike | None = None,
        judge_model: Model | str | None = None,
        strategy: Strategy = Strategy(),  # noqa: B008 (it is frozen)
        thread_id: str | None = None,
        control: SearchControl | None = None,
    ) -> None:
        self.problem = checked_problem(problem)  # as the state will hold it
        self.context = MCTSrContext.model_validate(context or {})
        if isinstance(judge, str):  # a name is a setting, so that what is kept tells it
            given = self.context.model_dump(exclude_unset=True)
            self.context, judge = MCTSrContext(**{**given, "judge": judge}), None
        self.prompts = prompts or Prompts()
        self.control = control
        self.model, self.judge = _loaded(model), as_judge(judge)
        self.judge_model = None if judge_model is None else _loaded(judge_model)
        self.strategy = strategy
        self.spec = model if isinstance(model, str) else ""
        self.court = as_court(self.judge, self.judge_model)
        others = self.court.label() + strategy.label()
        self.fingerprint = fingerprint(self.problem, self.context, self.prompts, self.model, others)
        self.thread_id = thread_id or self.fingerprint


def _loaded(model: Model | str | None) -> Model:
    return load_model(model) if model is None or isinstance(model, str) else model


class SearchRun:
    """One search on its way: what to run, and what it has said so far."""

    def __init__(
        self,
        wanted: Wanted,
        saver: BaseCheckpointSaver[Any] | None,
        journal: CallJournal | None,
    ) -> None:
        self._wanted = wanted
        graph = create_mctsr(
            wanted.model,
            context=wanted.context,
            prompts=wanted.prompts,
            judge=wanted.judge,
            judge_model=wanted.judge_model,
            selection=wanted.strategy.selection,
            choice=wanted.strategy.choice,
            journal=journal,
        )
        self.graph = graph.compile(checkpointer=saver, name="mctsr")
        self.config: RunnableConfig | None = None
        self.input: MCTSrInput | None = {"problem": wanted.problem}
        self.left = True
        here: RunnableConfig = {
            "recursion_limit": 5 * wanted.context.max_rollouts + 20,  # five supersteps a rollout
            # Named even where nothing is kept: inside a node of another graph the search would
            # else take that graph's checkpointer, place and context for its own
            "configurable": {"thread_id": wanted.thread_id},
            "tags": [TAG_NOSTREAM],  # nor do its tokens belong into that graph's chat
        }
        self.how: dict[str, Any] = {
            "config": here,
            "context": wanted.context,
            "control": wanted.control,
            "output_keys": _KEYS,
        }
        self._values: dict[str, Any] = {}
        self._drained = False
        if saver is not None:
            self.config = {
                **here,
                "metadata": {  # kept with each checkpoint, to take the search up again by
                    "mctsr_fingerprint": wanted.fingerprint,
                    "mctsr_model": wanted.spec,
                    "mctsr_settings": wanted.context.model_dump_json(exclude_unset=True),
                },
            }
            # A step that is reported is on disk; the default may lose several at a kill
            self.how |= {"config": self.config, "durability": "sync"}

    def take_up(self, found: StateSnapshot) -> StateUpdate | None:
        """Go on with the search that a checkpoint holds, if it is this one.

        Decides by what is done: a killed search may name no next node and be far from over.
        Returns the update that leads a search that had stopped back into its loop; for one that
        is over, what another prior changes in the choice.

        Raises:
            FingerprintMismatchError: it is this problem, but another search.
            CheckpointError: so too, and it was told what this version has no more.
        """
        values = found.values
        if values.get("problem") != self._wanted.problem or not values.get("tree"):
            return None
        told: dict[str, Any] = dict(found.metadata or {})
        if told.get("mctsr_fingerprint", self._wanted.fingerprint) != self._wanted.fingerprint:
            check_stored(json.loads(told.get("mctsr_settings", "{}")))
            raise FingerprintMismatchError(
                f"thread {self._wanted.thread_id!r} holds a search for this problem with other "
                "settings, prompts or another model; take those, or another thread_id"
            )
        self.input, self._values = None, values
        if values["stop_reason"] is None:
            return None
        again = {"failed_rollouts": 0, "lost_rollouts": 0}  # what failed may work now
        state = cast(MCTSrState, {**values, **again})
        context = self._wanted.context
        self.left = why_stop(state, context, self._wanted.court.reward_calls(context)) is None
        if not self.left:
            return self._chosen_again()
        # Without the answer, which every further checkpoint would hold
        without: dict[str, Any] = {"answer": None, "final_answer": None, "choice": None}
        return StateUpdate({"stop_reason": None, **again, **without}, "backpropagate")

    def _chosen_again(self) -> StateUpdate | None:
        values, context, strategy = self._values, self._wanted.context, self._wanted.strategy
        tree = values["tree"]
        best = strategy.choose(tree, context)
        choice = explain(tree, context, strategy.name(context), best)
        if choice == values["choice"] or best is None:
            return None
        answer = tree[best]["answer"]
        final = extract_final_answer(answer)
        new = {"best": best, "answer": answer, "final_answer": final, "choice": choice}
        self._values = {**values, **new}
        return StateUpdate(new, "finalize")

    def note(
        self, mode: str, part: Any, on_event: OnEvent | None, on_change: OnChange | None
    ) -> None:
        """Keep the latest state; pass events and changes of the tree on."""
        if mode == "values":
            before, self._values = self._values, part
            if on_change is not None and _progress(part) != _progress(before):
                on_change(self.so_far(part.get("stop_reason")))
        elif on_event is not None:
            on_event(part)

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
                f"the search gave up after {solution.rollouts} rollouts{why}", solution
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
            if isinstance(error, MCTSrError) or not self._values.get("tree"):
                raise
            solution = self.so_far("failed")
            raise SearchFailedError(
                f"the search was ended after {solution.rollouts} rollouts by "
                f"{type(error).__name__}: {error}",
                solution,
            ) from error

    def so_far(self, stop_reason: str | None) -> Solution:
        """The best so far, whatever has been done."""
        values, tree = self._values, self._values.get("tree") or {}
        best, strategy = values.get("best"), self._wanted.strategy
        context = self._wanted.context
        answer = tree[best]["answer"] if best is not None else values.get("answer")
        return Solution(
            problem=self._wanted.problem,
            answer=answer,
            final_answer=extract_final_answer(answer) if answer else None,
            best=best,
            rollouts=values.get("rollouts", 0),
            usage=values.get("usage") or no_usage(),
            stop_reason=stop_reason,
            choice=explain(tree, context, strategy.name(context), best) if tree else None,
            tree=tree,
            failures=values.get("failures") or [],
        )


def modes(on_event: OnEvent | None) -> list[StreamMode]:
    """What to stream. To wait for events takes a task, or a thread, more for every step."""
    return ["values"] if on_event is None else ["custom", "values"]


def _progress(values: dict[str, Any]) -> tuple[int, int]:
    """What grows with every change of the tree."""
    return len(values.get("tree") or ()), values.get("rollouts") or 0


@contextmanager
def opened(
    wanted: Wanted, checkpointer: Checkpointer | None, journal: CallJournal | None
) -> Iterator[SearchRun]:
    """Open what a search is kept in, as its only runner."""
    if checkpointer is None:
        yield SearchRun(wanted, None, journal)
        return
    need_sqlite()
    from .savers import file_lease, memory_lease, open_file

    with ExitStack() as stack:
        if isinstance(checkpointer, BaseCheckpointSaver):
            stack.enter_context(memory_lease(checkpointer, wanted.thread_id))
            saver: BaseCheckpointSaver[Any] = checkpointer
        else:
            stack.enter_context(file_lease(checkpointer, wanted.thread_id))
            saver = stack.enter_context(open_file(checkpointer))
            journal = journal or stack.enter_context(CallJournal(checkpointer))
        yield SearchRun(wanted, saver, journal)


def need_sqlite() -> None:
    """Raise MissingExtraError where the packages are missing that keep searches."""
    if find_spec("langgraph.checkpoint.sqlite") is None or find_spec("filelock") is None:
        raise MissingExtraError(
            "a kept search needs langgraph-checkpoint-sqlite and filelock: "
            'pip install "mctsr-graph[sqlite]"'
        )
