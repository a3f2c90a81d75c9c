"""The sentences of a verdict: the same on a page, in a terminal and in a message of a tool."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from mctsr_graph.text.figures import counted, percent, points, price_in_words
from mctsr_graph.text.printable import one_line
from mctsr_graph.tree.classes import class_of
from mctsr_graph.tree.copies import distinct
from mctsr_graph.tree.preference import Preferred, preferred, states_none
from mctsr_graph.tree.steered import in_play
from mctsr_graph.tree.tree import Node

RULES = {
    "max_q": "the highest q",
    "majority": "most votes",
    "weighted": "votes, refinements and rewards",
    "rsa": "most votes in the last population",
}
"""What a choice goes by, in words."""


def sentences(
    verdict: Mapping[str, Any], tree: Mapping[str, Node], best: str | None, stopped: str
) -> dict[str, str]:
    """What is said of a verdict, by topic; a topic of which nothing is known is left out.

    Args:
        verdict: Its figures.
        tree: The nodes.
        best: The node that is returned.
        stopped: Why the search is over, as a sentence.
    """
    end = {"cost": _cost(verdict), "stopped": stopped}
    if best is None:
        return {"likely": "No answer was found.", **end}
    free = preferred(tree) if states_none(tree) else []
    told = {
        "likely": _likely(verdict, tree, free, best),
        "close": _close(verdict),
        "why": _why(verdict, tree, free, best),
        "draft": _draft(verdict, bool(free)),
        "settled": _settled(verdict, tree),
        **end,
    }
    return {topic: words for topic, words in told.items() if words}


def _likely(
    verdict: Mapping[str, Any], tree: Mapping[str, Node], free: Sequence[Preferred], best: str
) -> str:
    chance, rival = verdict["chance"], verdict["runner_up"]
    if verdict["answer"] is None:
        return _likely_preferred(tree, free, best)
    answer = one_line(verdict["answer"])
    if chance is None:
        return f"{answer}; how likely it is to be right is not known."
    beside = ""
    if rival is not None:
        word = "likelier" if verdict["standing"] == "behind" else "next"
        beside = f" ({word}: {one_line(rival, 40)}, {percent(verdict['runner_up_chance'])})"
    return f"{answer}, {percent(chance)} likely{beside}."


def _likely_preferred(tree: Mapping[str, Node], free: Sequence[Preferred], best: str) -> str:
    """How likely the judge prefers an answer to all others, where none states a final one."""
    own = next((one for one in free if best in one.nodes), None)
    texts = {tree[node_id]["answer"] for node_id in own.nodes} if own is not None else set()
    if own is None or (len(free) < 2 and len(texts) < 2):
        return "No final answer is stated, so how likely it is to be right is not known."
    if len(free) < 2:
        return f"No final answer is stated. All {len(texts)} answers are equal to the judge."
    rival = max(one.chance for one in free if one is not own)
    equals = f", or its {counted(len(texts) - 1, 'equal')}," if len(texts) > 1 else ""
    return (
        f"No final answer is stated. The judge prefers this one{equals} to all others with a "
        f"chance of {percent(own.chance)} (next: {percent(rival)}); that is no chance to be right."
    )


def _close(verdict: Mapping[str, Any]) -> str:
    standing = verdict["standing"]
    if standing == "unknown":
        return ""
    if standing == "alone":
        return f"No other answer was found: {counted(verdict['nodes'], 'node')}."
    own, other = verdict["nodes"], verdict["runner_up_nodes"]
    sides, behind = f"{counted(own, 'node')} to {other:,}", f"{counted(other, 'node')} to {own:,}"
    if verdict["means"] == "preferred":
        chance, rival = percent(verdict["chance"]), percent(verdict["runner_up_chance"])
        sides, behind = f"{chance} to {rival}", f"{rival} to {chance}"
    return {
        "clear": f"Clear: {sides}.",
        "close": f"Close: {sides}.",
        "unsure": f"Ahead, but not likely: {sides}.",
        "behind": f"Another answer is likelier: {behind} of this one.",
    }[standing]


def _why(
    verdict: Mapping[str, Any], tree: Mapping[str, Node], free: Sequence[Preferred], best: str
) -> str:
    """What has chosen, and what speaks for the answer: who states it, and how it was judged."""
    rule = verdict["rule"]
    if rule is None:
        return ""
    by = RULES.get(rule, one_line(rule))
    if rule in ("majority", "weighted") and states_none(tree):
        if not free:
            return "Nothing was judged, so it is the first answer."
        if len(free) < 2:
            return ""  # nothing was told apart
        by = "what the judge prefers"
    by += f", {points(tree[best]['q'])}" if rule == "max_q" else ""
    own = class_of(tree[best])
    if own is not None:
        alike = {node_id for node_id, node in tree.items() if class_of(node) == own}
        told = [*_stated(tree, own), *_judged(tree, alike)]
        return f"Chosen by {by}: {'; '.join(told)}."
    same = next((one for one in free if best in one.nodes), None)
    if same is None:
        return f"Chosen by {by}."
    if same.times:
        return f"Chosen by {by}: better in {same.won:g} of {counted(same.times, 'comparison')}."
    return f"Chosen by {by}: {'; '.join(_judged(tree, {*same.nodes}))}."


def _stated(tree: Mapping[str, Node], own: str) -> Iterator[str]:
    """How many of each kind of answer state it."""
    counts: dict[str, list[int]] = {}
    texts = []
    for node in distinct(in_play(tree), "repeats"):
        if not node["dummy"]:
            texts += [node["answer"]] if node["parent"] is None else []
            count = counts.setdefault(_kind(node), [0, 0])
            count[0] += class_of(node) == own
            count[1] += 1
    kinds = ("independent answer", "refinement", "merge")
    given = [one for one in kinds if one in counts]
    told = [f"{counts[one][0]:,} of {counted(counts[one][1], one)}" for one in given]
    # A model that does not sample would write it any number of times
    if len(texts) > 1 == len(set(texts)):
        told[0] += " (all one text, which counts once)"
    if told:
        yield f"stated by {_listed(told)}"


def _kind(node: Node) -> str:
    if node["parent"] is None:
        return "independent answer"
    return "merge" if "parents" in node else "refinement"


def _judged(tree: Mapping[str, Node], own: Collection[str]) -> Iterator[str]:
    """The mean of the nodes' mean rewards, beside that of the other answers."""
    means: dict[bool, list[float]] = {True: [], False: []}
    for node in in_play(tree).values():
        if node["rewards"] and not node["dummy"]:
            means[node["id"] in own].append(sum(node["rewards"]) / len(node["rewards"]))
    if not means[True]:
        yield "never judged"
        return
    others = f", others {points(_mean(means[False]))}" if means[False] else ""
    yield f"judged {points(_mean(means[True]))} on average{others}"


