"""Whether a way of running a model gives what `generate` gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mctsr_graph.models.engine.protocol import TokenTree
from mctsr_graph.models.engine.rope import LengthRope
from mctsr_graph.models.engine.solo import GREEDY

if TYPE_CHECKING:
    import torch

    from mctsr_graph.models.engine.slots import SlotMemory
    from mctsr_graph.models.engine.solo import SoloMemory

STEPS = 4  # new tokens of each row
LENGTHS = (3, 38, 7, 98, 11)  # of rows side by side, among them some that grow beyond a length
_BEGINNINGS = ([1, 2, 3, 4, 5], [1, 2], [1, 2, 3, 9])
_TREE = TokenTree([5, 6, 7, 8, 9], [-1, -1, 0, 2, 1])


def text(length: int, first: int = 5, size: int = 90) -> list[int]:
    """Token ids without a pattern; those of one first number share their beginnings."""
    return [1 + (7 * i * i + 3 * i + first * (1 + i % 5)) % (size - 1) for i in range(length)]


class Wanted:
    """What `generate` gives, remembered: tokens and the logits that they were chosen by."""

    def __init__(self, model: Any) -> None:
        self.model, self._rope = model, LengthRope(model)
        self._known: dict[tuple[int, ...], tuple[list[int], torch.Tensor]] = {}

    def __call__(self, ids: Sequence[int], count: int) -> tuple[list[int], torch.Tensor]:
        """Greedy tokens, and logits [count, vocabulary] in float32."""
        import torch

        key = tuple(ids)
        if key not in self._known or len(self._known[key][0]) < count:
            self._rope.fresh()
            fed = torch.tensor([list(ids)], device=self.model.device)
            out = self.model.generate(
                fed,
                attention_mask=torch.ones_like(fed),
                max_new_tokens=count,
                return_dict_in_generate=True,
                output_logits=True,
                **GREEDY,
            )
            logits = torch.cat([one.float() for one in out.logits])
            self._known[key] = out.sequences[0, len(ids) :].tolist(), logits
        tokens, logits = self._known[key]
        return tokens[:count], logits[:count]

    def near(self, logits: torch.Tensor, wanted: torch.Tensor) -> bool:
        """Whether logits are the same but for rounding."""
        bound = (1e-3 if self.model.dtype == _float32() else 0.25) * wanted.std()
        apart = (logits.float() - wanted.to(logits.device)).abs().max()
        return bool(apart <= bound)  # not where one is NaN


def agrees(
    memory: SlotMemory | SoloMemory, wanted: Wanted, lengths: Sequence[int] = LENGTHS
) -> bool:
    """Whether rows of these lengths, at once and after one another, are those of `generate`."""
    try:
        return (
            _side_by_side(memory, wanted, lengths)
            and _gone_on_with(memory, wanted, lengths)
            and _scored(memory, wanted, lengths)
        )
    except Exception:  # a way that raises is no way
        return False


def begins(memory: SlotMemory | SoloMemory, wanted: Wanted) -> bool:
    """Whether two rows, a step of each and a third with the beginning of one are right.

    In half precision a router may take another expert of two that are about as good, by rounding
    alone. So other tokens are tried there: what is wrong is so for all of them.
    """
    tries = (0,) if wanted.model.dtype == _float32() else (0, 10, 20)
    return any(_begins(memory, wanted, more) for more in tries)


def _begins(memory: SlotMemory | SoloMemory, wanted: Wanted, more: int) -> bool:
    import torch

    first, second, third = ([i + more for i in ids] for ids in _BEGINNINGS)
    steps = [[*first, 6], [*second, 7]]
    try:
        found = [memory.join([first, second], 8), memory.step(0, 2, steps)]
        found.append(memory.join([third], 8))
        while memory.used:
            memory.leave(0, [])
        prompts = [first, second, *steps, third]
        return all(
            wanted.near(logits, wanted(ids, 1)[1][0])
            for ids, logits in zip(prompts, torch.cat(found), strict=True)
        )
    except Exception:  # a way that raises is no way
        return False


def _side_by_side(memory: SlotMemory | SoloMemory, wanted: Wanted, lengths: Sequence[int]) -> bool:
    """Rows join in two parts, one of them twice, and leave."""
    prompts = [text(length) if i % 2 else text(length, 9) for i, length in enumerate(lengths)]
    rows: list[list[int]] = []
    ahead: list[int] = []  # how many tokens each row has got
    for part in (prompts[: len(prompts) // 2], prompts[len(prompts) // 2 :]):
        logits = memory.join(part, 16)
        for ids, found in zip(part, logits, strict=True):
            tokens, expected = wanted(ids, STEPS)
            if not wanted.near(found, expected[0]):
                return False
            rows.append([*ids, tokens[0]])
            ahead.append(1)
        if not _stepped(memory, wanted, rows, ahead, 1):
            return False
    memory.fork(0, 1)
    rows.append(list(rows[0]))
    ahead.append(ahead[0])
    if not _stepped(memory, wanted, rows, ahead, STEPS):
        return False
    while rows:
        memory.leave(0, rows[0])
        rows[0] = rows[-1]
        rows.pop()
    return True


def _stepped(
    memory: Any, wanted: Wanted, rows: list[list[int]], ahead: list[int], count: int
) -> bool:
    for _ in range(count):
        logits = memory.step(0, len(rows), rows)
        for i, found in enumerate(logits):
            if ahead[i] >= STEPS:
                rows[i].append(1)  # it goes on with any token, which is not looked at
                continue
            tokens, expected = wanted(rows[i][: len(rows[i]) - ahead[i]], STEPS)
            if not wanted.near(found, expected[ahead[i]]):
                return False
            rows[i].append(tokens[ahead[i]])
            ahead[i] += 1
    return True


def _gone_on_with(memory: SlotMemory | SoloMemory, wanted: Wanted, lengths: Sequence[int]) -> bool:
    """Prompts that begin as rows that have left: twice, as the first may only note that."""
    longest = max(lengths)
    for cut, tail in ((longest // 2, 3), (longest // 2, 7), (longest - 2, 1), (1, 40), (30, 4)):
        ids = [*text(longest, 5)[:cut], *text(tail, 3)]
        if not wanted.near(memory.join([ids], 4096)[0], wanted(ids, 1)[1][0]):
            return False
        memory.leave(0, ids)
    return True


def _scored(memory: SlotMemory | SoloMemory, wanted: Wanted, lengths: Sequence[int]) -> bool:
    import torch

    prompts = [text(length, 4) for length in sorted(lengths)[:3]]
    prompts.append(text(max(lengths) - 3, 5))
    found = memory.score(prompts, _TREE)
    for ids, logp in zip(prompts, found, strict=True):
        paths: dict[int, list[int]] = {-1: ids}
        for node, (token, parent) in enumerate(zip(_TREE.tokens, _TREE.parents, strict=True)):
            paths[node] = [*paths[parent], token]
            expected = wanted(paths[parent], 1)[1][0].log_softmax(-1)[token]
            bound = 1e-2 if wanted.model.dtype == _float32() else 0.5
            if not (torch.tensor(logp[node]) - expected.cpu()).abs() <= bound:
                return False
    return True


def _float32() -> Any:
    import torch

    return torch.float32
