"""Problems as tasks of a Ray cluster; the truth, the lines and the journal stay with the driver.

A model that needs weights lives in actors, one for each GPU; any other is made anew in each
worker. A worker that dies is replaced, and its problem goes on from the calls that had returned.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from mctsr_graph.calls.request import Model
from mctsr_graph.cluster import connect
from mctsr_graph.cluster.connect import connected, has_weights, kept_here, need_ray, raised
from mctsr_graph.cluster.journal import JournalKeeper, RemoteJournal
from mctsr_graph.models.load import load_model

from .plan import Task
from .records import MethodRecord
from .run import Engine, Solve
from .solving import solve_task
from .stand_in import About, about, stand_in
from .store import RunFolder
from .unfinished import Unfinished

ModelMaker = Callable[[], Model]

_CPUS_OF_A_TASK = 0.25  # it mostly waits


def on_ray(
    model: str | ModelMaker | None, *, address: str | None = None, hosted: bool | None = None
) -> Engine:
    """Solve problems on a Ray cluster.

    Args:
        model: A model's name, or a function that makes one in a worker.
        address: The cluster, as `ray.init` takes it; None starts one of this machine only.
        hosted: Whether the model lives in actors, one for each GPU, or a single one without GPUs;
            by default where its name says that it has weights.

    Raises:
        MissingExtraError: Ray is not installed.
    """
    need_ray("--engine ray")

    @asynccontextmanager
    async def engine(folder: RunFolder) -> AsyncIterator[Solve]:
        with connected(address) as ray:
            hosts = _hosts(ray, model) if _is_hosted(model, hosted) else [None]
            yield _solver(ray, model, hosts, folder.calls)

    return engine


def _solver(ray: Any, model: str | ModelMaker | None, hosts: Sequence[Any], calls: Path) -> Solve:
    from ray.exceptions import RayError

    keeper = kept_here(ray, JournalKeeper, str(calls.absolute()))
    next_host = itertools.cycle(hosts)
    remote = ray.remote(_solve_here).options(
        num_cpus=_CPUS_OF_A_TASK, max_retries=connect.MOST_LOSSES, scheduling_strategy="SPREAD"
    )

    async def solve(task: Task) -> dict[str, MethodRecord]:
        try:
            found: dict[str, MethodRecord] = await remote.remote(
                task, model, keeper, next(next_host)
            )
        except RayError as error:
            if (own := raised(error)) is not None:
                raise own from None
            told = getattr(error, "cause", None) or error
            raise Unfinished(f"{type(told).__name__}: {told}") from error
        return found

    return solve


def _is_hosted(model: str | ModelMaker | None, hosted: bool | None) -> bool:
    if hosted is not None:
        return hosted
    return not callable(model) and has_weights(model)


def _hosts(ray: Any, model: str | ModelMaker | None) -> list[Any]:
    """Actors that hold the weights."""
    gpus = int(ray.cluster_resources().get("GPU", 0))
    # No CPUs: a host that took the last one would leave none to the tasks that ask it
    host = ray.remote(_ModelHost).options(
        num_cpus=0,
        num_gpus=min(gpus, 1),
        max_restarts=connect.MOST_LOSSES,  # or one that dies at each start is begun again for ever
        max_task_retries=connect.MOST_LOSSES,
        max_concurrency=1000,
    )
    return [host.remote(model) for _ in range(max(1, gpus))]


class _ModelHost:
    """A loaded model; calls from all workers reach it together."""

    def __init__(self, model: str | ModelMaker | None) -> None:
        self._model: Any = _made(model)

    def about(self) -> About:
        return about(self._model)

    async def send(
        self, messages: list[BaseMessage], settings: dict[str, Any], metadata: dict[str, Any]
    ) -> AIMessage:
        config = {"metadata": metadata}
        reply: AIMessage = await self._model.ainvoke(messages, config=config, **settings)
        return reply

    async def score(self, messages: list[BaseMessage]) -> Any:
        return await self._model.ascore(messages)


def _solve_here(
    task: Task, model: str | ModelMaker | None, keeper: Any, host: Any
) -> dict[str, MethodRecord]:
    """Solve a problem in this worker."""
    own = _made(model) if host is None else _hosted(host)
    return _loop().run_until_complete(solve_task(task, own, RemoteJournal(keeper)))


def _hosted(host: Any) -> Model:
    import ray

    async def send(
        messages: list[BaseMessage], settings: dict[str, Any], metadata: dict[str, Any]
    ) -> AIMessage:
        reply: AIMessage = await host.send.remote(messages, settings, metadata)
        return reply

    async def score(messages: list[BaseMessage]) -> Any:
        return await host.score.remote(messages)

    return stand_in(ray.get(host.about.remote()), send, score)


def _made(model: str | ModelMaker | None) -> Model:
    return model() if callable(model) else _named(model)


@cache
def _named(model: str | None) -> Model:
    return load_model(model)


@cache
def _loop() -> asyncio.AbstractEventLoop:
    # One for all tasks of a worker: clients keep connections that belong to a loop
    return asyncio.new_event_loop()
