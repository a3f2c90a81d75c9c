"""The profiles: names of strategies, with the settings whose defaults they change.

A strategy adds its own when its class is made, so this folder knows none of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PROFILES: dict[str, Mapping[str, Any]] = {}
"""By name of the profile: the settings whose defaults it changes."""
DEFAULT_PROFILE = "tuned"
"""Of settings that name none: the one that does not lose to a majority vote at equal calls."""


def add_profile(name: str, defaults: Mapping[str, Any]) -> None:
    """Make a profile known, or change what it is."""
    PROFILES[name] = defaults


def default_of(profile: str, setting: str, usual: Any) -> Any:
    """The default of a setting under a profile."""
    return PROFILES.get(profile, {}).get(setting, usual)
