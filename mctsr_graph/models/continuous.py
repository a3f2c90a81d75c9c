"""A second engine: transformers' own continuous batching, for CUDA with flash attention.

Its paged memory and its kernels suit large batches; requests cannot have everything. Kept from
it, because it would end its thread and with it all requests: a temperature of 0 (sent as top_k
1) and a prompt that its memory cannot hold. Not there: seeds (a warning says so, once), scores
from logits, penalties of the model's generation config. Prefixes are shared by whole pages only.
"""

from __future__ import annotations

import atexit
import inspect
import logging
import threading
import weakref
from concurrent.futures import Future
from typing import Any

from mctsr_graph.errors import ConfigError
from mctsr_graph.models.engine import (
    ENDING,
    ContextLengthError,
    EngineError,
    Finish,
    Request,
    Sample,
    TokenTree,
)
from mctsr_graph.models.inflight import Limits, free_bytes
from mctsr_graph.models.tasks import Job, fail_all
from mctsr_graph.models.trial import slots_of

_log = logging.getLogger(__name__)
_PAGE = 32  # transformers' 256 is longer than most prefixes of a search
_SET = frozenset({"page_size", "per_request_processors", "auto_switch_to_flash"})
_POLL = 0.05  # seconds between looks at cancelled futures
_OPEN: weakref.WeakSet[ContinuousEngine] = weakref.WeakSet()


