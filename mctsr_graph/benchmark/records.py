"""What a benchmark run keeps: one JSON object a line, one line for each problem and seed.

A run is a folder of these files:

    run.json          a `RunSettings`: what is run
    lines.jsonl       a `Line` for each problem and seed; everything a report or a regrade needs
    calls.db          every reply of the model (`mctsr_graph.CallJournal`), to replay the run
    unfinished.jsonl  an `Attempted` each time that a problem could not be finished

Tables are made from the lines alone. Fields may be added within a version; none is removed or
given another meaning. An index is the place of an attempt in its method's `attempts`, from 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from mctsr_graph.calls.request import Failure
from mctsr_graph.calls.usage import Cost
from mctsr_graph.strategies.choose import Choice
from mctsr_graph.tree.record import Recorded
from mctsr_graph.tree.tree import Node, Tree

VERSION: Literal[1] = 1
SETTINGS_FILE, LINES_FILE, CALLS_FILE = "run.json", "lines.jsonl", "calls.db"
UNFINISHED_FILE = "unfinished.jsonl"
SERVER_CODES = ("refusal", "context", "model_error", "unfinished")
"""Codes of failures that are the server's doing; all others are the model's."""

BY_TOKENS = ("self-certainty", "deepconf")
"""Methods that need the log-probabilities of a draft's tokens."""
SIMPLE_METHODS = (
    "cot",
    "self-refine",
    "self-consistency",
    "best-of-n",
    "adaptive-consistency",
    "cisc",
    *BY_TOKENS,
    "tournament",
)
"""Methods without a search; every other method is named by a profile of `MCTSrContext`.

cot: the first draft. self-refine: that draft, a critique, a refinement. self-consistency: drafts
and a vote. best-of-n: drafts with one self-evaluation each. adaptive-consistency: as many drafts
as the vote needs to be decided (arXiv 2305.11860). cisc: a vote weighted by how sure the model says
it is of each draft (2502.06233). self-certainty: a vote weighted by the rank of the drafts' token
confidence (2502.18581). deepconf: one weighted by the confidence of the least confident part of
each draft (2508.15260). tournament: drafts that meet in pairs until one is left. They share their
drafts: attempt i of one is attempt i of the others, and each is charged for what it would cost
alone.
"""

OF_BUDGET = ("max_rollouts", "max_calls", "max_tokens", None)
"""Stop reasons of searches that did not end by themselves."""
EQUAL, FORMULA = ("calls", "tokens"), "formula"
"""What a baseline may have as much of as a search took, and a budget that asks no search."""
FORMER = (FORMULA, "tokens")
"""The budgets of runs that do not name theirs."""


class Attempt(TypedDict):
    """One answer to the problem: a draft, or a node of the tree, in order of creation."""

    text: str
    final_answer: str | None
    """The short answer that the text states, or None where it states none."""
    answer_class: NotRequired[str | None]
    """In a search: the class of the final answer at its end (`mctsr_graph.tree.classes`)."""
    parent: int | None
    """Index of the attempt that it refines, or the first that it merges; or None."""
    parents: NotRequired[list[int]]
    """Of a merge: the indices of the attempts that it merges, `parent` first."""
    critique: str | None
    """The critique that led to it, or None."""
    rollout: int
    """Number of the rollout that made it, from 1; 0 for a root or a draft."""
    rewards: list[float]
    """Self-evaluations in order, points; empty where the method asks for none."""
    confidence: NotRequired[float | None]
    """Of a method that weighs votes by it: how sure the model is of the draft, in [0, 1] where it
    was asked, else minus a mean log-probability; None where it is not known."""
    q: float | None
    """Value at the end of the search (Eq. 3), points; None outside MCTSr."""
    dummy: bool
    """True for the root that only says it does not know. It takes part in no vote and counts
    for no figure."""
    truncated: bool
    """Whether a limit of tokens cut it off."""
    suspicious: bool
    """Whether it holds what could be meant for the judge."""
    duplicate_of: int | None
    """Index of the first attempt with the same text, or None."""
    cost: Cost
    """Calls and tokens that this attempt took (in MCTSr: those of its rollout; for a root, of
    all roots, and 0 for the second one)."""
    verdict: Literal["right", "wrong", "no_answer", "undecided"] | None
    """The grader's; None for a dummy, and before grading."""


