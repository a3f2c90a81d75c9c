"""The one call that most people need, here with a scripted model: no network, no weights."""

from examples.scripted import PROBLEM, pupil
from mctsr_graph import MCTSrContext, solve
from mctsr_graph.viewers.text import render_text


def main() -> None:
    """Search and print what was found."""
    solution = solve(
        PROBLEM, pupil(), context=MCTSrContext(profile="paper", max_rollouts=3, seed=7)
    )
    print(solution.final_answer, "after", solution.rollouts, "rollouts")
    print(render_text(solution.tree, solution.best))
    for role, cost in solution.usage.items():
        print(f"{role:9} calls: {cost['calls']}, tokens written: {cost['output_tokens']}")


if __name__ == "__main__":
    main()
