"""A chat model that is wrapped, chained or chosen late gets its settings all the same."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.output_parsers import (
    CommaSeparatedListOutputParser,
    JsonOutputParser,
    StrOutputParser,
)
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_core.runnables import ConfigurableField, Runnable, RunnableLambda

from mctsr_graph import ConfigError, MCTSrContext, ScriptedChatModel, asolve, create_mctsr, solve
from mctsr_graph.benchmark.persistent import Persistent
from tests.conftest import PAPER

from .server import Vendors, text_for
from .test_every_provider import PROBLEM, SETTINGS, ollama, openai, without_messages

PROMPT = ChatPromptTemplate.from_messages([("system", "Be short."), MessagesPlaceholder("asked")])
TEXT = StrOutputParser()


@pytest.fixture
def server() -> Iterator[Vendors]:
    with Vendors() as made:
        yield made


def by_name(url: str, name: str, **fields: Any) -> Any:
    models = pytest.importorskip("langchain.chat_models", reason="langchain is not installed")
    return models.init_chat_model(name, base_url=f"{url}/openai/v1", api_key="x", **fields)


def any_field(url: str) -> Any:
    """A model of which the configuration of a call can change everything."""
    return by_name(url, "openai:gpt-4o-mini", configurable_fields="any")


WRAPPED: dict[str, Callable[[str], Runnable[Any, Any]]] = {
    "init_chat_model": lambda url: by_name(url, "openai:gpt-4o-mini"),
    "init_chat_model, one field": lambda url: by_name(
        url, "openai:gpt-4o-mini", configurable_fields=("top_p",)
    ),
    "init_chat_model, any field": any_field,
    "init_chat_model, any field, bound": lambda url: any_field(url).bind_tools([]),
    "configurable_fields": lambda url: openai(url).configurable_fields(
        top_p=ConfigurableField(id="top_p")
    ),
    "configurable_alternatives": lambda url: openai(url).configurable_alternatives(
        ConfigurableField(id="which"), other=ollama(url)
    ),
    "bind": lambda url: openai(url).bind(temperature=0.9),
    "with_config": lambda url: openai(url).with_config(tags=["mine"]),
    "with_retry": lambda url: openai(url).with_retry(),
    "with_fallbacks": lambda url: openai(url).with_fallbacks([ollama(url)]),
    "prompt | model": lambda url: PROMPT | openai(url),
    "prompt | model | parser": lambda url: PROMPT | openai(url) | TEXT,
    "lambda | model": lambda url: RunnableLambda(lambda asked: asked) | openai(url).with_retry(),
    "a wrapper of the benchmark": lambda url: Persistent(
        openai(url), MCTSrContext(profile="paper")
    ),
    "all at once": lambda url: (
        (PROMPT | openai(url).bind(stop=["@"]).with_retry() | TEXT)
        .with_fallbacks([ollama(url)])
        .with_config(tags=["mine"])
    ),
}


@pytest.mark.parametrize("name", WRAPPED)
def test_each_setting_arrives_behind_it(server: Vendors, name: str) -> None:
    model = WRAPPED[name](server.url)
    found = solve(PROBLEM, model, context=MCTSrContext(profile="paper", max_rollouts=2, **SETTINGS))
    assert (found.rollouts, found.failures, found.final_answer) == (2, [], "26")
    assert server.refused == []
    for body in map(without_messages, server.asked):
        told = {key: body.get(key) for key in ("temperature", "max_completion_tokens", "seed")}
        assert told == {
            **{"temperature": 0.3, "max_completion_tokens": 300},
            "seed": "a seed",
        }


@pytest.mark.parametrize("name", WRAPPED)
async def test_it_runs_inside_another_graph_whose_thread_is_none_of_its_business(
    server: Vendors, name: str
) -> None:
    """No keys of LangGraph reach the model, and nothing warns."""
    graph = create_mctsr(
        WRAPPED[name](server.url), context=MCTSrContext(profile="paper", max_rollouts=1)
    )
    config: Any = {"configurable": {"thread_id": "thread-of-mine"}}
    found = await graph.compile().ainvoke({"problem": PROBLEM}, config)
    assert found["final_answer"] == "26"
    assert "thread-of-mine" not in json.dumps(server.asked)


REFUSING: dict[str, Callable[[str], Runnable[Any, Any]]] = {
    # o1-preview has no profile, so that only the server can say what it does not take
    "with_retry": lambda url: openai(url, model="o1-preview").with_retry(),
    "with_fallbacks": lambda url: openai(url, model="o1-preview").with_fallbacks([openai(url)]),
    "prompt | model": lambda url: PROMPT | openai(url, model="o1-preview"),
    "init_chat_model, any field": lambda url: by_name(
        url, "openai:o1-preview", configurable_fields="any"
    ),
}


@pytest.mark.parametrize("name", REFUSING)
def test_a_refusal_is_no_failure_of_the_model(server: Vendors, name: str) -> None:
    """One request is refused; nothing is tried again or left to a fallback."""
    context = MCTSrContext(profile="paper", max_rollouts=2)
    with pytest.warns(UserWarning, match=r"temperature = 0\.95 is not sent to .*o1-preview"):
        found = solve(PROBLEM, REFUSING[name](server.url), context=context)
    assert (found.rollouts, found.failures) == (2, [])
    assert len(server.refused) == 1
    assert {body["model"] for body in server.asked} == {"o1-preview"}


@pytest.mark.parametrize("name", REFUSING)
def test_an_explicit_value_is_an_error_behind_it_too(server: Vendors, name: str) -> None:
    model = REFUSING[name](server.url)
    with pytest.raises(ConfigError, match=r"draft_temperature is 0\.5, .*o1-preview"):
        solve(PROBLEM, model, context=MCTSrContext(profile="paper", draft_temperature=0.5))


# Models that no setting can reach -----------------------------------------------------------------
def told(messages: list[BaseMessage]) -> str:
    return text_for(str(messages[-1].content))


def hot(messages: list[BaseMessage], temperature: float = 1.0) -> str:
    assert temperature == 0.95
    return told(messages)


def test_a_lambda_is_asked_without_settings_which_is_told_once() -> None:
    model, events = RunnableLambda(told), []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert (
            solve(PROBLEM, model, context=MCTSrContext(**PAPER, max_rollouts=2)).final_answer
            == "26"
        )
    context = MCTSrContext(profile="paper", max_rollouts=2)
    with pytest.warns(UserWarning, match=r"temperature = 0\.95 is not sent to .*RunnableLambda"):
        solve(PROBLEM, model, context=context, on_event=events.append)
    assert [event["type"] for event in events].count("mctsr.left_out") == 1
    with pytest.raises(ConfigError, match=r"critique_temperature is 0\.2, which .*RunnableLambda"):
        solve(PROBLEM, model, context=MCTSrContext(**{**PAPER, "critique_temperature": 0.2}))


def test_a_lambda_is_given_what_it_names() -> None:
    context = MCTSrContext(profile="paper", max_rollouts=2)
    assert solve(PROBLEM, RunnableLambda(hot), context=context).failures == []


class Plain(BaseChatModel):
    """A model of one's own without any field, and without an async half."""

    @property
    def _llm_type(self) -> str:
        return "plain"

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=AIMessage(told(messages)))])


