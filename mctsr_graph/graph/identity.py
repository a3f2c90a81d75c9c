"""Which search is which: the same problem, settings, words, model and judge, and no other.

The identity is made of what was set. A new setting with a default, or a reworded prompt that the
search does not use, changes none.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import BaseLanguageModel

from mctsr_graph.calls.adapter import models_in
from mctsr_graph.graph.labels import label_of
from mctsr_graph.graph.spec import SearchSpec
from mctsr_graph.settings.context import TEMPERATURES, MCTSrContext

VERSION = 2
"""Of the identity; the first one is in `identity_v1`."""

# What may change while a search goes on: limits, how fast to go, and what is known from elsewhere
LIMITS = (
    "effort",
    "max_rollouts",
    "agree",
    "lead",
    "confidence",
    "settle",
    "patience",
    "max_failures",
    "max_failure_share",
    "max_calls",
    "max_tokens",
    "max_seconds",
    "max_cost",
    "input_price",
    "output_price",
    "cached_input_price",
    "prices",
    "max_attempts",
    "call_seconds",
    "width",
    "pipelined",
    "prior",
)
# The texts of `Prompts` by who uses them
ALWAYS = ("system", "draft", "critique", "refine", "write_again")
DUMMY = ("dummy_answer",)
MERGES = ("merge",)
EVALUATIONS = ("evaluate", "evaluate_again", "evaluate_again_system", "evaluate_examples")


@dataclass(frozen=True)
class Identity:
    """What tells a search from others."""

    text: str
    """Canonical JSON: version, problem, profile, settings, prompts, and who searches."""
    opaque: str = ""
    """Why nobody can tell whether another search is this one; "" where that can be told."""

    @property
    def digest(self) -> str:
        """32 hexadecimal digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:32]


def identity_of(problem: str, context: MCTSrContext, spec: SearchSpec) -> Identity:
    """What tells a search from others. Models that are named are loaded."""
    judge = spec.bound_judge.judge_of(context)
    labels = {
        **spec.labels,
        "strategy": label_of(spec.own_strategy(context)),
        **({} if spec.bound_judge.judge else {"judge": label_of(judge)}),
    }
    used = [*ALWAYS, *getattr(judge, "prompts_used", EVALUATIONS)]
    strategy = spec.strategy(context)
    used += DUMMY if strategy.roots(context).dummy else ()
    used += MERGES if "merge" in strategy.kinds else ()
    parts: dict[str, Any] = {
        "version": VERSION,
        "problem": problem,
        "profile": context.profile,
        "settings": settings_of(context),
        "prompts": {name: _digest(getattr(spec.prompts, name)) for name in used},
        **{name: label.value for name, label in labels.items() if label.value is not None},
    }
    if any(getattr(context, name) is None for name in TEMPERATURES):
        parts |= own_temperatures(spec)
    return Identity(
        _canonical(parts), next(filter(None, (la.opaque for la in labels.values())), "")
    )


def own_temperatures(spec: SearchSpec) -> dict[str, list[float]]:
    """The temperatures that models were made with, which count where none is asked for."""
    models = [spec.model(), *([spec.bound_judge.model()] if spec.bound_judge.model else [])]
    found = [
        getattr(one, "temperature", None)
        for model in models
        for one in models_in(model)
        if isinstance(one, BaseLanguageModel) and "temperature" in one.model_fields_set
    ]
    told = [one for one in found if isinstance(one, int | float)]
    return {"temperatures": told} if told else {}


def settings_of(context: MCTSrContext) -> dict[str, Any]:
    """The settings that tell searches apart: those that are not their profile's defaults."""
    usual = type(context)(profile=context.profile).model_dump(mode="json", exclude=set(LIMITS))
    own = context.model_dump(mode="json", exclude=set(LIMITS))
    return {name: value for name, value in own.items() if value != usual[name]}


def thread_name(context: MCTSrContext, spec: SearchSpec, *parts: Any) -> str:
    """32 hexadecimal digits that name the search of one place: a tool call, a message, ..."""
    unlike = [label.value for label in spec.labels.values() if label.opaque]
    given = [context.profile, settings_of(context), *unlike, *parts]
    return hashlib.sha256(_canonical(given).encode()).hexdigest()[:32]


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)


def _digest(text: Any) -> str:
    return hashlib.sha256(_canonical(text).encode()).hexdigest()[:16]
