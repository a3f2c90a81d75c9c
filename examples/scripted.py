"""The models of the examples: one that plays a pupil, or the one that you name."""

import os
from typing import Any

from langchain_core.language_models import BaseChatModel

from mctsr_graph import ScriptedChatModel, load_model
from mctsr_graph.models.scripted import ScriptedCall

PROBLEM = "A baker makes 12 trays of 8 muffins and sells 70 of them. How many muffins are left?"

WRONG = "12 + 8 = 20 muffins, and 70 - 20 = 50. The final answer is \\boxed{50}."
RIGHT = "12 * 8 = 96 muffins, and 96 - 70 = 26. The final answer is \\boxed{26}."


def model_or(name: str | None, replies: Any) -> BaseChatModel:
    """The model of that name, or that MCTSR_MODEL names; without one, what follows a script."""
    name = name or os.environ.get("MCTSR_MODEL")
    return load_model(name) if name else ScriptedChatModel(replies=replies)


def reply(call: ScriptedCall) -> str:
    """Answer as the pupil, who is right at the second try, the critic or the examiner."""
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
