"""What flows through the graph. Plain JSON types only, so that any checkpointer can keep it."""

# Without postponed annotations, which LangGraph would evaluate anew for every graph
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, cast

from langgraph.channels import DeltaChannel
from langgraph.managed import RemainingSteps
from pydantic import Field, WithJsonSchema
from typing_extensions import TypedDict

from mctsr_graph.calls.request import Failure
from mctsr_graph.calls.usage import no_usage, price_told
from mctsr_graph.graph.checksum import Checksum
from mctsr_graph.graph.output import MCTSrOutput, Progress, Report
from mctsr_graph.graph.rollout import Leaf
from mctsr_graph.settings.question import Block, Question
from mctsr_graph.tree.record import Recorded
from mctsr_graph.tree.tree import Node, merge

ROLLOUT = ("select", "critique", "refine", "evaluate", "backpropagate")
"""The nodes of one rollout in order, a superstep each; the last leads back to the first."""


def supersteps(rollouts: int) -> int:
    """LangGraph's recursion_limit for so many rollouts, with room for a search taken up again."""
    return len(ROLLOUT) * (rollouts + 4)


def overwrite(value: Any) -> dict[str, Any]:
    """LangGraph's `Overwrite` as JSON, since an update is shown as it is in streams."""
    return {"__overwrite__": value}


def append(records: Sequence[Any] | None, writes: Sequence[Sequence[Any]]) -> list[Any]:
    """Return `records` with the records of every write after them."""
    return [*(records or ()), *(record for write in writes for record in write)]


class MCTSrInput(TypedDict):
    """What a search is given."""

    # A form asks for words; a program may give content blocks of LangChain's messages
    problem: Annotated[
        str | list[Block],
        WithJsonSchema({"title": "Problem", "type": "string"}),
        Field(description="The problem in words"),
    ]


class MCTSrState(MCTSrInput, MCTSrOutput, Progress):
    """Everything a search knows. Only initialize and backpropagate write the tree."""

    # Delta channels: a checkpoint holds the patches of its step instead of the whole value, so
    # its size does not grow with the tree. A snapshot of the whole value every 1000 updates
    # bounds the replay when a thread is opened.
    tree: Annotated[dict[str, Node], DeltaChannel(merge, snapshot_frequency=1000)]
    record: Annotated[list[Recorded], DeltaChannel(append, snapshot_frequency=1000)]
    """What each rollout came to. A search of an earlier version has none, or only the end."""
    failures: Annotated[list[Failure], DeltaChannel(append, snapshot_frequency=1000)]
    wave: Annotated[dict[str, Leaf], DeltaChannel(merge, snapshot_frequency=1000)]
    """The rollouts in flight by number. Each step writes only what it adds."""
    attachments: Annotated[list[Block], DeltaChannel(append, snapshot_frequency=1000)]
    """Pictures and files of the problem, which then holds its words only."""
    search: str
    """Id of the search in the call journal, or "" without one."""
    drafted: dict[str, Any] | None
    """The drafts, where a judge pauses the search before there is a tree to keep them in."""
    branch: str
    """Name of a branch edited by hand; its calls are recorded apart. Set by update_state."""
    idle_rollouts: int
    """Rollouts in a row whose answer did not become the best or repeats an earlier text."""
    failed_rollouts: int
    """Failed rollouts in a row."""
    lost_rollouts: int
    """Failed rollouts in all, since the search was last taken up again after giving up."""
    seconds: float
    """Time spent waiting for the model."""
    checksum: Annotated[dict[str, Any] | None, Checksum]
    """Of all else (`mctsr_graph.graph.checksum`); gone after an update by hand."""
    remaining_steps: RemainingSteps


def question_of(state: MCTSrState) -> Question:
    """The problem of a search that has begun."""
    return Question(str(state["problem"]), state.get("attachments") or [])


def report_of(values: Mapping[str, Any]) -> Report:
    """What a search tells besides its answer, taken from its state."""
    known = {name: values[name] for name in Progress.__annotations__}
    return cast(Report, {**known, "cost": price_told(values["usage"])})


def fresh_state(question: Question) -> MCTSrState:
    """The state of a search that has done nothing yet."""
    unknown = ("answer", "final_answer", "mctsr", "best", "stop_reason", "choice", "drafted")
    counts = ("rollouts", "idle_rollouts", "failed_rollouts", "lost_rollouts")
    known = {"problem": question.text, "attachments": list(question.blocks), "search": ""}
    grown: dict[str, Any] = {"tree": {}, "record": [], "failures": [], "wave": {}}
    state = {**known, **grown, **dict.fromkeys(unknown), **dict.fromkeys(counts, 0)}
    return cast(MCTSrState, {**state, "usage": no_usage(), "seconds": 0.0})
