"""The first identity of a search, by which files written before the second are still taken up.

It held every setting, those of that time that have gone since, too. It knew a chain and a lambda
by name only, so what was searched with one is not taken up by it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass
from typing import Any

from langchain_core.language_models import BaseLanguageModel
from langchain_core.runnables.base import RunnableBindingBase

from mctsr_graph.calls.request import model_name
from mctsr_graph.errors import CheckpointError, ConfigError
from mctsr_graph.graph.identity import LIMITS, identity_of
from mctsr_graph.graph.spec import SearchSpec
from mctsr_graph.judges import Judge, Verifier
from mctsr_graph.judges.base import name_of
from mctsr_graph.settings.context import RENAMED, TEMPERATURES, MCTSrContext
from mctsr_graph.settings.prior import Prior
from mctsr_graph.settings.profiles import PROFILES

_NEW_NAME = {now: then for then, now in RENAMED.items()}
"""What settings were called."""
_SAME = (
    *("profile", "drafts", "init", "max_children", "max_depth", "exploration_constant", "epsilon"),
    *("log_term", "virtual_loss", "judge", "reward_samples", "value", "choice", "seed"),
    *("full_score_threshold", "full_score_penalty", "max_retries"),
    *("draft_temperature", "critique_temperature", "refine_temperature", "evaluate_temperature"),
    *("draft_max_tokens", "critique_max_tokens", "refine_max_tokens", "evaluate_max_tokens"),
)
"""Settings that there still are."""
_GONE: dict[str, Any] = {
    "importance_temperature": 10.0,
    "exploration_unit": "points",
    "finalist_rewards": None,
}
_GONE_BY_PROFILE: dict[str, dict[str, Any]] = {
    "paper": {
        "selection": "greedy",
        "expansion_rule": "child_q_above",
        "merge_equal_answers": False,
        "full_score_rule": "subtract_above",
        "score_reader": "whole_reply",
        "out_of_range": "reject",
        "backpropagation": "to_root",
        "refine_sees": "answer_and_critique",
    },
    "official": {
        "selection": "greedy",
        "expansion_rule": "child_raw_q_at_least",
        "merge_equal_answers": True,
        "full_score_rule": "replace_from",
        "score_reader": "last_number",
        "out_of_range": "keep",
        "backpropagation": "one_level",
        "refine_sees": "critique",
    },
}
_GONE_BY_PROFILE["tuned"] = {**_GONE_BY_PROFILE["paper"], "selection": "information"}
_GONE_LIMITS: dict[str, Any] = {"class_patience": None}
_GONE_VALUES = {"select": "playoff", "value": "lower_bound"}


def contexts_before(context: MCTSrContext) -> tuple[MCTSrContext, ...]:
    """The settings as they were when "paper" was the default, the most recent last.

    Every search had a temperature of 0.95 at first; then those of no profile had the model's own.
    """
    given = context.model_dump(exclude_unset=True)
    hot = {**dict.fromkeys(TEMPERATURES, 0.95), "profile": "paper", **given}
    if "profile" in given:
        return (MCTSrContext(**hot),)
    return MCTSrContext(**hot), MCTSrContext(
        **{**dict.fromkeys(TEMPERATURES), "profile": "paper", **given}
    )


def fingerprint_v1(problem: str, context: MCTSrContext, spec: SearchSpec) -> str | None:
    """32 hexadecimal digits; None where no search of that time can be told to be this one."""
    context = contexts_before(context)[0]
    others, known = _others(spec), _GONE_BY_PROFILE.get(context.profile)
    usual = type(context)(profile=context.profile)
    new = set(type(context).model_fields) - {*LIMITS, *_SAME}
    is_new = any(getattr(context, name) != getattr(usual, name) for name in new)
    if others is None or known is None or is_new:
        return None
    own = context.model_dump(include=set(_SAME))
    settings = {**_GONE, **known, **{_NEW_NAME.get(name, name): one for name, one in own.items()}}
    parts = [problem, model_name(spec.model()), settings, asdict(spec.prompts), others]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def digest_of(
    problem: str, context: MCTSrContext, spec: SearchSpec, is_kept: Callable[[str], bool]
) -> str:
    """The digest under which a search is kept: the first one where only that `is_kept`."""
    digest = identity_of(problem, context, spec).digest
    if is_kept(digest):
        return digest
    former = fingerprint_v1(problem, context, spec)
    return former if former is not None and is_kept(former) else digest


def _others(spec: SearchSpec) -> str | None:
    models = [
        spec.model(),
        *([spec.bound_judge.model()] if spec.bound_judge.model is not None else []),
    ]
    if (
        spec.given is not None
        or spec.critic is not None
        or not all(_is_told(model) for model in models)
    ):
        return None
    judge = "" if spec.bound_judge.judge is None else _label_of_judge(spec.bound_judge.judge)
    return (
        f"{judge}|{model_name(models[1]) if len(models) > 1 else ''}" if judge is not None else None
    )


def _is_told(model: Any) -> bool:
    while isinstance(model, RunnableBindingBase):
        model = model.bound
    return isinstance(model, BaseLanguageModel)


def _label_of_judge(judge: Judge) -> str | None:
    if isinstance(judge, Verifier) and "<" in judge.name:  # a lambda, or inside a function
        return None
    return f"{name_of(judge)} {judge!r}" if is_dataclass(judge) else name_of(judge)


# The settings of a stored search ------------------------------------------------------------------
def stored_context(stored: Mapping[str, Any]) -> MCTSrContext:
    """The settings under which a stored search goes on.

    Raises:
        CheckpointError: it was made with a setting that this version does not have.
    """
    for name, value in stored.items():
        if not _is_known(name, value) and not _is_neutral(name, value, stored):
            raise CheckpointError(
                f"the search was made with {name} = {value!r}, which this version does not have: "
                "it can be looked at, but not gone on with"
            )
    return shown_context(stored)


def shown_context(stored: Mapping[str, Any]) -> MCTSrContext:
    """The settings of a stored search, as far as this version has them."""
    known = {name: one for name, one in stored.items() if _is_known(name, one)}
    return MCTSrContext(**{"profile": "paper", **known})  # the default where none was kept


def _is_known(name: str, value: Any) -> bool:
    there = RENAMED.get(name, name) in MCTSrContext.model_fields
    lost = name == "profile" and value not in PROFILES  # of a strategy that is not there
    lost = lost or (name == "prior" and value is not None and not _fits(value))
    return there and not lost and (name, value) not in _GONE_VALUES.items()


def _fits(prior: Mapping[str, Any]) -> bool:
    """Whether a prior is over the grids of this version."""
    try:
        Prior(**prior)
    except (ConfigError, TypeError):
        return False
    return True


def _is_neutral(name: str, value: Any, stored: Mapping[str, Any]) -> bool:
    profile = _GONE_BY_PROFILE.get(stored.get("profile", "paper"), {})
    gone = {**_GONE, **_GONE_LIMITS, **profile}
    return name in gone and gone[name] == value
