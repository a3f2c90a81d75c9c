"""Many searches in one file at once: few descriptors, threads that go, and a list that is quick."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mctsr_graph import MCTSrContext, ScriptedChatModel, SearchInterrupted, solve
from mctsr_graph.calls.journal import CallJournal
from mctsr_graph.calls.threads import IdleThreads
from mctsr_graph.cli.main import app
from mctsr_graph.run import stored
from mctsr_graph.run.sqlite_saver import open_file
from mctsr_graph.run.stored import stored_searches

from .conftest import keyed_reply

MANY = """
import resource, sys, threading
from mctsr_graph import MCTSrContext, ScriptedChatModel, solve
from tests.conftest import keyed_reply

resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
model = ScriptedChatModel(replies=keyed_reply)
context = MCTSrContext(profile="paper", max_rollouts=1)
done, together = [], threading.Barrier(100)

def search(number):
    together.wait()
    found = solve(f"How many? {number}", model, context=context, checkpointer=sys.argv[1])
    done.append(found.rollouts)

threads = [threading.Thread(target=search, args=(n,)) for n in range(100)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(sum(done))
"""


def model() -> ScriptedChatModel:
    return ScriptedChatModel(replies=keyed_reply)


@pytest.mark.skipif(sys.platform == "win32", reason="limits of descriptors are Unix's")
def test_a_hundred_threads_search_in_one_file_with_few_descriptors(tmp_path: Path) -> None:
    """128 descriptors; each search once took five of its own."""
    command = [sys.executable, "-c", MANY, str(tmp_path / "search.db")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "100\n", done.stderr


def test_all_of_a_process_share_the_connections_of_a_file(tmp_path: Path) -> None:
    file, link = tmp_path / "search.db", tmp_path / "link.db"
    with open_file(file) as one, CallJournal(file) as journal:
        link.symlink_to(file)
        with open_file(link) as two, CallJournal(file) as other:
            assert one.conn is two.conn
            assert journal._connection is other._connection
        assert one.conn.execute("SELECT 1").fetchone() == (1,)  # the first ones go on
        assert journal.count() == 0


def test_another_file_of_the_same_name_is_another_file(tmp_path: Path) -> None:
    file, context = tmp_path / "search.db", MCTSrContext(profile="paper", max_rollouts=1)
    with open_file(file) as before:
        before.setup()
        file.rename(tmp_path / "old.db")
        (tmp_path / "search.db-wal").unlink()
        (tmp_path / "search.db-shm").unlink()
        solve(
            "How many?", ScriptedChatModel(replies=keyed_reply), context=context, checkpointer=file
        )
        with open_file(file) as after:
            assert after.conn is not before.conn
            assert after.conn.execute("SELECT COUNT(*) FROM checkpoints").fetchone()[0] > 0
        assert before.conn.execute("SELECT COUNT(*) FROM checkpoints").fetchone() == (0,)


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """A file of two searches that are over, and one that was interrupted in between."""

    def interrupted(call: Any) -> Any:
        return KeyboardInterrupt() if call.rollout == 2 else keyed_reply(call)

    file, context = tmp_path / "search.db", MCTSrContext(profile="paper", max_rollouts=3)
    replies = ScriptedChatModel(replies=interrupted)
    solve("The first?", model(), context=context, checkpointer=file)
    with pytest.raises(SearchInterrupted):
        solve("The second?", replies, context=context, checkpointer=file)
    solve("The third?", model(), context=context, checkpointer=file)
    return file


def test_of_many_searches_those_that_are_over_are_not_read_as_a_whole(
    three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, read = stored_searches(three), list[str]()

    def reading(graph: Any, saver: Any, name: str) -> Any:
        read.append(name)
        return usual(graph, saver, name)

    usual = stored._read
    monkeypatch.setattr(stored, "_read", reading)
    monkeypatch.setattr(stored, "_MANY", 2)
    assert stored_searches(three) == whole
    assert [one.problem for one in whole] == ["The third?", "The second?", "The first?"]
    assert read == [whole[1].thread_id]


def test_one_of_many_searches_is_found_without_reading_the_others(
    three: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, read = stored_searches(three)[0].thread_id, list[str]()
    usual = stored._read
    monkeypatch.setattr(stored, "_read", lambda *given: (read.append(given[2]), usual(*given))[1])
    result = CliRunner().invoke(app, ["view", str(three), "--search", name[:8]])
    assert (result.exit_code, read) == (0, [name])


def test_a_list_shows_the_latest_and_says_how_many_more_there_are(three: Path) -> None:
    result = CliRunner().invoke(app, ["list", str(three), "--most", "1"])
    assert "The third?" in result.stdout
    assert "The first?" not in result.stdout
    assert result.stderr == "note: 2 earlier searches are left out; --most shows more\n"


def test_threads_end_when_there_is_nothing_to_do() -> None:
    threads, together = IdleThreads(most=20, seconds=0.05), threading.Barrier(20)

    def met() -> threading.Thread:
        together.wait(30)
        return threading.current_thread()

    waiting = [threads.submit(met) for _ in range(20)]
    own = {future.result() for future in waiting}
    assert len(own) == 20
    for thread in own:
        thread.join(timeout=30)
    assert [thread for thread in own if thread.is_alive()] == []
    assert threads.submit(lambda: "again").result() == "again"
