"""Files of searches that hold other things, too, or were damaged, and what lies beside them."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import START, MessagesState, StateGraph
from typer.testing import CliRunner, Result

from mctsr_graph import (
    CheckpointError,
    ConfigError,
    MCTSrContext,
    ScriptedChatModel,
    SearchLockedError,
    solve,
)
from mctsr_graph.calls.journal import CallJournal
from mctsr_graph.cli.main import app
from mctsr_graph.run.lease import file_lease
from mctsr_graph.run.stored import stored_searches

from .conftest import keyed_reply

ROOT = Path(__file__).parent.parent
ONE = MCTSrContext(max_rollouts=1)
runner = CliRunner()


@pytest.fixture(autouse=True)
def model(monkeypatch: pytest.MonkeyPatch) -> ScriptedChatModel:
    """Every name of a model means this one."""
    scripted = ScriptedChatModel(replies=keyed_reply)
    for module in ("mctsr_graph.run.session", "mctsr_graph.models.load"):
        monkeypatch.setattr(sys.modules[module], "load_model", lambda name: scripted)
    monkeypatch.setenv("MCTSR_MODEL", "x")
    return scripted


def mctsr(*arguments: str) -> Result:
    return runner.invoke(app, list(arguments))


def keep(file: Path, problem: str = "How many?", thread_id: str | None = None) -> None:
    solve(problem, "x", context=ONE, checkpointer=file, thread_id=thread_id)


def add_other_thread(file: Path) -> None:
    """A conversation of an agent that keeps its state in the same file."""
    graph = StateGraph(MessagesState)
    graph.add_node("say", lambda state: {"messages": [("ai", "Hello.")]})
    graph.add_edge(START, "say")
    with SqliteSaver.from_conn_string(str(file)) as saver:
        agent = graph.compile(checkpointer=saver)
        agent.invoke({"messages": "Hi"}, {"configurable": {"thread_id": "agent"}})


def test_the_thread_of_another_graph_is_no_search(tmp_path: Path) -> None:
    file = tmp_path / "both.db"
    add_other_thread(file)
    keep(file)
    add_other_thread(file)
    assert [stored.problem for stored in stored_searches(file)] == ["How many?"]
    for command in (["view"], ["resume"], ["learn"], ["list"]):
        result = mctsr(*command, str(file))
        assert (result.exit_code, result.stderr.count("error")) == (0, 0)
    only_other = tmp_path / "agent.db"
    add_other_thread(only_other)
    result = mctsr("view", str(only_other))
    assert (result.exit_code, "holds no search" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE checkpoints SET metadata = 'mctsr_ {'",
        "UPDATE checkpoints SET metadata = CAST('mctsr_' AS BLOB)",
        "UPDATE checkpoints SET metadata = '[\"mctsr_settings\"]'",
        'UPDATE checkpoints SET metadata = \'{"mctsr_settings": "{"}\'',
        'UPDATE checkpoints SET metadata = \'{"mctsr_settings": "[1]"}\'',
        "UPDATE checkpoints SET metadata = '{\"mctsr_settings\": 7}'",
        'UPDATE checkpoints SET metadata = \'{"mctsr_settings": "{}", "mctsr_model": ["x"]}\'',
        "UPDATE checkpoints SET checkpoint = CAST('garbage' AS BLOB)",
        "UPDATE checkpoints SET checkpoint = 7",
        "UPDATE checkpoints SET type = 'pickle'",
        "UPDATE writes SET value = CAST('garbage' AS BLOB)",
        "UPDATE writes SET value = 7",
        "UPDATE writes SET type = 'pickle'",
    ],
)
def test_one_damaged_search_hides_no_other(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "search.db"
    keep(file, "How few?", "damaged")
    keep(file, "How many?", "sound")
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(f"{damage} WHERE thread_id = 'damaged'")
    told = {stored.thread_id: stored.damage for stored in stored_searches(file)}
    assert (told["sound"], told["damaged"] != "") == ("", True)
    listed = mctsr("list", str(file))
    assert (listed.exit_code, "How many?" in listed.stdout) == (0, True)
    assert "cannot be" in listed.stdout
    assert "How many?" in mctsr("view", str(file), "--format", "html").stdout
    assert mctsr("learn", str(file)).exit_code == 0
    for command in (["view"], ["resume"]):
        result = mctsr(*command, str(file), "--search", "damaged")
        assert result.exit_code == 2
        assert "error: what is kept as search 'damaged' cannot be read (" in result.stderr
    if "mctsr_settings" not in damage:  # which says nothing of the search itself
        with pytest.raises(CheckpointError):
            keep(file, "How few?", "damaged")


def test_settings_that_are_none_hide_no_other_search(tmp_path: Path) -> None:
    file = tmp_path / "search.db"
    keep(file, "How few?", "damaged")
    keep(file, "How many?", "sound")
    told = json.dumps({"mctsr_model": "x", "mctsr_settings": json.dumps({"width": -5})})
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(
            "UPDATE checkpoints SET metadata = ? WHERE thread_id = 'damaged'", [told]
        )
    learnt = mctsr("learn", str(file))
    assert (learnt.exit_code, learnt.stderr.count("left out of")) == (0, 1), learnt.stderr
    assert "search 'damaged' is damaged: width is -5, allowed" in learnt.stderr
    seen = mctsr("view", str(file), "--search", "damaged")
    assert (seen.exit_code, "'damaged' is damaged: width is -5" in seen.stderr) == (2, True)


@pytest.mark.parametrize(
    "reply",
    ["'{'", "7", "NULL || 'x'", "'[]'", "'{}'", """'{"text": "a", "usage": 7, "ending": null}'""",
     "CAST(x'ff' AS BLOB)"],
)  # fmt: skip
def test_a_recorded_reply_that_is_damaged_is_no_failure_of_the_model(
    tmp_path: Path, reply: str
) -> None:
    file = tmp_path / "search.db"
    keep(file)
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(f"UPDATE OR IGNORE mctsr_calls SET reply = ifnull({reply}, '')")
        connection.execute("DELETE FROM checkpoints")  # so that the calls are asked for again
        connection.execute("DELETE FROM writes")
    with pytest.raises(CheckpointError, match="for draft of rollout 0 cannot be read"):
        keep(file)


@pytest.fixture
def loop(tmp_path: Path) -> Path:
    """Two links that lead to each other."""
    (tmp_path / "one.db").symlink_to(tmp_path / "two.db")
    (tmp_path / "two.db").symlink_to(tmp_path / "one.db")
    return tmp_path / "one.db"


def test_places_that_cannot_be_used_are_named(loop: Path, tmp_path: Path) -> None:
    (tmp_path / "taken.db-lock").mkdir()
    for name in (loop, tmp_path, "no/search.db", "/proc/search.db", "n" * 300, "taken.db"):
        place = tmp_path / name
        with pytest.raises(CheckpointError, match=r"cannot be|unable to open"):
            keep(place)
        if name != "taken.db":
            with pytest.raises(CheckpointError):
                stored_searches(place)
    with pytest.raises(CheckpointError, match="cannot be"), file_lease(loop, "a"):
        pass
    result = mctsr("view", str(loop))
    assert (result.exit_code, "error: " in result.stderr) == (2, True)


@pytest.mark.parametrize("name", ["user/42", "../../../up", "n" * 300, "a\0b", ".", "C:\\x"])
def test_the_name_of_a_search_is_no_file_name(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "a" / "b" / "c"
    folder.mkdir(parents=True)
    keep(folder / "search.db", thread_id=name)
    keep(folder / "search.db", "How few?", thread_id=name + "2")
    names = {"a", "b", "c", "search.db", "search.db-lock", "search.db-wal", "search.db-shm"}
    assert {path.name for path in tmp_path.rglob("*")} <= names
    assert (folder / "search.db-lock").read_bytes() == b""


def test_a_lock_file_of_something_else_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "search.db-lock").write_text("precious")
    keep(tmp_path / "search.db")
    assert (tmp_path / "search.db-lock").read_text() == "precious"
    target = tmp_path / "target"
    (tmp_path / "other.db-lock").symlink_to(target)
    with pytest.raises(CheckpointError, match="cannot be locked"):
        keep(tmp_path / "other.db")
    assert not target.exists()


HOLDER = """
import sys, time
from mctsr_graph.run.lease import file_lease
with file_lease(sys.argv[1], sys.argv[2]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other_runner(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that runs the search "theirs"."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "search.db"), "theirs"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_a_search_has_one_runner_among_processes(
    tmp_path: Path, other_runner: subprocess.Popen[bytes]
) -> None:
    file = tmp_path / "search.db"
    theirs = pytest.raises(SearchLockedError, match=r"'theirs' .* has another runner at work")
    with theirs, file_lease(file, "theirs"):
        pass
    with file_lease(file, "mine"):
        pass
    with theirs, file_lease(file, "theirs"):
        pass
    other_runner.send_signal(signal.SIGKILL)
    other_runner.wait()
    with file_lease(file, "theirs"):
        pass


def test_the_end_of_one_search_lets_go_of_no_other(tmp_path: Path) -> None:
    file = tmp_path / "search.db"
    with file_lease(file, "long"):
        with file_lease(file, "short"):
            pass
        with pytest.raises(SearchLockedError), file_lease(file, "long"):
            pass
        command = [sys.executable, "-c", HOLDER, str(file), "long"]
        done = subprocess.run(command, capture_output=True, cwd=ROOT, check=False)
        assert b"SearchLockedError" in done.stderr
    with file_lease(file, "long"):
        pass


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_holds_nothing(tmp_path: Path) -> None:
    file = tmp_path / "search.db"
    with file_lease(file, "a"):
        child = os.fork()
        if child == 0:
            try:
                with file_lease(file, "a"):
                    os._exit(1)
            except SearchLockedError:
                os._exit(0)
        assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize(
    "place", ["", " ", "a\0b", ":memory:", "postgresql://u:pw@host/db", "file:x?mode=memory"]
)
def test_a_place_that_would_keep_nothing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        ConfigError, match="allowed a LangGraph checkpointer, or the path of an"
    ) as told:
        solve("How many?", "x", checkpointer=place)
    assert "pw" not in str(told.value)
    assert mctsr("solve", "How many?", "--checkpoint", place).exit_code == 2
    if place != ":memory:":
        with pytest.raises(ConfigError, match=r"journal is .*, allowed the path of an") as told:
            CallJournal(place)
        assert "pw" not in str(told.value)
    assert list(tmp_path.iterdir()) == []
