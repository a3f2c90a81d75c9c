"""The graphs as LangGraph Studio sees them: a real server on this machine, driven by its SDK."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import SyncLangGraphClient
from mcp import Client as McpClient

from graphs import math_agent, pipeline
from graphs.form import FIRST, Form
from graphs.limits import AGENT_CALLS, LIMITS
from mctsr_graph import MCTSrContext, ScriptedChatModel
from mctsr_graph.models.scripted import ScriptedCall

ROOT = Path(__file__).parent.parent
HARD = "A baker makes 12 trays of 8 muffins and sells 70 of them. How many muffins are left? " * 2
STEPS = ["initialize", "select", "critique", "refine", "evaluate", "backpropagate", "finalize"]
SHORT = {"profile": "paper", "max_rollouts": 2}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of `langgraph dev`, with a model that needs no network."""
    folder = tmp_path_factory.mktemp("studio")  # where the server keeps its threads
    for name in ("graphs", "langgraph.json"):
        (folder / name).symlink_to(ROOT / name)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).with_name("langgraph")), "dev", "--no-browser"]
    command += ["--no-reload", "--port", str(port)]
    quiet = {name: value for name, value in os.environ.items() if not name.startswith("LANG")}
    quiet |= {
        "LANGGRAPH_CLI_NO_ANALYTICS": "1",
        "LANGGRAPH_NO_VERSION_CHECK": "true",
        "LANGGRAPH_STRICT_MSGPACK": "true",
        "LANGSMITH_TRACING": "false",
        "MCTSR_MODEL": "demo",
        "PYTHONPATH": str(ROOT),
    }
    log = folder / "log.txt"
    with log.open("w") as out:
        server = subprocess.Popen(
            command,
            cwd=folder,
            env=quiet,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(address, server, log)
        yield address
    finally:
        stop(server)
    assert not re.findall(".*(?:Deprecation|Future)Warning: .*", log.read_text("utf-8"))


def stop(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is not None:
        return
    os.killpg(server.pid, signal.SIGINT)
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        assert server.poll() is None, log.read_text("utf-8")
        try:
            with urllib.request.urlopen(f"{address}/ok", timeout=5):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise AssertionError(log.read_text("utf-8"))


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[SyncLangGraphClient]:
    with get_sync_client(url=url) as opened:
        yield opened


def own(client: SyncLangGraphClient, graph: str) -> str:
    """Id of the assistant that the server makes of a graph."""
    found = client.assistants.search(graph_id=graph, metadata={"created_by": "system"})
    return str(found[0]["assistant_id"])


def leaves(schema: dict[str, Any], form: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What a field of a form may be, down to single values."""
    if "$ref" in schema:
        yield from leaves(form["$defs"][schema["$ref"].rpartition("/")[2]], form)
    elif "anyOf" in schema:
        yield from (leaf for option in schema["anyOf"] for leaf in leaves(option, form))
    elif schema.get("type") == "object":
        yield from (leaf for part in schema["properties"].values() for leaf in leaves(part, form))
    elif schema.get("type") == "array":
        parts = schema.get("prefixItems") or [schema["items"]]
        yield from (leaf for part in parts for leaf in leaves(part, form))
    else:
        yield schema


# --------------------------------------------------------------------------- what is offered
def test_every_graph_of_langgraph_json_is_served_and_described(
    client: SyncLangGraphClient,
) -> None:
    named = json.loads((ROOT / "langgraph.json").read_text("utf-8"))["graphs"]
    served = {one["graph_id"]: one["description"] for one in client.assistants.search()}
    assert served == {name: graph["description"] for name, graph in named.items()}
    assert sorted(served) == ["chat", "math_agent", "mctsr", "pipeline"]


def test_the_forms_have_types_ranges_and_words(client: SyncLangGraphClient) -> None:
    for graph in ("mctsr", "pipeline", "chat"):
        schemas = client.assistants.get_schemas(own(client, graph))
        form = schemas["context_schema"]
        assert list(form["properties"]) == [*FIRST, "advanced"]
        fields = {**form["properties"], **form["properties"]["advanced"]["properties"]}
        assert sorted(fields) == sorted([*MCTSrContext.model_fields, "advanced"])
        assert all(field["description"] for field in fields.values())
        for name, field in form["properties"]["advanced"]["properties"].items():
            for leaf in leaves(field, form):
                # The weights of a prior sum to 1, which no form can say
                if leaf["type"] in ("integer", "number") and name != "prior":
                    assert {"minimum", "exclusiveMinimum"} & set(leaf), name
        rollouts = fields["max_rollouts"]
        assert (rollouts["minimum"], rollouts["maximum"]) == (1, 4096)
        # A form that filled in one profile's value would override the other's
        assert "default" not in rollouts
        assert "(by default paper: 8; official: 16" in rollouts["description"]
        assert fields["profile"]["default"] == "tuned"
    schemas = client.assistants.get_schemas(own(client, "mctsr"))
    assert schemas["input_schema"]["properties"] == {
        "problem": {"title": "Problem", "type": "string", "description": "The problem in words"}
    }
    told = schemas["output_schema"]
    assert "tree" not in told["properties"]
    for part in (told, *told["$defs"].values()):
        assert all(field.get("description") for field in part["properties"].values())
    assert "tree" in schemas["state_schema"]["properties"]


def test_no_form_takes_a_path_a_url_a_key_or_trust(client: SyncLangGraphClient) -> None:
    """A context holds numbers, yes or no, and words out of a list; an input is one text."""
    inputs = {"mctsr": "problem", "pipeline": "problem", "chat": "messages"}
    for graph, field in {**inputs, "math_agent": "messages"}.items():
        schemas = client.assistants.get_schemas(own(client, graph))
        assert list(schemas["input_schema"]["properties"]) == [field]
        form = schemas["context_schema"] or {"properties": {}}
        for name, schema in form["properties"].items():
            for leaf in leaves(schema, form):
                simple = leaf["type"] in ("integer", "number", "boolean", "null")
                assert simple or "enum" in leaf, name


def test_what_is_not_in_a_form_has_no_effect_or_is_an_error(client: SyncLangGraphClient) -> None:
    output: Any = client.runs.wait(
        None,
        "mctsr",
        input={"problem": "p", "model": "openai:x", "checkpointer": "/tmp/x", "branch": "/tmp"},
        context=SHORT,
    )
    assert (output["mctsr"]["rollouts"], output["answer"][:7]) == (2, "Guess 2")
    assert sorted(output) == ["answer", "final_answer", "mctsr"]
    for graph in ("mctsr", "pipeline", "chat"):
        given: Any = {"messages": "p"} if graph == "chat" else {"problem": "p"}
        for name, value in {"model": "openai:x", "max_rolouts": 2, "trust": True}.items():
            with pytest.raises(Exception, match=f"'{name}' is not a setting"):
                client.runs.wait(None, graph, input=given, context={**SHORT, name: value})


def test_what_a_form_sends_is_obeyed_and_checked(client: SyncLangGraphClient) -> None:
    for graph in ("mctsr", "chat"):
        given: Any = {"messages": "p"} if graph == "chat" else {"problem": "p"}
        form: Any = {"profile": "paper", "advanced": {"max_rollouts": 2}}
        output: Any = client.runs.wait(None, graph, input=given, context=form)
        said = output["messages"][-1]["response_metadata"] if graph == "chat" else output
        assert said["mctsr"]["rollouts"] == 2
    for wrong, words in {
        "max_rolouts": "'max_rolouts' is not a setting; did you mean 'max_rollouts'",
        "profile": "profile: given twice",
    }.items():
        advanced: Any = {"profile": "paper", "advanced": {wrong: "paper"}}
        with pytest.raises(Exception, match=words):
            client.runs.wait(None, "mctsr", input={"problem": "p"}, context=advanced)


def test_the_agent_takes_a_budget_and_nothing_else(client: SyncLangGraphClient) -> None:
    fields = client.assistants.get_schemas(own(client, "math_agent"))["context_schema"]
    assert list((fields or {})["properties"]) == ["max_calls"]
    given = {"messages": [{"role": "user", "content": "How many?"}]}
    for context, words in (
        (SHORT, "max_rollouts, profile: this graph takes max_calls and nothing else"),
        ({"max_calls": 0}, f"max_calls is 0, allowed 3 to {AGENT_CALLS}"),
    ):
        with pytest.raises(Exception, match=words):
            client.runs.wait(None, "math_agent", input=given, context=context)
    output: Any = client.runs.wait(None, "math_agent", input=given, context={"max_calls": 9})
    [tool] = [message for message in output["messages"] if message["type"] == "tool"]
    assert 0 < sum(cost["calls"] for cost in tool["artifact"]["usage"].values()) <= 9 - 2


def test_settings_of_old_clients_are_obeyed_and_checked_too(client: SyncLangGraphClient) -> None:
    def wait(configurable: dict[str, Any]) -> Any:
        config: Any = {"configurable": configurable}
        return client.runs.wait(None, "mctsr", input={"problem": "p"}, config=config)

    assert wait({"max_rollouts": 1})["mctsr"]["rollouts"] == 1
    with pytest.raises(Exception, match="'max_rolouts' is not a setting"):
        wait({"max_rolouts": 1})


def test_a_request_gets_no_more_than_the_owner_allows(client: SyncLangGraphClient) -> None:
    greedy: Any = {"max_rollouts": 4096, "width": 256, "drafts": 64, "reward_samples": 64}
    output: Any = client.runs.wait(None, "mctsr", input={"problem": "p"}, context=greedy)
    told = output["mctsr"]
    assert told["rollouts"] <= LIMITS["max_rollouts"]
    assert told["usage"]["draft"]["calls"] == LIMITS["drafts"]
    calls = sum(cost["calls"] for cost in told["usage"].values())
    assert calls <= LIMITS["max_calls"]


def test_the_drawing_shows_every_step(client: SyncLangGraphClient) -> None:
    inside = {"mctsr": "", "chat": "mctsr:", "pipeline": "search:"}
    around = {"mctsr": [], "chat": ["read", "reply"], "pipeline": ["route", "direct", "explain"]}
    for graph, prefix in inside.items():
        drawing = client.assistants.get_graph(own(client, graph), xray=True)
        drawn = {node["id"] for node in drawing["nodes"]} - {"__start__", "__end__"}
        assert drawn == {prefix + step for step in STEPS} | set(around[graph])
    drawing = client.assistants.get_graph(own(client, "math_agent"), xray=True)
    assert {"model", "tools"} <= {str(node["id"]) for node in drawing["nodes"]}


# --------------------------------------------------------------------------- runs
def test_a_run_streams_events_and_keeps_its_tree_in_the_thread(
    client: SyncLangGraphClient,
) -> None:
    thread = client.threads.create()["thread_id"]
    parts = list(
        client.runs.stream(
            thread,
            "mctsr",
            input={"problem": "p"},
            context=SHORT,
            stream_mode=["updates", "custom", "values", "messages-tuple"],
        )
    )
    custom = [part.data for part in parts if part.event == "custom"]
    assert [event["type"] for event in custom] == [
        "mctsr.start",
        "mctsr.rollout",
        "mctsr.rollout",
        "mctsr.stop",
    ]
    steps = [name for part in parts if part.event == "updates" for name in part.data]
    assert steps == [*STEPS[:6], *STEPS[1:6], "select", "finalize"]
    values = [part.data for part in parts if part.event == "values"]
    assert (values[-1]["mctsr"]["rollouts"], "tree" in values[-1]) == (2, False)
    tokens = [part.data[0]["content"] for part in parts if part.event == "messages"]
    assert "Remark 1: the guess is not checked against the problem." in tokens
    state: Any = client.threads.get_state(thread)
    assert list(state["values"]["tree"]) == ["0", "1", "2"]


def test_a_person_edits_a_critique_while_the_run_is_paused(client: SyncLangGraphClient) -> None:
    thread = client.threads.create()["thread_id"]
    given: Any = {
        "context": {"profile": "paper", "max_rollouts": 1},
        "interrupt_before": ["refine"],
    }
    client.runs.wait(thread, "mctsr", input={"problem": "p"}, **given)
    state: Any = client.threads.get_state(thread)
    assert (state["next"], state["values"]["wave"]["1"]["parent"]) == (["refine"], "0")
    client.threads.update_state(thread, {"wave": {"1": {"critique": "Multiply."}}})
    output: Any = client.runs.wait(
        thread, "mctsr", input=None, context={"profile": "paper", "max_rollouts": 1}
    )
    state = client.threads.get_state(thread)
    told = output["mctsr"]
    assert (told["rollouts"], state["values"]["tree"]["1"]["critique"]) == (1, "Multiply.")


def test_a_search_is_forked_from_its_history(client: SyncLangGraphClient) -> None:
    thread = client.threads.create()["thread_id"]
    client.runs.wait(
        thread, "mctsr", input={"problem": "p"}, context={"profile": "paper", "max_rollouts": 3}
    )
    history: Any = client.threads.get_history(thread, limit=30)
    [early] = [
        one for one in history if one["values"].get("rollouts") == 1 and one["next"] == ["select"]
    ]
    output: Any = client.runs.wait(
        thread,
        "mctsr",
        input=None,
        checkpoint=early["checkpoint"],
        context={"profile": "paper", "max_rollouts": 2},
    )
    state: Any = client.threads.get_state(thread)
    assert (output["mctsr"]["rollouts"], len(state["values"]["tree"])) == (2, 3)
    again: Any = client.threads.get_history(thread, limit=60)
    kept = [one for one in again if one["values"].get("rollouts") == 3]
    assert len(kept[0]["values"]["tree"]) == 4


def test_an_assistant_keeps_its_own_settings(client: SyncLangGraphClient) -> None:
    settings = {"profile": "official", "max_rollouts": 3, "width": 3}
    assistant = client.assistants.create("mctsr", context=settings, name="thorough")
    try:
        output: Any = client.runs.wait(None, assistant["assistant_id"], input={"problem": "p"})
        assert output["mctsr"]["rollouts"] == 3
        assert output["mctsr"]["usage"]["evaluate"]["calls"] == 2 + 3 * 2  # official: two roots
    finally:
        client.assistants.delete(assistant["assistant_id"])


def test_the_program_of_the_page_runs(url: str) -> None:
    page = (ROOT / "docs" / "studio.md").read_text("utf-8")
    [block] = re.findall(r"```python no-run\n(.*?)```", page, re.S)
    names: dict[str, Any] = {"__name__": "page"}
    exec(block.replace("http://localhost:2024", url), names)
    assert names["found"] == names["again"]


def test_a_wrong_setting_says_what_is_allowed(client: SyncLangGraphClient) -> None:
    with pytest.raises(Exception, match="max_rollouts is 0, allowed 1 to 4096"):
        client.runs.wait(None, "mctsr", input={"problem": "p"}, context={"max_rollouts": 0})


def test_the_chat_answers_each_question_in_its_thread(client: SyncLangGraphClient) -> None:
    thread = client.threads.create()["thread_id"]
    for question in ("1 + 1?", "2 + 2?"):
        given = {"messages": [{"role": "user", "content": question}]}
        output: Any = client.runs.wait(thread, "chat", input=given, context=SHORT)
    said = [(message["type"], message["name"]) for message in output["messages"]]
    assert said == [("human", None), ("ai", "chat")] * 2
    assert output["messages"][-1]["response_metadata"]["mctsr"]["rollouts"] == 2


def test_the_agent_calls_the_search(client: SyncLangGraphClient) -> None:
    given = {"messages": [{"role": "user", "content": "How many?"}]}
    output: Any = client.runs.wait(None, "math_agent", input=given)
    types = [message["type"] for message in output["messages"]]
    assert types == ["human", "ai", "tool", "ai"]
    tool = output["messages"][2]
    assert (tool["name"], tool["status"]) == ("solve_math", "success")
    assert sum(cost["calls"] for cost in tool["artifact"]["usage"].values()) <= 35


def test_the_pipeline_searches_only_for_what_is_hard(client: SyncLangGraphClient) -> None:
    easy: Any = client.runs.wait(None, "pipeline", input={"problem": "1 + 1?"}, context=SHORT)
    hard: Any = client.runs.wait(None, "pipeline", input={"problem": HARD}, context=SHORT)
    assert (easy["final_answer"], "1 + 1?" in easy["explanation"]) == (None, True)
    assert (hard["final_answer"] is not None, "Guess " in hard["explanation"]) == (True, True)


@pytest.mark.parametrize("difficulty", ["easy", "hard"])
def test_the_pipeline_shows_a_picture_and_never_writes_it_out(
    difficulty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reply(call: ScriptedCall) -> AIMessage:
        tools = call.settings.get("tools")
        told = [{"name": "Difficulty", "args": {"difficulty": difficulty}, "id": "1"}]
        return AIMessage("It is \\boxed{7}.", tool_calls=told if tools else [])

    model = ScriptedChatModel(replies=reply)
    monkeypatch.setattr(pipeline, "_load", lambda: model)
    picture = {"type": "image", "base64": "QUJD" * 9, "mime_type": "image/png"}
    problem: Any = [{"type": "text", "text": "How many?"}, picture]
    state: Any = {"problem": problem, "answer": "\\boxed{7}", "final_answer": "7"}
    assert pipeline.route(state).goto == ("direct" if difficulty == "easy" else "search")
    pipeline.direct(state)
    pipeline.explain(state)
    routed, direct, explained = [call.messages[-1].content for call in model.calls]
    assert routed[-1] == direct[-1] == picture
    assert "How many?" in explained
    assert picture["base64"] not in explained


async def test_an_mcp_client_calls_the_search_as_a_tool(url: str) -> None:
    async with McpClient(f"{url}/mcp") as mcp:
        tools = {tool.name: tool for tool in (await mcp.list_tools()).tools}
        assert sorted(tools) == ["chat", "math_agent", "mctsr", "pipeline"]
        assert tools["mctsr"].input_schema["required"] == ["problem"]
        assert "best answer out" in str(tools["mctsr"].description)
        found = await mcp.call_tool("mctsr", {"problem": "p"})
        assert not found.is_error
        assert "'stop_reason': 'max_calls'" in found.content[0].text  # type: ignore[union-attr]
        failed = await mcp.call_tool("mctsr", {"problem": " "})
        assert (failed.is_error, failed.content[0].text) == (True, "ConfigError")  # type: ignore[union-attr]


# --------------------------------------------------------------------------- without a server
def test_a_form_that_fills_in_its_defaults_changes_no_setting() -> None:
    shown = Form.model_json_schema()["properties"]
    fields = {**shown, **shown.pop("advanced")["properties"]}
    filled = {name: field["default"] for name, field in fields.items() if "default" in field}
    assert len(filled) > 20
    for profile in ("paper", "official", "tuned", "rsa"):
        given = MCTSrContext(**{**filled, "profile": profile})
        assert given == MCTSrContext(profile=profile)


@pytest.mark.parametrize("searches", [[1], [2], [1, 1, 1], [3, 1]])
@pytest.mark.parametrize("most", [3, 20, 50])
def test_the_agent_never_exceeds_its_budget(
    searches: list[int], most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many searches at once in each of its turns, each as thorough as it may ask for."""
    turns = iter(searches)

    def reply(call: Any) -> AIMessage | str:
        if call.role is not None:
            return f"It is \\boxed{{{call.rollout * 10 + call.sample}}}."
        args = {"problem": "2 + 2?", "effort": "high"}
        calls = [
            {"name": "solve_math", "args": args, "id": f"{len(call.messages)}-{i}"}
            for i in range(next(turns, 0))
        ]
        return AIMessage("" if calls else "Done.", tool_calls=calls)

    model = ScriptedChatModel(replies=reply)
    monkeypatch.setattr(math_agent, "_load", lambda: model)
    monkeypatch.setenv("MCTSR_MODEL", "demo")
    context: Any = math_agent.AgentSettings(max_calls=most)
    given: Any = {"messages": "2 + 2?"}
    said = math_agent.graph.invoke(given, context=context)["messages"]
    assert math_agent.spent(said) <= most
    tools = [message for message in said if message.type == "tool"]
    assert 0 < len(tools) <= sum(searches)
    assert said[-1].type == "ai"


def test_importing_the_graphs_loads_no_model() -> None:
    code = (
        "import sys; from graphs import chat, math_agent, mctsr, pipeline; "
        "assert not {'torch', 'transformers', 'openai'} & set(sys.modules)"
    )
    named = {**os.environ, "MCTSR_MODEL": "huggingface:no/such-model"}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=named, check=True)


ASKING = """
import asyncio, json
from graphs import chat, form, math_agent, mctsr, pipeline

async def ask(graph, given, context):
    return await graph.ainvoke(given, context=context)

async def main():
    problem, few = "What is 12 * 8 - 70?", form.Settings(max_calls=4, seed=1)
    said = {"messages": problem}
    found = [(await ask(mctsr.graph, {"problem": problem}, few))["final_answer"]]
    message = (await ask(chat.graph, said, few))["messages"][-1]
    found += [message.response_metadata["mctsr"]["final_answer"]]
    told = await ask(pipeline.graph, {"problem": problem}, few)
    found += [told["final_answer"], "26" in told["explanation"]]
    budget = math_agent.AgentSettings(max_calls=6)
    messages = (await ask(math_agent.graph, said, budget))["messages"]
    found += [[one.type for one in messages], messages[-1].text.partition("\\n")[0]]
    print(json.dumps(found))

asyncio.run(main())
"""


@pytest.mark.timeout(300)  # torch is loaded by another process
def test_each_graph_does_what_it_says_with_the_embedded_model() -> None:
    pytest.importorskip("torch", reason="torch is not installed")
    named = {**os.environ, "MCTSR_MODEL": "embedded", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(
        [sys.executable, "-c", ASKING], cwd=ROOT, env=named, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    types = ["human", "ai", "tool", "ai"]
    assert json.loads(done.stdout) == ["26", "26", "26", True, types, "Final answer: 26"]


def test_make_studio_starts_the_server() -> None:
    told = subprocess.run(
        ["make", "--dry-run", "studio"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert any(line.endswith("langgraph dev") for line in told.stdout.splitlines())