@pytest.mark.parametrize("pipelined", [False, True])
async def test_what_is_left_out_in_a_thread_is_told_too(pipelined: bool) -> None:
    events: list[Any] = []
    context = MCTSrContext(profile="paper", max_rollouts=4, width=2, pipelined=pipelined)
    with pytest.warns(UserWarning, match="not sent to the model Plain"):
        await asolve(PROBLEM, Plain(), context=context, on_event=events.append)
    assert [event["type"] for event in events].count("mctsr.left_out") == 1


class Strict(BaseChatModel):
    """A model of one's own that hands on whatever it is given to a client that is strict."""

    temperature: float | None = None
    max_new_tokens: int | None = None
    state: dict[str, Any]

    @property
    def _llm_type(self) -> str:
        return "strict"

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None, **given: Any
    ) -> ChatResult:
        for name in given:
            self.state["refused"] += 1
            raise TypeError(f"Client.chat() got an unexpected keyword argument '{name}'")
        self.state["asked"].append((self.temperature, self.max_new_tokens))
        return ChatResult(generations=[ChatGeneration(message=AIMessage(told(messages)))])


def test_a_field_is_set_where_a_client_refuses_the_argument() -> None:
    model = Strict(state={"asked": [], "refused": 0})
    context = MCTSrContext(profile="paper", max_rollouts=2, **SETTINGS)
    assert solve(PROBLEM, model, context=context).failures == []
    assert set(model.state["asked"]) == {(0.3, 300)}
    assert model.state["refused"] == 2  # once for each


