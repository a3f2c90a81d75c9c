"""Pictures and files in a question, models without a system role, and calls at once."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_openai import ChatOpenAI
from langgraph.checkpoint.memory import InMemorySaver
from pydantic import PrivateAttr
from typer.testing import CliRunner

from mctsr_graph import (
    ConfigError,
    MCTSrContext,
    MCTSrMiddleware,
    Prompts,
    ScriptedChatModel,
    SearchFailedError,
    create_mctsr,
    create_mctsr_agent,
    create_mctsr_tool,
    solve,
    solve_many,
)
from mctsr_graph.cli.main import app
from mctsr_graph.judges import ProcessReward
from mctsr_graph.models.scripted import ScriptedCall
from mctsr_graph.settings.question import kind_of

from .loopback import LoopbackServer, completion

PICTURE = {"type": "image", "base64": "aGVsbG8=", "mime_type": "image/png"}
OTHER = {**PICTURE, "base64": "d29ybGQ="}
WORDS = {"type": "text", "text": "What does the picture show?"}
ONE = MCTSrContext(profile="paper", max_rollouts=1)


def reply(call: ScriptedCall) -> str:
    if call.role == "evaluate":
        return "I cannot say." if call.attempt == 0 and call.rollout == 0 else "Score: 30"
    return "A flaw." if call.role == "critique" else f"Try {call.rollout}: it is \\boxed{{7}}."


def scripted(profile: Any = None) -> ScriptedChatModel:
    return ScriptedChatModel(replies=reply, profile=profile)


def pictures(call: ScriptedCall) -> list[str]:
    """The words of the messages that show the picture."""
    content = [m.content for m in call.messages if isinstance(m.content, list)]
    assert all(blocks[1:] == [PICTURE] for blocks in content)
    return [str(blocks[0]["text"]) for blocks in content]


def test_a_picture_reaches_every_role_beside_the_words_of_the_problem() -> None:
    model = scripted()
    found = solve([WORDS, PICTURE], model, context=ONE)
    assert (found.problem, found.final_answer) == ("What does the picture show?", "7")
    roles = [(call.role, call.attempt) for call in model.calls]
    assert {*roles} == {
        *(("draft", 0), ("critique", 0), ("refine", 0), ("evaluate", 0), ("evaluate", 1)),
    }
    for call in model.calls:
        [words] = pictures(call)
        assert "What does the picture show?" in words
    # Asked for a score by example, the picture stands with the problem and not with an example
    again = next(call for call in model.calls if call.attempt == 1)
    assert isinstance(again.messages[-1].content, list)


async def test_a_graph_takes_content_blocks_awaited_and_keeps_them_once() -> None:
    model = scripted()
    graph = create_mctsr(model).compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t"}}
    await graph.ainvoke({"problem": [WORDS, PICTURE]}, config, context=ONE)
    assert all(pictures(call) for call in model.calls)
    values = graph.get_state(config).values
    assert (values["problem"], values["attachments"]) == (WORDS["text"], [PICTURE])
    # The same thread asked something without a picture
    model.calls.clear()
    await graph.ainvoke({"problem": "How many?"}, config, context=ONE)
    assert not any(isinstance(m.content, list) for call in model.calls for m in call.messages)


def test_a_search_is_told_from_one_of_another_picture(tmp_path: Path) -> None:
    file, models = tmp_path / "searches.db", [scripted() for _ in range(3)]
    for model, picture in zip(models, [PICTURE, OTHER, PICTURE], strict=True):
        solve([WORDS, picture], model, context=ONE, checkpointer=file)
    assert [bool(model.calls) for model in models] == [True, True, False]
    listed = CliRunner().invoke(app, ["list", str(file)])
    assert listed.stdout.count("What does the") == 2


def test_the_command_goes_on_with_a_search_that_has_a_picture(tmp_path: Path) -> None:
    file = tmp_path / "searches.db"
    model = ScriptedChatModel(replies=reply)
    solve([WORDS, PICTURE], model, context=ONE, checkpointer=file)
    result = CliRunner().invoke(app, ["resume", str(file), "--model", "demo", "--rollouts", "2"])
    assert result.exit_code == 0
    assert "2 rollouts, " in result.stdout


def test_a_batch_tells_problems_apart_by_their_pictures() -> None:
    problems = [[WORDS, PICTURE], [WORDS, OTHER], [WORDS, PICTURE], "How many?"]
    found = solve_many(problems, scripted(), max_calls=12, learn=False)
    assert [one.problem for one in found] == [WORDS["text"]] * 3 + ["How many?"]
    assert found[0] is found[2]
    assert found[0] is not found[1]


@pytest.mark.parametrize(
    ("block", "kind"),
    [
        (PICTURE, "image"),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,x"}}, "image"),
        ({"type": "audio", "base64": "x", "mime_type": "audio/wav"}, "audio"),
        ({"type": "file", "base64": "x", "mime_type": "application/pdf"}, "pdf"),
        ({"type": "file", "file": {"file_data": "data:application/pdf;base64,x"}}, "pdf"),
        ({"type": "document", "source": {"media_type": "application/pdf", "data": "x"}}, "pdf"),
        ({"type": "file", "base64": "x", "mime_type": "text/csv"}, "file"),
        ({"type": "video", "url": "https://x/y.mp4"}, "video"),
    ],
)
def test_what_a_model_does_not_take_is_refused_by_name(block: Any, kind: str) -> None:
    assert kind_of(block) == kind
    name = "attachment" if kind == "file" else f"{kind}_inputs"
    model = scripted({name: False})
    with pytest.raises(ConfigError) as caught:
        solve([WORDS, block], model, context=ONE)
    assert f"problem holds {kind} content, which the model ScriptedChatModel" in str(caught.value)
    assert model.calls == []
    takes = scripted({name: True})
    assert solve([WORDS, block], takes, context=ONE).final_answer == "7"


def test_a_judge_that_does_not_take_a_picture_refuses_the_question() -> None:
    with pytest.raises(ConfigError, match="problem holds image content"):
        solve(
            [WORDS, PICTURE],
            scripted(),
            judge_model=scripted({"image_inputs": False}),
            context=MCTSrContext(profile="paper"),
        )
    judge = ProcessReward("http://127.0.0.1:9/pooling", "prm")
    with pytest.raises(ConfigError, match="the judge takes words only"):
        solve([WORDS, PICTURE], scripted(), judge=judge, context=MCTSrContext(profile="paper"))


@pytest.mark.parametrize(
    ("problem", "why"),
    [
        ([PICTURE], "allowed a text that is not blank"),
        ([], "allowed a text that is not blank"),
        ([WORDS, {"type": "reasoning", "reasoning": "x"}], "content block of type 'reasoning'"),
        ([WORDS, {"type": "image", "data": b"x"}], "give bytes as base64"),
        ([WORDS, 5], "or content blocks"),
        (7, "or content blocks"),
    ],
)
def test_what_is_no_question_is_refused(problem: Any, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        solve(problem, scripted())


def test_an_agent_and_a_tool_pass_pictures_on() -> None:
    asked = HumanMessage([WORDS, PICTURE])
    model = scripted()
    agent = create_mctsr_agent(model, context=ONE)
    told = agent.invoke({"messages": [HumanMessage("Hi"), asked]})["messages"][-1]
    assert told.response_metadata["mctsr"]["final_answer"] == "7"
    assert all(pictures(call) for call in model.calls)

    model = scripted()
    tool = create_mctsr_tool(model, context=ONE)
    assert "content" not in tool.tool_call_schema.model_json_schema()["properties"]
    tool.invoke({"problem": WORDS["text"], "content": [PICTURE]})
    assert all(pictures(call) for call in model.calls)


def test_the_middleware_passes_pictures_on() -> None:
    model = scripted()
    agent = create_agent(model, middleware=[MCTSrMiddleware(context=ONE)])
    agent.invoke({"messages": [HumanMessage([WORDS, PICTURE])]})
    assert all(pictures(call) for call in model.calls)


# The system role ----------------------------------------------------------------------------------
def test_an_empty_system_prompt_is_no_message() -> None:
    model = scripted()
    prompts = Prompts(system="", evaluate_again_system=" ")
    solve("How many?", model, prompts=prompts, context=ONE)
    with pytest.raises(SearchFailedError):  # whose replies it does not give
        solve(
            "How many?",
            model,
            prompts=prompts,
            judge="pairwise",
            context=MCTSrContext(profile="paper", drafts=2),
        )
    assert model.calls
    assert not any(isinstance(m, SystemMessage) for call in model.calls for m in call.messages)


class Gemma(LoopbackServer):
    """Refuses system messages, as servers of Gemma's templates do."""

    def __init__(self, why: str) -> None:
        super().__init__()
        self.why, self.bodies = why, list[Any]()

    def reply(self, body: Any, headers: Mapping[str, str]) -> tuple[int, Any]:
        self.bodies.append(body)
        if any(message["role"] == "system" for message in body["messages"]):
            return 400, {"error": {"message": self.why, "type": "BadRequestError", "code": 400}}
        asked = str(body["messages"][-1]["content"])
        texts = ["Score: 40" if "grade" in asked else f"{len(self.bodies)}: \\boxed{{7}}"]
        return 200, completion(texts * body.get("n", 1), 5, 5)


