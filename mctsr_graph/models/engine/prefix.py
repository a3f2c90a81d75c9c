"""A store of what the model has computed for the beginnings of earlier prompts.

A radix tree over token ids: each node holds some tokens and their keys and values, so shared
beginnings are held once and found token by token. Where a model has states, which are of one
moment, a beginning is of use only up to a node that has the states of its end. Beyond its budget
the store forgets the ends that were not used for longest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    KV = list[torch.Tensor]
    """Keys and values for some tokens, each [..., tokens, size]."""


class _Node:
    __slots__ = ("children", "kv", "parent", "states", "tokens", "used")

    def __init__(self, tokens: list[int], kv: KV, parent: _Node | None) -> None:
        self.tokens, self.kv, self.parent = tokens, kv, parent
        self.children: dict[int, _Node] = {}
        self.states: list[torch.Tensor] | None = None  # after the last of the tokens
        self.used = 0


class PrefixStore:
    """Keys and values by token ids, at most `budget` tokens of them (0: keeps nothing).

    Beginnings of different sides have nothing in common. States of one moment count as
    `state_cost` tokens.
    """

    def __init__(self, budget: int) -> None:
        self.budget, self.tokens = budget, 0
        self.state_cost = 0
        self._roots: dict[int, _Node] = {}
        self._clock = 0

    def match(self, ids: Sequence[int], side: int = 0, *, states: bool = False) -> int:
        """How many tokens at the beginning of `ids` the store knows, with `states` if asked."""
        return sum(count for _, count in self._known(ids, side, states))

    def lookup(self, ids: Sequence[int], side: int = 0, *, states: bool = False) -> Iterator[KV]:
        """Keys and values of the known beginning of `ids`, in pieces, in order."""
        for node, count in self._touched(self._known(ids, side, states)):
            yield [part[..., :count, :] for part in node.kv]

    def states(self, ids: Sequence[int], side: int = 0) -> list[torch.Tensor]:
        """The states after the longest beginning that has some; none where there is none."""
        path = self._known(ids, side, True)
        return path[-1][0].states or [] if path else []

    def insert(
        self,
        ids: Sequence[int],
        cut: Callable[[int, int], KV],
        side: int = 0,
        states: Callable[[], list[torch.Tensor]] | None = None,
    ) -> None:
        """Add `ids`. `cut(a, b)` gives a copy of the keys and values of tokens a to b.

        `states` gives a copy of the states after the last of them.
        """
        path = self._touched(self._walk(ids, side))
        known = sum(count for _, count in path)
        cost = self.state_cost if states is not None else 0
        if not ids or len(ids) - known + cost > self.budget:
            return
        node, count = path[-1] if path else (self._root(side), 0)
        if count < len(node.tokens) and (known < len(ids) or states is not None):
            node = self._split(node, count)
        if known < len(ids):
            leaf = _Node(list(ids[known:]), cut(known, len(ids)), node)
            leaf.used = self._clock
            node.children[ids[known]] = leaf
            self.tokens += len(leaf.tokens)
            node = leaf
        if states is not None and node.states is None:
            node.states = states()
            self.tokens += cost
        self._shrink()

    def clear(self) -> None:
        """Forget everything."""
        for node in self._nodes():
            node.parent = None  # a circle, which Python would free only now and then
        self._roots, self.tokens = {}, 0

    def _root(self, side: int) -> _Node:
        return self._roots.setdefault(side, _Node([], [], None))

    def _walk(self, ids: Sequence[int], side: int) -> list[tuple[_Node, int]]:
        path, node, at = [], self._root(side), 0
        while at < len(ids) and ids[at] in node.children:
            node = node.children[ids[at]]
            count = common(node.tokens, ids[at : at + len(node.tokens)])
            path.append((node, count))
            at += count
            if count < len(node.tokens):
                break
        return path

    def _known(self, ids: Sequence[int], side: int, states: bool) -> list[tuple[_Node, int]]:
        """The nodes of a beginning; with `states` only up to one whose end has some."""
        path = self._walk(ids, side)
        while states and path and (path[-1][0].states is None or path[-1][1] < _length(path[-1])):
            path.pop()
        return path

    def _touched(self, path: list[tuple[_Node, int]]) -> list[tuple[_Node, int]]:
        self._clock += 1
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
            if leaf.states is not None:
                self.tokens -= self.state_cost

    def _nodes(self) -> Iterator[_Node]:
        stack = [node for root in self._roots.values() for node in root.children.values()]
        while stack:
            node = stack.pop()
            stack += node.children.values()
            yield node


def _length(step: tuple[_Node, int]) -> int:
    return len(step[0].tokens)


def common(a: Sequence[int], b: Sequence[int]) -> int:
    """Length of the common beginning."""
    most = min(len(a), len(b))
    if a[:most] == b[:most]:
        return most
    return next(i for i in range(most) if a[i] != b[i])
