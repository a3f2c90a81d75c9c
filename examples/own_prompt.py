"""Words of your own: a critic that only asks questions. All other prompts stay as they are."""

from examples.scripted import PROBLEM, pupil
from mctsr_graph import MCTSrContext, Prompts, solve

SOCRATES = (
    "Ask three short questions that lead the author of this solution to its weakest step. "
    "Give no answers."
)


def main() -> None:
    """Search with another critic, and show what it was asked."""
    model = pupil()
    prompts = Prompts(critique=SOCRATES)
    solution = solve(
        PROBLEM, model, context=MCTSrContext(profile="paper", max_rollouts=1), prompts=prompts
    )
    asked = next(call for call in model.calls if call.role == "critique")
    print("the critic was told:", asked.messages[-1].content)
    print("the answer is", solution.final_answer)


if __name__ == "__main__":
    main()
