"""What a setting may be, in words."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
"""How much a reasoning model thinks."""


class EffortByRole(BaseModel):
    """How much a reasoning model thinks in each role; None: as it is set."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    draft: Effort | None = None
    critique: Effort | None = None
    refine: Effort | None = None
    evaluate: Effort | None = None


IN_WORDS = {
    "prior": "lists of weights that sum to 1, as `learn_prior` gives them",
    "reasoning_effort": ", ".join(map(repr, get_args(Effort))) + ", one for all or a dict by role",
    "prices": "prices of a million tokens by name of the model, as `read_prices` gives them",
}
"""What settings may be that are neither words nor numbers."""


def unknown_setting(name: str, known: Iterable[str]) -> str:
    """What is wrong with a name that is no setting, with one that is near it."""
    close = difflib.get_close_matches(name, list(known), n=1)
    hint = f"; did you mean {close[0]!r}?" if close else ""
    return f"{name!r} is not a setting{hint}; allowed: {', '.join(sorted(known))}"


def bounds(metadata: list[Any]) -> str:
    """Bounds in words; they stand in the metadata of the field or of an alias inside it."""
    found: dict[str, float] = {}
    for item in metadata:
        for bound in ("ge", "gt", "le", "lt"):
            if getattr(item, bound, None) is not None:
                found[bound] = getattr(item, bound)
    if "le" in found:
        low = f"{found['ge']:g}" if "ge" in found else f"above {found['gt']:g}"
        return f"{low} to {found['le']:.12g}"
    if "lt" in found:
        return f"above {found['gt']:g} and below {found['lt']:g}"
    return f"{found['ge']:g} or more" if "ge" in found else f"above {found['gt']:g}"
