"""What a search costs: tokens by kind, money by a dated table, and an estimate before it runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_openai import ChatOpenAI
from typer.testing import CliRunner

from mctsr_graph import (
    CallJournal,
    ConfigError,
    MCTSrContext,
    ScriptedChatModel,
    create_mctsr_agent,
    estimate,
    read_prices,
    solve,
)
from mctsr_graph.calls.usage import cost_of, no_cost, sum_costs, total_cost
from mctsr_graph.cli.main import app
from mctsr_graph.models.scripted import ScriptedCall
from mctsr_graph.settings.prices import price_of, usual_prices

from .conftest import keyed_reply
from .loopback import LoopbackServer, completion

# 10,000 of 100,000 input tokens stand in the cache, 2,000 were put there; 300 of 500 are thinking
TOLD = {
    "input_tokens": 100_000,
    "output_tokens": 500,
    "total_tokens": 100_500,
    "input_token_details": {"cache_read": 10_000, "cache_creation": 2_000},
    "output_token_details": {"reasoning": 300},
}
OWN = {"input": 2.0, "cached_input": 0.5, "cache_write": 3.0, "output": 10.0}
EACH = (88_000 * 2 + 10_000 * 0.5 + 2_000 * 3 + 500 * 10) / 1e6  # 0.192


def metered(name: str = "my-model", told: Any = TOLD) -> ScriptedChatModel:
    def reply(call: ScriptedCall) -> AIMessage:
        metadata = {"model_name": name} if name else {}
        return AIMessage(keyed_reply(call), usage_metadata=told, response_metadata=metadata)

    return ScriptedChatModel(replies=reply)


def test_tokens_of_cache_and_thinking_are_counted_and_priced_by_role() -> None:
    context = MCTSrContext(profile="paper", max_rollouts=1, prices={"my-model": OWN})
    found = solve("How many?", metered(), context=context)
    # One draft judged; one critique, one refinement, judged with the answer that it refines
    assert {role: cost["calls"] for role, cost in found.usage.items()} == {
        "draft": 1,
        "critique": 1,
        "refine": 1,
        "evaluate": 3,
    }
    assert found.usage["draft"] == {
        "calls": 1,
        "input_tokens": 100_000,
        "cached_tokens": 10_000,
        "cache_write_tokens": 2_000,
        "output_tokens": 500,
        "reasoning_tokens": 300,
        "unmetered_calls": 0,
        "price": EACH,
        "unpriced_calls": 0,
    }
    assert found.cost == pytest.approx(6 * 0.192)
    assert json.loads(found.to_json())["cost"] == found.cost


def test_the_price_goes_with_every_event() -> None:
    events: list[Any] = []
    context = MCTSrContext(profile="paper", max_rollouts=1, prices={"my-model": OWN})
    solve("How many?", metered(), context=context, on_event=events.append)
    assert [event["usage"]["price"] for event in events[1:]] == [1.152, 1.152]


def test_an_agents_message_tells_tokens_of_cache_and_thinking() -> None:
    agent = create_mctsr_agent(metered(), context=MCTSrContext(profile="paper", max_rollouts=1))
    told = agent.invoke({"messages": [HumanMessage("How many?")]})["messages"][-1].usage_metadata
    assert told == {
        "input_tokens": 600_000,
        "output_tokens": 3_000,
        "total_tokens": 603_000,
        "input_token_details": {"cache_read": 60_000, "cache_creation": 12_000},
        "output_token_details": {"reasoning": 1_800},
    }


def test_a_model_without_a_price_costs_an_unknown_sum_and_not_nothing() -> None:
    found = solve("How many?", metered(), context=MCTSrContext(profile="paper", max_rollouts=1))
    total = total_cost(found.usage)
    assert (found.cost, total["price"], total["unpriced_calls"]) == (None, 0.0, 6)


def test_a_budget_of_money_counts_cached_tokens_at_their_price() -> None:
    # 6 calls are 1.152 with the cache; in full they would be 6 * 0.205 = 1.23
    context = MCTSrContext(profile="paper", max_rollouts=9, prices={"my-model": OWN}, max_cost=1.2)
    found = solve("How many?", metered(), context=context)
    assert (found.stop_reason, total_cost(found.usage)["calls"]) == ("max_cost", 7)


def test_prices_given_as_settings_are_for_every_model() -> None:
    context = MCTSrContext(
        profile="paper", max_rollouts=1, input_price=1, cached_input_price=0.1, output_price=4
    )
    found = solve("How many?", metered("gpt-5"), context=context)
    each = (90_000 * 1 + 10_000 * 0.1 + 500 * 4) / 1e6
    assert found.cost == pytest.approx(6 * each)


def test_a_budget_of_money_needs_a_price() -> None:
    with pytest.raises(
        ConfigError, match="what 'my-model' costs is not known; give it by `prices`"
    ):
        solve("How many?", metered(), context=MCTSrContext(profile="paper", max_cost=1))


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("gpt-5-mini", "gpt-5-mini"),
        ("gpt-5-mini-2025-08-07", "gpt-5-mini"),
        ("openai:gpt-5-mini", "gpt-5-mini"),
        ("openai/gpt-5-mini", "gpt-5-mini"),
        ("models/gemini-2.5-pro", "gemini-2.5-pro"),
        ("claude-sonnet-4-5-20250929", "claude-sonnet-4-5"),
        ("claude-sonnet-4-5@20250929", "claude-sonnet-4-5"),
        ("gpt-5-minimal", None),
        ("gpt-5-mini-my-tune", None),
        ("", None),
    ],
)
def test_a_price_is_found_by_name(name: str, known: str | None) -> None:
    expected = None if known is None else usual_prices().models[known]
    assert price_of([name]) == expected


def test_own_prices_go_before_those_of_the_package(tmp_path: Path) -> None:
    toml = tmp_path / "prices.toml"
    toml.write_text('date = "2026-12-01"\n[models."gpt-5"]\ninput = 7\noutput = 8\n')
    own = read_prices(toml)
    assert own.date == "2026-12-01"
    found = price_of(["gpt-5"], own)
    assert found is not None
    assert (found.input, found.output, found.cached_input) == (7, 8, None)
    assert price_of(["gpt-5-mini"], own) == usual_prices().models["gpt-5-mini"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('{"m": {"input": -1, "output": 1}}', "models.m.input is -1"),
        ('{"m": {"input": 1}}', "models.m.output"),
        ('{"m": {"input": 1, "output": 1, "cache": 1}}', "models.m.cache is 1"),
        ("[]", "prices is"),
        ("{", "allowed a JSON or TOML file"),
    ],
)
def test_a_table_that_is_wrong_is_told_by_place(tmp_path: Path, text: str, why: str) -> None:
    file = tmp_path / "prices.json"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_prices(file)
    assert why in str(caught.value)


UNBELIEVABLE: list[Any] = [10**40, -1, 1.5, float("nan"), float("inf"), "12", None, True, [1], {}]


@pytest.mark.parametrize("count", UNBELIEVABLE, ids=repr)
def test_a_count_that_cannot_be_believed_is_none(count: Any) -> None:
    cost = cost_of({"input_tokens": count, "output_tokens": 5}, None)
    assert cost == {**no_cost(), "calls": 1, "unmetered_calls": 1, "unpriced_calls": 1}
    details = {"input_token_details": {"cache_read": count}, "output_token_details": count}
    cost = cost_of({"input_tokens": 7, "output_tokens": 5, **details}, None)
    assert (cost["input_tokens"], cost["cached_tokens"], cost["reasoning_tokens"]) == (7, 0, 0)


def test_parts_are_no_more_than_the_whole() -> None:
    details = {"cache_read": 90, "cache_creation": 90}
    cost = cost_of({"input_tokens": 100, "output_tokens": 0, "input_token_details": details}, None)
    assert (cost["cached_tokens"], cost["cache_write_tokens"]) == (90, 10)


def test_the_order_of_adding_up_changes_no_sum() -> None:
    own = price_of(["gpt-5-nano"])
    costs = [cost_of({"input_tokens": n, "output_tokens": 3 * n}, own) for n in range(1, 200, 7)]
    pairs = [sum_costs(costs[i : i + 2]) for i in range(0, len(costs), 2)]
    assert sum_costs(costs) == sum_costs(reversed(costs)) == sum_costs(pairs)


def test_a_cost_that_an_earlier_version_kept_has_an_unknown_price() -> None:
    old: Any = {"calls": 2, "input_tokens": 5, "output_tokens": 6, "unmetered_calls": 0}
    assert sum_costs([old]) == {**no_cost(), **old, "unpriced_calls": 2}


class Liar(LoopbackServer):
    """Answers as OpenAI's server, with counts of tokens as they are given."""

    def __init__(self, counts: Any) -> None:
        super().__init__()
        self.counts = counts

    def reply(self, body: Any, headers: Mapping[str, str]) -> tuple[int, Any]:
        asked = str(body["messages"][-1]["content"])
        text = "Score: 40" if "Score" in asked else "It is \\boxed{7}."
        told = completion([text], 0, 0)
        told["usage"] = {name: self.counts for name in told["usage"]}
        return 200, told


