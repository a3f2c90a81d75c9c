"""What a search has come to, and how sure that is: figures, and sentences that everybody says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any, Literal, cast

from typing_extensions import TypedDict

from mctsr_graph.tree.classes import class_of
from mctsr_graph.tree.record import Recorded
from mctsr_graph.tree.stop_reasons import stopped_in_words
from mctsr_graph.tree.tree import Node
from mctsr_graph.tree.verdict_words import sentences

Standing = Literal["alone", "clear", "unsure", "close", "behind", "unknown"]
_CLOSE = 0.2  # less between two chances is close, and so is less than twice the other
_OFTEN = 2.0
_PURPOSES = {"critique": "refine", "evaluate": "judge", "calibrate": "judge"}  # of roles


class Verdict(TypedDict):
    """What a search has come to. A page, a terminal and a tool say `says`, and nothing else."""

    answer: str | None
    """The short answer, or None where none is stated."""
    chance: float | None
    """Chance of it to be right, 0 to 1, or of what `means` says."""
    means: Literal["right", "preferred"]
    """What the chances are of. Where no answer states a final one: to be what the judge prefers."""
    nodes: int | None
    """Nodes that state it, without those whose reply is another's once more; or that are equally
    good to the judge."""
    runner_up: str | None
    """The likeliest of the other answers."""
    runner_up_chance: float | None
    runner_up_nodes: int | None
    standing: Standing
    """alone: no other answer was found. clear, close: how far it is ahead. unsure: it is ahead, but
    hardly likely. behind: another answer is likelier. unknown: nothing tells."""
    rule: str | None
    """What has chosen it: the setting `choice`, or the name of a strategy."""
    first: str | None
    """What the first draft said: the answer without a search."""
    first_agrees: bool | None
    """Whether that is an equal answer or, where it states none, the same text; None where there is
    no draft."""
    settled: int | None
    """Model calls after which this answer led until the end; None where that is not known."""
    settled_by: str | None
    """Id of the node that brought that about; None where no new node that says the same did."""
    calls: int
    calls_for: dict[str, int]
    """Of these, the calls to "draft", "refine", "merge" and "judge", as far as there are any."""
    tokens: int
    """Input and output tokens, as the model reported them."""
    unmetered_calls: int
    """Calls that reported none."""
    seconds: float | None
    cost: float | None
    """In the currency of the prices; None where the price of a call is not known."""
    rollouts: int
    is_over: bool
    says: dict[str, str]
    """The sentences in the order to be shown: likely, close, why, draft, settled, cost, stopped. A
    topic of which nothing can be said is left out."""


def verdict_of(found: Mapping[str, Any]) -> Verdict:
    """Say what a search has come to.

    Args:
        found: The fields of a `Solution`, as its `to_dict` or `to_json` gives them.
    """
    tree, best = found["tree"], found["best"]
    node = tree[best] if best is not None else None
    verdict = {
        "answer": node["final_answer"] if node is not None else found.get("final_answer"),
        **_standing(found),
        **_first(tree, node),
        **_settled(tree, found.get("record") or [], node),
        "calls": _sum(found, "calls"),
        "calls_for": _calls_for(found["usage"]),
        "tokens": _sum(found, "input_tokens") + _sum(found, "output_tokens"),
        "unmetered_calls": _sum(found, "unmetered_calls"),
        "seconds": found.get("seconds"),
        "cost": found.get("cost"),
        "rollouts": found["rollouts"],
        "is_over": found.get("stop_reason") not in (None, "interrupted"),
    }
    says = sentences(verdict, tree, best, stopped_in_words(found))
    return cast(Verdict, {**verdict, "says": says})


def _standing(found: Mapping[str, Any]) -> dict[str, Any]:
    """The class of the answer beside the likeliest other one."""
    choice, best, record = found.get("choice"), found["best"], found.get("record") or []
    names = ("chance", "nodes", "runner_up", "runner_up_chance", "runner_up_nodes", "rule")
    told: dict[str, Any] = {**dict.fromkeys(names), "means": "right"}
    if choice is None:  # the search is under way: the record tells what was believed last
        if record and record[-1]["leader"] == best:
            told["chance"] = record[-1]["chance"]
        return {**told, "standing": "unknown"}
    is_free = choice.get("means") == "preferred"
    told |= {"chance": choice["confidence"], "rule": choice["rule"]}
    told["means"] = "preferred" if is_free else "right"
    own = next((one for one in choice["classes"] if best in one["nodes"]), None)
    if own is None or (is_free and choice["confidence"] is None):
        return {**told, "standing": "unknown"}
    told["nodes"] = own["votes"]
    other = next((one for one in choice["classes"] if one is not own), None)
    if other is not None:
        told["runner_up"], told["runner_up_chance"] = other["final_answer"], other["chance"]
        told["runner_up_nodes"] = other["votes"]
    return {**told, "standing": _how_far(own, other, by_votes=not is_free)}


def _how_far(own: Mapping[str, Any], other: Mapping[str, Any] | None, by_votes: bool) -> Standing:
    if other is None:
        return "alone"
    chance, rival = own["chance"], other["chance"]
    if rival > chance:
        return "behind"
    is_near = chance < _OFTEN * rival or chance - rival < _CLOSE
    if is_near or (by_votes and other["votes"] >= own["votes"]):
        return "close"
    return "clear" if chance >= 0.5 else "unsure"


def _first(tree: Mapping[str, Node], node: Node | None) -> dict[str, Any]:
    """What the first draft said, and whether the search has come to the same."""
    drafts = (one for one in tree.values() if one["parent"] is None and not one["dummy"])
    first = next(drafts, None)
    if first is None or node is None or first["rollout"] > 0:
        return {"first": None, "first_agrees": None}
    key = class_of(first)
    is_same = key == class_of(node) if key is not None else first["answer"] == node["answer"]
    return {"first": first["final_answer"], "first_agrees": is_same}


def _settled(
    tree: Mapping[str, Node], record: Sequence[Recorded], node: Node | None
) -> dict[str, Any]:
    """The calls after which an answer like that of `node` led until the end, and what they made."""

    def is_same(other: str | None) -> bool:
        if other is None or node is None:
            return False
        own = class_of(node)
        return other == node["id"] if own is None else class_of(tree[other]) == own

    rows = list(takewhile(lambda row: is_same(row["leader"]), reversed(record)))
    # Where it has led since the record begins, that may be later than the search
    if not rows or (len(rows) == len(record) and record[0]["index"] > 0):
        return {"settled": None, "settled_by": None}
    since = rows[-1]
    made = since["node"]
    is_new = is_same(made) and tree[str(made)]["rollout"] == since["index"]
    return {"settled": since["calls"], "settled_by": made if is_new else None}


def _calls_for(usage: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    calls: dict[str, int] = {}
    for role, cost in usage.items():
        if made := cost.get("calls", 0):
            purpose = _PURPOSES.get(role, role)
            calls[purpose] = calls.get(purpose, 0) + made
    return calls


def _sum(found: Mapping[str, Any], count: str) -> int:
    return sum(cost.get(count, 0) for cost in found["usage"].values())
