"""Log-probabilities of a tree of tokens after prompts, over slots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch

    from mctsr_graph.models.engine.protocol import TokenTree


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
    """By a step for each level of the tree, each inner node in a copy of its parent's slot."""
    levels = _levels(tree)
    lo, inner = len(memory.used), tree.inner()
    slots = {-1: lo}
    for nodes in levels:
        slots |= {node: lo + len(slots) + i for i, node in enumerate(nodes)}
    memory.reserve(lo + 1 + len(inner), len(ids) + len(levels) + 1)
    [start] = memory.begin(lo, [ids], len(levels))
    after = {-1: memory.feed(lo, [ids[start:]], [start], 1, [len(ids)])[0, -1]}
    memory.keep_prompt(lo, ids)
    for depth, nodes in enumerate(levels):
        used = len(ids) + depth
        for node in nodes:
            memory.copy(slots[tree.parents[node]], slots[node], 1, used)
        fed = [[tree.tokens[node]] for node in nodes]
        places, lengths = [used] * len(nodes), [used + 1] * len(nodes)
        logits = memory.feed(slots[nodes[0]], fed, places, 1, lengths)
        after |= dict(zip(nodes, logits[:, -1], strict=True))
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


def _levels(tree: TokenTree) -> list[list[int]]:
    """The inner nodes by their distance from the prompt."""
    depth, levels = {-1: -1}, list[list[int]]()
    for node in tree.inner():
        depth[node] = depth[tree.parents[node]] + 1
        if depth[node] == len(levels):
            levels.append([])
        levels[depth[node]].append(node)
    return levels
