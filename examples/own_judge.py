"""A function as the judge: the answer is put into the problem, and counts if it fits."""

from examples.scripted import pupil
from mctsr_graph import MCTSrContext, solve
from mctsr_graph.text.final_answer import extract_final_answer

PROBLEM = "I bake 12 trays of 8 muffins and sell all but a few: 70 are sold. How many are a few?"


def fits(problem: str, answer: str) -> bool:
    """Whether the sold muffins and the rest are what was baked."""
    return 70 + int(extract_final_answer(answer) or 0) == 12 * 8


def main() -> None:
    """Search; no model is asked for a score."""
    solution = solve(
        PROBLEM, pupil(), judge=fits, context=MCTSrContext(profile="paper", max_rollouts=2)
    )
    print(solution.final_answer, [node["rewards"] for node in solution.tree.values()])
    print(solution.usage["evaluate"]["calls"], "calls for rewards")


if __name__ == "__main__":
    main()
