"""A file that many open at once: the one that comes too early waits."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.sqlite import SqliteSaver

from mctsr_graph import MCTSrContext, ScriptedChatModel, create_mctsr
from mctsr_graph.calls import sqlite
from mctsr_graph.calls.journal import CallJournal
from mctsr_graph.errors import CheckpointError
from mctsr_graph.run.sqlite_saver import open_file

from .conftest import keyed_reply


def opened_as_saver(path: Path) -> None:
    with open_file(path) as saver:
        saver.setup()


def opened_as_journal(path: Path) -> None:
    with CallJournal(path) as journal:
        assert journal.count() == 0


def being_written(path: Path) -> Any:
    """A new file while another connection is about to write in it; closing it lets it go."""
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    return closing(other)


@pytest.mark.parametrize("use", [opened_as_saver, opened_as_journal])
def test_a_new_file_that_another_connection_writes_is_waited_for(
    use: Callable[[Path], None], tmp_path: Path
) -> None:
    path = tmp_path / "search.db"
    with being_written(path) as other:
        # SQLite itself gives up at once here, whatever its timeout
        with closing(sqlite3.connect(path)) as early, pytest.raises(sqlite3.OperationalError):
            early.execute("PRAGMA journal_mode=WAL")
        later = threading.Timer(0.2, other.rollback)
        later.start()
        use(path)
        later.join()


def test_a_new_file_that_is_never_let_go_is_an_error_in_the_end(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sqlite, "_SECONDS_FOR_A_LOCK", 0.1)
    path = tmp_path / "search.db"
    locked = pytest.raises(CheckpointError, match=r"search\.db' .* \(database is locked\)")
    with being_written(path), locked:
        sqlite.connected(path)


def test_a_file_of_something_else_is_an_error_at_once(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("No database. " * 100)
    with pytest.raises(CheckpointError, match=r"holds no searches \(file is not a database\)"):
        CallJournal(tmp_path / "notes.txt")


def test_a_file_that_cannot_hold_a_journal_is_an_error_at_once(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.executescript("CREATE TABLE t (a); CREATE INDEX mctsr_calls ON t (a)")
    with pytest.raises(CheckpointError, match=r"already an index named mctsr_calls"):
        CallJournal(tmp_path / "other.db")


def test_twenty_threads_open_new_files_at_once(tmp_path: Path) -> None:
    together = threading.Barrier(20, timeout=30)

    def use(path: Path) -> None:
        together.wait()
        opened_as_saver(path)
        opened_as_journal(path)

    with ThreadPoolExecutor(20) as threads:
        for number in range(20):
            list(threads.map(use, [tmp_path / f"{number}.db"] * 20))


def test_a_thread_goes_on_under_the_saver_of_langgraph_and_back(tmp_path: Path) -> None:
    context = MCTSrContext(profile="paper", max_rollouts=6)
    problem: Any = {"problem": "How many?"}
    config: Any = {"configurable": {"thread_id": "1"}}
    builder = create_mctsr(ScriptedChatModel(replies=keyed_reply))
    whole = builder.compile().invoke(problem, context=context)
    path = tmp_path / "search.db"
    savers = (open_file, lambda path: SqliteSaver.from_conn_string(str(path)))
    lengths, given, found = set(), problem, {"mctsr": None}
    for turn in range(40):
        with savers[turn % 2](path) as saver:
            graph = builder.compile(checkpointer=saver, interrupt_after=["critique", "evaluate"])
            found = graph.invoke(given, config, context=context)
            kept = next(saver.list(config)).checkpoint["channel_versions"]
        lengths |= {len(version) for version in kept.values()}
        given = None
        if found["mctsr"] is not None:
            break
    assert found["answer"] == whole["answer"]
    assert found["mctsr"] == whole["mctsr"]
    assert min(lengths) == 32 < max(lengths)
