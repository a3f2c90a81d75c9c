"""A damaged search is refused with the reason: it is never gone on with, nor shown."""

from __future__ import annotations

import copy
import gzip
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.types import Command

from benchmarks import damage
from mctsr_graph import (
    CheckpointError,
    MCTSrContext,
    MCTSrError,
    ScriptedChatModel,
    create_mctsr,
    solve,
)
from mctsr_graph.graph.integrity import check_search
from mctsr_graph.run.sqlite_saver import open_file
from mctsr_graph.run.steering import pin, prune, steer, undo
from mctsr_graph.run.stored import stored_searches

from .conftest import keyed_reply

CONFIG: Any = {"configurable": {"thread_id": "mine"}}
TWO, FOUR = (MCTSrContext(profile="paper", max_rollouts=n) for n in (2, 4))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, damage.Sound]:
    """A file a stage: over, politely stopped, steered, killed."""
    folder = tmp_path_factory.mktemp("sound")
    return {stage: damage.sound(folder, stage) for stage in damage.STAGES}


# What leaves an earlier state of the search, from which it goes on as it did
HARMLESS = {"first tree lost", "newest checkpoint lost"}


@pytest.mark.parametrize("kind", list(damage.KINDS))
def test_damage_is_refused_wherever_the_file_is_used(
    files: dict[str, damage.Sound], kind: str
) -> None:
    stage = damage.STAGES[list(damage.KINDS).index(kind) % len(damage.STAGES)]
    came = {how: damage.outcome(files[stage], damage.KINDS[kind], how)[0] for how in damage.USES}
    assert set(came.values()) <= {"right", "refused", ""}
    if kind in HARMLESS:
        assert came["solve"] == "right"


@pytest.mark.parametrize("seed", range(20))
def test_a_flipped_bit_is_refused_or_changes_nothing(
    files: dict[str, damage.Sound], seed: int
) -> None:
    one = files[damage.STAGES[seed % len(damage.STAGES)]]
    for flip in (damage.flipped(seed), damage.flipped_in_a_row(seed)):
        came = {how: damage.outcome(one, flip, how) for how in damage.USES}
        assert {what for what, _ in came.values()} <= {"right", "refused", ""}, came


# --------------------------------------------------------------------------- one by one
@pytest.fixture
def file(tmp_path: Path, keyed: ScriptedChatModel) -> Path:
    """A search of 2 rollouts."""
    solve("How many?", keyed, context=TWO, checkpointer=tmp_path / "a.db", thread_id="mine")
    return tmp_path / "a.db"


def go_on(file: Path, context: MCTSrContext = FOUR) -> Any:
    model = ScriptedChatModel(replies=keyed_reply)
    return solve("How many?", model, context=context, checkpointer=file, thread_id="mine")


@pytest.mark.parametrize(
    ("statement", "wrong"),
    [
        ("DELETE FROM writes", "its best node '2' is not there"),
        (
            "DELETE FROM writes WHERE channel = 'tree' AND checkpoint_id = (SELECT "
            "MAX(checkpoint_id) FROM writes WHERE channel = 'tree' AND length(value) > 100)",
            "its best node '2' is not there",
        ),
        (
            "UPDATE checkpoints SET metadata = replace(CAST(metadata AS TEXT), "
            "'rollouts\\\": 2', 'rollouts\\\": 3')",
            "its settings, model or version are not those that were written",
        ),
    ],
)
def test_what_is_wrong_is_said_and_where(file: Path, statement: str, wrong: str) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(statement)
    with pytest.raises(CheckpointError, match="'mine' is damaged") as told:
        go_on(file)
    assert wrong in str(told.value)
    [stored] = stored_searches(file)
    assert wrong in stored.damage


