"""Two models: a cheap one drafts and refines, a stronger one judges (and may criticise).

`python -m examples.two_models openai:gpt-5-nano openai:gpt-5`
"""

import sys

from examples.scripted import PROBLEM, RIGHT, model_or, reply
from mctsr_graph import MCTSrContext, solve
from mctsr_graph.models.scripted import ScriptedCall


def teacher(call: ScriptedCall) -> str:
    """Score the solution that the examiner is shown."""
    return "Score: 90" if call.messages[-2].content == RIGHT else "Score: -95"


def main(drafter: str | None = None, judge: str | None = None) -> None:
    """Search with one model, reward with the other, and tell what each role has cost."""
    found = solve(
        PROBLEM,
        model_or(drafter, reply),
        judge_model=model_or(judge or drafter, teacher),  # critic_model= likewise
        context=MCTSrContext(profile="paper", max_rollouts=2),
    )
    print(found)
    for role, cost in found.usage.items():
        print(f"{role:9} calls: {cost['calls']}, tokens written: {cost['output_tokens']}")


if __name__ == "__main__":
    main(*sys.argv[1:])
