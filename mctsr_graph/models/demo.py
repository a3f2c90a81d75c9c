"""A chat model to look at the machinery with: it answers at once, and knows no mathematics."""

from __future__ import annotations

import hashlib
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from mctsr_graph.models.scripted import ScriptedCall, ScriptedChatModel
from mctsr_graph.text.reward_scale import at


def demo_model(**settings: Any) -> ScriptedChatModel:
    """Make the model. Its replies depend on what it is asked, and on nothing else."""
    return ScriptedChatModel(replies=_reply, **settings)


def _reply(call: ScriptedCall) -> str | AIMessage:
    asked = str(call.messages[-1].text)
    if call.role == "evaluate":
        share = 0.1 + _number([m.text for m in call.messages], 160) / 200
        return f"Score: {at(share)}"
    if call.role == "critique":
        return f"Remark {call.rollout}: the guess is not checked against the problem."
    if call.role is not None:
        guess = _number([call.rollout, asked], 100)
        return f"Guess {call.rollout}, made without any mathematics: \\boxed{{{guess}}}"
    tools = call.settings.get("tools")
    if tools and not isinstance(call.messages[-1], ToolMessage):
        return _use(tools[0]["function"], call)
    return f"The demo model was told: {asked[:500]}"


def _use(tool: dict[str, Any], call: ScriptedCall) -> AIMessage:
    """Fill in what the tool needs: the question, or a word of a list, the last for a long one."""
    said = [message for message in call.messages if isinstance(message, HumanMessage)]
    name, asked = f"call_{_number([m.text for m in call.messages], 10**9)}", str(said[-1].text)
    fields = tool["parameters"]["properties"]
    args = {
        field: fields[field]["enum"][-1 if len(asked) > 160 else 0]
        if "enum" in fields[field]
        else asked
        for field in tool["parameters"].get("required", [])
    }
    return AIMessage("", tool_calls=[{"name": tool["name"], "args": args, "id": name}])


def _number(parts: list[Any], below: int) -> int:
    digest = hashlib.sha256(repr(parts).encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8], "big") % below
