"""What a search has come to: the one place where an answer is taken from a tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from typing_extensions import TypedDict

from mctsr_graph.errors import ConfigError
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.strategies.choose import Choice, explain
from mctsr_graph.strategies.strategy import Strategy
from mctsr_graph.text.final_answer import extract_final_answer
from mctsr_graph.tree.tree import Node


class Conclusion(TypedDict):
    """What a search has come to."""

    best: str | None
    """Id of the node whose answer is returned."""
    answer: str | None
    """The whole text of that answer."""
    final_answer: str | None
    """The short answer that it states, or None."""
    choice: Choice | None
    """Why this answer, and how sure it is; None for an empty tree."""


def chosen(strategy: Strategy, tree: Mapping[str, Node], context: MCTSrContext) -> str | None:
    """Id of the node whose answer would be returned now; None for an empty tree.

    Raises:
        ConfigError: the strategy returned something else.
    """
    node = strategy.choose(tree, context) if tree else None
    if node is not None and node not in tree:
        raise ConfigError(
            f"{type(strategy).__qualname__}.choose returned {node!r}, allowed None or the id of a "
            "node"
        )
    return node


def conclude(
    strategy: Strategy,
    tree: Mapping[str, Node],
    context: MCTSrContext,
    best: str | None,
    answer: str | None = None,
    read: Callable[[str], str | None] = extract_final_answer,
) -> Conclusion:
    """Say what a search has come to, and how sure it is.

    Args:
        strategy: What has chosen.
        tree: The tree.
        context: The settings.
        best: Id of the node that was `chosen`.
        answer: A text that is in no node, returned where nothing could be chosen.
        read: Reads the final answer of such a text.
    """
    final_answer = read(answer) if answer and best is None else None
    if best is not None:
        answer, final_answer = tree[best]["answer"], tree[best]["final_answer"]
    return Conclusion(
        best=best,
        answer=answer,
        final_answer=final_answer,
        choice=explain(tree, context, strategy.rule(context), best) if tree else None,
    )
