"""What a file of searches holds."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from langgraph.types import StateSnapshot

from mctsr_graph.errors import CheckpointError
from mctsr_graph.graph.graph import create_mctsr
from mctsr_graph.graph.identity_v1 import shown_context
from mctsr_graph.models.scripted import ScriptedChatModel
from mctsr_graph.run.session import SearchRun
from mctsr_graph.run.solution import Solution
from mctsr_graph.run.spec import SolveSpec
from mctsr_graph.run.sqlite_saver import open_file
from mctsr_graph.settings.question import Block, Question, as_question


class StoredSearch(NamedTuple):
    """A search that a file holds."""

    thread_id: str
    problem: str
    """Its words."""
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
    other_models: Mapping[str, str] = {}
    """The names that "judge_model" and "critic_model" were given by."""
    blocks: Sequence[Block] = ()
    """Pictures and files that go with the problem."""

    @property
    def question(self) -> Question:
        """The problem, with what goes with it."""
        return Question(self.problem, self.blocks)


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
    spec = SolveSpec.of(ScriptedChatModel(replies=[]), {"context": shown_context(stored.settings)})
    with open_file(path) as saver:
        search = SearchRun(spec.about(stored.question), saver, None)
        values = search.graph.get_state({"configurable": {"thread_id": stored.thread_id}}).values
    search.note("values", values)
    return search.so_far(stored.stop_reason)


def _stored(thread_id: str, state: StateSnapshot) -> StoredSearch:
    values = state.values
    told = cast(dict[str, str], state.metadata or {})
    tree = values.get("tree") or {}
    best = values.get("best")
    return StoredSearch(
        thread_id=thread_id,
        problem=_words(values.get("problem", "")),
        model=told.get("mctsr_model", ""),
        settings=json.loads(told.get("mctsr_settings", "{}")),
        rollouts=values.get("rollouts", 0),
        best=best,
        final_answer=tree[best]["final_answer"] if best is not None else None,
        stop_reason=values.get("stop_reason"),
        other_models={
            role: told[f"mctsr_{role}"]
            for role in ("judge_model", "critic_model")
            if f"mctsr_{role}" in told
        },
        blocks=values.get("attachments") or (),
    )


def _words(problem: Any) -> str:
    """The words of a problem; a search that has not begun holds it as it was given."""
    return problem if isinstance(problem, str) else as_question(problem).text