@pytest.mark.parametrize(
    "why",
    [
        "System role not supported",
        "Developer instruction is not enabled for models/gemma-3-27b-it",
        "This model does not support the system role.",
        "Conversation roles must alternate user/assistant/user/assistant/...",
        "This model does not accept system messages",
        "messages[0].role: 'system' is not one of ['user', 'assistant']",
        "Unexpected role 'system' in messages",
        "invalid role: system",
        "Only user, assistant and tool roles are supported, got system.",
        "Input should be 'user' or 'assistant'",
    ],
)
@pytest.mark.parametrize("drafts", [1, 3])
def test_a_model_without_a_system_role_is_given_the_words_by_the_user(
    why: str, drafts: int
) -> None:
    with Gemma(why) as server:
        model = ChatOpenAI(model="gemma", base_url=server.url, api_key="k", max_retries=0)
        context = MCTSrContext(
            profile="paper", max_rollouts=1, drafts=drafts, max_retries=0, max_attempts=1
        )
        with pytest.warns(UserWarning, match="takes no system message") as told:
            found = solve("How many?", model, context=context)
    assert len([one for one in told if "system message" in str(one.message)]) == 1
    assert found.failures == []
    refused, *others = server.bodies
    assert refused["messages"][0]["role"] == "system"
    for body in others:
        first = body["messages"][0]
        assert first["role"] == "user"
        assert first["content"].startswith("You are a careful mathematician.")