def test_a_lost_middle_checkpoint_is_no_key_error(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute(
            "DELETE FROM checkpoints WHERE checkpoint_id = (SELECT checkpoint_id FROM checkpoints "
            "ORDER BY checkpoint_id LIMIT 1 OFFSET 5)"
        )
    with pytest.raises(CheckpointError, match="'mine' is damaged"):
        go_on(file)
    with open_file(file) as saver:
        graph = create_mctsr(ScriptedChatModel(replies=[])).compile(checkpointer=saver)
        with pytest.raises(CheckpointError, match="'mine' is damaged"):
            steer(graph, CONFIG, prune("1"), by="Ann")


@pytest.mark.parametrize("kind", ["a version that is no number", "an index out of order"])
@pytest.mark.parametrize("stage", damage.STAGES)
def test_a_search_that_cannot_be_changed_any_more_says_so(
    files: dict[str, damage.Sound], stage: str, kind: str
) -> None:
    came = {how: damage.outcome(files[stage], damage.KINDS[kind], how) for how in damage.USES}
    assert {what for what, _ in came.values()} <= {"right", "refused"}, came
    if (stage, kind) == ("over", "an index out of order"):  # a row that is searched for, not read
        assert came["list"][0] == "refused"


def without_checksum(values: dict[str, Any]) -> dict[str, Any]:
    """A search as an earlier version left it."""
    return {name: value for name, value in values.items() if name != "checksum"}


def changed(values: dict[str, Any], *path: str, to: Any) -> dict[str, Any]:
    other = copy.deepcopy(values)
    place: Any = other
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return other


@pytest.fixture
def values(keyed: ScriptedChatModel) -> dict[str, Any]:
    """The state of a search of 4 rollouts: 0 <- 1, ..."""
    graph = create_mctsr(keyed).compile(checkpointer=InMemorySaver())
    graph.invoke({"problem": "How many?"}, CONFIG, context=FOUR)
    found: dict[str, Any] = graph.get_state(CONFIG).values
    check_search(found, "mine")
    check_search(without_checksum(found), "mine")
    return found


@pytest.mark.parametrize(
    ("path", "to", "wrong"),
    [
        (("best",), "9", "its best node '9' is not there"),
        (("best",), 1, "best is 1: Input should be a valid string"),
        (("rollouts",), 3, "it has 3 rollouts, but a node of rollout 4"),
        (("rollouts",), -1, "rollouts is -1"),
        (("usage", "draft", "calls"), "many", "usage.draft.calls"),
        (("tree", "1", "id"), "2", "node '1' says that it is '2'"),
        (("tree", "1", "parent"), "9", "node '1' has depth 1, below '9'"),
        (("tree", "1", "parent"), "1", "node '1' has depth 1, below '1'"),
        (("tree", "0", "parent"), "1", "node '0' has depth 0, below '1'"),
        (("tree", "1", "depth"), 2, "node '1' has depth 2, below '0'"),
        (("tree", "0", "children"), [], "node '0' has the children [], but ["),
        (("tree", "4", "children"), ["1"], "node '4' has the children ['1'], but [] are below it"),
        (("tree", "1", "rewards"), [101.0], "node '1' has a reward of 101.0"),
        (("tree", "1", "rewards"), [float("nan")], "node '1' has a reward of nan"),
        (("tree", "1", "duplicate_of"), "9", "node '1' tells of node '9', which is not there"),
        (("tree", "1", "answer"), None, "tree.1.answer is None: Input should be a valid string"),
        (("tree", "1", "parents"), ["0", "9"], "node '1' tells of node '9', which is not there"),
        (("tree", "1", "parents"), ["2", "0"], "node '1' merges ['2', '0'], but is below '0'"),
        (("tree",), {}, "4 rollouts but no tree"),
    ],
)  # fmt: skip
def test_links_counts_and_forms_are_looked_at_without_a_checksum(
    values: dict[str, Any], path: tuple[str, ...], to: Any, wrong: str
) -> None:
    with pytest.raises(CheckpointError, match="'mine' is damaged") as told:
        check_search(changed(without_checksum(values), *path, to=to), "mine")
    assert wrong in str(told.value)


def test_a_node_that_is_missing_is_named(values: dict[str, Any]) -> None:
    tree = {key: node for key, node in values["tree"].items() if key != "2"}
    with pytest.raises(CheckpointError, match="node 2 is not there, in its place is node '3'"):
        check_search({**without_checksum(values), "tree": tree}, "mine")


@pytest.mark.parametrize(
    ("path", "to"),
    [
        (("problem",), "How few?"),
        (("tree", "1", "answer"), "Another."),
        (("tree", "1", "rewards"), [1.0]),
        (("tree", "1", "q"), 1.0),
        (("answer",), "Another."),
        (("usage", "draft", "calls"), 7),
        (("seconds",), 7.0),
        (("choice",), None),
        (("failures",), [{"rollout": 1}]),
        (("checksum",), {}),
        (("checksum", "now"), None),
    ],
)
def test_with_one_every_change_is_seen(
    values: dict[str, Any], path: tuple[str, ...], to: Any
) -> None:
    with pytest.raises(CheckpointError, match=r"not those that were written|its checksum is"):
        check_search(changed(values, *path, to=to), "mine")


# --------------------------------------------------------------------------- who else is asked
class CrashError(MCTSrError):
    """Ends a search at once: it is no failed rollout."""


class Forgetful(InMemorySaver):
    """A checkpointer that gives another best node back, once told to."""

    wrong = False

    def get_tuple(self, config: Any) -> Any:
        found = super().get_tuple(config)
        if found is not None and self.wrong:
            found.checkpoint["channel_values"]["best"] = "0"
        return found


class Lossy(InMemorySaver):
    """A checkpointer that, once told to, shows after a write what was before it, or no nodes."""

    way = ""
    shown: Any = None
    has_lost = False

    def put(self, *args: Any, **kwargs: Any) -> Any:
        self.shown = super().get_tuple(CONFIG) if self.way == "hides" else None
        self.has_lost = self.way == "loses"
        return super().put(*args, **kwargs)

    def get_tuple(self, config: Any) -> Any:
        return self.shown or super().get_tuple(config)

    def get_delta_channel_history(self, **asked: Any) -> Any:
        found = super().get_delta_channel_history(**asked)
        return {name: {"writes": []} for name in found} if self.has_lost else found


# What undo writes holds all nodes, so that it cannot lose any
@pytest.mark.parametrize(("way", "is_act"), [("hides", True), ("loses", True), ("hides", False)])
def test_what_steer_and_undo_give_back_is_checked_too(
    keyed: ScriptedChatModel, way: str, is_act: bool
) -> None:
    graph: Any = create_mctsr(keyed).compile(checkpointer=Lossy())
    graph.invoke({"problem": "How many?"}, CONFIG, context=FOUR)
    steer(graph, CONFIG, pin("1"), by="Ann")
    graph.checkpointer.way = way
    with pytest.raises(CheckpointError, match="'mine' is damaged"):
        steer(graph, CONFIG, pin("2"), by="Ann") if is_act else undo(graph, CONFIG)


@pytest.fixture
def paused(keyed: ScriptedChatModel) -> Any:
    """A graph that waits before its second refinement."""
    graph = create_mctsr(keyed).compile(checkpointer=Forgetful(), interrupt_before=["refine"])
    graph.invoke({"problem": "How many?"}, CONFIG, context=FOUR)
    graph.invoke(None, CONFIG, context=FOUR)
    assert graph.get_state(CONFIG).values["best"] == "1"
    return graph


def test_a_graph_of_yours_checks_what_its_checkpointer_gives_back(
    paused: Any,
) -> None:
    graph = paused
    graph.checkpointer.wrong = True
    with pytest.raises(CheckpointError, match="its counts, answer or rollouts in flight are not"):
        graph.invoke(None, CONFIG, context=FOUR)
    with pytest.raises(CheckpointError, match="its counts, answer or rollouts in flight are not"):
        steer(graph, CONFIG, prune("1"), by="Ann")
    with pytest.raises(CheckpointError, match="its counts, answer or rollouts in flight are not"):
        undo(graph, CONFIG)


def test_what_a_person_writes_is_no_damage(paused: Any) -> None:
    graph = paused
    edit = {"wave": {"2": {"critique": "Mine."}}, "tree": {"1": {"critique": "Mine."}}}
    graph.update_state(CONFIG, edit)
    graph.invoke(None, CONFIG, context=FOUR)
    found = graph.get_state(CONFIG).values
    assert [found["tree"][key]["critique"] for key in ("1", "2")] == ["Mine.", "Mine."]
    check_search(found, "mine")
    assert found["checksum"]["step"] == "critique"


def test_a_command_that_changes_the_state_says_so(paused: Any) -> None:
    edit = {"wave": {"2": {"critique": "Mine."}}}
    with pytest.raises(CheckpointError, match="rollouts in flight are not those that were"):
        paused.invoke(Command(update=edit), CONFIG, context=FOUR)
    paused.invoke(Command(update={**edit, "checksum": None}), CONFIG, context=FOUR)
    assert paused.get_state(CONFIG).values["tree"]["2"]["critique"] == "Mine."


def test_a_search_that_was_steered_has_a_checksum_again(paused: Any) -> None:
    graph = paused
    for found in (steer(graph, CONFIG, prune("1"), by="Ann"), undo(graph, CONFIG)):
        check_search(found.values, "mine")
        with pytest.raises(CheckpointError):
            check_search(changed(found.values, "tree", "0", "q", to=1.0), "mine")


@pytest.mark.parametrize("profile", ["paper", "tuned", "official"])
@pytest.mark.parametrize("width", [1, 3])
def test_the_sum_that_grows_is_the_sum_over_all(
    profile: Any, width: int, scripted: Any, tmp_path: Path
) -> None:
    model = scripted({(role, 2, 0): ValueError("no") for role in ("draft", "refine")})
    context = MCTSrContext(profile=profile, max_rollouts=6, width=width)
    with SqliteSaver.from_conn_string(str(tmp_path / "a.db")) as saver:
        graph = create_mctsr(model).compile(checkpointer=saver)
        graph.invoke({"problem": "How many?"}, CONFIG, context=context)
        states = list(graph.get_state_history(CONFIG))
    assert states[0].values["failures"]
    for state in states:
        check_search(state.values, "mine")
    assert [state.values["checksum"]["step"] for state in states[:2]] == ["finalize", "select"]


def test_a_search_that_had_just_been_asked_for_is_not_the_one_before_it(file: Path) -> None:
    how: Any = {"context": TWO, "checkpointer": file, "thread_id": "mine"}
    with pytest.raises(CrashError):
        solve("How few?", ScriptedChatModel(replies=lambda call: CrashError()), **how)
    [stored] = stored_searches(file)
    assert (stored.problem, stored.rollouts, stored.damage) == ("How few?", 0, "")
    model = ScriptedChatModel(replies=keyed_reply)
    assert solve("How few?", model, **how).problem == "How few?"
    assert len(model.calls) > 0


# --------------------------------------------------------------------------- recorded replies
def test_a_reply_that_reads_well_but_was_changed_is_refused(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("UPDATE mctsr_calls SET reply = replace(reply, 'Answer', 'Result')")
        for table in ("checkpoints", "writes"):  # so that the calls are asked for again
            connection.execute(f"DELETE FROM {table}")
    with pytest.raises(CheckpointError, match="for draft of rollout 0 cannot be read"):
        go_on(file)


def test_a_reply_of_before_checksums_is_taken(file: Path) -> None:
    with closing(sqlite3.connect(file)) as connection, connection:
        for key, reply in connection.execute("SELECT request, reply FROM mctsr_calls").fetchall():
            told = {name: one for name, one in json.loads(reply).items() if name != "checksum"}
            change = "UPDATE mctsr_calls SET reply = ? WHERE request = ? AND reply = ?"
            connection.execute(change, (json.dumps(told), key, reply))
        for table in ("checkpoints", "writes"):
            connection.execute(f"DELETE FROM {table}")
    model = ScriptedChatModel(replies=[])
    again = solve("How many?", model, context=TWO, checkpointer=file, thread_id="mine")
    assert (again.rollouts, len(model.calls)) == (2, 0)


def test_a_search_of_before_checksums_is_refused_without_its_nodes(tmp_path: Path) -> None:
    file = tmp_path / "before.db"
    golden = Path(__file__).parent / "golden" / "searches-738253b.sqlite.gz"
    file.write_bytes(gzip.decompress(golden.read_bytes()))
    assert [stored.damage for stored in stored_searches(file)] == [""] * 4
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.execute("DELETE FROM writes WHERE channel = 'tree'")
    assert all(stored.damage for stored in stored_searches(file))
