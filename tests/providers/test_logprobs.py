"""Rewards by the log-probabilities of served models, and a critic of another family."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from typer.testing import CliRunner

from mctsr_graph import (
    MCTSrContext,
    ScriptedChatModel,
    create_mctsr,
    create_mctsr_tool,
    solve,
    solve_many,
)
from mctsr_graph.cli.main import app
from mctsr_graph.errors import ReplyError
from mctsr_graph.judges.logits import as_score
from mctsr_graph.models.scripted import ScriptedCall
from mctsr_graph.run.stored import stored_searches
from tests.conftest import keyed_reply

from .server import VENDORS, Vendors, as_chat
from .test_every_provider import made

ONE = MCTSrContext(profile="paper", max_rollouts=1, judge="logits")
# "True" in two spellings with 0.6 and 0.2, "False" with 0.1: 8/9 of [-100, 100]
TOP = {"True": 0.6, " true": 0.2, "False": 0.1, "The": 0.05}
POINTS = -100 + 200 * 8 / 9


class Telling(Vendors):
    """Tells the likelihoods of the first token, where it is asked for them."""

    def __init__(self, top: Mapping[str, float] = TOP) -> None:
        super().__init__()
        self.top = [{"token": word, "logprob": math.log(p)} for word, p in top.items()]

    def reply_at(self, path: str, body: Any, headers: Mapping[str, str]) -> tuple[int, Any]:
        self.asked.append(body)
        vendor = path.split("/")[1]
        status, told = VENDORS[vendor][1](body, self.texts(json.dumps(body)))
        first = {"token": "True", "logprob": -0.5, "top_logprobs": self.top}
        if body.get("logprobs") and vendor == "api":
            line = json.loads(told)
            return status, json.dumps({**line, "logprobs": [first]}).encode() + b"\n"
        if body.get("logprobs"):
            told["choices"][0]["logprobs"] = {"content": [first]}
            told["choices"][0]["finish_reason"] = "length"
        return status, told


@pytest.fixture
def server() -> Iterator[Telling]:
    with Telling() as started:
        yield started


def openai(url: str, **fields: Any) -> Any:
    given = {"model": "gpt-4o-mini", "base_url": f"{url}/vllm", "api_key": "x", **fields}
    return made("langchain_openai", "ChatOpenAI", **given)


def deepseek(url: str) -> Any:
    given = {"model": "deepseek-chat", "api_base": f"{url}/deepseek", "api_key": "x"}
    return made("langchain_deepseek", "ChatDeepSeek", **given)


def ollama(url: str) -> Any:
    return made("langchain_ollama", "ChatOllama", model="llama3", base_url=url)


def about_rewards(bodies: list[Any]) -> list[Any]:
    return [body for body in bodies if "examiner" in json.dumps(body)]


@pytest.mark.parametrize("make", [openai, deepseek, ollama])
def test_a_served_model_rewards_by_the_chance_of_true(server: Telling, make: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        found = solve("How many?", make(server.url), context=ONE)
    rewards = [reward for node in found.tree.values() for reward in node["rewards"]]
    assert rewards == [pytest.approx(POINTS)] * 3
    assert found.failures == []
    asked = about_rewards(server.asked)
    assert [body["top_logprobs"] for body in asked] == [20] * 3
    limits = [b.get("max_tokens") or b.get("max_completion_tokens") for b in asked]
    assert limits == [1] * 3 or [body["options"]["num_predict"] for body in asked] == [1] * 3
    others = [body for body in server.asked if body not in asked]
    assert not any(body.get("logprobs") for body in others)


class Silent(Vendors):
    """Answers as OpenAI's server, without likelihoods."""

    def reply_at(self, path: str, body: Any, headers: Mapping[str, str]) -> tuple[int, Any]:
        self.asked.append(body)
        return as_chat(body, self.texts(json.dumps(body)))


@pytest.mark.parametrize("kind", ["a silent server", "one that refuses", "no word for it"])
def test_where_it_cannot_be_told_that_is_said_once_and_a_score_is_asked_for(kind: str) -> None:
    with Vendors() if kind == "one that refuses" else Silent() as server:
        path = "openai/v1" if kind == "one that refuses" else "vllm"
        model: Any = openai(server.url, base_url=f"{server.url}/{path}")
        if kind == "no word for it":
            model = ScriptedChatModel(replies=keyed_reply)
        events: list[Any] = []
        with pytest.warns(UserWarning, match="tells no log-probabilities") as told:
            found = solve("How many?", model, context=ONE, on_event=events.append)
    assert len([one for one in told if "log-prob" in str(one.message)]) == 1
    assert [e["setting"] for e in events if e["type"] == "mctsr.left_out"].count("logprobs") == 1
    assert found.failures == []
    assert all(len(node["rewards"]) >= 1 for node in found.tree.values())


@pytest.mark.parametrize(
    ("top", "points"),
    [
        ({"True": 1.0}, 100.0),
        ({"False": 0.9, "TRUE": 0.1}, -80.0),
        ({"**True": 0.3, '"False': 0.3}, 0.0),
        ({"▁True": 0.75, "ĠFalse": 0.25}, 50.0),
    ],
)
def test_the_likelihoods_become_points(top: dict[str, float], points: float) -> None:
    score = as_score(_first(top))
    assert float(score.text.removeprefix("Score: ")) == pytest.approx(points)


