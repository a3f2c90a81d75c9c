"""What the owner of a graph lets its callers ask for at most."""

from __future__ import annotations

from collections.abc import Mapping

from mctsr_graph.errors import ConfigError
from mctsr_graph.settings.context import MCTSrContext

_OF_WORK = (
    "max_rollouts",
    "patience",
    "max_failures",
    "max_calls",
    "max_tokens",
    "max_seconds",
    "drafts",
    "max_children",
    "max_depth",
    "width",
    "reward_samples",
    "max_retries",
    "max_attempts",
    "call_seconds",
    "draft_max_tokens",
    "critique_max_tokens",
    "refine_max_tokens",
    "evaluate_max_tokens",
)
"""The settings of which more means more work. Not max_cost: whoever asks sets the prices, too."""


def checked_limits(limits: Mapping[str, float] | None) -> dict[str, float]:
    """What an owner allows callers at most, by setting.

    Raises:
        ConfigError: one is no setting that bounds work, or no number that it may have.
    """
    for name, limit in (limits or {}).items():
        if name not in _OF_WORK:
            raise ConfigError(f"limits names {name!r}, allowed: {', '.join(_OF_WORK)}")
        if limit is None:
            raise ConfigError(f"limits[{name!r}] is None, allowed a number")
        MCTSrContext.model_validate({name: limit})
    return dict(limits or {})


def capped(context: MCTSrContext, limits: Mapping[str, float]) -> MCTSrContext:
    """The settings with none above its limit; what had no limit gets it."""
    lower = {
        name: limit
        for name, limit in limits.items()
        if (own := getattr(context, name)) is None or own > limit
    }
    if not lower:
        return context
    return MCTSrContext.model_validate({**context.model_dump(exclude_unset=True), **lower})
