"""How a search decides: what to do next, and which answer to return."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from .choice import CHOICES, ChoiceRule
from .config import MCTSrContext
from .errors import ConfigError
from .tasks import SelectionRule
from .tree import Node


@dataclass(frozen=True)
class Strategy:
    """A rule for what to do next and one for the choice; None: the one the settings name."""

    selection: SelectionRule | None = None
    choice: ChoiceRule | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be called; the names of rules are settings.

        Raises:
            ConfigError: a rule is no function.
        """
        for name, rule in (("selection", self.selection), ("choice", self.choice)):
            if rule is not None and not callable(rule):
                raise ConfigError(f"{name} is {rule!r}, allowed a function; a name is a setting")

    def choose(self, tree: Mapping[str, Node], context: MCTSrContext) -> str | None:
        """Id of the node whose answer would be returned now; None for an empty tree.

        Raises:
            ConfigError: the user's rule returned something else.
        """
        rule = self.choice or CHOICES[context.select]
        node = rule(tree, context) if tree else None
        if node is not None and node not in tree:
            raise ConfigError(
                f"the choice rule {_name(rule)} returned {node!r}, allowed None or the id of a node"
            )
        return node

    def name(self, context: MCTSrContext) -> str:
        """What the way of choosing is called."""
        return context.select if self.choice is None else _name(self.choice)

    def label(self) -> str:
        """What tells it from others in a search's fingerprint."""
        rules = (self.selection, self.choice)
        return "".join("" if rule is None else f"|{_name(rule)}" for rule in rules)


def _name(rule: object) -> str:
    named = rule if hasattr(rule, "__qualname__") else type(rule)
    return f"{named.__module__}.{named.__qualname__}"
