"""A graph node written once, for `invoke` and `ainvoke` alike."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.runtime import ExecutionInfo, get_runtime
from langgraph.types import Command, TracePolicy

from mctsr_graph.calls.sync_async import AWAITING, BLOCKING, Gate, Way, one_by_one, run_blocking
from mctsr_graph.errors import ConfigError
from mctsr_graph.graph.checksum import with_checksum
from mctsr_graph.graph.events import Event
from mctsr_graph.graph.integrity import check_search
from mctsr_graph.graph.spec import SearchSpec
from mctsr_graph.graph.state import MCTSrState
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.settings.limits import capped


@dataclass(frozen=True)
class Run:
    """What a node knows of the run it is part of."""

    context: MCTSrContext
    emit: Callable[[Event], None]
    """Sends an event to `stream_mode="custom"`."""
    way: Way
    """How to wait: blocking under `invoke`, awaiting under `ainvoke`."""
    place: str
    """The thread and the parent graphs' tasks that the run belongs to; "" without a thread."""
    gate: Gate
    """Lets as many calls run at once as the configuration says by `max_concurrency`."""

    @property
    def is_heard(self) -> bool:
        """Whether somebody streams events; else what costs something need not be told.

        Where nobody does, LangGraph gives a node a function that names nothing, so only returns,
        and tells it by nothing else.
        """
        code = getattr(self.emit, "__code__", None)
        return code is None or bool(code.co_names or code.co_freevars)


Update = dict[str, Any] | Command[str]
Body = Callable[[MCTSrState, Run], Awaitable[Update]]


class Step(Runnable[MCTSrState, Update]):
    """Runs an async body with or without an event loop.

    Under `invoke` the body's model calls block instead of suspending, so that one body serves
    both and neither needs a thread to hop to. A model that is named is loaded first, if anything
    is to be loaded; it may wait for a disk, which a server forbids where its event loop runs.
    """

    def __init__(
        self, body: Body, default: MCTSrContext, spec: SearchSpec, limits: Mapping[str, float]
    ) -> None:
        self._body, self._limits = body, limits
        self.default, self.spec = default, spec
        self._prepare = spec.load if spec.is_named else None
        self._step = self.name = body.__name__

    def invoke(
        self, input: MCTSrState, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Update:
        """Run the body to its end in this thread."""
        before = one_by_one.set(_was_paused(config))
        try:
            return run_blocking(self._whole(input, BLOCKING, config))
        finally:
            one_by_one.reset(before)

    async def ainvoke(
        self, input: MCTSrState, config: RunnableConfig | None = None, **kwargs: Any
    ) -> Update:
        """Await the body."""
        if self._prepare is not None:
            await asyncio.to_thread(self._prepare)
            self._prepare = None
        before = one_by_one.set(_was_paused(config))
        try:
            return await self._whole(input, AWAITING, config)
        finally:
            one_by_one.reset(before)

    async def _whole(self, state: MCTSrState, way: Way, config: RunnableConfig | None) -> Update:
        """Run the body; the first of a run checks what it finds, each leaves a checksum."""
        run = self._run(way, config)
        begins = self._step == "initialize"
        if begins or _is_first(state, config):
            if not begins:  # what a checkpoint held, which initialize forgets
                thread = str((config or {}).get("configurable", {}).get("thread_id"))
                check_search(state, thread, step=self._step)
            if run.context.max_seconds is not None:
                # Seconds are for the model's replies, and not for reading its weights
                await way.call(self.spec.load_weights)
        update = await self._body(state, run)
        if isinstance(update, Command):
            return replace(update, update=with_checksum(state, update.update or {}, self._step))
        return with_checksum(state, update, self._step)

    def _run(self, way: Way, config: RunnableConfig | None) -> Run:
        runtime = get_runtime()
        context = resolve_context(runtime.context, self.default)
        info = runtime.execution_info
        if info is None or "|" not in info.checkpoint_ns:  # else they are a parent graph's
            _check_configurable((config or {}).get("configurable", {}), context)
        limited = capped(context, self._limits) if self._limits else context
        gate = Gate((config or {}).get("max_concurrency"))
        return Run(limited, runtime.stream_writer, way, _place(info), gate)


def _is_first(state: MCTSrState, config: RunnableConfig | None) -> bool:
    """Whether a step may be the first of a run that goes on from a checkpoint.

    Then as many steps are left as a run may take, or one less, where a killed one had done that.
    """
    return state.get("remaining_steps", 0) >= (config or {}).get("recursion_limit", 0)


# LangGraph's own: nothing public tells whether a step is gone on with
_SCRATCHPAD = "__pregel_scratchpad"


def _was_paused(config: RunnableConfig | None) -> bool:
    """Whether a step does one thing after the other, since LangGraph has answers for it."""
    pad = (config or {}).get("configurable", {}).get(_SCRATCHPAD)
    return pad is not None and bool(pad.resume or pad.get_null_resume(False) is not None)


_SETTINGS = frozenset(MCTSrContext.model_fields)


def _check_configurable(configurable: Mapping[str, Any], context: MCTSrContext) -> None:
    """Refuse settings in a place where LangGraph looks for none.

    A server puts them there as well as into the context, so what says the same is let pass.

    Raises:
        ConfigError: they would have no effect.
    """
    names = configurable.keys() & _SETTINGS
    given = MCTSrContext(**{name: configurable[name] for name in names}) if names else context
    for name in sorted(names):
        if getattr(given, name) != getattr(context, name):
            raise ConfigError(
                f"{name} is given in config['configurable'], where it has no effect; allowed: "
                "context="
            )


def brief(state: MCTSrState) -> dict[str, Any]:
    """What a tracer keeps of a node's input: not the tree, which it would keep at every step."""
    done, wave = state.get("rollouts", 0), state.get("wave") or {}
    return {
        "rollouts": done,
        "nodes": len(state.get("tree") or {}),
        "best": state.get("best"),
        "in_flight": {key: leaf["parent"] for key, leaf in wave.items() if int(key) > done},
    }


BRIEF = TracePolicy(process_inputs=brief)


def _place(info: ExecutionInfo | None) -> str:
    if info is None or info.thread_id is None:
        return ""
    parents = info.checkpoint_ns.rpartition("|")[0]
    return f"{info.thread_id}|{parents}"


def resolve_context(given: Any, default: MCTSrContext) -> MCTSrContext:
    """The settings of a run: those given to it, or else the graph's own.

    LangGraph hands a parent graph's context to its subgraphs whatever its class. Settings for
    this search are taken from it only if it carries them under the name `mctsr`.
    """
    if isinstance(given, MCTSrContext):
        return given
    part = getattr(given, "mctsr", None)
    return part if isinstance(part, MCTSrContext) else default
