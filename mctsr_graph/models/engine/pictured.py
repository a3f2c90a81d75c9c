"""Rows whose prompts hold pictures: one request after another, row by row, as `generate` does.

Positions and masks of pictures are each model's own business, so the model prepares them itself.
Token ids do not tell one picture from another: nothing here is kept for later prompts.
"""

from __future__ import annotations

from collections import deque
from functools import cached_property
from typing import Any

from mctsr_graph.models.engine.draw import draw
from mctsr_graph.models.engine.jobs import Job, Row
from mctsr_graph.models.engine.solo import SoloMemory


class PicturedRows:
    """The requests with pictures; used by the engine's thread only."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._rows: list[Row] = []  # of the first job
        self.jobs: deque[Job] = deque()

    @cached_property
    def _memory(self) -> SoloMemory:
        return SoloMemory(self._model)

    def turn(self) -> None:
        """One more token of each row of the first request. One that raises fails alone."""
        if not self.jobs:
            return
        job = self.jobs[0]
        try:
            if not job.future.done():
                self._step(job)
        except Exception as error:
            job.fail(error)
        if job.future.done():
            while self._memory.used:
                self._memory.leave(0, [])
            self._rows.clear()
            self.jobs.popleft()

    def _step(self, job: Job) -> None:
        request, rows = job.request, self._rows
        if rows:
            logits = self._memory.step(0, len(rows), [row.ids for row in rows])
        else:
            logits = self._memory.join([request.ids], 0, request.pictures)
            self._memory.fork(0, request.n - 1)
            logits = logits.expand(request.n, -1)
            rows += [Row(job, sample) for sample in range(request.n)]
        tokens = draw(logits, rows)
        for i in reversed(range(len(rows))):
            if rows[i].add(tokens[i]):
                self._memory.leave(i, [])
                rows[i] = rows[-1]
                rows.pop()
