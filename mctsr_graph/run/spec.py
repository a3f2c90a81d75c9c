"""What is asked of a run: one frozen record, and the options by which a user says it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from langgraph.checkpoint.base import BaseCheckpointSaver
from langgraph.runtime import RunControl

from mctsr_graph.calls.request import Model
from mctsr_graph.calls.sqlite import check_path
from mctsr_graph.errors import ConfigError
from mctsr_graph.graph.events import Event
from mctsr_graph.graph.identity import Identity, identity_of
from mctsr_graph.graph.spec import SearchOptions, SearchSpec, checked
from mctsr_graph.run.solution import Solution
from mctsr_graph.run.stages import Stage
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.settings.question import Block, Question, as_question

Problem = str | list[Block] | Question
"""A problem in words, or as content blocks of a LangChain message."""
Checkpointer = BaseCheckpointSaver[Any] | str | Path
# They may be async. What the first two raise is logged, and ends no search
OnEvent = Callable[[Event], Any]
OnChange = Callable[[Solution], Any]
OnSolution = Callable[[int, Solution], Any]
SearchControl = RunControl
"""Its `request_drain()` stops a search after the step under way, from any thread or signal."""


class ToolOptions(SearchOptions, total=False):
    """What a tool takes: how to search, where to keep searches, and who sees them grow."""

    checkpointer: Checkpointer | None
    on_change: OnChange | None


class MiddlewareOptions(ToolOptions, total=False):
    """What middleware takes besides."""

    control: SearchControl | None


class BatchOptions(MiddlewareOptions, total=False):
    """What each search of a batch takes besides."""

    on_event: OnEvent | None


class SolveOptions(BatchOptions, total=False):
    """What `solve` and `asolve` take; `solve` says what each is."""

    thread_id: str | None


class ManyOptions(BatchOptions, total=False):
    """What `solve_many` and `asolve_many` take; `asolve_many` says what each is."""

    max_calls: int | None
    engine: str
    ray_address: str | None
    concurrency: int
    learn: bool
    on_solution: OnSolution | None


@dataclass(frozen=True, kw_only=True)
class SolveSpec:
    """What is asked of a run: the problem, who searches, under which settings, and who hears."""

    problem: str = ""
    """Its words."""
    blocks: Sequence[Block] = ()
    """Pictures and files that go with it."""
    context: MCTSrContext
    search: SearchSpec
    model_name: str = ""
    """The name that the model was given by, or "" if it was given as an object."""
    other_names: Mapping[str, str] = field(default_factory=dict)
    """Those that "judge_model" and "critic_model" were given by."""
    checkpointer: Checkpointer | None = None
    thread_id: str | None = None
    """None: named after what is asked."""
    on_event: OnEvent | None = None
    on_change: OnChange | None = None
    control: SearchControl | None = None
    stage: Stage | None = None
    """Of the batch that the search is part of."""

    @classmethod
    def of(cls, model: Model | str | None, options: SearchOptions) -> SolveSpec:
        """What a user's options mean, for a problem that is still to be told.

        Raises:
            ConfigError: one of them is wrong.
        """
        given = cast(SolveOptions, options)  # some of them, whoever takes them
        context = MCTSrContext.model_validate(given.get("context") or {})
        if isinstance(judge := given.get("judge"), str):
            # A name is a setting, so that what is kept tells it
            context = changed(context, judge=judge)
            given = {**given, "judge": None}
        return cls(
            context=context,
            search=SearchSpec.of(model, given),
            model_name=model if isinstance(model, str) else "",
            checkpointer=checked_checkpointer(given.get("checkpointer")),
            thread_id=checked_thread(given.get("thread_id")),
            on_event=checked(given, "on_event", Callable, "a function"),
            on_change=checked(given, "on_change", Callable, "a function"),
            control=checked(given, "control", SearchControl, "a RunControl of LangGraph"),
        )

    def about(self, problem: Problem, **changes: Any) -> SolveSpec:
        """The same for a problem, with other changes.

        Raises:
            ConfigError: the problem is neither a text nor content blocks, or says nothing.
        """
        asked = as_question(problem)
        return replace(self, problem=asked.text, blocks=asked.blocks, **changes)

    @property
    def question(self) -> Question:
        """The problem, with what goes with it."""
        return Question(self.problem, self.blocks)

    @cached_property
    def identity(self) -> Identity:
        """What tells the search from others."""
        return identity_of(self.question.key, self.context, self.search)


def changed(context: MCTSrContext, **changes: Any) -> MCTSrContext:
    """The settings with changes; what was not set stays the profile's."""
    return MCTSrContext(**{**context.model_dump(exclude_unset=True), **changes})


def checked_checkpointer(given: Any) -> Checkpointer | None:
    """Where searches are kept.

    Raises:
        ConfigError: it is neither a LangGraph checkpointer nor the path of a file.
    """
    if given is None or isinstance(given, BaseCheckpointSaver):
        return given
    allowed = "allowed a LangGraph checkpointer, or the path of an SQLite file"
    if not isinstance(given, str | Path) or str(given) == ":memory:":
        raise ConfigError(f"checkpointer is {given!r}, {allowed}")
    check_path("checkpointer", given, allowed)
    return given


def checked_thread(given: Any) -> str | None:
    """Name of a search; None where it is left open.

    Raises:
        ConfigError: no checkpointer can keep it.
    """
    try:
        str(given).encode()
    except UnicodeEncodeError:
        raise ConfigError(f"thread_id is {given!r}, allowed a text that UTF-8 can hold") from None
    return str(given) if given else None
