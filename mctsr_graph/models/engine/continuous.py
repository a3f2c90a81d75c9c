"""A second engine: transformers' own continuous batching, for CUDA with flash attention.

Its paged memory and its kernels suit large batches; requests cannot have everything. Kept from
it, because it would end its thread and with it all requests: a temperature of 0 (sent as top_k
1) and a prompt that its memory cannot hold. Not there: seeds (a warning says so, once), scores
from logits, penalties of the model's generation config. Prefixes are shared by whole pages only.
"""

from __future__ import annotations

import atexit
import logging
import threading
import weakref
from concurrent.futures import Future
from typing import Any

from mctsr_graph.errors import ConfigError
from mctsr_graph.models.engine.inflight import Limits, free_bytes
from mctsr_graph.models.engine.jobs import Job
from mctsr_graph.models.engine.probe import slots_of
from mctsr_graph.models.engine.protocol import (
    ContextLengthError,
    EngineError,
    Finish,
    Request,
    Sample,
    TokenTree,
)

_log = logging.getLogger(__name__)
_PAGE = 32  # transformers' 256 is longer than most prefixes of a search
_POLL = 0.05  # seconds between looks at cancelled futures
_OPEN: weakref.WeakSet[ContinuousEngine] = weakref.WeakSet()


class ContinuousEngine:
    """As `InflightEngine`, within what the module's docstring says."""

    def __init__(self, model: Any, limits: Limits | None = None) -> None:
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
            EngineError: the engine is closed, or its manager takes no requests.
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
            for sample in range(request.n):
                name = self._manager.add_request(request.ids, **_settings(request, self._model))
                if name is None:
                    raise EngineError("transformers' continuous batching takes no requests")
                self._running[name] = job, sample
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
            reader = self._reader
        if reader is not None and reader is not threading.current_thread():
            reader.join(timeout=30)

    def _start(self) -> None:
        if self._closed:
            raise EngineError("the engine is closed")
        if self._reader is not None:
            return
        self._manager = self._made()
        self._manager.start()
        # Not a daemon, as transformers' own thread is none: the reader ends it with the program
        self._reader = threading.Thread(target=self._read, name="mctsr-graph-reader")
        self._reader.start()

    def _made(self) -> Any:
        import torch
        from transformers import GenerationConfig
        from transformers.generation.configuration_utils import ContinuousBatchingConfig

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
            continuous_batching_config=ContinuousBatchingConfig(
                page_size=_PAGE,
                num_blocks=self._room // _PAGE,
                max_batch_tokens=min(self._limits.prefill_tokens, self._room),
                per_request_processors=True,
                auto_switch_to_flash=self._model.device.type == "cuda",
            ),
        )

    def _read(self) -> None:
        """Take results until there is nothing to do for a while; then end both threads."""
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
                    self._end("the engine stopped" if dead else "the engine was closed")
                    return

    def _end(self, why: str) -> None:
        for job, _ in self._running.values():
            job.fail(EngineError(why))
        self._running.clear()
        self._told.clear()
        self._manager.stop(block=True, timeout=30, hard_stop=True)
        self._manager = self._reader = None

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
    for engine in list(_OPEN):
        engine.close()
