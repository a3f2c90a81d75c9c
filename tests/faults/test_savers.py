"""Every checkpointer keeps a search: crash, resume, fork, history, growth, one suite for all."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, closing
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

from mctsr_graph import MCTSrContext, MCTSrError, ScriptedChatModel, create_mctsr, solve
from mctsr_graph.errors import CheckpointError
from mctsr_graph.graph.integrity import check_search
from mctsr_graph.run.sqlite_saver import open_file
from tests.conftest import keyed_reply
from tests.faults import postgres
from tests.hostile_replies import VALUES, telling

Make = Callable[..., ScriptedChatModel]
PROBLEM = {"problem": "How many?"}
SYNC = ("memory", "sqlite", "file", "postgres")
ASYNC = ("memory-async", "file-async", "sqlite-async", "postgres-async")


class CrashError(MCTSrError):
    """Ends a search at once: it is no failed rollout."""


@pytest.fixture(scope="session")
def database() -> Iterator[str]:
    with postgres.server() as connection:
        yield connection


@pytest.fixture(params=[*SYNC, *ASYNC])
async def saver(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Any, bool]]:
    """A checkpointer, and whether it is to be used asynchronously."""
    name, _, later = request.param.partition("-")
    async with AsyncExitStack() as stack:
        if name == "memory":
            made: Any = InMemorySaver()
        elif name == "file":
            made = stack.enter_context(open_file(tmp_path / "search.db"))
        elif name == "sqlite" and later:
            path = str(tmp_path / "search.db")
            made = await stack.enter_async_context(AsyncSqliteSaver.from_conn_string(path))
        elif name == "sqlite":
            connection = sqlite3.connect(tmp_path / "search.db", check_same_thread=False)
            made = SqliteSaver(stack.enter_context(closing(connection)))
        else:
            made = await postgres_saver(stack, request.getfixturevalue("database"), bool(later))
        yield made, bool(later)


async def postgres_saver(stack: AsyncExitStack, database: str, later: bool) -> Any:
    from langgraph.checkpoint.postgres import PostgresSaver
    from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver

    made: Any
    if later:
        made = await stack.enter_async_context(AsyncPostgresSaver.from_conn_string(database))
        await made.setup()
        await made.adelete_thread("1")
    else:
        made = stack.enter_context(PostgresSaver.from_conn_string(database))
        made.setup()
        made.delete_thread("1")
    return made


class Search:
    """A search on a thread of a checkpointer, driven in the way that the checkpointer wants."""

    def __init__(self, saver: tuple[Any, bool], model: ScriptedChatModel) -> None:
        self.saver, self.later = saver
        self.graph = create_mctsr(model).compile(checkpointer=self.saver, name="mctsr")
        self.config: Any = {"configurable": {"thread_id": "1"}}

    async def run(self, given: Any, rollouts: int, config: Any = None) -> None:
        context = MCTSrContext(profile="paper", max_rollouts=rollouts)
        more: Any = {"context": context, "durability": "sync"}
        if self.later:
            await self.graph.ainvoke(given, config or self.config, **more)
        else:
            self.graph.invoke(given, config or self.config, **more)

    async def values(self) -> dict[str, Any]:
        state = (
            await self.graph.aget_state(self.config)
            if self.later
            else self.graph.get_state(self.config)
        )
        return state.values

    async def history(self) -> list[Any]:
        if self.later:
            return [state async for state in self.graph.aget_state_history(self.config)]
        return list(self.graph.get_state_history(self.config))


async def test_a_crash_loses_nothing_and_the_search_goes_on(
    saver: tuple[Any, bool], scripted: Make
) -> None:
    whole = Search((InMemorySaver(), False), scripted({}))
    await whole.run(PROBLEM, 4)
    crashed = Search(saver, scripted({("refine", 3, 0): CrashError()}))
    with pytest.raises(CrashError):
        await crashed.run(PROBLEM, 4)
    kept = await crashed.values()
    assert (kept["rollouts"], list(kept["tree"])) == (2, ["0", "1", "2"])
    model = scripted({})
    await Search(saver, model).run(None, 4)
    assert (await crashed.values())["tree"] == (await whole.values())["tree"]
    assert model.calls[0].role == "refine"  # critique 3 was kept


async def test_a_fork_leaves_the_other_branch_as_it_is(
    saver: tuple[Any, bool], keyed: ScriptedChatModel
) -> None:
    search = Search(saver, keyed)
    await search.run(PROBLEM, 4)
    before = await search.values()
    past = next(
        state
        for state in await search.history()
        if state.values.get("rollouts") == 2 and state.next == ("select",)
    )
    await search.run(None, 3, past.config)
    assert list((await search.values())["tree"]) == ["0", "1", "2", "3"]
    whole = [s for s in await search.history() if s.values.get("rollouts") == 4]
    assert whole[0].values["tree"] == before["tree"]


async def test_whatever_a_server_tells_beside_its_text_is_kept_or_left_out(
    saver: tuple[Any, bool],
) -> None:
    told = cycle(value for name, value in VALUES.items() if name != "long")
    model = ScriptedChatModel(replies=lambda call: telling(keyed_reply(call), next(told)))
    await Search(saver, model).run(PROBLEM, 4)
    plain = Search(saver, ScriptedChatModel(replies=keyed_reply))
    config = {**plain.config, "recursion_limit": 100}
    update: Any = {"stop_reason": None}
    if plain.later:
        await plain.graph.aupdate_state(config, update, as_node="backpropagate")
    else:
        plain.graph.update_state(config, update, as_node="backpropagate")
    await plain.run(None, 6)
    found = await plain.values()
    assert (found["rollouts"], list(found["tree"])) == (6, ["0", "1", "2", "3", "4", "5", "6"])
    check_search(found, "1")


async def test_history_shows_the_tree_grow(
    saver: tuple[Any, bool], keyed: ScriptedChatModel
) -> None:
    search = Search(saver, keyed)
    await search.run(PROBLEM, 3)
    sizes = [len(state.values.get("tree") or {}) for state in await search.history()]
    assert sizes == sorted(sizes, reverse=True)
    assert set(sizes) == {0, 1, 2, 3, 4}


async def test_a_long_search_is_rebuilt_whole(
    saver: tuple[Any, bool], keyed: ScriptedChatModel
) -> None:
    search = Search(saver, keyed)
    await search.run(PROBLEM, 40)
    fresh = Search(saver, keyed)
    values = await fresh.values()
    assert list(values["tree"]) == [str(n) for n in range(41)]
    assert values["rollouts"] == 40
    assert values["wave"] == {}


def test_a_saver_that_forgets_older_checkpoints_is_named(scripted: Make) -> None:
    class Shallow(InMemorySaver):
        """Keeps the latest checkpoint only."""

        def put(self, config: Any, *args: Any, **kwargs: Any) -> Any:
            kept = super().put(config, *args, **kwargs)
            thread = self.storage[config["configurable"]["thread_id"]][""]
            for older in list(thread)[:-1]:
                del thread[older]
            return kept

    saver = Shallow()
    config: Any = {"configurable": {"thread_id": "1"}}
    context = MCTSrContext(profile="paper", max_rollouts=4)
    broken = create_mctsr(scripted({("critique", 3, 0): CrashError()}))
    with pytest.raises(CrashError):
        broken.compile(checkpointer=saver).invoke(PROBLEM, config, context=context)
    graph = create_mctsr(scripted({})).compile(checkpointer=saver)
    graph.update_state(config, {"stop_reason": None}, as_node="backpropagate")
    with pytest.raises(CheckpointError, match="gave back 2 rollouts but no tree"):
        graph.invoke(None, config, context=context)


def test_a_write_that_fails_stops_the_search_within_a_step(keyed: ScriptedChatModel) -> None:
    class Full(InMemorySaver):
        def put(self, *args: Any, **kwargs: Any) -> Any:
            if len(keyed.calls) >= 8:
                raise sqlite3.OperationalError("database or disk is full")
            return super().put(*args, **kwargs)

    saver = Full()
    with pytest.raises(CheckpointError, match="database or disk is full"):
        solve("How many?", keyed, checkpointer=saver)
    assert len(keyed.calls) <= 8 + 2  # the step under way: evaluate, two calls
    saver.put = InMemorySaver().put  # type: ignore[method-assign]


def test_a_full_disk_keeps_what_was_reported(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = """
import resource, sys
from mctsr_graph import MCTSrContext, ScriptedChatModel, solve
from mctsr_graph.errors import CheckpointError
from tests.conftest import keyed_reply

resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
told = []
try:
    solve("How many?", ScriptedChatModel(replies=keyed_reply),
          context=MCTSrContext(max_rollouts=200), checkpointer=sys.argv[1],
          on_event=lambda e: told.append(e["type"]))
except CheckpointError as error:
    print(told.count("mctsr.rollout"), error)
"""
    file = tmp_path / "search.db"
    done = subprocess.run(
        [sys.executable, "-c", code, str(file)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent.parent.parent,
    )
    told, _, message = done.stdout.partition(" ")
    assert "could not be written" in message
    model = ScriptedChatModel(replies=keyed_reply)
    context = MCTSrContext(profile="paper", max_rollouts=int(told) + 2)
    solution = solve("How many?", model, context=context, checkpointer=file)
    whole = solve("How many?", ScriptedChatModel(replies=keyed_reply), context=context)
    assert solution.tree == whole.tree
    assert {call.rollout for call in model.calls} <= {int(told), int(told) + 1, int(told) + 2}


def test_a_locked_file_is_waited_for(tmp_path: Path, keyed: ScriptedChatModel) -> None:
    import threading
    import time

    file = tmp_path / "search.db"
    solve(
        "How many?", keyed, context=MCTSrContext(profile="paper", max_rollouts=1), checkpointer=file
    )
    other = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    def release() -> None:
        time.sleep(0.5)
        other.execute("ROLLBACK")

    thread = threading.Thread(target=release)
    thread.start()
    solution = solve(
        "How many?", keyed, context=MCTSrContext(profile="paper", max_rollouts=3), checkpointer=file
    )
    thread.join()
    other.close()
    assert solution.rollouts == 3


def test_a_tampered_file_runs_no_code(tmp_path: Path, keyed: ScriptedChatModel) -> None:
    import ormsgpack

    file, marker = tmp_path / "search.db", tmp_path / "marker"
    solve(
        "How many?", keyed, context=MCTSrContext(profile="paper", max_rollouts=1), checkpointer=file
    )
    call = ormsgpack.packb(("os", "system", f"touch {marker}"))
    with closing(sqlite3.connect(file)) as connection, connection:
        latest = "(SELECT MAX(checkpoint_id) FROM checkpoints)"
        row = connection.execute(
            f"SELECT checkpoint FROM checkpoints WHERE checkpoint_id = {latest}"
        ).fetchone()
        with open_file(tmp_path / "other.db") as saver:
            checkpoint = saver.serde.loads_typed(("msgpack", row[0]))
        checkpoint["channel_values"]["problem"] = ormsgpack.Ext(0, call)
        packed = ormsgpack.packb(checkpoint)
        connection.execute(
            f"UPDATE checkpoints SET checkpoint = ? WHERE checkpoint_id = {latest}", (packed,)
        )
    with open_file(file) as saver:
        graph = create_mctsr(keyed).compile(checkpointer=saver)
        name = saver.conn.execute("SELECT thread_id FROM checkpoints").fetchone()[0]
        graph.get_state({"configurable": {"thread_id": name}})
    assert not marker.exists()


def test_the_state_is_plain_json(tmp_path: Path) -> None:
    model = ScriptedChatModel(replies=keyed_reply)
    file = tmp_path / "search.db"
    solve(
        "How many?",
        model,
        context=MCTSrContext(profile="paper", max_rollouts=3, width=2),
        checkpointer=file,
    )
    with open_file(file) as saver:
        for kind, value in saver.conn.execute("SELECT type, value FROM writes"):
            assert kind in ("msgpack", "null", "empty")
            if kind == "msgpack":
                assert plain(saver.serde.loads_typed((kind, value)))


def plain(value: Any) -> bool:
    value = getattr(value, "value", value)  # LangGraph's own Overwrite
    if isinstance(value, dict):
        return all(isinstance(key, str) and plain(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(plain(item) for item in value)
    return value is None or isinstance(value, str | int | float | bool)


def test_a_value_that_cannot_be_kept_is_refused_at_once(
    tmp_path: Path, keyed: ScriptedChatModel
) -> None:
    with open_file(tmp_path / "search.db") as saver:
        graph = create_mctsr(keyed).compile(checkpointer=saver)
        config: Any = {"configurable": {"thread_id": "1"}}
        graph.invoke(PROBLEM, config, context=MCTSrContext(profile="paper", max_rollouts=2))
        before = graph.get_state(config).values["tree"]
        with pytest.raises(TypeError, match="not msgpack serializable"):
            graph.update_state(config, {"branch": object()})
        assert graph.get_state(config).values["tree"] == before
        update = {"stop_reason": None}
        graph.update_state(config, update, as_node="backpropagate")
        graph.invoke(
            None, config, context=MCTSrContext(profile="paper", max_rollouts=3), durability="sync"
        )
        assert graph.get_state(config).values["rollouts"] == 3
