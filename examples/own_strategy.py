"""A strategy of one's own: Thompson sampling, after AB-MCTS (arXiv 2503.04412)."""

import math
from collections.abc import Sequence

from examples.scripted import PROBLEM, pupil
from mctsr_graph import MCTSrContext, solve
from mctsr_graph.strategies import PaperStrategy, Search, Task


class Thompson(PaperStrategy):
    """A fresh answer competes with refining each: the highest draw of its mean reward wins."""

    kinds = ("draft", "refine")

    def next_tasks(self, search: Search) -> Sequence[Task]:
        """Draw from what each has earned; the more rewards, the narrower."""
        first = {node["id"]: node["rewards"][0] for node in search.tree.values()}
        fresh = [first[one] for one in first if search.tree[one]["parent"] is None]
        arms = {Task("draft"): fresh}
        for one in first:  # an answer's own reward counts as one that refining it has earned
            made = [first[child] for child in search.tree[one]["children"]]
            arms[Task("refine", one)] = [first[one], *made]

        def drawn(task: Task) -> float:
            earned = arms[task]
            return search.rng.gauss(sum(earned) / len(earned), 30 / math.sqrt(len(earned)))

        return [max(arms, key=drawn) for _ in range(search.width)]


def main() -> None:
    """Search with it; the seed of the settings seeds the draws."""
    found = solve(
        PROBLEM, pupil(), context=MCTSrContext(profile="paper", max_rollouts=4), strategy=Thompson()
    )
    print(found.final_answer, [node["parent"] for node in found.tree.values()])


if __name__ == "__main__":
    main()