class Point(TypedDict):
    """A method at one budget: what it would have returned, and what that had cost.

    The same attempts serve all points: a point sees the first `attempts` of them.
    """

    rollouts: int
    """The N of --rollouts that the point belongs to; 0 for budget "own"."""
    budget: Literal["rollouts", "calls", "tokens", "own"]
    """What bounds the method here. "rollouts": an MCTSr search after N rollouts. "calls" and
    "tokens": a baseline with as many calls, or input and output tokens, as the search `against`
    had taken at N on the same problem. "calls" without `against`: 3 + 4N of them, for a baseline
    where no search tells, and for a search whose rollouts differ in cost (profile tuned); its
    first answers alone may take more. "own": a method whose cost is fixed (cot, self-refine)."""
    against: str | None
    """Name of the MCTSr method whose cost on this problem is the budget, or None."""
    limit: int | None
    """Calls or tokens allowed; None for "rollouts" and "own"."""
    attempts: int
    """Attempts made within the budget; of a baseline at least one. It is a prefix: the attempt
    after them would have gone beyond `limit`, unless `capped`."""
    capped: bool
    """Whether the budget had room for more attempts than a run draws."""
    rollouts_made: int
    """Rollouts finished; fewer than `rollouts` where the search stopped by itself, or works on
    several leaves at once and had not finished them. 0 for a baseline."""
    visits: list[int]
    """How many of its rewards each of those attempts had by then."""
    selected: int | None
    """Index of the attempt that the method returns (the headline); None where it has none."""
    majority: int | None
    """Index of the first attempt of the largest class of equal final answers
    (`mctsr_graph.text.equality.classes`); the class found first wins a tie."""
    weighted: int | None
    """As `majority`, each vote weighted by exp(z), z being the attempt's mean reward
    standardised over the attempts that vote; None where they have no rewards."""
    confidence: NotRequired[float | None]
    """Chance that the selected answer's class is right, as the search believed it then; None
    where it states no final answer."""
    stop_reason: NotRequired[str | None]
    """Why the search had ended by itself by then; None where its budget ended it."""
    cost: Cost
    seconds: float | None
    """Wall time, independent calls being made at once; None where a call was not made but read
    from the journal (after a resume, in a replay), so that it is not known."""


class MethodRecord(TypedDict):
    """What a method made of a problem."""

    attempts: list[Attempt]
    """Some may belong to no point: drawn for a batch that went beyond a budget."""
    points: list[Point]
    stop_reason: str | None
    """Why a search stopped; None outside MCTSr."""
    failures: list[Failure]
    """Replies that could not be had."""
    note: NotRequired[str]
    """What has to be known of how the method was run."""
    record: NotRequired[list[Recorded]]
    """Of a search: what each rollout came to; ids of nodes are indices of attempts."""
    choice: NotRequired[Choice | None]
    """Of a search: which answer was chosen at its end, and why; None where there was none."""
    error: str | None
    """Why the method gave up; its attempts and points are those made before."""


class Line(TypedDict):
    """All methods on one problem with one seed."""

    version: Literal[1]
    run: str
    """`RunSettings.run`: lines of equal `run` belong together."""
    dataset: str
    id: str
    """The problem's; unique in its data set. (run, id, seed) is unique in a file."""
    problem: str
    gold: str
    """The truth, which no method has seen."""
    level: str | None
    subject: str | None
    seed: int
    model: str
    environment: NotRequired[int]
    """Index in `RunSettings.environments`; not there in lines of earlier versions."""
    gold_before: NotRequired[str]
    """The answer that the data set gave, where it was corrected."""
    methods: dict[str, MethodRecord]
    """By name, in the order of the run."""


class Environment(TypedDict):
    """What lines were made with."""

    code: str
    """12 hexadecimal digits made of all source files of mctsr_graph."""
    commit: str | None
    """Of mctsr_graph, where it runs from a git repository."""
    changed: bool | None
    """Whether its files differed from the commit."""
    python: str
    system: str
    packages: dict[str, str]
    """Versions by name."""
    device: str | None
    """Of weights in this process, as far as it was chosen; None: the usual one, or a server's."""
    dtype: str | None
    """Of weights in this process; None: the usual one, or a server's."""
    address: str | None
    """Of a served model, without keys, user and query; None where it tells none."""