# The door -----------------------------------------------------------------------------------------
WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "a class": (lambda: ScriptedChatModel, "the class ScriptedChatModel, of which an instance"),
    "a function": (lambda: text_for, "the function text_for, of which RunnableLambda"),
    "a number": (lambda: 3, "model is 3; allowed a chat model"),
    "a list": (lambda: [ScriptedChatModel(replies=[])], "an object of builtins.list"),
    "a client": (
        lambda: pytest.importorskip("openai").OpenAI(api_key="a key"),
        r"an object of openai\.OpenAI;",
    ),
    "a parser of lists": (
        lambda: ScriptedChatModel(replies=[]) | CommaSeparatedListOutputParser(),
        "a chain that returns list;",
    ),
    "a parser of JSON": (
        lambda: (ScriptedChatModel(replies=[]) | JsonOutputParser()).with_retry(),
        "a chain that returns JsonOutputParser;",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_model_is_refused_at_the_door(name: str) -> None:
    make, match = WRONG[name]
    for use in (
        lambda: solve(PROBLEM, make()),
        lambda: create_mctsr(make()),
        lambda: create_mctsr(ScriptedChatModel(replies=[]), judge_model=make()),
    ):
        with pytest.raises(ConfigError, match=match) as caught:
            use()
        assert "a key" not in str(caught.value)


def test_a_runnable_that_returns_something_else_is_refused_at_its_first_reply() -> None:
    with pytest.raises(ConfigError, match="RunnableLambda: returns a dict, allowed a message or a"):
        solve(PROBLEM, RunnableLambda(lambda asked: {"text": "26"}))


# Which search is which ----------------------------------------------------------------------------
def other_url(url: str) -> str:
    return url.replace("127.0.0.1", "localhost")


DIFFERENT: dict[str, Callable[[str], tuple[Any, Any]]] = {
    "two servers": lambda url: (openai(url), openai(other_url(url))),
    "two servers by name": lambda url: (any_field(url), any_field(other_url(url))),
    "two prompts": lambda url: (
        PROMPT | openai(url),
        ChatPromptTemplate.from_messages([MessagesPlaceholder("asked")]) | openai(url),
    ),
    "two servers behind a prompt": lambda url: (
        PROMPT | openai(url),
        PROMPT | openai(other_url(url)),
    ),
    "two lambdas": lambda url: (
        RunnableLambda(lambda asked: told(asked)),
        RunnableLambda(lambda asked: told(asked) + " Done."),
    ),
    "two temperatures": lambda url: (openai(url, temperature=0), openai(url, temperature=1)),
    "two temperatures behind a prompt": lambda url: (
        PROMPT | openai(url, temperature=0),
        PROMPT | openai(url, temperature=1),
    ),
    "two fallbacks": lambda url: (
        openai(url).with_fallbacks([ollama(url)]),
        openai(url).with_fallbacks([ollama(other_url(url))]),
    ),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_no_two_models_share_a_stored_search(server: Vendors, tmp_path: Path, name: str) -> None:
    first, second = DIFFERENT[name](server.url)
    context, file = MCTSrContext(**PAPER, max_rollouts=1), tmp_path / "searches.db"
    events: list[Any] = []

    def is_searched(model: Any) -> bool:
        events.clear()
        solve(PROBLEM, model, context=context, checkpointer=file, on_event=events.append)
        return bool(events)

    assert is_searched(first)
    assert not is_searched(first)  # it is there
    assert is_searched(second)


def test_two_ollama_servers_that_the_environment_names(
    server: Vendors, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, file = MCTSrContext(**PAPER, max_rollouts=1), tmp_path / "searches.db"
    for host in (server.url, other_url(server.url)):
        monkeypatch.setenv("OLLAMA_HOST", host)
        asked = len(server.asked)
        solve(PROBLEM, ollama_of_the_environment(), context=context, checkpointer=file)
        assert len(server.asked) > asked


def ollama_of_the_environment() -> Any:
    module = pytest.importorskip("langchain_ollama", reason="langchain-ollama is not installed")
    return module.ChatOllama(model="llama3")
