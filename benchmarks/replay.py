"""Replay logged trees of the official code through profile "official".

    python -m benchmarks.replay FILE

FILE holds one tree a line: {"nodes": [{"parent": index or null, "dummy": bool, "rewards": [...],
"logged_ucb": number or null}, ...]}, nodes in order of creation. A node has one reward when it is
created and one more each time it is selected, added before the selection's child is made. Where
the last node has no logged UCB, the search ended before updating.

Prints one line of JSON: {"selections": "A/B", "ucb_max_error": E}; A of B selections chose the
node that became the parent of the node created next, and E is the largest absolute difference
between a logged UCB and ours, points.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from mctsr_graph import MCTSrContext
from mctsr_graph.search import add_child, add_rewards, backpropagate, new_node, select
from mctsr_graph.tree import Tree, merge

CONTEXT = MCTSrContext(profile="official", max_rollouts=4096)


def replay(logged: list[dict[str, Any]]) -> tuple[int, int, float]:
    """Replay one tree: right selections, all selections, largest error of a UCB."""
    tree: Tree = {}
    waiting = [list(node["rewards"]) for node in logged]  # rewards not yet sampled
    right = total = 0
    for index, node in enumerate(logged):
        parent = None if node["parent"] is None else str(node["parent"])
        if parent is not None:
            total += 1
            right += select(tree, CONTEXT) == parent
            reward = waiting[int(parent)].pop(0)
            tree = merge(tree, [add_rewards(tree, parent, [reward])])
        child = new_node(
            tree,
            parent=parent,
            answer=f"answer {index}",
            final_answer=None,
            rewards=[waiting[index].pop(0)],
            dummy=node["dummy"],
        )
        tree = merge(tree, [add_child(tree, child)])
        if node["logged_ucb"] is not None:  # else the search ended before this update
            tree = merge(tree, [backpropagate(tree, child["id"], CONTEXT)])
    errors = [
        abs(tree[str(index)]["uct"] - node["logged_ucb"])
        for index, node in enumerate(logged)
        if node["logged_ucb"] is not None
    ]
    return right, total, max(errors, default=0.0)


def main() -> None:
    """Replay every tree of the file named on the command line."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    lines = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()
    results = [replay(json.loads(line)["nodes"]) for line in lines if line.strip()]
    right = sum(result[0] for result in results)
    total = sum(result[1] for result in results)
    error = max((result[2] for result in results), default=0.0)
    print(json.dumps({"selections": f"{right}/{total}", "ucb_max_error": error}))


if __name__ == "__main__":
    main()
