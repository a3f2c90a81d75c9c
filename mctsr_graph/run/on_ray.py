"""The searches of a batch on a Ray cluster; the rounds, and what is kept, stay with the caller.

A worker is an actor that holds the model and runs searches: one for each GPU where the model's name
says that it has weights, else one for each CPU. A worker that dies is replaced, and each search
that it ran goes on in another from the last call that had returned.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from langchain_core.runnables import Runnable

from mctsr_graph.calls.journal import CallJournal
from mctsr_graph.calls.request import Model
from mctsr_graph.cluster.connect import (
    MOST_LOSSES,
    connected,
    has_weights,
    kept_here,
    need_ray,
    raised,
)
from mctsr_graph.cluster.journal import RemoteJournal
from mctsr_graph.errors import ClusterError, ConfigError
from mctsr_graph.run.attempt import Found, ModelMaker, Search, attempt
from mctsr_graph.run.remote_saver import RemoteSaver, SearchKeeper
from mctsr_graph.run.session import need_sqlite
from mctsr_graph.run.spec import SolveSpec
from mctsr_graph.settings.question import Question

_SENT = ("context", "prompts", "judge", "judge_model", "critic_model", "strategy", "final_answer")
_HERE_ONLY = ("journal", "on_event", "on_change", "control")
_MOST_STARTS = 3  # of a worker that dies each time
_PATIENCE = 300  # seconds without any worker


@asynccontextmanager
async def on_ray(
    model: Model | ModelMaker | str | None, options: Mapping[str, Any], address: str | None
) -> AsyncIterator[Search]:
    """Search on a Ray cluster.

    Args:
        model: Its name, what makes it in each worker, or a model that can be sent.
        options: Those of a batch.
        address: As `ray.init` takes it.

    Raises:
        MissingExtraError: Ray is not installed.
        ConfigError: an option means something in this process only, or cannot be sent.
        CheckpointError: the file of searches cannot be opened.
        ClusterError: no worker can be had.
    """
    need_ray('engine="ray"')
    for name in _HERE_ONLY:
        if options.get(name) is not None:
            raise ConfigError(f'{name} is given, which engine "ray" does not take; allowed "local"')
    path = options.get("checkpointer")
    if path is not None and not isinstance(path, str | Path):
        kind = type(path).__name__
        raise ConfigError(f'checkpointer is a {kind}, allowed with engine "ray" the path of a file')
    need_sqlite()
    if path is not None:
        CallJournal(path).close()  # or only the keeper would know that it cannot be opened
    if model is None:  # the workers' own environment may name another
        model = os.environ.get("MCTSR_MODEL", "").strip() or None
    given = {name: options[name] for name in _SENT if options.get(name) is not None}
    packed = _packed({"model": model, **given})
    with connected(address) as ray:
        keeper = kept_here(ray, SearchKeeper, str(Path(path).absolute()) if path else None)
        workers = _Workers(ray, model, packed, keeper)
        try:
            await workers.begin()
            yield workers.search
        finally:
            await workers.end()


def _packed(parts: Mapping[str, Any]) -> bytes:
    """What the workers are made of, in a form that can be sent.

    Raises:
        ConfigError: something in it cannot.
    """
    from ray import cloudpickle as any_pickle

    pickle: Any = any_pickle  # whose functions have no types
    for name, part in parts.items():
        try:
            pickle.loads(pickle.dumps(part))
        except Exception as error:
            instead = ", or a function that makes it" if name == "model" else ""
            raise ConfigError(
                f"{name} is a {type(part).__name__}, which cannot be sent to a worker "
                f"({type(error).__name__}: {error}); allowed what pickle takes: a name{instead}"
            ) from None
    packed: bytes = pickle.dumps(dict(parts))
    return packed


class _Workers:
    """The workers that are ready, and how many searches each runs."""

    def __init__(self, ray: Any, model: Any, packed: bytes, keeper: Any) -> None:
        self._ray, self._packed, self._keeper = ray, packed, keeper
        resources = ray.cluster_resources()
        gpus = int(resources.get("GPU", 0))
        on_gpus = gpus > 0 and (model is None or isinstance(model, str)) and has_weights(model)
        self._count = gpus if on_gpus else max(1, int(resources.get("CPU", 1)))
        needs = {"num_cpus": 0, "num_gpus": 1} if on_gpus else {"num_cpus": 1}
        self._kind = ray.remote(Worker).options(
            **needs, max_concurrency=1000, scheduling_strategy="SPREAD"
        )
        self._busy: dict[Any, int] = {}
        self._starting: set[asyncio.Task[None]] = set()
        self._turns = itertools.count(1)

    async def begin(self) -> None:
        """Wait for the first worker.

        Raises:
            Exception: what was raised where the model was made.
        """
        self._starting = {asyncio.create_task(self._start()) for _ in range(self._count)}
        await self._free()

    async def end(self) -> None:
        """Let the workers go, and close what is kept."""
        for task in self._starting:
            task.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        for worker in self._busy:
            self._ray.kill(worker)
        with suppress(ClusterError):  # it is gone, which the searches have told
            await _answer(self._keeper.close.remote())

    async def search(self, question: Question, changes: Mapping[str, Any]) -> Found:
        """Have a search run by the worker with the fewest."""
        lost: ClusterError | None = None
        for _ in range(MOST_LOSSES):
            worker, turn = await self._free(), next(self._turns)
            self._busy[worker] += 1
            try:
                found: Found = await _answer(worker.search.remote(question, turn, changes))
                return found
            except ClusterError as error:
                lost = error
                if self._busy.pop(worker, None) is not None:
                    self._ray.kill(worker)  # it may only be out of reach
                    self._starting.add(asyncio.create_task(self._start()))
            finally:
                if worker in self._busy:
                    self._busy[worker] -= 1
                self._keeper.release.remote(turn)
        raise ClusterError(f"a search lost {MOST_LOSSES} workers, the last one by {lost}")

    async def _free(self) -> Any:
        while not self._busy:
            if not self._starting:
                raise ClusterError("the cluster has no worker left")
            ready, _ = await asyncio.wait(
                self._starting, timeout=_PATIENCE, return_when=asyncio.FIRST_COMPLETED
            )
            if not ready:
                raise ClusterError(f"the cluster had no room for a worker in {_PATIENCE} s")
            for task in ready:
                self._starting.discard(task)
                task.result()
        return min(self._busy, key=lambda worker: self._busy[worker])

    async def _start(self) -> None:
        lost: ClusterError | None = None
        for _ in range(_MOST_STARTS):
            worker = self._kind.remote(self._packed, self._keeper)
            try:
                await _answer(worker.load.remote())
            except ClusterError as error:
                lost = error
            else:
                self._busy[worker] = 0
                return
        raise ClusterError(f"a worker died at {_MOST_STARTS} starts, at the last by {lost}")


async def _answer(waited_for: Awaitable[Any]) -> Any:
    """What a worker returned.

    Raises:
        Exception: what it raised.
        ClusterError: it is gone.
    """
    from ray.exceptions import RayError

    try:
        return await waited_for
    except RayError as error:
        first, *_ = str(error).split("\n")
        raise raised(error) or ClusterError(f"{type(error).__name__}: {first}") from None


class Worker:
    """Holds the model, and runs searches; the calls of all of them reach it together."""

    def __init__(self, packed: bytes, keeper: Any) -> None:
        self._packed, self._keeper = packed, keeper

    async def load(self) -> None:
        """Make the model."""
        from ray import cloudpickle

        options = cloudpickle.loads(self._packed)
        model = await asyncio.to_thread(_made, options.pop("model"))
        self._spec = SolveSpec.of(model, options)
        search = replace(self._spec.search, journal=RemoteJournal(self._keeper))
        await asyncio.to_thread(search.load)
        self._spec = replace(self._spec, search=search)

    async def search(self, question: Question, turn: int, changes: Mapping[str, Any]) -> Found:
        """Take a search further, in a turn that is later than all before."""
        spec = self._spec.about(question, checkpointer=RemoteSaver(self._keeper, turn), **changes)
        if spec.identity.opaque:  # each worker would take it for another search
            raise ConfigError(f"{spec.identity.opaque}; make it from plain values")
        return await attempt(spec)


def _made(model: Any) -> Any:
    """The model, where a function makes it."""
    is_maker = callable(model) and not isinstance(model, Runnable)
    return model() if is_maker else model
