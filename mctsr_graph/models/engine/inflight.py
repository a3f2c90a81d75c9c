"""The engine: one thread owns the model, requests join and leave the running batch every step."""

from __future__ import annotations

import atexit
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from mctsr_graph.errors import ConfigError
from mctsr_graph.models.engine.batch import Batch
from mctsr_graph.models.engine.jobs import Job, Question, fail_all
from mctsr_graph.models.engine.lean_layers import LeanLayers
from mctsr_graph.models.engine.limits import Limits
from mctsr_graph.models.engine.pictured import PicturedRows
from mctsr_graph.models.engine.prefix import PrefixStore
from mctsr_graph.models.engine.probe import memory_of
from mctsr_graph.models.engine.protocol import ENDING, EngineError, Request, Sample, TokenTree
from mctsr_graph.models.engine.slots import SlotMemory

_BYTES = 2 << 30  # for keys and values where the device does not tell what is free
_GATHER = 0.005  # seconds without a newcomer after which a new batch starts
# What one more forward costs, in tokens: reading the weights; on CUDA hundreds of launches. So
# there one newcomer waits for others to share it with, this many steps at most
_PRICE, _PATIENCE = {"cuda": 1024, "other": 16}, {"cuda": 16, "other": 0}
_OPEN: weakref.WeakSet[InflightEngine] = weakref.WeakSet()


