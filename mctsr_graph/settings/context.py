"""Every knob of a search as one validated object, and the profiles that name sets of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from mctsr_graph.errors import ConfigError
from mctsr_graph.settings.allowed import IN_WORDS, Effort, EffortByRole, bounds, unknown_setting
from mctsr_graph.settings.prices import Price, Prices, price_of
from mctsr_graph.settings.prior import USUAL, Prior
from mctsr_graph.settings.profiles import DEFAULT_PROFILE, PROFILES, default_of
from mctsr_graph.text.reward_scale import HIGHEST, LOWEST, WIDTH, scaled

Points = Annotated[float, Field(allow_inf_nan=False)]
Temperature = Annotated[float | None, Field(ge=0.0, le=2.0, allow_inf_nan=False)]
TokenLimit = Annotated[int | None, Field(ge=1, le=1_000_000)]


_MOST_ROLLOUTS = 4096
EFFORTS = {"low": 11, "medium": 35, "high": 131}
"""Model calls of each effort: what 2, 8 and 32 rollouts of the official code cost."""


def _by_profile(name: str, usual: Any) -> Any:
    """Default of a setting that a profile of this package changes: the usual value."""

    def tell(schema: dict[str, Any]) -> None:
        # Not as "default", which a form would fill in, and so override another profile's value
        values = {profile: default_of(profile, name, usual) for profile in PROFILES}
        told = "; ".join(f"{profile}: {json.dumps(value)}" for profile, value in values.items())
        schema["description"] += f" (by default {told})"

    return Field(default_factory=lambda: usual, json_schema_extra=tell)


def _by_effort() -> Any:
    """Default of max_calls, which `effort` stands for."""

    def calls(data: dict[str, Any]) -> int | None:
        return EFFORTS[data["effort"]] if data["effort"] else None

    return Field(default_factory=calls)


def _no_empty_prior(given: Any) -> Any:
    if given == {}:  # which would mean the usual one, as if none were given
        raise ValueError(given)
    return given


def _known_profile(name: str) -> str:
    if name not in PROFILES:
        raise ValueError(name)
    return name


def _list_profiles(schema: dict[str, Any]) -> None:
    schema["enum"] = list(PROFILES)


TEMPERATURES = tuple(f"{role}_temperature" for role in ("draft", "critique", "refine", "evaluate"))
RENAMED = {"select": "choice"}
"""Settings by the names that they had before, which are still understood."""


class MCTSrContext(BaseModel):
    """The settings of one search. Immutable, JSON types only, checked at construction.

    `profile` names a set of values; every field given by name overrides it. "tuned", the default,
    spends each call where it tells most about which answer is right; "paper" follows
    arXiv 2406.07394; "official" reproduces the authors' published code where it differs
    (without its use of the ground truth); "rsa" merges answers (arXiv 2509.26626). A wrong value
    raises `ConfigError`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    profile: Annotated[
        str,
        AfterValidator(_known_profile),
        Field(
            description="the strategy, with the values that fill every field not given by name",
            json_schema_extra=_list_profiles,
        ),
    ] = DEFAULT_PROFILE

    # How long the search runs
    effort: Annotated[
        Literal["low", "medium", "high"] | None,
        Field(
            description="a budget in words: 11, 35 or 131 model calls, as 2, 8 or 32 rollouts of "
            "the official code; null: medium with profile tuned or rsa, else no budget"
        ),
    ] = None
    max_rollouts: Annotated[
        int,
        Field(ge=1, le=_MOST_ROLLOUTS, description="rollouts after which the search stops"),
    ] = _by_profile("max_rollouts", 8)
    agree: Annotated[
        int | None,
        Field(
            ge=2,
            le=64,
            description="stop when the first so many independent answers all agree; null: never",
        ),
    ] = None
    lead: Annotated[
        Points | None,
        Field(
            gt=0.5,
            lt=1,
            description="stop when the independent answers make it this likely that the final "
            "answer ahead would stay ahead (adaptive consistency), the default only where no prior "
            "is given; null: never",
        ),
    ] = _by_profile("lead", None)
    confidence: Annotated[
        Points | None,
        Field(
            gt=0,
            le=1,
            description="stop when the chosen answer is this likely to be right; null: never",
        ),
    ] = _by_profile("confidence", None)
    settle: Annotated[
        bool,
        Field(
            description="stop when a choice by 'majority' would stand even if every rollout that "
            "the budgets still allow stated its rival"
        ),
    ] = False
    patience: Annotated[
        int | None,
        Field(
            ge=1,
            le=4096,
            description="stop after so many rollouts in a row whose answer did not become the "
            "best or repeats an earlier text; null: never",
        ),
    ] = None
    max_failures: Annotated[
        int, Field(ge=1, le=4096, description="stop after so many failed rollouts in a row")
    ] = 5
    max_failure_share: Annotated[
        Points,
        Field(
            gt=0,
            le=1,
            description="stop when more than this share of the rollouts has failed, from 8 on",
        ),
    ] = 0.5
    max_calls: Annotated[
        int | None,
        Field(ge=1, description="budget of model calls, never exceeded; null: no limit"),
    ] = _by_effort()
    max_tokens: Annotated[
        int | None,
        Field(
            ge=1,
            description="budget of input and output tokens, exceeded at most by the calls in "
            "flight; null: no limit",
        ),
    ] = None
    max_seconds: Annotated[
        float | None,
        Field(
            gt=0,
            allow_inf_nan=False,
            description="budget of seconds spent waiting for the model, exceeded at most by the "
            "calls in flight; null: no limit",
        ),
    ] = None
    max_cost: Annotated[
        float | None,
        Field(
            gt=0,
            allow_inf_nan=False,
            description="budget in the currency of the prices, exceeded at most by the calls in "
            "flight; null: no limit",
        ),
    ] = None
    input_price: Annotated[
        float,
        Field(
            ge=0,
            allow_inf_nan=False,
            description="price of a million input tokens, whatever the model; 0 with output_price "
            "0: by the table",
        ),
    ] = 0.0
    output_price: Annotated[
        float,
        Field(
            ge=0,
            allow_inf_nan=False,
            description="price of a million output tokens, as input_price",
        ),
    ] = 0.0
    cached_input_price: Annotated[
        float | None,
        Field(
            ge=0,
            allow_inf_nan=False,
            description="price of a million input tokens that the server had in its cache, beside "
            "input_price; null: the same",
        ),
    ] = None
    prices: Annotated[
        Prices | None,
        WithJsonSchema({"type": "null"}),  # no form asks for a table
        Field(
            description="prices by name of the model, as `read_prices` gives them; names that it "
            "has not, and null: the table of this package"
        ),
    ] = None

    # The shape of the tree
    drafts: Annotated[
        int, Field(ge=1, le=64, description="independent answers that the search begins with")
    ] = _by_profile("drafts", 1)
    init: Annotated[
        Literal["answer", "dummy", "both"],
        Field(description="the roots: a drafted answer, a dummy ('I don't know'), or both"),
    ] = _by_profile("init", "answer")
    max_children: Annotated[
        int, Field(ge=1, le=4096, description="children from which a node can be fully expanded")
    ] = 3
    max_depth: Annotated[
        int | None,
        Field(ge=1, le=4096, description="refinements from a root at most; null: no limit"),
    ] = None

    # Selection
    width: Annotated[
        int, Field(ge=1, le=256, description="leaves selected and expanded at once")
    ] = 1
    pipelined: Annotated[
        bool,
        Field(
            description="take each leaf of a wave through critique, refine and evaluate without "
            "waiting for the others; they cannot be interrupted in between"
        ),
    ] = False
    exploration_constant: Annotated[
        Points, Field(ge=0, le=1000, description="c of Eq. 4, points")
    ] = 1.4 * WIDTH / 200  # the official code has 1.4 for a scale of 200 points
    epsilon: Annotated[Points, Field(gt=0, le=1, description="epsilon of Eq. 4, visits")] = 1e-5
    log_term: Annotated[
        Literal["ln(N+1)", "ln(N)+1"],
        Field(description="how the '+ 1' of Eq. 4 is read; N is the visits of the parent"),
    ] = "ln(N+1)"
    virtual_loss: Annotated[
        Points,
        Field(ge=0, le=WIDTH, description="points off a node's UCT for each leaf in flight there"),
    ] = 0.1 * WIDTH

    # Rewards
    judge: Annotated[
        Literal["self", "rubric", "logits", "pairwise"],
        Field(
            description="who rewards answers: the model, asked for a score, or for points by a "
            "rubric, or its logits, where it can tell them (others are asked), or the model, asked "
            "which of two answers is better; a judge given as an object goes before"
        ),
    ] = "self"
    reward_samples: Annotated[int, Field(ge=1, le=64, description="rewards of a new answer")] = 1
    value: Annotated[
        Literal["min_mean", "mean"],
        Field(description="value of a node's own rewards: Eq. 2, or their mean"),
    ] = "min_mean"
    choice: Annotated[
        Literal["max_q", "majority", "weighted"],
        Field(
            description="the answer returned: the highest q; one of the most frequent final "
            "answer; or of the likeliest final answer, by votes, refinements and rewards"
        ),
    ] = _by_profile("choice", "max_q")
    prior: Annotated[
        Prior | None,
        BeforeValidator(_no_empty_prior),
        Field(
            description="what is known of model and judge before the search, as `learn_prior` "
            "gives it; null: the usual"
        ),
    ] = None
    full_score_threshold: Annotated[
        Points,
        Field(ge=LOWEST, le=HIGHEST, description="where full-score suppression begins, points"),
    ] = scaled(0.975)
    full_score_penalty: Annotated[
        Points, Field(ge=0, le=WIDTH, description="size of full-score suppression, points")
    ] = _by_profile("full_score_penalty", 0.025 * WIDTH)

    # Model calls
    structured_output: Annotated[
        bool,
        Field(
            description="ask for JSON of a schema where the model's profile has structured output: "
            "working and final answer of a solution, flaws and score of a judgement; else for text"
        ),
    ] = False
    max_retries: Annotated[
        int, Field(ge=0, le=16, description="times an unusable reply is asked for again")
    ] = 2
    max_attempts: Annotated[
        int,
        Field(
            ge=1,
            le=16,
            description="times a call is made that fails while the model answers others; 1: no "
            "call is made again, whatever it is; switch the client's own retries off",
        ),
    ] = 4
    call_seconds: Annotated[
        float,
        Field(
            gt=0,
            allow_inf_nan=False,
            description="seconds for one call with all its waits: so long a server that is away is "
            "waited for; under `invoke` a call that hangs is ended by its client's timeout only",
        ),
    ] = 600.0
    draft_temperature: Annotated[
        Temperature,
        Field(description="sampling temperature; null: the model's own"),
    ] = _by_profile("draft_temperature", None)
    critique_temperature: Annotated[Temperature, Field(description="as draft_temperature")] = (
        _by_profile("critique_temperature", None)
    )
    refine_temperature: Annotated[Temperature, Field(description="as draft_temperature")] = (
        _by_profile("refine_temperature", None)
    )
    evaluate_temperature: Annotated[Temperature, Field(description="as draft_temperature")] = (
        _by_profile("evaluate_temperature", None)
    )
    reasoning_effort: Annotated[
        Effort | EffortByRole | None,
        Field(
            description="how much a reasoning model thinks, for all roles or by role "
            '({"draft": "high", "evaluate": "low"}); null: as the model is set'
        ),
    ] = None
    draft_max_tokens: Annotated[
        TokenLimit, Field(description="tokens of a reply at most; null: the model's own limit")
    ] = None
    critique_max_tokens: Annotated[TokenLimit, Field(description="as draft_max_tokens")] = None
    refine_max_tokens: Annotated[TokenLimit, Field(description="as draft_max_tokens")] = None
    evaluate_max_tokens: Annotated[TokenLimit, Field(description="as draft_max_tokens")] = None
    seed: Annotated[
        int,
        Field(
            ge=0,
            le=2**31 - 1,
            description="of the selection and, where the model takes one, of its sampling",
        ),
    ] = 0

    @model_validator(mode="wrap")
    @classmethod
    def _explain(cls, data: Any, handler: Any) -> MCTSrContext:
        """Turn pydantic's report into one line that names value and allowed values."""
        given: Any = None
        if isinstance(data, dict):
            given = {RENAMED.get(name, name): value for name, value in data.items()}
            data = {**_defaults(given), **given}
        try:
            context: MCTSrContext = handler(data)
        except ValidationError as error:
            raise ConfigError(_first_problem(cls, error)) from None
        if given is not None:  # what a profile fills in was not given
            object.__setattr__(context, "__pydantic_fields_set__", set(given))
        highest = context.full_score_threshold - LOWEST
        if context.full_score_penalty > highest:  # else a reward could fall below the scale
            raise ConfigError(
                f"full_score_penalty is {context.full_score_penalty:g}, allowed 0 to {highest:g} "
                f"with full_score_threshold {context.full_score_threshold:g}"
            )
        return context

    def of_role(self, name: str, role: str) -> Any:
        """The setting `name` ("temperature", "max_tokens") of a role ("draft", ...)."""
        return getattr(self, f"{role}_{name}")

    def effort_of(self, role: str) -> str | None:
        """How much a reasoning model is to think in a role; None: as it is set."""
        given = self.reasoning_effort
        return getattr(given, role) if isinstance(given, EffortByRole) else given

    def price_of(self, names: Iterable[str]) -> Price | None:
        """The price of a model by the names that it goes by; None where it is not known."""
        if not (self.input_price or self.output_price):
            return price_of(names, self.prices)
        return Price(
            input=self.input_price,
            output=self.output_price,
            cached_input=self.cached_input_price,
        )

    @property
    def belief_prior(self) -> Prior:
        """The prior that beliefs start from."""
        return self.prior if self.prior is not None else USUAL


