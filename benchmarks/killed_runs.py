"""The runs that `benchmarks.kills` kills: the ways to search, and the model that they ask."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.runnables import RunnableConfig

from mctsr_graph import (
    MCTSrContext,
    ScriptedChatModel,
    asolve,
    create_mctsr,
    create_mctsr_tool,
    solve,
    solve_many,
)
from mctsr_graph.calls.journal import CallJournal
from mctsr_graph.models.scripted import ScriptedCall
from mctsr_graph.run.solution import Solution
from mctsr_graph.run.sqlite_saver import open_file

_THREAD: RunnableConfig = {"configurable": {"thread_id": "1"}}


class Log:
    """Lines that survive the process that writes them."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY)

    def __call__(self, *words: object) -> None:
        """Write one line."""
        os.write(self._file, (" ".join(map(str, words)) + "\n").encode())


@dataclass(frozen=True)
class Case:
    """How a run searches."""

    way: str
    """A name in `WAYS`, or a durability of the bare graph: sync, async or exit."""
    width: int
    profile: str
    pipelined: bool
    rollouts: int
    problems: int = 6
    """Of a batch, as are the next two."""
    concurrency: int = 3
    max_calls: int | None = None

    @property
    def context(self) -> MCTSrContext:
        """The settings of each search."""
        return MCTSrContext(
            profile=self.profile,
            max_rollouts=self.rollouts,
            width=self.width,
            pipelined=self.pipelined,
        )


@dataclass(frozen=True)
class Run:
    """One run in one process."""

    case: Case
    file: Path
    """Where the searches are kept."""
    model: ScriptedChatModel
    log: Log

    @property
    def options(self) -> Any:
        """What every way takes."""
        return {
            "context": self.case.context,
            "checkpointer": self.file,
            "on_change": lambda found: self.log("seen", found.rollouts, found.problem),
        }


def digest_of(*parts: object) -> str:
    """Sixteen letters, in which nobody reads a number."""
    found = hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
    return found.translate(str.maketrans("0123456789", "ghijklmnop"))


def scripted_model(log: Log, tick: Callable[[], None], latency: float) -> ScriptedChatModel:
    """A model whose replies depend on what is asked, not on when; each call is logged.

    A reply holds the digest of its request. Some cannot be used, so that they are asked for again.
    """

    def reply(call: ScriptedCall) -> str:
        asked = [(message.type, message.content) for message in call.messages]
        digest = digest_of(asked, sorted(call.settings.items()), call.role, call.sample)
        tick()
        log("start", digest)
        tick()
        number = int(hashlib.sha256(digest.encode()).hexdigest(), 16)
        if number % 9 == 0:
            return f"[{digest}]" if call.role == "evaluate" else ""
        if call.role == "evaluate":
            return f"[{digest}]\nScore: {number % 90 - 20}"
        if call.role == "critique":
            return f"Flaw [{digest}]."
        return f"Text [{digest}]: \\boxed{{{number % 4}}}"

    return ScriptedChatModel(replies=reply, latency=latency)


def _problems(count: int) -> list[str]:
    return [f"How many, in case {number}?" for number in range(count)]


def _solved(run: Run) -> list[dict[str, Any]]:
    return [asdict(solve(_problems(1)[0], run.model, **run.options))]


def _awaited(run: Run) -> list[dict[str, Any]]:
    async def together() -> list[Solution]:
        searches = [asolve(problem, run.model, **run.options) for problem in _problems(3)]
        return await asyncio.gather(*searches)

    return [asdict(found) for found in asyncio.run(together())]


def _batch(run: Run) -> list[dict[str, Any]]:
    own: Any = {"concurrency": run.case.concurrency, "max_calls": run.case.max_calls}
    problems = _problems(run.case.problems)
    return [asdict(found) for found in solve_many(problems, run.model, **own, **run.options)]


def _agent(run: Run) -> list[dict[str, Any]]:
    """An agent that calls the tool for two problems at once."""
    from langchain.agents import create_agent
    from langgraph.checkpoint.sqlite import SqliteSaver

    def reply(call: ScriptedCall) -> AIMessage:
        if isinstance(call.messages[-1], ToolMessage):
            return AIMessage("Done.")
        calls = [
            {"name": "solve_math", "id": f"call_{number}", "args": {"problem": problem}}
            for number, problem in enumerate(_problems(2))
        ]
        return AIMessage("", tool_calls=calls)

    tool = create_mctsr_tool(run.model, **run.options)
    with SqliteSaver.from_conn_string(str(run.file.with_name("agent.db"))) as saver:
        agent: Any = create_agent(ScriptedChatModel(replies=reply), [tool], checkpointer=saver)
        begun = bool(agent.get_state(_THREAD).values)
        agent.invoke(None if begun else {"messages": "Go."}, _THREAD)
        messages = agent.get_state(_THREAD).values["messages"]
    told = [message for message in messages if isinstance(message, ToolMessage)]
    return [message.artifact for message in sorted(told, key=lambda one: one.tool_call_id)]


def _bare_graph(run: Run) -> list[dict[str, Any]]:
    """The bare graph, as an embedding one runs it."""
    with open_file(run.file) as saver, CallJournal(run.file) as journal:
        graph: Any = create_mctsr(run.model, journal=journal).compile(checkpointer=saver)
        begun = bool(graph.get_state(_THREAD).values.get("tree"))
        task = None if begun else {"problem": _problems(1)[0]}
        graph.invoke(task, _THREAD, context=run.case.context, durability=run.case.way)
        return [dict(graph.get_state(_THREAD).values)]


WAYS = {"solve": _solved, "asolve": _awaited, "solve_many": _batch, "tool": _agent}
DURABILITIES = dict.fromkeys(("sync", "async", "exit"), _bare_graph)


def found_by(run: Run) -> list[dict[str, Any]]:
    """Run, or go on; return what of each search must be the same after kills."""
    solutions = {**WAYS, **DURABILITIES}[run.case.way](run)
    kept = ("answer", "tree", "usage", "rollouts", "stop_reason", "failures")
    return [{name: found[name] for name in kept} for found in solutions]
