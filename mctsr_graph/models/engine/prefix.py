"""A store of what the model has computed for the beginnings of earlier prompts.

A radix tree over token ids: each node holds some tokens and their keys and values, so shared
beginnings are held once and found token by token. Beyond its budget the store forgets the ends
that were not used for longest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    KV = list[torch.Tensor]
    """Keys and values for some tokens, each [..., tokens, size]."""


class _Node:
    __slots__ = ("children", "kv", "parent", "tokens", "used")

    def __init__(self, tokens: list[int], kv: KV, parent: _Node | None) -> None:
        self.tokens, self.kv, self.parent = tokens, kv, parent
        self.children: dict[int, _Node] = {}
        self.used = 0


class PrefixStore:
    """Keys and values by token ids, at most `budget` tokens of them (0: keeps nothing)."""

    def __init__(self, budget: int) -> None:
        self.budget, self.tokens = budget, 0
        self._root = _Node([], [], None)
        self._clock = 0

    def match(self, ids: Sequence[int]) -> int:
        """How many tokens at the beginning of `ids` the store knows."""
        return sum(count for _, count in self._walk(ids))

    def lookup(self, ids: Sequence[int]) -> Iterator[KV]:
        """Keys and values of the known beginning of `ids`, in pieces, in order."""
        for node, count in self._touched(ids):
            yield [part[..., :count, :] for part in node.kv]

    def insert(self, ids: Sequence[int], cut: Callable[[int, int], KV]) -> None:
        """Add `ids`. `cut(a, b)` gives a copy of the keys and values of tokens a to b."""
        path = self._touched(ids)
        known = sum(count for _, count in path)
        if not 0 < len(ids) - known <= self.budget:
            return
        node, count = path[-1] if path else (self._root, 0)
        if count < len(node.tokens):
            node = self._split(node, count)
        leaf = _Node(list(ids[known:]), cut(known, len(ids)), node)
        leaf.used = self._clock
        node.children[ids[known]] = leaf
        self.tokens += len(leaf.tokens)
        self._shrink()

    def clear(self) -> None:
        """Forget everything."""
        for node in self._nodes():
            node.parent = None  # a circle, which Python would free only now and then
        self._root, self.tokens = _Node([], [], None), 0

    def _walk(self, ids: Sequence[int]) -> list[tuple[_Node, int]]:
        path, node, at = [], self._root, 0
        while at < len(ids) and ids[at] in node.children:
            node = node.children[ids[at]]
            count = common(node.tokens, ids[at : at + len(node.tokens)])
            path.append((node, count))
            at += count
            if count < len(node.tokens):
                break
        return path

    def _touched(self, ids: Sequence[int]) -> list[tuple[_Node, int]]:
        self._clock += 1
        path = self._walk(ids)
        for node, _ in path:
            node.used = self._clock
        return path

    def _split(self, node: _Node, count: int) -> _Node:
        """Cut a node in two and return the first half. Copies, so that either half can go."""
        assert node.parent is not None
        head = _Node(node.tokens[:count], [p[..., :count, :].clone() for p in node.kv], node.parent)
        head.used = node.used
        node.parent.children[head.tokens[0]] = head
        node.tokens, node.kv = node.tokens[count:], [p[..., count:, :].clone() for p in node.kv]
        node.parent = head
        head.children[node.tokens[0]] = node
        return head

    def _shrink(self) -> None:
        while self.tokens > self.budget:
            leaf = min((n for n in self._nodes() if not n.children), key=lambda node: node.used)
            assert leaf.parent is not None
            del leaf.parent.children[leaf.tokens[0]]
            self.tokens -= len(leaf.tokens)

    def _nodes(self) -> Iterator[_Node]:
        stack = [*self._root.children.values()]
        while stack:
            node = stack.pop()
            stack += node.children.values()
            yield node


def common(a: Sequence[int], b: Sequence[int]) -> int:
    """Length of the common beginning."""
    most = min(len(a), len(b))
    if a[:most] == b[:most]:
        return most
    return next(i for i in range(most) if a[i] != b[i])