def _defaults(given: dict[str, Any]) -> dict[str, Any]:
    """What the profile fills in; an effort goes before its budget, a prior before `lead`."""
    defaults = dict(PROFILES.get(str(given.get("profile", DEFAULT_PROFILE)), {}))
    if given.get("prior") is not None:
        defaults.pop("lead", None)
    if given.get("effort") is not None:
        defaults.pop("max_calls", None)
        defaults["max_rollouts"] = _MOST_ROLLOUTS  # the calls limit it
    return defaults


def _first_problem(cls: type[MCTSrContext], error: ValidationError) -> str:
    first = error.errors()[0]
    name, value = str(first["loc"][0]) if first["loc"] else "settings", first["input"]
    if first["type"] == "extra_forbidden":
        return unknown_setting(name, cls.model_fields)
    if name not in cls.model_fields:
        return f"{name}: {first['msg']}"
    # Of a union, pydantic also names the kind that it has tried
    where = ".".join(str(part) for part in first["loc"] if "[" not in str(part))
    return f"{where} is {value!r}, allowed {allowed_values(name)}"


def allowed_values(name: str) -> str:
    """The values that the setting `name` may take, in words ("1 to 4096, or null")."""
    field = MCTSrContext.model_fields[name]
    parts = [field.annotation, *get_args(field.annotation)]
    parts += [inner for part in parts[1:] for inner in get_args(part)]  # of a union
    optional = type(None) in parts
    literals = [part for part in parts if isinstance(part, str)]
    if name == "profile":
        literals = list(PROFILES)
    if name in IN_WORDS:
        text = IN_WORDS[name]
    elif literals:
        text = ", ".join(repr(part) for part in literals)
    elif bool in parts:
        text = "true or false"
    else:
        text = bounds(field.metadata)
    return f"{text}, or null" if optional else text
