"""A stronger model judges what a weaker one writes."""

from examples.scripted import PROBLEM, RIGHT, pupil
from mctsr_graph import MCTSrContext, ScriptedChatModel, solve
from mctsr_graph.models.scripted import ScriptedCall


def verdict(call: ScriptedCall) -> str:
    """Score the solution that the examiner is shown."""
    return "Score: 90" if call.messages[-2].content == RIGHT else "Score: -95"


def main() -> None:
    """Search with one model, reward with the other."""
    teacher = ScriptedChatModel(replies=verdict)
    solution = solve(
        PROBLEM, pupil(), judge_model=teacher, context=MCTSrContext(profile="paper", max_rollouts=2)
    )
    print(solution.final_answer, [node["rewards"] for node in solution.tree.values()])
    print(len(teacher.calls), "of", sum(c["calls"] for c in solution.usage.values()), "calls")


if __name__ == "__main__":
    main()
