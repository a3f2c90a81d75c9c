"""Reasoning models: how much they think, what becomes of a reply that was all thinking, and that no
thought is seen."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from mctsr_graph import (
    CallJournal,
    ConfigError,
    MCTSrContext,
    ScriptedChatModel,
    SearchFailedError,
    create_mctsr_tool,
    solve,
)
from mctsr_graph.calls.usage import total_cost
from mctsr_graph.models.scripted import ScriptedCall
from tests.agents import calling
from tests.conftest import PAPER, keyed_reply

from .server import VENDORS, Body, Vendors
from .test_every_provider import made

ONE = {**PAPER, "max_rollouts": 1}


class Thinkers(Vendors):
    """Takes whatever it is sent."""

    def reply_at(self, path: str, body: Any, headers: Mapping[str, str]) -> tuple[int, Any]:
        self.asked.append(body)
        return VENDORS[path.split("/")[1]][1](body, self.texts(json.dumps(body)))


@pytest.fixture
def server() -> Iterator[Thinkers]:
    with Thinkers() as started:
        yield started


def role_of(body: Body) -> str:
    said = json.dumps(body)
    for role, words in {
        "evaluate": "harsh examiner",
        "refine": "Write a better solution",
        "critique": "be a strict critic",
    }.items():
        if words in said:
            return role
    return "draft"


def openai(url: str, **fields: Any) -> Any:
    given = {"model": "gpt-5-mini", "base_url": f"{url}/vllm", "api_key": "x", **fields}
    return made("langchain_openai", "ChatOpenAI", **given)


def responses(url: str) -> Any:
    return openai(f"{url}/responses", base_url=f"{url}/responses", reasoning={"summary": "auto"})


def anthropic(url: str, **fields: Any) -> Any:
    given = {"model": "claude-haiku-4-5", "base_url": f"{url}/anthropic", "api_key": "x", **fields}
    return made("langchain_anthropic", "ChatAnthropic", **given)


def gemini(url: str, **fields: Any) -> Any:
    given = {"model": "gemini-2.5-flash", "base_url": f"{url}/gemini", "api_key": "x", **fields}
    return made("langchain_google_genai", "ChatGoogleGenerativeAI", **given)


def ollama(url: str, model: str) -> Any:
    return made("langchain_ollama", "ChatOllama", model=model, base_url=url)


def groq(url: str) -> Any:
    given = {"model": "openai/gpt-oss-20b", "base_url": f"{url}/groq", "api_key": "x"}
    return made("langchain_groq", "ChatGroq", **given)


# What a body says of thinking, for "high" and for "low"
MODELS: list[tuple[str, Any, Any, Any]] = [
    ("openai", openai, {"reasoning_effort": "high"}, {"reasoning_effort": "low"}),
    (
        *("responses", responses),
        {"reasoning": {"summary": "auto", "effort": "high"}},
        {"reasoning": {"summary": "auto", "effort": "low"}},
    ),
    (
        *("anthropic, by budget", anthropic),
        {"thinking": {"type": "enabled", "budget_tokens": 16384}},
        {"thinking": {"type": "enabled", "budget_tokens": 2048}},
    ),
    (
        *("anthropic, by level", lambda url: anthropic(url, model="claude-opus-4-8")),
        {"output_config": {"effort": "high"}},
        {"output_config": {"effort": "low"}},
    ),
    (
        *("gemini, by budget", gemini),
        {"thinking_budget": 16384},
        {"thinking_budget": 2048},
    ),
    (
        *("gemini, by level", lambda url: gemini(url, model="gemini-3.5-flash")),
        {"thinking_level": "HIGH"},
        {"thinking_level": "LOW"},
    ),
    (
        *("vllm, by template", lambda url: openai(url, model="Qwen/Qwen3-8B")),
        *[{"chat_template_kwargs": {"enable_thinking": True}}] * 2,
    ),
    ("ollama", lambda url: ollama(url, "qwen3"), {"think": True}, {"think": True}),
    (
        "ollama, gpt-oss",
        lambda url: ollama(url, "gpt-oss:20b"),
        {"think": "high"},
        {"think": "low"},
    ),
    ("groq", groq, {"reasoning_effort": "high"}, {"reasoning_effort": "low"}),
]


def told(body: Body) -> dict[str, Any]:
    """What a body says of thinking."""
    config = body.get("generationConfig", {}).get("thinkingConfig", {})
    names = {"reasoning_effort", "reasoning", "thinking", "output_config", "chat_template_kwargs"}
    budget = {name: one for name, one in config.items() if name.startswith("thinking")}
    return {**{name: one for name, one in body.items() if name in names | {"think"}}, **budget}


@pytest.mark.parametrize(("name", "make", "high", "low"), MODELS, ids=[one[0] for one in MODELS])
def test_each_role_thinks_as_much_as_it_is_told_in_the_models_words(
    server: Thinkers, name: str, make: Any, high: Any, low: Any
) -> None:
    model = make(server.url)
    before = model.model_dump()
    context = MCTSrContext(**ONE, reasoning_effort={"draft": "high", "evaluate": "low"})
    solve("How many?", model, context=context)
    by_role = {role_of(body): told(body) for body in server.asked}
    assert by_role["draft"].items() >= high.items()
    assert by_role["evaluate"].items() >= low.items()
    usual = by_role["critique"]
    assert not [one for one in (high, low) if usual.items() >= one.items()]
    assert model.model_dump() == before


@pytest.mark.parametrize(
    ("make", "off"),
    [
        (anthropic, {"thinking": {"type": "disabled"}}),
        (
            lambda url: anthropic(url, model="claude-sonnet-4-6"),
            {"thinking": {"type": "disabled"}},
        ),
        (gemini, {"thinking_budget": 0}),
        (
            lambda url: openai(url, model="Qwen/Qwen3-8B"),
            {"chat_template_kwargs": {"enable_thinking": False}},
        ),
        (lambda url: ollama(url, "qwen3"), {"think": False}),
        (lambda url: openai(url, model="gpt-5.2"), {"reasoning_effort": "none"}),
    ],
    ids=["anthropic", "anthropic, by level", "gemini", "vllm", "ollama", "openai"],
)
def test_one_word_is_for_all_roles(server: Thinkers, make: Any, off: Any) -> None:
    solve(
        "How many?",
        make(server.url),
        context=MCTSrContext(**ONE, reasoning_effort="none"),
    )
    assert {role_of(body) for body in server.asked} == {"draft", "critique", "refine", "evaluate"}
    assert all(told(body).items() >= off.items() for body in server.asked)


def test_thinking_of_claude_fits_below_its_limit(server: Thinkers) -> None:
    context = MCTSrContext(**ONE, reasoning_effort="low", draft_max_tokens=500)
    solve("How many?", anthropic(server.url), context=context)
    [draft] = [body for body in server.asked if role_of(body) == "draft"]
    assert draft["max_tokens"] == 500 + 2048


@pytest.mark.parametrize(
    ("make", "effort", "why"),
    [
        (lambda url: openai(url, model="gpt-4o"), "low", "does not reason"),
        (lambda url: openai(url, model="gpt-5-mini"), "xhigh", "it has minimal, low, medium, high"),
        (lambda url: gemini(url), "max", "the levels are none, minimal"),
        (lambda url: ScriptedChatModel(replies=[]), "low", "no word for it"),
    ],
    ids=["no reasoning", "no such level", "no such budget", "no word"],
)
def test_what_a_model_does_not_take_is_an_error(
    server: Thinkers, make: Any, effort: str, why: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        solve(
            "How many?",
            make(server.url),
            context=MCTSrContext(**PAPER, reasoning_effort=effort),
        )
    assert f"reasoning_effort is {effort!r}, which the model" in str(caught.value)
    assert why in str(caught.value)
    assert server.asked == []


def test_what_a_server_refuses_is_an_error_that_names_it() -> None:
    with Vendors() as strict:
        model = openai(strict.url, model="my-model", base_url=f"{strict.url}/hf")
        assert solve("How many?", model, context=MCTSrContext(**ONE, reasoning_effort="low"))
        qwen = openai(strict.url, model="qwen3-8b")  # of a server that takes no template's words
        with pytest.raises(ConfigError, match="reasoning_effort is 'low'"):
            solve(
                "How many?",
                qwen,
                context=MCTSrContext(**ONE, reasoning_effort="low"),
            )


# A reply that was all thinking --------------------------------------------------------------------
def thinks(limit: int, needs: int = 2000) -> AIMessage:
    """A reply that is cut off within its thinking, if the limit is below what it needs."""
    cut = limit < needs
    spent = limit if cut else needs
    usage: Any = {
        **{"input_tokens": 10, "output_tokens": spent, "total_tokens": 10 + spent},
        "output_token_details": {"reasoning": spent if cut else needs - 20},
    }
    ending = {"finish_reason": "length" if cut else "stop"}
    return AIMessage("" if cut else "\\boxed{7}", usage_metadata=usage, response_metadata=ending)


def reasoner(own_limit: int = 500, needs: int = 2000) -> ScriptedChatModel:
    """Thinks long where it drafts, within the limit that it is sent or else its own."""

    def reply(call: ScriptedCall) -> Any:
        if call.role != "draft":
            return keyed_reply(call)
        return thinks(call.settings.get("max_tokens", own_limit), needs)

    return ScriptedChatModel(replies=reply)


def limits(model: ScriptedChatModel) -> list[Any]:
    return [call.settings.get("max_tokens") for call in model.calls if call.role == "draft"]


@pytest.mark.parametrize(
    ("set_by", "context", "sent"),
    [
        ("the server", {}, [None, 2000]),
        ("the user", {"draft_max_tokens": 300}, [300, 1200, 4800]),
    ],
)
def test_the_limit_grows_whoever_has_set_it(set_by: str, context: Any, sent: Any) -> None:
    model = reasoner()
    found = solve("How many?", model, context=MCTSrContext(**ONE, **context))
    assert limits(model) == sent
    assert found.failures == []
    assert found.usage["draft"]["reasoning_tokens"] == sum(sent[:-1] if sent[0] else [500]) + 1980


def test_it_fails_by_its_name_with_the_limit_and_the_thinking() -> None:
    model = reasoner(needs=10**6)
    with pytest.raises(SearchFailedError) as caught:
        solve("How many?", model, context=MCTSrContext(**ONE, max_retries=1))
    [failure] = caught.value.solution.failures
    assert failure["code"] == "thinking"
    assert "all thinking (2,000 tokens)" in failure["message"]
    assert "the limit of 2,000 tokens" in failure["message"]
    assert limits(model) == [None, 2000]


def test_the_limit_never_exceeds_what_the_model_can_give() -> None:
    model = reasoner(needs=10**6)
    model.profile = {"max_output_tokens": 3000}
    with pytest.raises(SearchFailedError):
        solve("How many?", model, context=MCTSrContext(**ONE))
    assert limits(model) == [None, 2000, 3000]


def test_open_thinking_in_the_text_is_told_alike() -> None:
    def reply(call: ScriptedCall) -> Any:
        if call.role == "evaluate" and "max_tokens" not in call.settings:
            cut: Any = {"input_tokens": 1, "output_tokens": 40, "total_tokens": 41}
            told = {"finish_reason": "length"}
            return AIMessage("[THINK]Score: 50", usage_metadata=cut, response_metadata=told)
        return keyed_reply(call)

    model = ScriptedChatModel(replies=reply)
    found = solve("How many?", model, context=MCTSrContext(**ONE))
    sent = [c.settings.get("max_tokens") for c in model.calls if c.role == "evaluate"]
    assert sorted(sent, key=str) == [160, 160, 160, None, None, None]
    assert found.failures == []


def test_the_journal_makes_the_same_limits_again(tmp_path: Any) -> None:
    with CallJournal(tmp_path / "calls.db") as journal:
        first = solve("How many?", reasoner(), context=MCTSrContext(**ONE), journal=journal)
        silent = ScriptedChatModel(replies=[])
        again = solve("How many?", silent, context=MCTSrContext(**ONE), journal=journal)
    assert again.tree == first.tree
    assert total_cost(again.usage) == total_cost(first.usage)


# What an agent sees -------------------------------------------------------------------------------
SECRET = "a secret thought"
WRAPPED = [
    lambda text: f"<think>{SECRET}</think>{text}",
    lambda text: f"{SECRET}</think>{text}",
    lambda text: f"[THINK]{SECRET}[/THINK]{text}",
    lambda text: (
        f"<|channel|>analysis<|message|>{SECRET}<|end|>"
        f"<|start|>assistant<|channel|>final<|message|>{text}"
    ),
    lambda text: [{"type": "thinking", "thinking": SECRET}, {"type": "text", "text": text}],
    lambda text: [{"type": "reasoning", "reasoning": SECRET}, {"type": "text", "text": text}],
]


@pytest.mark.parametrize("wrapped", WRAPPED)
@pytest.mark.parametrize("way", ["sync", "async"])
async def test_no_message_of_an_agent_holds_a_thought_of_its_tool(wrapped: Any, way: str) -> None:
    def reply(call: ScriptedCall) -> AIMessage:
        kwargs = {"reasoning_content": SECRET}
        return AIMessage(wrapped(keyed_reply(call)), additional_kwargs=kwargs)

    def lead(call: ScriptedCall) -> AIMessage:
        done = isinstance(call.messages[-1], ToolMessage)
        return AIMessage("Done.") if done else calling("How many?")

    solver = ScriptedChatModel(replies=reply)
    tool = create_mctsr_tool(solver, context=MCTSrContext(**ONE))
    agent = create_agent(ScriptedChatModel(replies=lead), [tool])
    given: Any = {"messages": [HumanMessage("How many?")]}
    modes: Any = ["messages", "values", "updates", "custom"]
    if way == "sync":
        parts = list(agent.stream(given, stream_mode=modes, subgraphs=True))
    else:
        parts = [p async for p in agent.astream(given, stream_mode=modes, subgraphs=True)]
    assert "\\boxed{1}" in str(parts) or "\\\\boxed{1}" in str(parts)
    assert SECRET not in str(parts)
    asked = str([message.content for call in solver.calls for message in call.messages])
    assert SECRET not in asked
