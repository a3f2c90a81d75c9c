"""What the script of the page is given: a search as JSON values, in few bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mctsr_graph.text.reward_scale import HIGHEST, LOWEST
from mctsr_graph.tree.classes import class_of
from mctsr_graph.tree.record import replay
from mctsr_graph.tree.tree import Node
from mctsr_graph.tree.verdict import verdict_of
from mctsr_graph.viewers.text import one_line


def data_of(
    solution: Mapping[str, Any],
    calls: Sequence[Mapping[str, Any]] = (),
    shared: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """What the page's script is given; `shared` numbers classes that another search has, too."""
    shown = ("problem", "final_answer", "best", "rollouts", "usage", "stop_reason", "failures")
    made_with = solution.get("made_with") or {}
    classes: dict[str, int] = {}
    nodes = [_node(node, classes) for node in solution["tree"].values()]
    return {
        **{key: solution[key] for key in shown},
        **_replayed(solution),
        "scale": [LOWEST, HIGHEST],
        "nodes": nodes,
        "about": about(made_with),
        "defaults": defaults(made_with),
        **_pooled(calls, nodes),
        **({} if shared is None else {"letters": [shared.get(name) for name in classes]}),
    }


def _pooled(
    calls: Sequence[Mapping[str, Any]], nodes: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Calls as rows in which a text is told by its place in a pool, or by the node that has it."""
    if not calls:
        return {}
    known = {node["answer"]: f"a{place}" for place, node in enumerate(nodes)}
    known |= {node["critique"]: f"c{i}" for i, node in enumerate(nodes) if "critique" in node}
    pool: dict[str, int] = {}

    def place(text: str) -> int | str:
        return known.get(text) or pool.setdefault(text, len(pool))

    rows = [
        [
            *(call["rollout"], call["role"], call["sample"], call["attempt"], place(call["text"])),
            [[who, place(words)] for who, words in call["asked"]],
        ]
        for call in calls
    ]
    return {"calls": rows, "texts": list(pool)}


_ABOUT = {
    "model": "Model",
    "judge_model": "Judge",
    "critic_model": "Critic",
    "profile": "Profile",
    "seed": "Seed",
    "version": "Version",
    "begun": "Begun",
    "ended": "Last step",
}


def about(made_with: Mapping[str, Any]) -> list[list[str]]:
    """What a search was made with, in words: name and value, the known names first."""
    others = made_with.keys() - _ABOUT - {"defaults"}
    names = [*(name for name in _ABOUT if name in made_with), *sorted(others)]
    return [[_ABOUT.get(name, name), one_line(_told(made_with[name]), 300)] for name in names]


def defaults(made_with: Mapping[str, Any]) -> list[list[str]]:
    """The settings that were not given, in words: name and value."""
    kept = made_with.get("defaults") or {}
    return [[name, one_line(_told(value), 300)] for name, value in sorted(kept.items())]


def _told(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _replayed(solution: Mapping[str, Any]) -> dict[str, Any]:
    """What was when, the verdict, and the classes as the search itself has counted them."""
    choice, tree, record = solution.get("choice"), solution["tree"], solution.get("record") or []
    if choice is not None and choice.get("means") == "preferred":  # the verdict tells of that
        choice = {**choice, "confidence": None, "classes": []}
    chance = choice["confidence"] if choice is not None else None
    steps = replay(tree, record, solution["rollouts"], solution["best"], chance)
    ended = {"classes": choice["classes"], "chosen": choice["node"]} if choice is not None else {}
    return {"steps": list(_packed(steps)), "verdict": verdict_of(solution), **ended}


_SHORT = {
    **{"index": "i", "task": "t", "act": "a", "node": "n", "parent": "p", "leader": "l"},
    **{"leader_q": "q", "chance": "c", "price": "d"},
}
_COUNTED = {"calls": "k", "tokens": "o", "seconds": "s"}


def _packed(steps: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Steps in few bytes; `unpacked` of classes.js gives them their names back."""
    known, before = set[str](), dict.fromkeys(_COUNTED, 0)  # nodes whose q is known
    for step in steps:
        packed = {short: step[name] for name, short in _SHORT.items() if step.get(name) is not None}
        if step["made"] != [step["node"]] and (step["made"] or step["node"] is not None):
            packed["m"] = step["made"]
        if step["rewards"]:
            packed["r"] = {one: len(points) for one, points in step["rewards"].items()}
        # In a deep tree most values have been unknown for long
        values = {i: q for i, q in step["values"].items() if q is not None or i in known}
        known = (known | values.keys()) - {i for i, q in values.items() if q is None}
        if values:
            packed["v"] = {i: q if q is None else round(q, 5) for i, q in values.items()}
        if not step["known"]:
            packed["z"] = 1
        for name, short in _COUNTED.items():
            now = step[name] or before[name]
            if now != before[name]:
                packed[short], before[name] = round(now - before[name], 3), now
        yield packed


def _node(node: Node, classes: dict[str, int]) -> dict[str, Any]:
    """A node without what is empty, and with the number of its class of equal answers."""
    fields = {k: v for k, v in node.items() if v is not None and v is not False}
    fields["rewards"] = [round(reward, 4) for reward in node["rewards"]]
    if node["q"] is not None:
        fields["q"] = round(node["q"], 5)
    del fields["children"]  # the other side of parent
    fields.pop("answer_class", None)  # told as a number
    if (name := class_of(node)) is not None:
        fields["class"] = classes.setdefault(name, len(classes))
    return fields
