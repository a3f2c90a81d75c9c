"""A batch on a Ray cluster: what it finds, what it keeps, and what it does not take."""

from __future__ import annotations

from pathlib import Path

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.runtime import RunControl

from mctsr_graph import (
    CallJournal,
    CheckpointError,
    ConfigError,
    MissingExtraError,
    ScriptedChatModel,
    solve_many,
)
from mctsr_graph.cluster import connect
from tests.conftest import keyed_reply, of_processes
from tests.test_benchmark_ray import printed_by


@of_processes
def test_a_lost_node_changes_nothing_and_loses_nothing(tmp_path: Path) -> None:
    found = printed_by("tests.ray_batch", tmp_path / "ray")
    assert found["calls_elsewhere"] >= 20  # before its node was killed
    assert found["told"] == list(range(8))
    assert found["same_as_here"]
    assert found["same_in_memory"]
    assert found["counted"] == 150  # the budget
    # Eight searches ran, each with at most two calls that had not returned
    assert found["calls_made"] - 150 == found["repeated"] <= 16
    # Another engine takes the file for its own, and has nothing left to do
    assert found["same_again"]
    assert found["calls_again"] == 0
    refused = found["refused"]
    assert "ConfigError: model is a ScriptedChatModel, which cannot be" in refused["cannot_be_sent"]
    assert "allowed what pickle takes: a name, or a function" in refused["cannot_be_sent"]
    assert refused["cannot_be_made"] == "OSError: no such weights"
    assert refused["unknown"].startswith("UnknownModelError: 'openia:gpt' has no known provider")
    assert refused["dies"].startswith("ClusterError: a worker died at 3 starts, at the last by")
    assert "ConfigError: " in refused["opaque"]
    assert "; make it from plain values" in refused["opaque"]
    assert refused["heard"] == (
        'ConfigError: on_event is given, which engine "ray" does not take; allowed "local"'
    )


def test_ray_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connect, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match='pip install "ray>='):
        solve_many(["One?"], "demo", engine="ray")


def test_an_engine_is_one_of_two() -> None:
    model = ScriptedChatModel(replies=keyed_reply)
    with pytest.raises(ConfigError, match="engine is 'rya', allowed local, ray"):
        solve_many(["One?"], model, engine="rya")
    with pytest.raises(ConfigError, match='ray_address is given, allowed with engine "ray"'):
        solve_many(["One?"], model, ray_address="auto")


@pytest.mark.parametrize("option", ["on_event", "on_change", "control", "journal"])
def test_what_means_something_in_one_process_only_is_refused(option: str, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    given = {"control": RunControl(), "journal": CallJournal(tmp_path / "calls.db")}
    with pytest.raises(ConfigError, match=f'{option} is given, which engine "ray" does not take'):
        solve_many(["One?"], "demo", engine="ray", **{option: given.get(option, print)})


def test_a_file_that_holds_no_searches_is_named_before_a_cluster_is_asked(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    file = tmp_path / "notes.txt"
    file.write_text("Not a database. " * 100, encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"notes.txt' holds no searches"):
        solve_many(["One?"], "demo", engine="ray", checkpointer=file)
    with pytest.raises(ConfigError, match='is a InMemorySaver, allowed with engine "ray" the path'):
        solve_many(["One?"], "demo", engine="ray", checkpointer=InMemorySaver())
