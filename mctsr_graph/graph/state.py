"""What flows through the graph. Plain JSON types only, so that any checkpointer can keep it."""

# Without postponed annotations, which LangGraph would evaluate anew for every graph
from collections.abc import Mapping
from typing import Annotated, Any, NotRequired, cast

from langgraph.managed import RemainingSteps
from pydantic import Field, WithJsonSchema
from typing_extensions import TypedDict

from mctsr_graph.calls.request import Failure
from mctsr_graph.calls.usage import no_usage, price_told
from mctsr_graph.graph.channels import APPENDED, PATCHED
from mctsr_graph.graph.checksum import Checksum
from mctsr_graph.graph.output import MCTSrOutput, Progress, Report
from mctsr_graph.graph.rollout import Leaf
from mctsr_graph.settings.question import Block, Question
from mctsr_graph.tree.record import Recorded
from mctsr_graph.tree.tree import Node

ROLLOUT = ("select", "critique", "refine", "evaluate", "backpropagate")
"""The nodes of one rollout in order, a superstep each; the last leads back to the first."""

WHILE_ABSENT: Mapping[str, Any] = {"search": "", "failed_rollouts": 0, "lost_rollouts": 0}
"""What those values of the state are that no step has written yet."""


def supersteps(rollouts: int) -> int:
    """LangGraph's recursion_limit for so many rollouts, with room for a search taken up again."""
    return len(ROLLOUT) * (rollouts + 4)


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

    tree: Annotated[dict[str, Node], PATCHED]
    record: Annotated[list[Recorded], APPENDED]
    """What each rollout came to. A search of an earlier version has none, or only the end."""
    failures: Annotated[list[Failure], APPENDED]
    wave: Annotated[dict[str, Leaf], PATCHED]
    """The rollouts in flight by number. Each step writes only what it adds."""
    attachments: Annotated[list[Block], APPENDED]
    """Pictures and files of the problem, which then holds its words only."""
    search: NotRequired[str]
    """Id of the search in the call journal; absent, or "", without one."""
    drafted: NotRequired[dict[str, Any] | None]
    """The drafts, where a judge pauses the search before there is a tree to keep them in."""
    branch: NotRequired[str]
    """Name of a branch edited by hand; its calls are recorded apart. Set by update_state."""
    idle_rollouts: int
    """Rollouts in a row whose answer did not become the best or repeats an earlier text."""
    failed_rollouts: NotRequired[int]
    """Failed rollouts in a row; absent before the first."""
    lost_rollouts: NotRequired[int]
    """Failed rollouts in all, since the search was last taken up again after giving up; absent
    before the first."""
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