def _draft(verdict: Mapping[str, Any], is_free: bool) -> str:
    agrees = verdict["first_agrees"]
    if agrees is None:
        return ""
    if is_free:
        return "It is the first draft." if agrees else "It is not the first draft."
    if agrees:
        return "A single draft said the same."
    if verdict["first"] is None:
        return "A single draft stated no final answer."
    return f"A single draft said {one_line(verdict['first'])}."


def _settled(verdict: Mapping[str, Any], tree: Mapping[str, Node]) -> str:
    settled, calls = verdict["settled"], verdict["calls"]
    if settled is None:
        return "When it was settled is not known."
    word = "Settled at" if verdict["is_over"] else "It leads since"
    made = verdict["settled_by"]
    how = f", by {_made(tree[made], tree)}" if made is not None else ""
    return f"{word} call {settled:,} of {calls:,}{how}."


def _made(node: Node, tree: Mapping[str, Node]) -> str:
    """What made a node: a draft, or which critique."""
    if node["parent"] is None:
        return "a draft"
    if "parents" in node:
        return f"merging nodes {_listed([*node['parents']])}"
    before = tree[node["parent"]]
    said = before["final_answer"] if class_of(before) != class_of(node) else None
    what = f", which said {one_line(said, 40)}" if said is not None else ""
    return f"refining node {before['id']}{what}"


def _cost(verdict: Mapping[str, Any]) -> str:
    calls, silent = verdict["calls"], verdict["unmetered_calls"]
    tokens = "tokens not known"
    if silent < calls or not calls:
        tokens = f"{verdict['tokens']:,} tokens"
        tokens += f" (not known of {counted(silent, 'call')})" if silent else ""
    purposes = [f"{count:,} to {purpose}" for purpose, count in verdict["calls_for"].items()]
    where = f" ({', '.join(purposes)})" if purposes[1:] else ""
    made = f"{counted(calls, 'call')}{where} in {counted(verdict['rollouts'], 'rollout')}"
    told = [f"Cost: {made}", tokens]
    if verdict["seconds"] is not None:
        told.append(f"{verdict['seconds']:,.1f} s")
    return f"{', '.join(told)}, price {price_in_words(verdict['cost'])}."


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if words[1:] else words[0]


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