def test_another_refusal_is_no_matter_of_the_system_role() -> None:
    model = ScriptedChatModel(replies=lambda call: RuntimeError("the system is not supported"))
    with pytest.raises(RuntimeError):
        solve("How many?", model, context=MCTSrContext(profile="paper"))
    assert len(model.calls) == 1


# How many calls run at once -----------------------------------------------------------------------
class Counting(ScriptedChatModel):
    """Counts how many of its calls are made at once."""

    _now: int = PrivateAttr(0)
    _most: int = PrivateAttr(0)

    def _count(self, change: int) -> None:
        with _LOCK:
            self._now += change
            self._most = max(self._most, self._now)

    def _generate(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Any:
        self._count(1)
        time.sleep(0.02)
        self._count(-1)
        return super()._generate(messages, stop, run_manager, **kwargs)

    async def _agenerate(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Any:
        self._count(1)
        await asyncio.sleep(0.02)
        self._count(-1)
        return await super()._agenerate(messages, stop, run_manager, **kwargs)


_LOCK = threading.Lock()
WIDE = MCTSrContext(profile="paper", max_rollouts=6, width=6, drafts=6)


@pytest.mark.parametrize("way", ["sync", "async"])
@pytest.mark.parametrize(("config", "most"), [({"max_concurrency": 2}, 2), ({}, 6)])
async def test_as_many_calls_run_at_once_as_the_configuration_says(
    way: str, config: Any, most: int
) -> None:
    model = Counting(replies=reply)
    graph = create_mctsr(model).compile()
    if way == "sync":
        graph.invoke({"problem": "p"}, config, context=WIDE)
    else:
        await graph.ainvoke({"problem": "p"}, config, context=WIDE)
    if config:
        assert model._most == most
    else:
        assert model._most >= most


# What nobody hears --------------------------------------------------------------------------------
@pytest.mark.parametrize("bound", [False, True])
def test_no_token_of_an_answer_that_is_replaced_is_streamed(bound: bool) -> None:
    def look(word: str) -> str:
        """Look up."""
        return word

    model: Any = ScriptedChatModel(
        replies=lambda call: reply(call) if call.role else AIMessage("unheard")
    )
    if bound:
        model = model.bind(stop=["END"])
    agent = create_agent(model, [look], middleware=[MCTSrMiddleware(context=ONE)])
    given = {"messages": [HumanMessage("How many?")]}
    parts = list(agent.stream(given, stream_mode="messages"))
    heard = "".join(str(part[0].text) for part in parts)
    assert "unheard" not in heard
    assert "\\boxed{7}" in heard
