"""What a search found."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from html import escape
from typing import Any

from mctsr_graph.calls.request import Failure
from mctsr_graph.calls.usage import Usage
from mctsr_graph.strategies.choose import Choice
from mctsr_graph.text.printable import printable_json
from mctsr_graph.tree.record import Recorded
from mctsr_graph.tree.tree import Node


@dataclass(frozen=True)
class Solution:
    """What a search found."""

    problem: str
    answer: str | None
    """The whole text of the best answer."""
    final_answer: str | None
    """The short answer that it states, or None."""
    best: str | None
    """Id of the best node of `tree`."""
    rollouts: int
    """Rollouts finished, failed ones included."""
    usage: Usage
    """Model calls, tokens and their price by role."""
    stop_reason: str | None
    """Why the search stopped; "interrupted" where Ctrl-C stopped it."""
    tree: dict[str, Node]
    """Every node by id."""
    failures: list[Failure]
    """Replies that could not be had."""
    choice: Choice | None = None
    """Why this answer: the classes of final answers with their votes, rewards and chances."""
    cost: float | None = None
    """Price of all calls in the currency of the prices; None where that of one is not known."""
    seconds: float = field(default=0.0, compare=False)
    """Time spent waiting for the model, to a tenth of a second."""
    record: list[Recorded] = field(default_factory=list, compare=False)
    """What each rollout came to, in order (see `mctsr_graph.tree.record`). A search that was stored
    by an earlier version has none, or only the end."""

    made_with: dict[str, Any] = field(default_factory=dict, compare=False)
    """The model and judge by name, the profile, the settings that were given, the seed, and the
    version of this package; of a stored search also when it was begun and last written."""

    def to_json(self) -> str:
        """All fields as one JSON object, with an escape for what a terminal would obey."""
        return printable_json(asdict(self))

    def to_html(self) -> str:
        """One page that needs nothing else: the tree to click, each text, a replay, the cost."""
        from mctsr_graph.viewers.html import render_html

        return render_html(asdict(self))

    def _repr_html_(self) -> str:
        """The page inside a notebook, from which it can reach nothing."""
        return (
            f'<iframe srcdoc="{escape(self.to_html())}" sandbox="allow-scripts" '
            'title="Search tree" style="width: 100%; height: 760px; border: 0"></iframe>'
        )
