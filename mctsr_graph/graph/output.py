"""What a search returns, described for whoever reads its JSON schema."""

# Without postponed annotations, which LangGraph would evaluate anew for every graph
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, with_config
from typing_extensions import TypedDict

from mctsr_graph.calls.usage import Cost, Usage
from mctsr_graph.graph.channels import PATCHED, NoneAtFirst
from mctsr_graph.strategies.choose import AnswerClass, Choice
from mctsr_graph.strategies.tuned.refining import RefiningBelief
from mctsr_graph.tree.stop_reasons import stopped_in_words


class Progress(TypedDict):
    """How far a search has come, besides its answer."""

    # As annotations, since docstrings are not seen by a class that is made of this one
    best: Annotated[str | None, Field(description="Id of the best node in the tree"), NoneAtFirst]
    rollouts: Annotated[int, Field(description="Rollouts finished, failed ones included")]
    usage: Annotated[
        Usage, Field(description="Model calls, tokens and their price by role"), PATCHED
    ]
    stop_reason: Annotated[
        str | None,
        Field(description="Why the search is over, in one word; null while it runs"),
        NoneAtFirst,
    ]
    choice: Annotated[
        Choice | None,
        Field(description="Why this answer; null until the search is over"),
        NoneAtFirst,
    ]


class Report(Progress):
    """What a search tells besides its answer."""

    cost: Annotated[
        float | None,
        Field(description="Price of all calls in the currency of the prices; null if not known"),
    ]


class MCTSrOutput(TypedDict):
    """What a search returns, and, as a node of another graph, writes there: nothing else."""

    answer: Annotated[str | None, NoneAtFirst]
    """The whole text of the best answer."""
    final_answer: Annotated[str | None, NoneAtFirst]
    """The short answer that it states, or None."""
    mctsr: Annotated[Report | None, NoneAtFirst]
    """All else, under a name that no other graph has; None until the search is over."""


def no_answer(found: Mapping[str, Any]) -> str:
    """What is said where none was found. `found` has the fields of a `Solution`."""
    return f"No answer was found. {stopped_in_words(found)}"


# Here, as strategies do without pydantic
for _told in (AnswerClass, Choice, Cost, RefiningBelief, MCTSrOutput):
    with_config(use_attribute_docstrings=True)(_told)
