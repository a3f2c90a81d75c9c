"""Log-probabilities of a tree of tokens after prompts, over slots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch

    from mctsr_graph.models.engine.protocol import TokenTree


_COPIED = 4096  # tokens that copies of a prompt may take at once


class Slots(Protocol):
    """What is asked of `SlotMemory`, which says more about it."""

    used: list[int]

    def reserve(self, slots: int, columns: int) -> None:
        """Allocate so many slots and columns."""

    def begin(self, lo: int, prompts: Sequence[list[int]], extra: int) -> list[int]:
        """Make room for prompts; how much of each is known."""
        raise NotImplementedError

    def feed(
        self,
        lo: int,
        fed: Sequence[Sequence[int]],
        starts: Sequence[int],
        keep: int,
        lengths: Sequence[int],
        tree: TokenTree | None = None,
    ) -> torch.Tensor:
        """Logits of the last `keep` tokens of each row."""
        raise NotImplementedError

    def copy(self, source: int, to: int, copies: int, columns: int) -> None:
        """Copy a slot."""

    def keep_prompt(self, slot: int, ids: Sequence[int]) -> None:
        """Put a prompt into the store."""


def planted(memory: Slots, prompts: Sequence[list[int]], tree: TokenTree) -> list[list[float]]:
    """By one forward, in which each inner node follows the prompt and sees its ancestors only."""
    inner, lo = tree.inner(), len(memory.used)
    starts = memory.begin(lo, prompts, len(inner))
    extra = [tree.tokens[node] for node in inner]
    fed = [ids[start:] + extra for ids, start in zip(prompts, starts, strict=True)]
    lengths = [len(ids) + len(inner) for ids in prompts]
    keep = 1 + len(inner)
    every = memory.feed(lo, fed, starts, keep, lengths, tree)[:, -keep:]
    for slot, ids in enumerate(prompts, lo):
        memory.keep_prompt(slot, ids)
    nodes = [-1, *inner]
    return [read(dict(zip(nodes, logits, strict=True)), tree) for logits in every]


def by_paths(memory: Slots, ids: list[int], tree: TokenTree) -> list[float]:
    """From one computation of the prompt, each inner node in a copy of its parent's slot."""
    lo, inner = len(memory.used), tree.inner()
    [start] = memory.begin(lo, [ids], len(inner))
    after = {-1: memory.feed(lo, [ids[start:]], [start], 1, [len(ids)])[0, -1]}
    memory.keep_prompt(lo, ids)
    width = max(1, _COPIED // len(ids))

    def go_on(parent: int, slot: int, free: int, used: int) -> None:
        children = [node for node in inner if tree.parents[node] == parent]
        for first in range(0, len(children), width):
            group = children[first : first + width]
            memory.reserve(free + len(group), len(ids) + len(inner) + 1)
            for i in range(len(group)):
                memory.copy(slot, free + i, 1, used)
            fed = [[tree.tokens[node]] for node in group]
            places, lengths = [used] * len(group), [used + 1] * len(group)
            logits = memory.feed(free, fed, places, 1, lengths)[:, -1]
            after.update(zip(group, logits, strict=True))
            for i, node in enumerate(group):
                go_on(node, free + i, free + len(group), used + 1)

    go_on(-1, lo, lo + 1, len(ids))
    return read(after, tree)


def each_alone(memory: Slots, ids: list[int], tree: TokenTree) -> list[float]:
    """By a forward over the whole of each path, where position codes change on the way."""
    lo, after, paths = len(memory.used), {}, {-1: ids}
    for node in [-1, *tree.inner()]:
        if node >= 0:
            paths[node] = [*paths[tree.parents[node]], tree.tokens[node]]
        path = paths[node]
        memory.reserve(lo + 1, len(path) + 1)
        after[node] = memory.feed(lo, [path], [0], 1, [len(path)])[0, -1]
    return read(after, tree)


def read(after: Mapping[int, torch.Tensor], tree: TokenTree) -> list[float]:
    """The log-probability of each node, by the logits after its parent."""
    import torch

    place = {node: i for i, node in enumerate(after)}
    logp = torch.stack(list(after.values())).float().log_softmax(-1)
    parents = torch.tensor([place[p] for p in tree.parents], device=logp.device)
    tokens = torch.tensor(tree.tokens, device=logp.device)
    found: list[float] = logp[parents, tokens].tolist()
    return found