class Planned(TypedDict):
    """Problems that are to be solved with one seed."""

    seed: int
    ids: list[str]


class Attempted(TypedDict):
    """A start of the run that could not finish a problem."""

    id: str
    seed: int
    why: str
    when: str
    """Date and time in UTC, ISO 8601."""


class RunSettings(TypedDict):
    """What is run, and on what."""

    version: Literal[1]
    run: str
    """16 hexadecimal digits made of all that the lines depend on (not of how many there are)."""
    dataset: str
    """Name of the data set, or the stem of a file's name."""
    source: str
    """Hub repository and revision, or a file's name, and the SHA-256 of the problems."""
    model: str
    """The name that the model was given by; "simulated:..." is no model at all."""
    label: str
    """Class and name of the chat model."""
    takes_seed: bool
    """Whether the model's sampling follows the seed."""
    tells_scores: bool
    """Whether the model can tell rewards from its logits."""
    tells_logprobs: NotRequired[bool]
    """Whether the model's class has words to ask for likelihoods of tokens."""
    methods: list[str]
    rollouts: list[int]
    settings: dict[str, Any]
    """Settings of `MCTSrContext` that were given by name; they hold for all methods."""
    equal: NotRequired[list[str]]
    """As in `Plan`; `FORMER` where it is not there."""
    planned: NotRequired[list[Planned]]
    """All that the run is to solve; not there in runs of earlier versions."""
    prompts: NotRequired[dict[str, Any]]
    """The words that the model was asked with (`mctsr_graph.Prompts`)."""
    environments: NotRequired[list[Environment]]
    """What the lines were made with; one for each time that something had changed."""
    golds: NotRequired[str]
    """File with the corrected answers that the lines were last graded by, and its SHA-256."""
    package: str
    """Version of mctsr_graph."""
    started: str
    """Date and time in UTC, ISO 8601."""


def outcome(method: MethodRecord, index: int | None) -> str:
    """The verdict on the attempt that a point names, or "failed" where it names none."""
    if index is None:
        return "failed"
    return method["attempts"][index]["verdict"] or "no_answer"


def all_planned(runs: Iterable[RunSettings]) -> list[Planned]:
    """What all parts of a run are to solve together."""
    seeds: dict[int, dict[str, None]] = {}
    for settings in runs:
        for one in settings.get("planned", []):
            seeds.setdefault(one["seed"], {}).update(dict.fromkeys(one["ids"]))
    return [Planned(seed=seed, ids=list(ids)) for seed, ids in seeds.items()]


def lost_to_server(line: Line) -> str | None:
    """Why a method returned nothing on a problem, if that is the server's doing; else None."""
    for method in line["methods"].values():
        points, lost = method["points"], method["failures"]
        nothing = not points or points[-1]["selected"] is None
        if nothing and lost and lost[-1]["code"] in SERVER_CODES:
            return f"{lost[-1]['role']}: {lost[-1]['message']}"
    return None


def lost_calls(line: Line) -> bool:
    """Whether the server failed a call, which no journal holds."""
    lost = [failure for method in line["methods"].values() for failure in method["failures"]]
    return any(failure["code"] in SERVER_CODES for failure in lost)


def tree_of(method: MethodRecord) -> Tree:
    """The search tree of an MCTSr method, for the viewers."""
    tree: Tree = {}
    for index, attempt in enumerate(method["attempts"]):
        parent = None if attempt["parent"] is None else str(attempt["parent"])
        same = attempt["duplicate_of"]
        tree[str(index)] = Node(
            id=str(index),
            parent=parent,
            children=[],
            depth=0 if parent is None else tree[parent]["depth"] + 1,
            rollout=attempt["rollout"],
            dummy=attempt["dummy"],
            answer=attempt["text"],
            final_answer=attempt["final_answer"],
            critique=attempt["critique"],
            rewards=attempt["rewards"],
            q=attempt["q"],
            duplicate_of=None if same is None else str(same),
            truncated=attempt["truncated"],
            suspicious=attempt["suspicious"],
        )
        if "parents" in attempt:
            tree[str(index)]["parents"] = [str(one) for one in attempt["parents"]]
        if "answer_class" in attempt:
            tree[str(index)]["answer_class"] = attempt["answer_class"]
        if parent is not None:
            tree[parent]["children"].append(str(index))
    return tree