class ContinuousEngine:
    """As `InflightEngine`, within what the module's docstring says.

    Raises:
        ConfigError: the installed transformers has no continuous batching of this kind.
    """

    def __init__(self, model: Any, limits: Limits | None = None) -> None:
        settings_class()
        self._model, self._limits = model, limits or Limits()
        self._lock = threading.Lock()
        self._closed = self._warned = False
        self._manager: Any = None
        self._reader: threading.Thread | None = None
        self._room = 0
        self._running: dict[str, tuple[Job, int]] = {}
        self._told: dict[str, int] = {}  # tokens of a request that were looked at
        _OPEN.add(self)

    def submit(self, request: Request) -> Future[list[Sample]]:
        """Queue a request from any thread.

        Raises:
            ContextLengthError: prompt and new tokens are more than all memory.
            EngineError: the engine is closed or does not start, or its manager takes no requests.
        """
        job = Job(request)
        if request.seed is not None and request.temperature > 0 and not self._warned:
            self._warned = True
            _log.warning('seeds have no effect with engine="continuous"; "inflight" has them')
        with self._lock:
            self._start()
            if len(request.ids) + request.max_new > self._room:
                raise ContextLengthError(
                    f"prompt and max_tokens are {len(request.ids) + request.max_new} tokens; "
                    f"the engine's memory holds {self._room}"
                )
            try:
                for sample in range(request.n):
                    name = self._manager.add_request(request.ids, **_settings(request, self._model))
                    if name is None:
                        raise EngineError("transformers' continuous batching takes no requests")
                    self._running[name] = job, sample
            except Exception as error:
                job.fail(error)  # so that the samples taken before are dropped
                raise
        return job.future

    def score(self, ids: list[int], tree: TokenTree) -> Future[list[float]]:
        """Not there.

        Raises:
            ConfigError: always.
        """
        raise ConfigError('scores from logits need engine="inflight", not "continuous"')

    @property
    def closed(self) -> bool:
        """Whether it takes no more requests."""
        return self._closed

    def close(self) -> None:
        """Fail what is left and end the threads. Safe to call twice."""
        with self._lock:
            self._closed = True
            reader, left = self._reader, {job for job, _ in self._running.values()}
        fail_all(left, "the engine was closed")
        if reader is not None and reader is not threading.current_thread():
            reader.join(timeout=30)

    def _start(self) -> None:
        if self._closed or ENDING.is_set():
            raise EngineError("the engine is closed")
        if self._reader is not None:
            return
        # Not a daemon, as transformers' own thread is none: the reader ends it with the program
        reader = threading.Thread(target=self._read, name="mctsr-graph-reader")
        try:
            self._manager = self._made()
            self._manager.start()
            reader.start()
        except Exception as error:
            self._halt()
            raise EngineError(
                f"transformers' continuous batching does not start: {type(error).__name__}: {error}"
            ) from error
        self._reader = reader

    def _made(self) -> Any:
        import torch
        from transformers import GenerationConfig

        if self._model.device.type == "cuda":  # it prepares a plan, slowly, for each new shape
            torch.backends.cuda.enable_cudnn_sdp(False)
        with torch.inference_mode():
            memory = slots_of(self._model)
        each = memory.token_bytes() if memory else 1 << 18
        room = self._limits.row_tokens or int(free_bytes(self._model) / 2 // each)
        self._room = room // _PAGE * _PAGE
        # Only processors that differ from the defaults here can be set per request
        sampled: Any = GenerationConfig  # untyped
        sampled = sampled(do_sample=True, temperature=0.5, top_k=40, top_p=0.5)
        sampled.eos_token_id, sampled.pad_token_id = -1, 0
        return self._model.init_continuous_batching(
            generation_config=sampled,
            continuous_batching_config=settings_class()(
                page_size=_PAGE,
                num_blocks=self._room // _PAGE,
                max_batch_tokens=min(self._limits.prefill_tokens, self._room),
                per_request_processors=True,
                auto_switch_to_flash=self._model.device.type == "cuda",
            ),
        )

    def _read(self) -> None:
        """Take results until there is nothing to do for a while; then end both threads."""
        try:
            left, cause = self._until_over()
            why = "the engine was closed" if cause is None else f"the engine stopped: {cause}"
        except BaseException as error:  # nobody may wait for a thread that is gone
            why, cause = f"the engine's reader ended: {type(error).__name__}: {error}", error
            with self._lock:
                left = self._halt()
        fail_all(left, why, cause)  # not under the lock: a callback may ask again

    def _until_over(self) -> tuple[set[Job], BaseException | None]:
        """Those that still wait, and what ended transformers' own thread."""
        idle = 0.0
        while True:
            result = self._manager.get_result(timeout=_POLL)
            if result is not None:
                self._take(result)
            with self._lock:
                self._drop_cancelled()
                idle = 0.0 if self._running or result is not None else idle + _POLL
                dead = not self._manager.is_running()
                over = self._closed or dead or not threading.main_thread().is_alive()
                if over or idle > self._limits.idle_seconds:
                    status = self._manager.background_thread_status
                    gone = status.fatal_error or RuntimeError("transformers' thread is gone")
                    return self._halt(), gone if dead else None

    def _halt(self) -> set[Job]:
        """End transformers' thread, forget all requests and return those that still wait."""
        manager, self._manager = self._manager, None
        try:
            if manager is not None:
                manager.stop(block=True, timeout=30, hard_stop=True)
        except BaseException:  # those that wait are told all the same; the next makes another
            _log.warning("transformers' continuous batching did not stop", exc_info=True)
        left = {job for job, _ in self._running.values()}
        self._running.clear()
        self._told.clear()
        self._reader = None
        return left

    def _drop_cancelled(self) -> None:
        for name, (job, _) in list(self._running.items()):
            if job.future.done():
                self._forget(name)

    def _forget(self, name: str) -> None:
        self._manager.cancel_request(name)  # it never delivers a result: our future is our own
        self._running.pop(name, None)
        self._told.pop(name, None)

    def _take(self, result: Any) -> None:
        name = result.request_id
        job, sample = self._running.get(name, (None, 0))
        if job is None:
            return
        try:
            if result.error:
                raise EngineError(result.error)
            new, finish = self._seen(job.request, sample, name, result)
        except Exception as error:
            job.fail(error)
            return
        if finish is None:
            return
        with self._lock:
            self._forget(name)
        job.finish(sample, Sample(new, finish))

    def _seen(
        self, request: Request, sample: int, name: str, result: Any
    ) -> tuple[list[int], Finish | None]:
        """Look at the tokens that are new; the tokens up to the end, and how it ended."""
        new, told = list(result.generated_tokens), self._told.get(name, 0)
        for count in range(told + 1, len(new) + 1):
            if request.on_token is not None:
                request.on_token(sample, new[count - 1])
            ended = new[count - 1] in request.ends
            if ended or (request.stopped is not None and request.stopped(new[:count])):
                return new[:count], "stop"
        self._told[name] = len(new)
        return new, "length" if result.is_finished() else None


def settings_class() -> Any:
    """What sets up transformers' continuous batching.

    Raises:
        ConfigError: the installed one is not there, or lacks what is set here.
    """
    from transformers.generation import configuration_utils

    found: Any = getattr(configuration_utils, "ContinuousBatchingConfig", None)
    lacks = _SET - inspect.signature(found).parameters.keys() if found else _SET
    if lacks:
        raise ConfigError(
            'engine="continuous" needs a newer transformers, whose ContinuousBatchingConfig has '
            f'{", ".join(sorted(lacks))}; engine="inflight" works with the one installed'
        )
    return found


def _settings(request: Request, model: Any) -> dict[str, Any]:
    hot = request.temperature > 0
    everything = model.config.get_text_config().vocab_size
    return {
        "max_new_tokens": request.max_new,
        "eos_token_id": sorted(request.ends) or -1,
        "streaming": request.on_token is not None or request.stopped is not None,
        "temperature": float(request.temperature) if hot else 1.0,  # an int is refused
        "top_k": (request.top_k or everything) if hot else 1,
        "top_p": float(request.top_p) if hot else 1.0,
    }


@atexit.register
def _close_all() -> None:
    ENDING.set()
    for engine in list(_OPEN):
        engine.close()
