"""Problems as tasks of a Ray cluster; the truth, the lines and the journal stay with the driver.

A model that needs weights lives in actors, one for each GPU; any other is made anew in each
worker. A worker that dies is replaced, and its problem goes on from the calls that had returned.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage

from mctsr_graph.calls.journal import CallJournal, Slot
from mctsr_graph.calls.request import Model
from mctsr_graph.errors import CheckpointError, MissingExtraError
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
_MOST_LOSSES = 20  # workers that may die under one problem, and starts of one model's actor


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
    if find_spec("ray") is None:
        raise MissingExtraError('--engine ray needs ray: pip install "mctsr-graph[ray]"')

    @asynccontextmanager
    async def engine(folder: RunFolder) -> AsyncIterator[Solve]:
        # By default Ray begins a task again for ever that takes more memory than there is
        os.environ.setdefault("RAY_task_oom_retries", str(_MOST_LOSSES))
        import ray

        own = not ray.is_initialized()
        if own:
            ray.init(address=address, log_to_driver=False, include_dashboard=False)
        try:
            hosts = _hosts(ray, model) if _has_weights(model, hosted) else [None]
            yield _solver(ray, model, hosts, folder.calls)
        finally:
            if own:
                ray.shutdown()

    return engine


def _solver(ray: Any, model: str | ModelMaker | None, hosts: Sequence[Any], calls: Path) -> Solve:
    from ray.exceptions import RayError
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    keeper = (
        ray.remote(_JournalKeeper)
        .options(num_cpus=0, scheduling_strategy=here, max_concurrency=16)
        .remote(str(calls.absolute()))
    )
    next_host = itertools.cycle(hosts)
    remote = ray.remote(_solve_here).options(
        num_cpus=_CPUS_OF_A_TASK, max_retries=_MOST_LOSSES, scheduling_strategy="SPREAD"
    )

    async def solve(task: Task) -> dict[str, MethodRecord]:
        try:
            found: dict[str, MethodRecord] = await remote.remote(
                task, model, keeper, next(next_host)
            )
        except RayError as error:
            told = getattr(error, "cause", None) or error  # what the task raised
            if isinstance(told, Exception) and not isinstance(told, RayError):
                raise told from None
            raise Unfinished(f"{type(told).__name__}: {told}") from error
        return found

    return solve


def _has_weights(model: str | ModelMaker | None, hosted: bool | None) -> bool:
    if hosted is not None:
        return hosted
    if callable(model):
        return False
    name = model or os.environ.get("MCTSR_MODEL") or "embedded"
    return name == "embedded" or name.startswith("huggingface:")


def _hosts(ray: Any, model: str | ModelMaker | None) -> list[Any]:
    """Actors that hold the weights."""
    gpus = int(ray.cluster_resources().get("GPU", 0))
    # No CPUs: a host that took the last one would leave none to the tasks that ask it
    host = ray.remote(_ModelHost).options(
        num_cpus=0,
        num_gpus=min(gpus, 1),
        max_restarts=_MOST_LOSSES,  # or one that dies at each start is begun again for ever
        max_task_retries=_MOST_LOSSES,
        max_concurrency=1000,
    )
    return [host.remote(model) for _ in range(max(1, gpus))]


class _JournalKeeper:
    """The run's journal, for workers on other machines."""

    def __init__(self, path: str) -> None:
        self._journal = CallJournal(path)

    def get(self, slot: tuple[Any, ...], request: str) -> AIMessage | None:
        return self._journal.get(Slot(*slot), request)

    def put_all(self, replies: Sequence[tuple[tuple[Any, ...], str, AIMessage]]) -> None:
        self._journal.put_all([(Slot(*slot), request, reply) for slot, request, reply in replies])

    def holds(self, search: str) -> bool:
        return self._journal.holds(search)


class _RemoteJournal(CallJournal):
    """The journal as a worker sees it."""

    def __init__(self, keeper: Any) -> None:
        self._keeper = keeper

    def get(self, slot: Slot, request: str) -> AIMessage | None:
        found: AIMessage | None = _kept(self._keeper.get.remote(tuple(slot), request))
        return found

    def writing(self, replies: Sequence[tuple[Slot, str, AIMessage]]) -> Callable[[], None]:
        plain = [(tuple(slot), request, reply) for slot, request, reply in replies]
        return lambda: _kept(self._keeper.put_all.remote(plain))

    def holds(self, search: str) -> bool:
        return bool(_kept(self._keeper.holds.remote(search)))

    def close(self) -> None:
        """The keeper's to do."""


def _kept(reference: Any) -> Any:
    """What the keeper of the journal returned.

    Raises:
        CheckpointError: it is gone.
        Exception: what it raised.
    """
    import ray
    from ray.exceptions import RayError

    try:
        return ray.get(reference)
    except RayError as error:
        told = getattr(error, "cause", None)
        if isinstance(told, Exception):
            raise told from None
        raise CheckpointError(
            f"the journal of the run is gone ({type(error).__name__}: {error})"
        ) from error


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
    return _loop().run_until_complete(solve_task(task, own, _RemoteJournal(keeper)))


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
