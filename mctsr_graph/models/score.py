"""Scores read from logits: the exact distribution over the numbers that a judge may write."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mctsr_graph.errors import ConfigError
from mctsr_graph.models.engine.protocol import TokenTree


@dataclass(frozen=True)
class ScoreDistribution:
    """How a model would score.

    Attributes:
        probabilities: Of each allowed number, given that it is one of them; they add up to 1.
        mass: Probability that the reply is one of them at all, in [0, 1]; low where the model
            did not understand what to write.
    """

    probabilities: dict[float, float]
    mass: float

    @property
    def expected(self) -> float:
        """The mean, in points."""
        return math.fsum(number * p for number, p in self.probabilities.items())


def score_tree(
    tokenizer: Any, lead: str, labels: Sequence[float]
) -> tuple[list[int], TokenTree, dict[float, int]]:
    """The tokens that all numbers begin with after `lead`, the tree of the rest, and its ends.

    The last maps each number to its node. Numbers are tokenised together with `lead`, as a
    model would write them.

    Raises:
        ConfigError: there are fewer than two numbers, or two of them look the same.
    """
    if len(set(labels)) < 2:
        raise ConfigError(f"labels must be two numbers or more, got {list(labels)!r}")
    written = {k: tokenizer(f"{lead}{k}", add_special_tokens=False)["input_ids"] for k in labels}
    first = next(iter(written.values()))
    shared = 0
    while all(len(ids) > shared + 1 and ids[shared] == first[shared] for ids in written.values()):
        shared += 1
    nodes: dict[tuple[int, ...], int] = {(): -1}
    tokens: list[int] = []
    parents: list[int] = []
    for ids in written.values():
        rest = tuple(ids[shared:])
        for size in range(1, len(rest) + 1):
            if rest[:size] not in nodes:
                nodes[rest[:size]] = len(tokens)
                tokens.append(rest[size - 1])
                parents.append(nodes[rest[: size - 1]])
    ends = {number: nodes[tuple(ids[shared:])] for number, ids in written.items()}
    if len(set(ends.values())) < len(ends):
        raise ConfigError("the tokenizer writes two of the labels alike")
    return first[:shared], TokenTree(tokens, parents), ends


def distribution(tree: TokenTree, ends: dict[float, int], logp: list[float]) -> ScoreDistribution:
    """The distribution from the log-probability of each node after its parent.

    The chance of a number is that of its tokens, times that of none of the tokens following
    with which a longer number of the tree would go on.
    """
    longer = [0.0] * len(tree.tokens)
    upto = [0.0] * len(tree.tokens)
    for node, parent in enumerate(tree.parents):
        upto[node] = logp[node] + (upto[parent] if parent >= 0 else 0.0)
        if parent >= 0:
            longer[parent] += math.exp(logp[node])
    chances = {k: math.exp(upto[node]) * max(0.0, 1 - longer[node]) for k, node in ends.items()}
    mass = math.fsum(chances.values())
    scale = 1 / mass if mass > 0 else 0.0
    return ScoreDistribution({k: p * scale for k, p in chances.items()}, min(mass, 1.0))