@pytest.mark.parametrize("count", [10**40, -5, "12", 1e300, None, [1]], ids=repr)
def test_no_count_of_a_server_breaks_a_stored_search(count: Any, tmp_path: Path) -> None:
    file = tmp_path / "searches.db"
    with Liar(count) as server:
        model = ChatOpenAI(model="m", base_url=server.url, api_key="k", max_retries=0)
        for rollouts in (1, 2):
            context = MCTSrContext(profile="paper", max_rollouts=rollouts, max_attempts=1)
            found = solve("How many?", model, context=context, checkpointer=file)
            assert (found.rollouts, found.final_answer) == (rollouts, "7")
    assert CliRunner().invoke(app, ["list", str(file)]).exit_code == 0


def test_a_call_from_the_journal_costs_what_it_did(tmp_path: Path) -> None:
    context = MCTSrContext(profile="paper", max_rollouts=1, prices={"my-model": OWN})
    with CallJournal(tmp_path / "calls.db") as journal:
        first = solve("How many?", metered(), context=context, journal=journal)
        silent = ScriptedChatModel(replies=[])
        again = solve("How many?", silent, context=context, journal=journal)
    assert again.usage == first.usage
    assert again.cost == first.cost


@pytest.mark.parametrize(
    "settings", [{}, {"profile": "official", "max_rollouts": 3}, {"drafts": 3}]
)
def test_an_estimate_tells_the_calls_that_a_search_makes(settings: Any) -> None:
    context = MCTSrContext(**{"profile": "paper", **settings})
    told = estimate("How many?", "openai:gpt-5-mini", context=context)
    made = solve("How many?", ScriptedChatModel(replies=keyed_reply), context=context)
    assert told.calls == total_cost(made.usage)["calls"]
    for role, cost in made.usage.items():
        assert told.usage[role]["calls"] == cost["calls"]


