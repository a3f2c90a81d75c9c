"""The next token of each running row, each by its own settings."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from mctsr_graph.models.engine.protocol import TokenChance

if TYPE_CHECKING:
    import torch

    from mctsr_graph.models.engine.protocol import Processor, Request


class Drawing(Protocol):
    """What sampling needs of a row."""

    request: Request
    rng: random.Random
    processors: Sequence[Processor]
    chances: list[TokenChance]

    @property
    def ids(self) -> list[int]:
        """Prompt and new tokens."""


def draw(logits: torch.Tensor, rows: Sequence[Drawing]) -> list[int]:
    """One token per row of `logits` [rows, vocabulary]; -1 where they hold NaN.

    A row draws one number of its own generator per token, so its text does not depend on what
    runs beside it. Reading the result is the step's only wait for the device.
    """
    raw, logits = logits, _processed(logits, rows)
    highest, tokens = logits.max(-1)
    hot = [i for i, row in enumerate(rows) if row.request.temperature > 0]
    # Apart, so that whether a row is sorted, and so its draw, never hangs on its company
    warped = [i for i in hot if rows[i].request.warpers]
    left = [i for i in hot if i not in warped]
    cut = [i for i in left if rows[i].request.top_k or rows[i].request.top_p < 1]
    free = [i for i in left if i not in cut]
    for which, pick in ((cut, _filtered), (free, _unfiltered), (warped, _warped)):
        if which:
            index = _sent(which, logits.device)
            tokens[index] = pick(logits[index].float(), [rows[i] for i in which])
    result: list[int] = tokens.masked_fill(highest.isnan(), -1).tolist()
    for i, row in enumerate(rows):
        if row.request.logprobs is not None:
            row.chances.append(_chance(raw[i], result[i], row.request.logprobs))
    return result


def _chance(logits: torch.Tensor, token: int, most: int) -> TokenChance:
    logp = logits.float().log_softmax(-1)
    values, ids = logp.topk(min(most, logp.shape[-1]))
    top = dict(zip(ids.tolist(), values.tolist(), strict=True))
    return TokenChance(float(logp[token]), top)


def _processed(logits: torch.Tensor, rows: Sequence[Drawing]) -> torch.Tensor:
    import torch

    touched = [i for i, row in enumerate(rows) if row.processors]
    if not touched:
        return logits
    logits = logits.clone()
    for i in touched:
        ids = torch.tensor([rows[i].ids], device=logits.device)
        for process in rows[i].processors:
            logits[i : i + 1] = process(ids, logits[i : i + 1])
    return logits


def _filtered(logits: torch.Tensor, rows: Sequence[Drawing]) -> torch.Tensor:
    """Draw from the top_k likeliest tokens, and of these from the first that make up top_p."""
    import torch

    asked, size = [row.request for row in rows], logits.shape[-1]
    top_k = [min(one.top_k or size, size) for one in asked]
    logits, order = logits.topk(max(top_k))
    rank = torch.arange(logits.shape[-1], device=logits.device)
    beyond = rank >= _sent(top_k, logits.device)[:, None]
    chances = _chances(logits.masked_fill(beyond, -torch.inf), rows)
    top_p = _sent([one.top_p for one in asked], logits.device)[:, None]
    kept = (chances.cumsum(-1) - chances < top_p) | (rank == 0)
    return order.gather(-1, _inverse(chances * kept, rows))[:, 0]


def _warped(logits: torch.Tensor, rows: Sequence[Drawing]) -> torch.Tensor:
    """Draw as `generate` does, by the filters of transformers, row by row."""
    import torch

    every = []
    for i, row in enumerate(rows):
        ids, scores = torch.tensor([row.ids], device=logits.device), logits[i : i + 1]
        for warp in row.request.warpers:
            scores = warp(ids, scores)
        exact = torch.float32 if logits.device.type == "mps" else torch.float64
        every.append(_inverse(scores.softmax(-1).to(exact), [row])[:, 0])
    return torch.cat(every)


def _unfiltered(logits: torch.Tensor, rows: Sequence[Drawing]) -> torch.Tensor:
    return _inverse(_chances(logits, rows), rows)[:, 0]


def _chances(logits: torch.Tensor, rows: Sequence[Drawing]) -> torch.Tensor:
    import torch

    heat = _sent([row.request.temperature for row in rows], logits.device)
    logits = logits - logits.amax(-1, keepdim=True)  # a tiny temperature cannot overflow then
    # In double where there is one: the end of a long float32 sum has few digits left
    exact = torch.float32 if logits.device.type == "mps" else torch.float64
    return (logits / heat.clamp_min(1e-6)[:, None]).softmax(-1).to(exact)


def _inverse(chances: torch.Tensor, rows: Sequence[Drawing]) -> torch.Tensor:
    """Where the cumulative distribution reaches one uniform number per row, [rows, 1]."""
    sums = chances.cumsum(-1)
    uniform = _sent([[row.rng.random()] for row in rows], sums.device, sums.dtype)
    below = sums <= uniform * sums[:, -1:]
    return below.sum(-1, keepdim=True).clamp(max=sums.shape[-1] - 1)


def _sent(
    numbers: list[Any], device: torch.device, dtype: torch.dtype | None = None
) -> torch.Tensor:
    """The numbers on the device, without waiting for what it does before."""
    import torch

    made = torch.tensor(numbers, dtype=dtype)
    if device.type != "cuda":
        return made.to(device)
    return made.pin_memory().to(device, non_blocking=True)
