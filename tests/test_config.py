"""The settings: what is allowed, what a profile holds, and what a wrong value is told."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest
from pydantic import ValidationError

from mctsr_graph.errors import ConfigError
from mctsr_graph.settings.context import MCTSrContext, allowed_values
from mctsr_graph.settings.prior import Prior
from mctsr_graph.strategies.tuned.belief import believe
from mctsr_graph.strategies.tuned.evidence import Evidence

INF, NAN = float("inf"), float("nan")

# Setting, wrong values, and the allowed values as the message has them
WRONG: list[tuple[str, list[Any], str]] = [
    ("profile", ["best", "Paper", None, ["paper"]], allowed_values("profile")),
    ("effort", ["lots", 35], "'low', 'medium', 'high', or null"),
    ("max_rollouts", [0, -1, 4097, 2.5, "many", None, NAN, [8]], "1 to 4096"),
    ("agree", [1, 65, "all"], "2 to 64, or null"),
    ("lead", [0.5, 1, NAN, "ahead"], "above 0.5 and below 1, or null"),
    ("confidence", [0, 1.01, -0.5, NAN, "sure"], "above 0 to 1, or null"),
    ("settle", ["maybe", None, 2], "true or false"),
    ("patience", [0, 4097, "never"], "1 to 4096, or null"),
    ("max_failures", [0, 4097, None], "1 to 4096"),
    ("max_failure_share", [0, 1.1, None], "above 0 to 1"),
    ("max_calls", [0, -3, 1.5, "ten"], "1 or more, or null"),
    ("max_tokens", [0, -3, 1.5], "1 or more, or null"),
    ("max_seconds", [0, -1.0, INF, NAN, "soon"], "above 0, or null"),
    ("max_cost", [0, -1.0, INF, NAN, "cheap"], "above 0, or null"),
    ("input_price", [-0.1, INF, NAN, None], "0 or more"),
    ("output_price", [-0.1, INF, NAN, None], "0 or more"),
    ("cached_input_price", [-0.1, INF, NAN], "0 or more, or null"),
    (
        "prices",
        ["cheap", 5, [1]],
        "prices of a million tokens by name of the model, as `read_prices` gives them, or null",
    ),
    ("drafts", [0, 65, None], "1 to 64"),
    ("init", ["none", None], "'answer', 'dummy', 'both'"),
    ("max_children", [0, 4097, None], "1 to 4096"),
    ("max_depth", [0, 4097, "deep"], "1 to 4096, or null"),
    ("width", [0, 257, None], "1 to 256"),
    ("pipelined", ["maybe", None, 2], "true or false"),
    ("exploration_constant", [-0.1, 1001, INF, NAN, None], "0 to 1000"),
    ("epsilon", [0, 1.1, NAN, None], "above 0 to 1"),
    ("log_term", ["ln(N)", "ln(1+N)", None], "'ln(N+1)', 'ln(N)+1'"),
    ("virtual_loss", [-1, 201, NAN, None], "0 to 200"),
    ("judge", ["guessed", None], "'self', 'rubric', 'logits', 'pairwise'"),
    ("reward_samples", [0, 65, None], "1 to 64"),
    ("value", ["median", None], "'min_mean', 'mean'"),
    ("choice", ["best", None], "'max_q', 'majority', 'weighted'"),
    (
        "prior",
        ["usual", 1],
        "lists of weights that sum to 1, as `learn_prior` gives them, or null",
    ),
    ("full_score_threshold", [-101, 101, NAN, None], "-100 to 100"),
    ("full_score_penalty", [-1, 201, NAN, None], "0 to 200"),
    ("structured_output", ["json", None, 2], "true or false"),
    ("max_retries", [-1, 17, None], "0 to 16"),
    ("max_attempts", [0, 17, None], "1 to 16"),
    ("call_seconds", [0, -1, None], "above 0"),
    ("draft_temperature", [-0.1, 2.1, NAN, "hot"], "0 to 2, or null"),
    ("critique_temperature", [-0.1, 2.1], "0 to 2, or null"),
    ("refine_temperature", [-0.1, 2.1], "0 to 2, or null"),
    ("evaluate_temperature", [-0.1, 2.1], "0 to 2, or null"),
    (
        "reasoning_effort",
        ["lots", 5, ["low"]],
        "'none', 'minimal', 'low', 'medium', 'high', 'xhigh', 'max', one for all or a dict by "
        "role, or null",
    ),
    ("draft_max_tokens", [0, 1_000_001, "all"], "1 to 1000000, or null"),
    ("critique_max_tokens", [0, 1_000_001], "1 to 1000000, or null"),
    ("refine_max_tokens", [0, 1_000_001], "1 to 1000000, or null"),
    ("evaluate_max_tokens", [0, 1_000_001], "1 to 1000000, or null"),
    ("seed", [-1, 2**31, 0.5, None], "0 to 2147483647"),
]

# Setting, and its values in the profiles "paper", "official" and "tuned"
DIFFERENCES: dict[str, tuple[Any, Any, Any]] = {
    "profile": ("paper", "official", "tuned"),
    "max_rollouts": (8, 16, 4096),
    "lead": (None, None, 0.95),
    "confidence": (None, None, 0.97),
    "max_calls": (None, None, 35),
    "drafts": (1, 1, 2),
    "init": ("answer", "both", "answer"),
    "choice": ("max_q", "max_q", "weighted"),
    "full_score_penalty": (5.0, 45.0, 5.0),
    "draft_temperature": (0.95, 0.95, None),
    "critique_temperature": (0.95, 0.95, None),
    "refine_temperature": (0.95, 0.95, None),
    "evaluate_temperature": (0.95, 0.95, None),
}

# What all profiles have
SHARED: dict[str, Any] = {
    "max_children": 3,
    "max_depth": None,
    "width": 1,
    "exploration_constant": 1.4,
    "epsilon": 1e-5,
    "log_term": "ln(N+1)",
    "reward_samples": 1,
    "full_score_threshold": 95.0,
    "draft_max_tokens": None,
    "seed": 0,
}

# Setting, and values at the ends of its range
ENDS: list[tuple[str, list[Any]]] = [
    ("max_rollouts", [1, 4096]),
    ("patience", [None, 1, 4096]),
    ("max_calls", [None, 1, 10**12]),
    ("max_seconds", [None, 1e-9, 1e9]),
    ("width", [1, 256]),
    ("exploration_constant", [0, 1000]),
    ("epsilon", [1e-12, 1]),
    ("virtual_loss", [0, 200]),
    ("full_score_threshold", [-95, 100]),
    ("full_score_penalty", [0, 195]),
    ("max_retries", [0, 16]),
    ("draft_temperature", [None, 0, 2]),
    ("draft_max_tokens", [None, 1, 1_000_000]),
    ("seed", [0, 2**31 - 1]),
]


def message(**settings: Any) -> str:
    """What a person is told who asks for these settings."""
    with pytest.raises(ConfigError) as caught:
        MCTSrContext(**settings)
    return str(caught.value)


# Wrong values


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [(name, value, allowed) for name, values, allowed in WRONG for value in values],
)
def test_a_wrong_value_is_named_with_what_is_allowed(name: str, value: Any, allowed: str) -> None:
    assert message(**{name: value}) == f"{name} is {value!r}, allowed {allowed}"


def test_every_setting_is_in_the_table_of_wrong_values() -> None:
    assert [name for name, _, _ in WRONG] == list(MCTSrContext.model_fields)


@pytest.mark.parametrize(("name", "_values", "allowed"), WRONG)
def test_the_allowed_values_of_a_setting_in_words(
    name: str, _values: list[Any], allowed: str
) -> None:
    assert allowed_values(name) == allowed


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in ENDS for value in values]
)
def test_the_ends_of_a_range_are_allowed(name: str, value: Any) -> None:
    assert getattr(MCTSrContext(**{name: value}), name) == value


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("max_rollout", "max_rollouts"),
        ("rollouts", "max_rollouts"),
        ("temperature_draft", "draft_temperature"),
        ("exploration_const", "exploration_constant"),
        ("Width", "width"),
    ],
)
def test_an_unknown_setting_suggests_the_near_name(name: str, near: str) -> None:
    told = message(**{name: 1})
    assert told.startswith(f"'{name}' is not a setting; did you mean '{near}'?; allowed: ")
    assert all(known in told for known in MCTSrContext.model_fields)


def test_an_unknown_setting_like_no_other_gets_no_suggestion() -> None:
    assert message(xyzzy=1).startswith("'xyzzy' is not a setting; allowed: agree, cached_input")


def test_a_setting_by_its_old_name_is_understood() -> None:
    assert MCTSrContext(select="majority") == MCTSrContext(choice="majority")
    assert message(select="best").startswith("choice is 'best', allowed ")


@pytest.mark.parametrize(
    ("name", "weights", "length"),
    [("skill", (1.0,), 7), ("spread", (0.5, 0.6, 0.1), 3), ("spread", (1.5, -0.5, 0.0), 3)],
)
def test_a_prior_of_the_wrong_length_or_sum_is_refused(
    name: str, weights: tuple[float, ...], length: int
) -> None:
    expected = f"prior.{name} is {weights!r}, allowed {length} weights that sum to 1"
    assert message(prior={name: weights}) == expected
    with pytest.raises(ConfigError, match=f"prior.{name} is"):
        Prior(**{name: weights})


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("skill", None),
        ("skill", ["a"] * 7),
        ("level", NAN),
        ("level", INF),
        ("noise", INF),
        ("noise", 1e-300),
        ("level_spread", 1e300),
        ("level_spread", "wide"),
    ],
)
def test_numbers_of_a_prior_with_which_nothing_can_be_weighed_are_refused(
    name: str, wrong: Any
) -> None:
    with pytest.raises(ConfigError, match=f"prior.{name} is .*, allowed"):
        Prior(**{name: wrong})
    assert message(prior={name: wrong}).startswith(f"prior.{name}")


def test_a_prior_that_is_read_from_a_file_is_the_one_that_was_written() -> None:
    read = Prior(**json.loads(json.dumps(asdict(Prior()))))
    assert read == Prior()
    assert believe(Evidence({"A": 1}), read).chances == believe(Evidence({"A": 1})).chances


def test_an_unknown_part_of_a_prior_is_named() -> None:
    assert message(prior={"luck": [1]}).startswith("prior.luck is [1], allowed lists of weights")


def test_suppression_may_not_push_a_reward_below_minus_100() -> None:
    assert message(full_score_threshold=-50, full_score_penalty=60) == (
        "full_score_penalty is 60, allowed 0 to 50 with full_score_threshold -50"
    )
    assert message(profile="official", full_score_threshold=-60) == (
        "full_score_penalty is 45, allowed 0 to 40 with full_score_threshold -60"
    )
    MCTSrContext(full_score_threshold=-50, full_score_penalty=50)


def test_settings_that_are_no_mapping_are_refused() -> None:
    with pytest.raises(ConfigError, match="settings"):
        MCTSrContext.model_validate([1])


# Profiles


@pytest.mark.parametrize("name", list(MCTSrContext.model_fields))
def test_the_profiles_differ_where_the_table_says_and_nowhere_else(name: str) -> None:
    found = tuple(getattr(MCTSrContext(profile=p), name) for p in ("paper", "official", "tuned"))
    assert found == DIFFERENCES.get(name, (found[0],) * 3)


@pytest.mark.parametrize("profile", ["paper", "official", "tuned"])
def test_what_all_profiles_have(profile: Any) -> None:
    settings = MCTSrContext(profile=profile).model_dump()
    assert {name: settings[name] for name in SHARED} == SHARED


def test_rsa_differs_from_tuned_where_the_docs_say() -> None:
    own = {"profile": "rsa", "drafts": 7, "choice": "majority", "lead": None, "confidence": None}
    tuned = MCTSrContext(profile="tuned").model_dump()
    assert MCTSrContext(profile="rsa").model_dump() == {**tuned, **own}
    assert MCTSrContext(profile="rsa", effort="low").max_calls == 11


def test_tuned_is_the_default_profile() -> None:
    assert MCTSrContext().model_dump() == MCTSrContext(profile="tuned").model_dump()
    assert MCTSrContext.model_validate_json(MCTSrContext().model_dump_json()) == MCTSrContext()


@pytest.mark.parametrize("name", [name for name in DIFFERENCES if name != "profile"])
def test_a_setting_given_by_name_overrides_its_profile(name: str) -> None:
    by_paper, _, _ = DIFFERENCES[name]
    given = MCTSrContext(**{"profile": "official", name: by_paper})
    expected = {**MCTSrContext(profile="official").model_dump(), name: by_paper}
    assert given.model_dump() == expected


# What a context is


def test_a_context_is_frozen() -> None:
    context = MCTSrContext()
    with pytest.raises(ValidationError, match="frozen"):
        context.max_rollouts = 3
    assert context.max_rollouts == 4096


@pytest.mark.parametrize(
    "context",
    [
        MCTSrContext(),
        MCTSrContext(profile="official"),
        MCTSrContext(profile="official", max_rollouts=3, max_depth=2, max_seconds=1.5),
        MCTSrContext(profile="tuned", prior=Prior(spread=(0.25, 0.5, 0.25))),
    ],
    ids=["paper", "official", "overridden", "prior"],
)
def test_a_context_survives_json(context: MCTSrContext) -> None:
    text = context.model_dump_json()
    assert MCTSrContext.model_validate_json(text) == context
    assert MCTSrContext(**json.loads(text)) == context


def test_wrong_json_is_told_the_same() -> None:
    with pytest.raises(ConfigError, match=r"^max_rollouts is 0, allowed 1 to 4096$"):
        MCTSrContext.model_validate_json('{"max_rollouts": 0}')


def test_the_json_schema_describes_every_property() -> None:
    properties = MCTSrContext.model_json_schema()["properties"]
    assert list(properties) == list(MCTSrContext.model_fields)
    assert [name for name, schema in properties.items() if not schema.get("description")] == []


def test_a_setting_of_a_role() -> None:
    context = MCTSrContext(refine_temperature=0.2, evaluate_max_tokens=40)
    assert context.of_role("temperature", "refine") == 0.2
    assert context.of_role("temperature", "draft") is None
    assert context.of_role("max_tokens", "evaluate") == 40


@pytest.mark.parametrize(
    ("settings", "calls"),
    [
        ({}, 35),
        ({"profile": "paper"}, None),
        ({"profile": "tuned"}, 35),
        ({"effort": "low"}, 11),
        ({"profile": "tuned", "effort": "high"}, 131),
        ({"profile": "tuned", "effort": "low", "max_calls": 20}, 20),
        ({"profile": "tuned", "max_calls": None}, None),
    ],
)
def test_an_effort_is_a_budget_of_calls(settings: dict[str, Any], calls: int | None) -> None:
    assert MCTSrContext(**settings).max_calls == calls


@pytest.mark.parametrize("profile", ["paper", "official", "tuned", "rsa"])
def test_no_other_default_ends_a_search_of_an_effort(profile: str) -> None:
    context = MCTSrContext(profile=profile, effort="high")
    assert (context.max_calls, context.max_rollouts) == (131, 4096)
    assert context.model_fields_set == {"profile", "effort"}
    assert MCTSrContext(profile=profile, effort="high", max_rollouts=3).max_rollouts == 3
