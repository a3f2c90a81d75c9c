"""What a search would take, told before it runs and without a call."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import cycle
from typing import Any

from langchain_core.messages import BaseMessage
from typing_extensions import Unpack

from mctsr_graph import prompts as say
from mctsr_graph.calls.request import Model, names_of
from mctsr_graph.calls.usage import (
    ROLES,
    Usage,
    cost_of,
    no_cost,
    price_told,
    sum_costs,
    total_cost,
)
from mctsr_graph.errors import ConfigError
from mctsr_graph.graph.spec import check_options
from mctsr_graph.run.spec import Problem, SolveOptions, SolveSpec
from mctsr_graph.strategies.strategy import Strategy
from mctsr_graph.tree.task import Kind

_CHARACTERS = 4  # a token of English, by and large
_MERGED = 3  # answers that a merge is shown, as a rule


@dataclass(frozen=True)
class Estimate:
    """What a search would take. An estimate: nobody knows how long replies will be."""

    usage: Usage
    """Calls, tokens and their price by role."""
    cost: float | None
    """Price of all calls in the currency of the prices; None where a model's is not known."""
    assumptions: str
    """What it supposes."""

    @property
    def calls(self) -> int:
        """Model calls, at most, where no reply has to be asked for again."""
        return total_cost(self.usage)["calls"]

    def to_json(self) -> dict[str, Any]:
        """All fields as plain JSON."""
        return {"calls": self.calls, **asdict(self)}


def estimate(
    problem: Problem,
    model: Model | str | None = None,
    *,
    reply_tokens: int = 600,
    **options: Unpack[SolveOptions],
) -> Estimate:
    """Say what a search would take, without a call and without loading a model.

    The calls are the most that the settings allow; a search that is sure stops before. The tokens
    come from the lengths of the prompts, and from what replies are supposed to be long.

    Args:
        problem: As in `solve`.
        model: As in `solve`. A name is looked up in the prices as it is.
        reply_tokens: Tokens of a reply, thinking included; a lower limit of a role goes before.
        **options: As in `solve`.

    Raises:
        ConfigError: a setting, the problem or `reply_tokens` is wrong.
    """
    check_options("estimate", options, SolveOptions)
    if not isinstance(reply_tokens, int) or reply_tokens < 1:
        raise ConfigError(f"reply_tokens is {reply_tokens!r}, allowed a whole number from 1")
    spec = SolveSpec.of(model, options).about(problem)
    context, prompts = spec.context, spec.search.prompts
    asked: dict[str, Any] = dict.fromkeys(ROLES, model)
    for role, name in (("critique", "critic_model"), ("evaluate", "judge_model")):
        other: Any = options.get(name)
        asked[role] = model if other is None else other
    sizes: dict[str, int] = {
        role: min(reply_tokens, context.of_role("max_tokens", role) or reply_tokens)
        for role in ROLES
    }
    answer, critique = (
        "x" * (_CHARACTERS * sizes["refine"]),
        "x" * (_CHARACTERS * sizes["critique"]),
    )
    messages = {
        "draft": say.draft_messages(prompts, spec.problem),
        "critique": say.critique_messages(prompts, spec.problem, answer),
        "refine": say.refine_messages(prompts, spec.problem, answer, critique),
        "merge": say.merge_messages(prompts, spec.problem, [answer] * _MERGED),
        "evaluate": say.evaluate_messages(prompts, spec.problem, answer),
    }
    asked["merge"], sizes["merge"] = asked["refine"], sizes["refine"]
    calls = _calls(spec)
    usage: Usage = {}
    for role in (*ROLES, "merge") if calls["merge"] else ROLES:
        told = {"input_tokens": _tokens(messages[role]), "output_tokens": sizes[role]}
        each = cost_of(told, context.price_of(_names(asked[role])))
        usage[role] = sum_costs([each] * calls[role]) if calls[role] else no_cost()
    return Estimate(usage, price_told(usage), _assumptions(spec, sizes["refine"]))


def _calls(spec: SolveSpec) -> Counter[str]:
    """Calls by role, at most."""
    context, strategy = spec.context, spec.search.strategy(spec.context)
    rewards = spec.search.bound_judge.reward_calls(context)
    left = context.max_calls
    total: Counter[str] = Counter()
    for needed in _steps(spec, strategy, rewards):
        if left is not None and (left := left - needed.total()) < 0:
            break
        total += needed
    if left is not None and left < 0:  # what is left is spent on something cheaper
        spare = (context.max_calls or 0) - total.total()
        total["draft" if "draft" in strategy.kinds else "evaluate"] += spare
    return total


def _steps(spec: SolveSpec, strategy: Strategy, rewards: int) -> Iterator[Counter[str]]:
    """Calls by role of the roots, and then of one rollout after the other."""
    context, roots = spec.context, strategy.roots(spec.context)
    judged = roots.drafts + roots.dummy if strategy.wants_reward("draft") else 0
    yield Counter(draft=roots.drafts, evaluate=judged * context.reward_samples * rewards)
    kinds = cycle(_in_turn(strategy))
    for _ in range(context.max_rollouts):
        kind = next(kinds)
        texts = {
            "draft": ["draft"],
            "refine": ["critique", "refine"],
            "merge": ["merge"],
            "evaluate": [],
        }[kind]
        calls = strategy.calls_of(kind, context, rewards)
        yield Counter(texts) + Counter(evaluate=calls - len(texts))


def _in_turn(strategy: Strategy) -> list[Kind]:
    """What rollouts are supposed to do; who merges hardly drafts after the roots."""
    merges = "merge" in strategy.kinds
    return [kind for kind in strategy.kinds if not (merges and kind == "draft")]


def _tokens(messages: list[BaseMessage]) -> int:
    return sum(len(str(message.content)) for message in messages) // _CHARACTERS


def _names(model: Model | str | None) -> list[str]:
    if model is None or isinstance(model, str):
        return [model or os.environ.get("MCTSR_MODEL") or "embedded"]
    return names_of(model)


def _assumptions(spec: SolveSpec, size: int) -> str:
    kinds = _in_turn(spec.search.strategy(spec.context))
    turns = f"; rollouts {', '.join(kinds)} in turn" if len(kinds) > 1 else ""
    return (
        f"An estimate: {size} tokens a reply, {_CHARACTERS} characters a token, nothing cached, no "
        f"reply asked for again{turns}, and every rollout made that the settings allow."
    )
