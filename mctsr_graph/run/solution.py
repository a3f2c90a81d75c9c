"""What a search found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from html import escape
from typing import Any, Self

from mctsr_graph.calls.request import Failure
from mctsr_graph.calls.usage import Usage
from mctsr_graph.errors import ConfigError
from mctsr_graph.strategies.choose import Choice
from mctsr_graph.text.printable import printable, printable_json
from mctsr_graph.tree.record import Recorded
from mctsr_graph.tree.tree import Node
from mctsr_graph.tree.verdict import Verdict, verdict_of


@dataclass(frozen=True, repr=False)
class Solution:
    """What a search found. `print` shows it in five lines."""

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
    seconds: float | None = field(default=None, compare=False)
    """Time spent waiting for the model, to a tenth of a second; None where it is not known."""
    record: list[Recorded] = field(default_factory=list, compare=False)
    """What each rollout came to, in order (see `mctsr_graph.tree.record`). A search that was stored
    by an earlier version has none, or only the end."""

    made_with: dict[str, Any] = field(default_factory=dict, compare=False)
    """The model and judge by name, the profile, the settings that were given, the seed, the
    version of this package, and under "defaults" all other settings; of a stored search also when
    it was begun and last written, and no defaults where another version wrote it."""

    @property
    def confidence(self) -> float | None:
        """Chance of the answer to be right, 0 to 1, as far as the search can tell.

        Where no answer states a final one, as with free text, nothing says whether one is right: it
        is the chance that the judge prefers this answer to all others, and `choice["means"]` is
        "preferred". None where nothing was found, judged or told apart.
        """
        return self.choice["confidence"] if self.choice is not None else None

    @property
    def verdict(self) -> Verdict:
        """What the search has come to and how sure that is: figures, and the sentences of it."""
        return verdict_of(vars(self))

    def summary(self) -> str:
        """Five lines: the answer and its chance, why it, what a draft said, cost, and the end."""
        says = self.verdict["says"]
        topics = (("likely",), ("close", "why"), ("draft", "settled"), ("cost",), ("stopped",))
        lines = [" ".join(says[topic] for topic in line if topic in says) for line in topics]
        return "\n".join(filter(None, lines))

    def __str__(self) -> str:
        """The five lines of `summary`, after the answer where that states no final one."""
        if self.answer is None or self.final_answer is not None:
            return self.summary()
        text = printable(self.answer, keep="\n\t")
        return f"{text}\n\n{self.summary()}"

    def __repr__(self) -> str:
        """The answer and some figures, without the tree."""
        return (
            f"Solution(final_answer={self.final_answer!r}, confidence={self.confidence!r}, "
            f"rollouts={self.rollouts}, nodes={len(self.tree)}, stop_reason={self.stop_reason!r})"
        )

    def to_dict(self) -> dict[str, Any]:
        """All fields as plain values, of which JSON can be made; `from_dict` takes them back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Make a solution of what `to_dict` gave, or of what `json.loads` reads from `to_json`.

        Raises:
            ConfigError: a field is missing, or is none of a solution, or has a value that none has.
        """
        _check_fields(cls, data)
        tree, best, final = data["tree"], data["best"], data["final_answer"]
        if not isinstance(tree, Mapping):
            raise ConfigError(f"tree is {tree!r}, allowed nodes by their ids")
        if tree and best not in tree:  # a search that failed at once has none
            raise ConfigError(f"best is {best!r}, allowed the id of a node: {[*tree][:8]}")
        if not isinstance(final, str | None):
            raise ConfigError(f"final_answer is {final!r}, allowed a text or None")
        choice, needed = data.get("choice"), {"node", "rule", "confidence", "classes"}
        if choice is not None and not (isinstance(choice, Mapping) and needed <= choice.keys()):
            raise ConfigError(
                f"choice is {choice!r:.200}, allowed None or an object with "
                f"{', '.join(sorted(needed))}"
            )
        return cls(**data)

    def to_json(self) -> str:
        """All fields as one JSON object, with an escape for what a terminal would obey."""
        return printable_json(self.to_dict())

    def to_html(self) -> str:
        """One page that needs nothing else: the tree to click, each text, a replay, the cost."""
        from mctsr_graph.viewers.html import render_html

        return render_html(asdict(self))

    def _repr_html_(self) -> str:
        """For a notebook: summary and tree as text, and the page behind a click.

        The text shows where scripts are not trusted, too. The page can reach nothing from there.
        """
        from mctsr_graph.viewers.text import render_text

        drawn = escape(f"{self.summary()}\n\n{render_text(self.tree, self.best)}")
        return (
            '<pre style="max-height: 30em; overflow: auto; white-space: pre-wrap">'
            f"{drawn}</pre><details><summary>The search as a page</summary>"
            f'<iframe loading="lazy" srcdoc="{escape(self.to_html())}" sandbox="allow-scripts" '
            'title="Search tree" style="width: 100%; height: 760px; border: 0"></iframe></details>'
        )


def _check_fields(kind: type[Solution], data: Any) -> None:
    """Whether there is what a solution needs, and nothing else."""
    if not isinstance(data, Mapping):
        raise ConfigError(f"a solution is {data!r:.200}, allowed an object of its fields")
    known = {one.name: one for one in fields(kind)}
    if unknown := [name for name in data if name not in known]:
        raise ConfigError(f"a solution has the field {unknown[0]!r}, allowed {[*known]}")
    for name, one in known.items():
        if one.default is one.default_factory is MISSING and name not in data:
            raise ConfigError(f"a solution has no field {name!r}, which it needs")
