"""Where the searches of a batch run: in this process, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from typing import Any

from mctsr_graph.calls.request import Model
from mctsr_graph.errors import ConfigError
from mctsr_graph.run.attempt import Found, ModelMaker, Search, attempt
from mctsr_graph.run.spec import ManyOptions, SolveSpec
from mctsr_graph.settings.question import Question


def engine_of(
    model: Model | ModelMaker | str | None, spec: SolveSpec, options: ManyOptions
) -> AbstractAsyncContextManager[Search]:
    """The engine that a batch asks for.

    Raises:
        ConfigError: there is none of that name.
    """
    engine, address = options.get("engine", "local"), options.get("ray_address")
    if engine == "ray":
        from mctsr_graph.run.on_ray import on_ray

        return on_ray(model, {**options, "context": spec.context}, address)
    if engine != "local":
        raise ConfigError(f"engine is {engine!r}, allowed local, ray")
    if address is not None:
        raise ConfigError('ray_address is given, allowed with engine "ray"')
    return _locally(spec)


@asynccontextmanager
async def _locally(spec: SolveSpec) -> AsyncIterator[Search]:
    if spec.checkpointer is None:
        from langgraph.checkpoint.memory import InMemorySaver  # it brings sqlite3 along

        spec = replace(spec, checkpointer=InMemorySaver())
    spec.search.load()

    def search(question: Question, changes: Mapping[str, Any]) -> Awaitable[Found]:
        return attempt(spec.about(question, **changes))

    yield search
