"""How much a reasoning model is to think, in the words of its class."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from mctsr_graph.calls.request import names_of

NAMES = (
    *("reasoning_effort", "reasoning", "effort", "thinking", "budget_tokens", "thinking_budget"),
    *("thinking_level", "thinking_config", "chat_template_kwargs", "enable_thinking"),
)
"""What providers call it."""
BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 32768}
"""Tokens of thinking where a vendor wants a number."""
_BY_TEMPLATE = re.compile(r"(?i)qwen-?3|glm-?[4-9]|hunyuan|smollm-?3")
"""Families whose chat templates are told by `enable_thinking` whether to think."""


def effort_fields(model: Any, level: str, fields: Mapping[str, Any]) -> dict[str, Any] | str:
    """The fields of a chat model that set its effort, or why it cannot be set.

    Args:
        model: The chat model.
        level: "none", "minimal", "low", "medium", "high", "xhigh" or "max".
        fields: Those that are to be set besides, among them the limit of tokens.
    """
    known, profile = getattr(type(model), "model_fields", {}), getattr(model, "profile", None) or {}
    if profile.get("reasoning_output") is False:
        return "its profile says that it does not reason"
    if level == "none" and "thinking" in known:
        return {"thinking": {"type": "disabled"}}
    levels = profile.get("reasoning_effort_levels")
    if levels and "reasoning_effort" in known:
        return _by_level(model, level) if level in levels else f"it has {', '.join(levels)}"
    if "thinking" in known:
        return _of_anthropic(model, level, fields)
    if "thinking_budget" in known:
        return {"thinking_budget": 0} if level == "none" else _budget("thinking_budget", level)
    return _of_servers(model, level, known)


def _of_servers(model: Any, level: str, known: Mapping[str, Any]) -> dict[str, Any] | str:
    """The fields where the class tells little about the model behind it."""
    if "chat_template_kwargs" in known:  # a model on this machine; a template skips what it lacks
        own = dict(getattr(model, "chat_template_kwargs", None) or {})
        words = {} if level == "none" else {"reasoning_effort": level}
        return {"chat_template_kwargs": {**own, "enable_thinking": level != "none", **words}}
    if "extra_body" in known and _is_told_by_template(model):
        extra = dict(getattr(model, "extra_body", None) or {})
        told = {**extra.get("chat_template_kwargs", {}), "enable_thinking": level != "none"}
        return {"extra_body": {**extra, "chat_template_kwargs": told}}
    if "reasoning_effort" in known:
        return _by_level(model, level)
    if "reasoning" in known:  # of Ollama, which takes levels for gpt-oss only
        takes_levels = any("gpt-oss" in name for name in names_of(model))
        return {"reasoning": level if takes_levels and level != "none" else level != "none"}
    return "it has no word for it"


def _by_level(model: Any, level: str) -> dict[str, Any]:
    own = getattr(model, "reasoning", None)
    if isinstance(own, dict):  # of OpenAI's Responses API, where it goes before
        return {"reasoning": {**own, "effort": level}}
    return {"reasoning_effort": level}


def _of_anthropic(model: Any, level: str, fields: Mapping[str, Any]) -> dict[str, Any] | str:
    budget = _budget("budget_tokens", level)
    if isinstance(budget, str):
        return budget
    tokens, limit = budget["budget_tokens"], fields.get("max_tokens", model.max_tokens)
    # Thinking counts towards the limit
    more = {"max_tokens": limit + tokens} if limit is not None and limit <= tokens else {}
    return {"thinking": {"type": "enabled", **budget}, **more}


def _budget(name: str, level: str) -> dict[str, Any] | str:
    if level not in BUDGETS:
        return f"it takes a number of tokens; the levels are none, {', '.join(BUDGETS)}"
    return {name: BUDGETS[level]}


def _is_told_by_template(model: Any) -> bool:
    """Whether it is served by vLLM or the like, from a family with a switch in its template."""
    base = getattr(model, "openai_api_base", None) or ""
    host = urlsplit(str(base)).hostname or ""
    is_vendor = re.search(r"(^|\.)(openai|deepseek|x)\.(com|ai)$", host)
    named = any(_BY_TEMPLATE.search(name) for name in names_of(model))
    return bool(host) and not is_vendor and named