@pytest.mark.parametrize(
    ("logprobs", "code"),
    [
        (None, "logprobs"),
        ({"content": []}, "logprobs"),
        ({"content": None}, "logprobs"),
        ("x", "logprobs"),
        ({"content": [{"top_logprobs": [{"token": "The", "logprob": 0.0}]}]}, "missing"),
        ({"content": [{"top_logprobs": [{"token": "True", "logprob": "0"}]}]}, "logprobs"),
        ({"content": [{"top_logprobs": [{"token": "True", "logprob": 5.0}]}]}, "logprobs"),
        ({"content": [{"top_logprobs": [{"token": "True", "logprob": math.nan}]}]}, "logprobs"),
        ({"content": [{"top_logprobs": ["x"]}]}, "logprobs"),
        ({"content": [{"top_logprobs": 5}]}, "logprobs"),
    ],
)
def test_likelihoods_that_say_nothing_are_no_score(logprobs: Any, code: str) -> None:
    with pytest.raises(ReplyError) as caught:
        as_score(AIMessage("The", response_metadata={"logprobs": logprobs}))
    assert caught.value.code == code


def _first(top: Mapping[str, float]) -> AIMessage:
    told = [{"token": word, "logprob": math.log(p)} for word, p in top.items()]
    return AIMessage("x", response_metadata={"logprobs": {"content": [{"top_logprobs": told}]}})


# A critic of another family -----------------------------------------------------------------------
def roles(model: ScriptedChatModel) -> set[str | None]:
    return {call.role for call in model.calls}


@pytest.fixture
def three() -> list[ScriptedChatModel]:
    return [ScriptedChatModel(replies=keyed_reply) for _ in range(3)]


SHORT = MCTSrContext(profile="paper", max_rollouts=1)


def test_another_model_criticises_and_another_one_judges(three: list[ScriptedChatModel]) -> None:
    model, critic, judge = three
    solve("How many?", model, critic_model=critic, judge_model=judge, context=SHORT)
    assert (roles(model), roles(critic), roles(judge)) == (
        {"draft", "refine"},
        {"critique"},
        {"evaluate"},
    )


@pytest.mark.parametrize("pipelined", [False, True])
def test_graphs_batches_and_tools_take_a_critic(pipelined: bool) -> None:
    context = MCTSrContext(profile="paper", max_rollouts=1, pipelined=pipelined)
    for run in (_graph, _batch, _tool):
        model, critic = (ScriptedChatModel(replies=keyed_reply) for _ in range(2))
        run(model, critic, context)
        assert roles(critic) == {"critique"}
        assert "critique" not in roles(model)


def _graph(model: Any, critic: Any, context: MCTSrContext) -> None:
    graph = create_mctsr(model, critic_model=critic, context=context)
    graph.compile().invoke({"problem": "How many?"})


def _batch(model: Any, critic: Any, context: MCTSrContext) -> None:
    solve_many(["How many?"], model, critic_model=critic, context=context, max_calls=9)


def _tool(model: Any, critic: Any, context: MCTSrContext) -> None:
    create_mctsr_tool(model, critic_model=critic, context=context).invoke({"problem": "How many?"})


class Other(ScriptedChatModel):
    """Of another family."""


def test_a_search_with_a_critic_is_told_from_one_without(tmp_path: Path) -> None:
    file, critics = tmp_path / "s.db", [None, ScriptedChatModel, Other, Other]
    made_calls = []
    for kind in critics:
        model = ScriptedChatModel(replies=keyed_reply)
        critic = None if kind is None else kind(replies=keyed_reply)
        solve("How many?", model, critic_model=critic, context=SHORT, checkpointer=file)
        made_calls.append(bool(model.calls))
    assert made_calls == [True, True, True, False]


def test_the_command_takes_them_and_goes_on_with_them(tmp_path: Path) -> None:
    file = tmp_path / "s.db"
    line = ["solve", "How many?", "-m", "demo", "--critic-model", "demo", "--judge-model", "demo"]
    first = CliRunner().invoke(app, [*line, "--rollouts", "1", "--checkpoint", str(file)])
    assert first.exit_code == 0
    [stored] = stored_searches(file)
    assert stored.other_models == {"critic_model": "demo", "judge_model": "demo"}
    again = CliRunner().invoke(app, ["resume", str(file), "--rollouts", "2"])
    assert "2 rollouts, " in again.stdout
    priced = CliRunner().invoke(
        app, ["solve", "p", "-m", "gpt-5", "--critic-model", "gpt-5-nano", "--dry-run", "--json"]
    )
    usage = json.loads(priced.stdout)["usage"]
    for role, rate in (("critique", 0.05), ("refine", 1.25)):
        cost = usage[role]
        of_output = (cost["output_tokens"] * rate * 8) / 1e6
        assert cost["price"] == pytest.approx(cost["input_tokens"] * rate / 1e6 + of_output)


def test_a_critic_by_name_is_loaded_once() -> None:
    def reply(call: ScriptedCall) -> str:
        assert call.role != "critique"
        return keyed_reply(call)

    model = ScriptedChatModel(replies=reply)
    assert solve("How many?", model, critic_model="demo", context=SHORT).rollouts == 1