class InflightEngine:
    """Runs a model for any number of threads and event loops.

    Every step feeds all running rows in one forward. Samples of one prompt share its prefill,
    and the beginnings of prompts are looked up in a `PrefixStore`. A request that raises, or
    whose logits hold NaN, fails alone. When memory runs out the store is emptied, then half of
    the rows wait for the other half.

    The thread starts with a request and ends when there is none for a while. It never keeps the
    interpreter from ending. Whatever else ends it is told to all that wait, as an `EngineError`;
    the next request starts it again.
    """

    def __init__(self, model: Any, limits: Limits | None = None) -> None:
        self._model, self._limits = model, limits or Limits()
        self._changed = threading.Condition()
        self._inbox: list[Job | Question] = []
        self._closed = False
        self._thread: threading.Thread | None = None
        self._ending: threading.Thread | None = None  # takes no more work, may still be alive
        self._batch: Batch | None = None
        self._pictured = PicturedRows(model)
        self._lean: LeanLayers | None = None
        self._refused: ConfigError | None = None
        _OPEN.add(self)

    def submit(self, request: Request) -> Future[list[Sample]]:
        """Queue a request from any thread. Cancelling the future stops it at the next step.

        The future fails with `ContextLengthError` where the request is longer than all memory, and
        with `ConfigError` where the model is none that the engine can run.

        Raises:
            EngineError: the engine is closed, or there can be no more threads.
            ConfigError: the model was refused before, or knows no such token.
        """
        self._check(request.ids)
        job = Job(request)
        self._put(job)
        return job.future

    def score(self, ids: list[int], tree: TokenTree) -> Future[list[float]]:
        """Log-probability of each node of `tree` after its parent, `ids` being the prompt."""
        self._check([*ids, *tree.tokens])
        question = Question(ids, tree)
        self._put(question)
        return question.future

    @property
    def limits(self) -> Limits:
        """Its bounds."""
        return self._limits

    @property
    def closed(self) -> bool:
        """Whether it takes no more requests."""
        return self._closed

    def close(self) -> None:
        """Fail what is left, end the thread and free the store. Safe to call twice."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            threads = (self._thread, self._ending)
            left = self._taken()
        fail_all(left, "the engine was closed")
        for thread in threads:  # one that the interpreter's end meets inside torch aborts it
            if thread is not None and thread is not threading.current_thread():
                thread.join(timeout=30)
        self._batch = self._lean = None

    def _check(self, ids: Sequence[int]) -> None:
        """On CUDA a token that is none would end the use of the device."""
        table = self._model and self._model.get_input_embeddings()  # none of an engine elsewhere
        size = getattr(table, "num_embeddings", None)
        highest = max(ids or (), default=0)
        if size is not None and highest >= size:
            raise ConfigError(
                f"the tokenizer gives the token {highest}, and the model knows {size} tokens: "
                "allowed is the tokenizer that belongs to the model"
            )

    def _put(self, task: Job | Question) -> None:
        with self._changed:
            if self._closed or ENDING.is_set():
                raise EngineError("the engine is closed")
            if self._refused is not None:
                raise ConfigError(str(self._refused))
            self._inbox.append(task)
            self._changed.notify_all()
            if self._thread is not None and self._thread.is_alive():  # not alive: after a fork
                return
            thread = threading.Thread(target=self._run, name="mctsr-graph-engine", daemon=True)
            self._thread = thread
            try:
                thread.start()
            except Exception as error:
                self._thread = None  # it cannot be joined
                raise EngineError(self._ended(error)) from error

    def _run(self) -> None:
        try:
            self._serve()
        except BaseException as error:  # nobody may wait for a thread that is gone
            self._ended(error)

    def _serve(self) -> None:
        import torch

        with torch.inference_mode():
            batch = self._batch = self._batch or self._made()
            lean = self._lean = self._lean or self._quicker()
            while self._receive(batch):
                with lean.used():
                    batch.turn()
                self._pictured.turn()

    def _receive(self, batch: Batch) -> bool:
        """Take what was submitted, waiting if there is nothing to do. False: end the thread."""
        with self._changed:
            if not (batch.busy or self._pictured.jobs) and not self._closed:
                if not self._inbox:
                    self._changed.wait(self._limits.idle_seconds)
                self._gather()
            for task in self._inbox:
                if isinstance(task, Job) and task.request.pictures is not None:
                    self._pictured.jobs.append(task)
                else:
                    batch.add(task)
            self._inbox = []
            if (batch.busy or self._pictured.jobs) and not self._closed:
                return True
            batch.memory.release()
            self._thread, self._ending = None, self._thread
            return False

    def _gather(self) -> None:
        """Let the requests of one step of a search come in together."""
        count = 0
        while len(self._inbox) > count and not self._closed:
            count = len(self._inbox)
            self._changed.wait(_GATHER)

    def _ended(self, error: BaseException) -> str:
        """Tell all that wait why the thread ended; the next request starts another."""
        why = f"the engine's thread ended: {type(error).__name__}: {error}"
        with self._changed:
            left = self._taken()
            self._batch = None
            self._thread, self._ending = None, self._thread or self._ending
            self._refused = error if isinstance(error, ConfigError) else None
        # Not under the lock: a callback may ask again
        if self._refused is not None:
            fail_all(left, str(error), error, ConfigError)
        else:
            fail_all(left, why, error)
        return why

    def _taken(self) -> list[Job | Question]:
        """All that is not done; the inbox is empty afterwards."""
        left = [*self._inbox, *self._pictured.jobs]
        left += self._batch.tasks if self._batch is not None else ()
        self._inbox = []
        return left

    def _quicker(self) -> LeanLayers:
        return LeanLayers(self._model, self._limits.packed_bytes)

    def _made(self) -> Batch:
        limits, memory = self._limits, memory_of(self._model)
        free = free_bytes(self._model)
        if isinstance(memory, SlotMemory):
            free -= min(free // 2, (limits.rows + 1) * memory.state_bytes())
        room = int(free // memory.token_bytes())
        if isinstance(memory, SlotMemory):
            kept = limits.store_tokens if limits.store_tokens is not None else room // 3
            memory.keep_into(PrefixStore(kept))
            room = room * 2 // 3
        device = "cuda" if self._model.device.type == "cuda" else "other"
        return Batch(
            memory,
            limits.rows,
            limits.row_tokens or room,
            limits.prefill_tokens,
            _PRICE[device],
            _PATIENCE[device],
        )


def free_bytes(model: Any) -> float:
    """Bytes that an engine may take for keys and values."""
    import torch

    if model.device.type != "cuda":
        return _BYTES
    cached = torch.cuda.memory_reserved(model.device) - torch.cuda.memory_allocated(model.device)
    return 0.8 * (torch.cuda.mem_get_info(model.device)[0] + cached)


@atexit.register
def _close_all() -> None:
    ENDING.set()
    for engine in list(_OPEN):
        engine.close()
