"""What a file of searches holds."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

from langgraph.types import StateSnapshot

from .config import MCTSrContext
from .errors import CheckpointError
from .fingerprint import known_settings, lost_settings
from .graph import create_mctsr
from .models.scripted import ScriptedChatModel
from .running import SearchRun, Wanted
from .savers import open_file
from .solution import Solution


class StoredSearch(NamedTuple):
    """A search that a file holds."""

    thread_id: str
    problem: str
    model: str
    """The name that the model was given by, or "" if it was given as an object."""
    settings: dict[str, Any]
    """The settings that were given by name."""
    rollouts: int
    best: str | None
    final_answer: str | None
    """The short answer of the best node."""
    stop_reason: str | None
    """None while it is under way, or after it was interrupted."""


def stored_searches(path: str | Path) -> list[StoredSearch]:
    """The searches that a file holds, the latest first.

    Raises:
        CheckpointError: there is no such file, or it holds no searches.
    """
    if not Path(path).is_file():
        raise CheckpointError(f"there is no file {str(path)!r}")
    with open_file(path) as saver:
        try:
            query = "SELECT thread_id, MAX(checkpoint_id) AS newest FROM checkpoints"
            query += " WHERE checkpoint_ns = '' GROUP BY thread_id ORDER BY newest DESC"
            threads = [row[0] for row in saver.conn.execute(query)]
        except sqlite3.Error as error:
            raise CheckpointError(f"{str(path)!r} holds no searches ({error})") from None
        # The model is not called; the graph only reads its own state
        graph = create_mctsr(ScriptedChatModel(replies=[])).compile(checkpointer=saver)
        states = [graph.get_state({"configurable": {"thread_id": name}}) for name in threads]
    return [_stored(name, state) for name, state in zip(threads, states, strict=True)]


def stored_solution(path: str | Path, stored: StoredSearch) -> Solution:
    """What a search that a file holds has found so far."""
    # Nothing is asked of the model: what the state holds is read as a running search reads it
    context = MCTSrContext(**known_settings(stored.settings))
    model = ScriptedChatModel(replies=[])
    wanted = Wanted(stored.problem, model, context, thread_id=stored.thread_id)
    with open_file(path) as saver:
        search = SearchRun(wanted, saver, None)
        values = search.graph.get_state({"configurable": {"thread_id": stored.thread_id}}).values
    search.note("values", values, None, None)
    found = search.so_far(stored.stop_reason)
    rule = lost_settings(stored.settings).get("select")
    if rule is None or found.choice is None:
        return found
    return replace(found, choice={**found.choice, "rule": rule})


def _stored(thread_id: str, state: StateSnapshot) -> StoredSearch:
    values = state.values
    told = cast(dict[str, str], state.metadata or {})
    tree = values.get("tree") or {}
    best = values.get("best")
    return StoredSearch(
        thread_id=thread_id,
        problem=values.get("problem", ""),
        model=told.get("mctsr_model", ""),
        settings=json.loads(told.get("mctsr_settings", "{}")),
        rollouts=values.get("rollouts", 0),
        best=best,
        final_answer=tree[best]["final_answer"] if best is not None else None,
        stop_reason=values.get("stop_reason"),
    )
