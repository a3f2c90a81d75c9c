"""A model that plays a pupil who gets it right at the second try; the other examples use it."""

from mctsr_graph import ScriptedChatModel
from mctsr_graph.models.scripted import ScriptedCall

PROBLEM = "A baker makes 12 trays of 8 muffins and sells 70 of them. How many muffins are left?"

WRONG = "12 + 8 = 20 muffins, and 70 - 20 = 50. The final answer is \\boxed{50}."
RIGHT = "12 * 8 = 96 muffins, and 96 - 70 = 26. The final answer is \\boxed{26}."


def reply(call: ScriptedCall) -> str:
    """Answer as the pupil, the critic or the examiner."""
    if call.role == "draft":
        return WRONG
    if call.role == "critique":
        return "12 trays of 8 muffins are a product, not a sum. Redo the first step."
    if call.role == "refine":
        return RIGHT
    solution = call.messages[-2].content  # what the examiner is asked to score
    return "Score: 80" if solution == RIGHT else "The first step is wrong.\nScore: -70"


def pupil() -> ScriptedChatModel:
    """Make the model."""
    return ScriptedChatModel(replies=reply)
