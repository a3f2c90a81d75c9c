"""What a file of searches holds."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

from langchain_core.runnables import RunnableConfig
from langgraph.types import StateSnapshot

from mctsr_graph.calls.journal import CallJournal, Told
from mctsr_graph.calls.usage import total_cost
from mctsr_graph.errors import CheckpointError, ConfigError
from mctsr_graph.graph.graph import create_mctsr
from mctsr_graph.graph.identity_v1 import shown_context
from mctsr_graph.graph.integrity import check_search, values_of
from mctsr_graph.models.scripted import ScriptedChatModel
from mctsr_graph.run.driver import Graph, readable
from mctsr_graph.run.session import SearchRun
from mctsr_graph.run.solution import Solution
from mctsr_graph.run.spec import SolveSpec
from mctsr_graph.run.sqlite_saver import SqliteFileSaver, open_file
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
    calls: int = 0
    """Model calls made."""
    is_text: bool = False
    """Whether it is for a text that states no final answer (`final_answer=False`)."""
    damage: str = ""
    """Why it cannot be read, or "". Then nothing else is known of it but its thread_id."""

    @property
    def question(self) -> Question:
        """The problem, with what goes with it."""
        return Question(self.problem, self.blocks)


_MANY = 100  # searches in a file from which on those that are over are not read as a whole


def stored_searches(path: str | Path, begins: str = "") -> list[StoredSearch]:
    """The searches that a file holds, the latest first. Other threads in it are left out.

    Where there are more than a hundred, what is told of one that is over is read from its latest
    checkpoint alone; whether the rest of it is whole shows when it is opened.

    Args:
        path: The file.
        begins: What the names of the searches begin with.

    Raises:
        CheckpointError: there is no such file, or it holds no searches.
    """
    with _existing(path) as saver:
        threads = [name for name in _threads(saver, path) if name.startswith(begins)]
        # The model is not called; the graph only reads its own state
        graph = create_mctsr(ScriptedChatModel(replies=[])).compile(checkpointer=saver)
        over = dict(_over(saver)) if len(threads) > _MANY else {}
        found = [over.get(name) or _read(graph, saver, name) for name in threads]
    return [stored for stored in found if stored is not None]


def stored_solution(path: str | Path, stored: StoredSearch) -> Solution:
    """What a search that a file holds has found so far.

    Raises:
        CheckpointError: it cannot be read, or its settings are none.
    """
    if stored.damage:
        raise CheckpointError(stored.damage)
    try:
        context = shown_context(stored.settings)
    except ConfigError as error:
        name = repr(stored.thread_id)
        raise CheckpointError(f"what is kept as search {name} is damaged: {error}") from None
    # Nothing is asked of the model: what the state holds is read as a running search reads it
    spec = SolveSpec.of(ScriptedChatModel(replies=[]), {"context": context})
    config = _config(stored.thread_id)
    with _existing(path) as saver, readable(config):
        search = SearchRun(spec.about(stored.question), saver, None)
        found = search.graph.get_state(config)
        values = values_of(found)
        check_search(values, stored.thread_id, told=found.metadata)
        search.hold(values)
        so_far = search.so_far(stored.stop_reason)
        here, made = so_far.made_with, _made(stored, saver, found)
        if made["version"] == here["version"]:  # else what is the default now may not have been
            made["defaults"] = here["defaults"]
        return replace(so_far, made_with={"seed": here["seed"], **made})


def stored_calls(path: str | Path, stored: StoredSearch) -> list[Told]:
    """Every call of a search that a file holds, in order: what was asked, and the reply.

    What a person's edit has replaced is left out. Files written by earlier versions hold the
    replies alone.

    Raises:
        CheckpointError: it cannot be read.
    """
    with _existing(path) as saver:
        graph = create_mctsr(ScriptedChatModel(replies=[])).compile(checkpointer=saver)
        values = values_of(graph.get_state(_config(stored.thread_id)))
    with CallJournal(path) as journal:
        search, branch = values.get("search") or "", values.get("branch") or ""
        found = journal.recorded(f"{search}/") if search else []
        edited = journal.recorded(f"{search}/{branch}") if branch else []
    first = min((call["rollout"] for call in edited), default=None)
    own = {(call["rollout"], call["role"]) for call in edited}
    before = [
        call
        for call in found
        if first is None
        or call["rollout"] < first
        or (call["rollout"] == first and (first, call["role"]) not in own)
    ]
    return [*before, *edited]


def _made(stored: StoredSearch, saver: SqliteFileSaver, found: StateSnapshot) -> dict[str, Any]:
    """What a stored search was made with."""
    told: Mapping[str, Any] = found.metadata or {}
    query = "SELECT MIN(checkpoint_id) FROM checkpoints WHERE thread_id = ? AND checkpoint_ns = ''"
    first = saver.conn.execute(query, (stored.thread_id,)).fetchone()[0]
    begun = saver.get_tuple(
        {"configurable": {"thread_id": stored.thread_id, "checkpoint_id": first}}
    )
    known = {
        "model": stored.model or "given as an object",
        **stored.other_models,
        "strategy": told.get("mctsr_strategy"),
        **stored.settings,
        "version": told.get("mctsr_package") or "not kept",
        "begun": begun.checkpoint["ts"][:19] if begun is not None else None,
        "ended": (found.created_at or "")[:19],
    }
    return {name: value for name, value in known.items() if value}


@contextmanager
def _existing(path: str | Path) -> Iterator[SqliteFileSaver]:
    try:
        is_file = Path(path).is_file()
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{str(path)!r} cannot be opened ({error})") from None
    if not is_file:
        raise CheckpointError(f"there is no file {str(path)!r}")
    with open_file(path) as saver:
        yield saver


def _threads(saver: SqliteFileSaver, path: str | Path) -> list[str]:
    query = "SELECT thread_id, MAX(checkpoint_id) AS newest FROM checkpoints"
    query += " WHERE checkpoint_ns = '' GROUP BY thread_id ORDER BY newest DESC"
    try:
        return [row[0] for row in saver.conn.execute(query) if isinstance(row[0], str)]
    except sqlite3.Error as error:
        raise CheckpointError(f"{str(path)!r} holds no searches ({error})") from None


def _over(saver: SqliteFileSaver) -> Iterator[tuple[str, StoredSearch]]:
    """The searches that are over, as their latest checkpoints tell."""
    newest = "SELECT thread_id, MAX(checkpoint_id) FROM checkpoints"
    newest += " WHERE checkpoint_ns = '' GROUP BY thread_id"
    query = "SELECT thread_id, type, checkpoint, metadata FROM checkpoints"
    query += f" WHERE checkpoint_ns = '' AND (thread_id, checkpoint_id) IN ({newest})"
    for name, kind, checkpoint, metadata in saver.conn.execute(query):
        with suppress(Exception):  # what is damaged is told by who reads it as a whole
            told = json.loads(metadata)
            values = saver.serde.loads_typed((kind, checkpoint))["channel_values"]
            if values["stop_reason"] and values["best"] and "mctsr_settings" in told:
                answer = {values["best"]: {"final_answer": values["final_answer"]}}
                usage = values["mctsr"]["usage"]
                yield name, _stored(name, {**values, "tree": answer, "usage": usage}, told)


_UNBEGUN = "it was killed before it had begun, or is damaged"


def _read(graph: Graph, saver: SqliteFileSaver, thread_id: str) -> StoredSearch | None:
    """The search of a thread; None where another graph has written it."""
    config = _config(thread_id)
    try:
        with readable(config):
            state = graph.get_state(config)
            values, told = values_of(state), cast(dict[str, str], state.metadata or {})
            if not _is_search(values, told):
                return None
            check_search(values, thread_id, told=told)
            if not values.get("problem"):
                raise CheckpointError(f"search {thread_id!r} holds no problem: {_UNBEGUN}")
            return _stored(thread_id, values, told)
    except CheckpointError as error:
        if not _is_signed(saver, thread_id):
            return None
        return StoredSearch(thread_id, "", "", {}, 0, None, None, None, damage=str(error))


def _is_signed(saver: SqliteFileSaver, thread_id: str) -> bool:
    """Whether `solve` has written a thread, as far as the metadata of any checkpoint tell."""
    query = "SELECT 1 FROM checkpoints WHERE thread_id = ?"
    query += " AND instr(CAST(metadata AS BLOB), CAST('mctsr_' AS BLOB)) LIMIT 1"
    try:
        return saver.conn.execute(query, (thread_id,)).fetchone() is not None
    except sqlite3.Error:
        return True  # what cannot be read is not to be hidden


def _config(thread_id: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread_id}}


def _is_search(values: Mapping[str, Any], told: Mapping[str, str]) -> bool:
    """Whether it is one, and not of another graph."""
    return "mctsr_settings" in told or bool(values.get("tree") and "rollouts" in values)


def _stored(thread_id: str, values: Mapping[str, Any], told: Mapping[str, str]) -> StoredSearch:
    tree, best = values.get("tree") or {}, values.get("best")
    for name in ("mctsr_model", "mctsr_judge_model", "mctsr_critic_model"):
        if not isinstance(told.get(name, ""), str):
            raise TypeError(f"its {name} is {told[name]!r}, allowed a text")
    settings = json.loads(told.get("mctsr_settings", "{}"))
    if not isinstance(settings, dict):
        raise TypeError(f"its settings are {settings!r}, allowed an object")
    return StoredSearch(
        thread_id=thread_id,
        problem=_words(values.get("problem", "")),
        model=told.get("mctsr_model", ""),
        settings=settings,
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
        calls=total_cost(values.get("usage") or {})["calls"],
        is_text=told.get("mctsr_final_answer") == "text",
    )


def _words(problem: Any) -> str:
    """The words of a problem; a search that has not begun holds it as it was given."""
    return problem if isinstance(problem, str) else as_question(problem).text
