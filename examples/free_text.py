"""Free text: nothing states a final answer, so a rubric judges, and the judge's choice is told.

`confidence` is then the chance that the judge prefers this text to all others.
"""

import sys

from examples.scripted import model_or
from mctsr_graph import MCTSrContext, solve
from mctsr_graph.judges import Criterion, Rubric
from mctsr_graph.models.scripted import ScriptedCall

TASK = "Invite the neighbours to a barbecue on Saturday at six, in two sentences."
RUBRIC = Rubric(
    criteria=(
        Criterion("Facts", 40, "are day, time and occasion there?"),
        Criterion("Tone", 40, "is it warm, as among neighbours?"),
        Criterion("Length", 20, "is it two sentences?"),
    ),
    begin="Now grade the invitation above. Give points, few where you are in doubt:",
)
DRAFT = "There will be a barbecue on Saturday. Attendance is optional."
BETTER = "Come and eat with us on Saturday at six: the grill will be hot! Bring the children."


def writer(call: ScriptedCall) -> str:
    """Write coolly at first, and judge by what is there."""
    if call.role == "evaluate":
        is_better = BETTER in str(call.messages)
        return "Facts: 38\nTone: 36\nLength: 20" if is_better else "Facts: 20\nTone: 8\nLength: 20"
    if call.role == "critique":
        return "No time is given, and nobody would feel welcome."
    return DRAFT if call.role == "draft" else BETTER


def main(name: str | None = None) -> None:
    """Search, and print the text with what is known of it."""
    found = solve(
        TASK,
        model_or(name, writer),
        judge=RUBRIC,  # or "pairwise": then the judge compares two texts at a time
        context=MCTSrContext(max_calls=15),
        final_answer=False,
    )
    print(found)
    print("confidence:", found.confidence, "means", found.choice and found.choice["means"])


if __name__ == "__main__":
    main(*sys.argv[1:])
