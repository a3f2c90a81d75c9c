"""An engine around another package's server in this process, which streams tokens by asyncio.

The server lives on an event loop in a thread of its own, so that requests may come from any thread
and any loop. A backend gives a `Server`: what streams the tokens of one sample, and what tells the
log-probabilities of some tokens; samples, ends, stop texts and cancelling are decided here.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine, Sequence
from concurrent.futures import Future
from typing import Any, Protocol

from mctsr_graph.errors import ConfigError, MCTSrError
from mctsr_graph.models.engine.jobs import Job, Question, Row, Task
from mctsr_graph.models.engine.protocol import (
    ENDING,
    ContextLengthError,
    EngineError,
    Request,
    Sample,
    TokenTree,
)
from mctsr_graph.models.load_errors import load_error
from mctsr_graph.models.source import Source

_TOO_LONG = re.compile("longer than|maximum model length|max_model_len|context length|exceeds")
# Of transformers' logits processors: the name that servers have for what each asks, and where it
# keeps its value
_PROCESSORS = {
    "RepetitionPenaltyLogitsProcessor": ("repetition_penalty", "penalty"),
    "MinPLogitsWarper": ("min_p", "min_p"),
}
_BY_SETTING = ("TemperatureLogitsWarper", "TopKLogitsWarper", "TopPLogitsWarper")
PENALTIES = frozenset(name for name, _ in _PROCESSORS.values())


class Server(Protocol):
    """What a backend makes of its package. All methods run on the loop that made it."""

    def tokens(
        self, ids: list[int], settings: dict[str, Any], seed: int | None
    ) -> AsyncGenerator[Sequence[int], None]:
        """New tokens of one sample, piece by piece; closing it stops the sample.

        `settings` are max_new, temperature, top_p, top_k (None: all), ends, and those of
        repetition_penalty and min_p that are asked for.
        """

    async def logprobs(self, ids: list[int], tokens: list[int]) -> dict[int, float]:
        """Log-probability of each of `tokens` to come next after `ids`."""

    def stop(self) -> None:
        """End it and free its memory."""


class ServedEngine:
    """An `Engine` around a server.

    Args:
        name: Of the engine; for messages.
        source: Which model; for messages.
        make: Makes the server, on the engine's loop.

    Raises:
        ConfigError, MissingExtraError, UnknownModelError: The model cannot be loaded.
    """

    def __init__(self, name: str, source: Source, make: Callable[[], Server]) -> None:
        self._name, self._loop = name, asyncio.new_event_loop()
        thread = threading.Thread(
            target=_run, args=(self._loop,), name=f"mctsr-graph-{name}", daemon=True
        )
        thread.start()

        async def made() -> Server:
            return make()

        self._running: set[asyncio.Task[None]] = set()
        try:
            self._server = asyncio.run_coroutine_threadsafe(made(), self._loop).result()
        except BaseException as error:
            self._loop.call_soon_threadsafe(self._loop.stop)
            if not isinstance(error, Exception):
                raise
            raise load_error(error, source.model_id, source.revision) from error
        # Also where nobody has closed it, at the latest when the interpreter ends
        self._end = weakref.finalize(self, _stop, self._loop, thread, self._server, self._running)

    def submit(self, request: Request) -> Future[list[Sample]]:
        """Queue a request. Cancelling the future stops it."""
        job = Job(request)
        self._start(self._serve(job), job)
        return job.future

    def score(self, ids: list[int], tree: TokenTree) -> Future[list[float]]:
        """Log-probability of each node of `tree` after its parent, `ids` being the prompt."""
        question = Question(ids, tree)
        self._start(self._answer(question), question)
        return question.future

    @property
    def closed(self) -> bool:
        """Whether it takes no more requests."""
        return not self._end.alive

    def close(self) -> None:
        """Fail what is left and end the server. Safe to call twice."""
        self._end()

    def _start(self, work: Coroutine[Any, Any, None], task: Task[Any]) -> None:
        if self.closed or ENDING.is_set():
            work.close()
            raise EngineError("the engine is closed")

        def begin() -> None:
            running = self._loop.create_task(self._told(work, task))
            self._running.add(running)
            running.add_done_callback(self._running.discard)
            task.future.add_done_callback(
                lambda future: self._cancel(running) if future.cancelled() else None
            )

        try:
            self._loop.call_soon_threadsafe(begin)
        except RuntimeError as error:  # it was closed meanwhile
            work.close()
            raise EngineError("the engine is closed") from error

    def _cancel(self, running: asyncio.Task[None]) -> None:
        with contextlib.suppress(RuntimeError):  # where it was closed, nothing is left to cancel
            self._loop.call_soon_threadsafe(running.cancel)

    async def _told(self, work: Coroutine[Any, Any, None], task: Task[Any]) -> None:
        """Let whoever waits have the error."""
        try:
            await work
        except asyncio.CancelledError:
            task.fail(EngineError("the engine was closed"))
        except MCTSrError as error:
            task.fail(error)
        except Exception as error:
            kind = ContextLengthError if _TOO_LONG.search(str(error)) else EngineError
            told = kind(f"{self._name}: {type(error).__name__}: {error}")
            told.__cause__ = error
            task.fail(told)

    async def _serve(self, job: Job) -> None:
        settings = settings_of(job.request, self._name)
        rows = [Row(job, sample) for sample in range(job.request.n)]
        tasks = [asyncio.ensure_future(self._sample(row, settings)) for row in rows]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _sample(self, row: Row, settings: dict[str, Any]) -> None:
        request = row.request
        seed = None if request.seed is None else row.rng.getrandbits(31)
        stream = self._server.tokens(request.ids, settings, seed)
        try:
            async for tokens in stream:
                for token in tokens:
                    if row.add(token):
                        return
        finally:
            await stream.aclose()
        new = row.ids[len(request.ids) :]
        if not new:
            raise EngineError(f"{self._name} gave no token")
        row.job.finish(row.sample, Sample(new, "stop"))  # the server left the last token out

    async def _answer(self, question: Question) -> None:
        tree, paths = question.tree, {-1: question.ids}
        for node in tree.inner():
            paths[node] = [*paths[tree.parents[node]], tree.tokens[node]]
        asked: dict[int, list[int]] = {node: [] for node in paths}
        for token, parent in zip(tree.tokens, tree.parents, strict=True):
            asked[parent].append(token)
        # The prompt first and alone, so that the rest find it in the server's store
        found = {-1: await self._server.logprobs(paths[-1], asked[-1])}
        rest = [node for node in paths if node >= 0]
        more = await asyncio.gather(*(self._server.logprobs(paths[n], asked[n]) for n in rest))
        found |= dict(zip(rest, more, strict=True))
        pairs = zip(tree.parents, tree.tokens, strict=True)
        question.resolve([found[parent][token] for parent, token in pairs])


def settings_of(request: Request, engine: str) -> dict[str, Any]:
    """A request's settings by name.

    Raises:
        ConfigError: It asks for what has no name in such engines.
    """
    if request.own_processors is not None or request.logprobs is not None:
        asked = "response_format" if request.own_processors is not None else "logprobs"
        raise ConfigError(f"the engine {engine!r} has no {asked}: take engine='inflight'")
    settings: dict[str, Any] = {
        "max_new": request.max_new,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "top_k": request.top_k,
        "ends": sorted(request.ends),
    }
    for process in (*request.processors, *request.warpers):
        kind = type(process).__name__
        if kind in _BY_SETTING:
            continue
        if kind not in _PROCESSORS:
            raise ConfigError(
                f"the engine {engine!r} has no {kind}, allowed {', '.join(_PROCESSORS)}: "
                "take engine='inflight', or leave it out of the generation config"
            )
        name, kept = _PROCESSORS[kind]
        settings[name] = float(getattr(process, kept))
    return settings


def _run(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()


def _stop(
    loop: asyncio.AbstractEventLoop,
    thread: threading.Thread,
    server: Server,
    running: set[asyncio.Task[None]],
) -> None:
    async def end() -> None:
        left = list(running)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        server.stop()
        loop.stop()

    loop.call_soon_threadsafe(lambda: loop.create_task(end()))
    if thread is not threading.current_thread():
        thread.join(timeout=30)