def test_an_estimate_of_tokens_and_money() -> None:
    context = MCTSrContext(profile="paper", max_rollouts=1, evaluate_max_tokens=50)
    told = estimate("x" * 400, "gpt-5-mini", context=context, reply_tokens=100)
    tokens = {role: cost["output_tokens"] for role, cost in told.usage.items()}
    assert tokens == {"draft": 100, "critique": 100, "refine": 100, "evaluate": 150}
    # The problem is 100 tokens, an answer 100 more, a critique 100 more, besides our words
    sent = {role: cost["input_tokens"] / cost["calls"] for role, cost in told.usage.items()}
    assert 100 < sent["draft"] < 200 < sent["critique"]
    assert sent["refine"] > sent["critique"] + 100
    inputs = sum(cost["input_tokens"] for cost in told.usage.values())
    assert told.cost == pytest.approx((inputs * 0.25 + 450 * 2) / 1e6)
    assert "100 tokens a reply" in told.assumptions


def test_an_estimate_keeps_to_the_budget_of_calls() -> None:
    told = estimate("How many?", "gpt-5", context=MCTSrContext(profile="tuned", effort="low"))
    assert told.calls == 11


def test_an_estimate_of_a_model_without_a_price_says_so() -> None:
    assert estimate("How many?", "ollama:llama3").cost is None
    result = CliRunner().invoke(app, ["solve", "How many?", "-m", "ollama:llama3", "--dry-run"])
    assert result.exit_code == 0
    assert "At most 35 calls, price not known." in result.stdout


def test_the_command_estimates_without_a_call_or_a_key(tmp_path: Path) -> None:
    file = tmp_path / "prices.json"
    file.write_text(json.dumps({"gpt-5-mini": {"input": 0, "output": 1000}}))
    line = ["solve", "How many?", "-m", "openai:gpt-5-mini", "--dry-run", "--json"]
    result = CliRunner().invoke(app, [*line, "--prices", str(file)])
    told = json.loads(result.stdout)
    assert told["calls"] == 35
    assert told["cost"] == pytest.approx(35 * 600 * 1000 / 1e6)


def test_the_command_shows_what_was_paid() -> None:
    line = ["solve", "How many?", "-m", "demo", "--rollouts", "1"]
    priced = CliRunner().invoke(app, [*line, "--set", "output_price=1000000"])
    row = next(text for text in priced.stdout.splitlines() if "total" in text)
    cells = [cell.strip() for cell in row.strip("│").split("│")]
    assert cells[6] == cells[4]  # a unit for each output token
    unknown = CliRunner().invoke(app, line)
    assert "not known" in next(text for text in unknown.stdout.splitlines() if "total" in text)
