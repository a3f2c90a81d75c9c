"""Damage files of searches, and see whether what is wrong is ever taken for right.

    python -m benchmarks.damage [--flips N] [--seed S] [--only WORD]

Each file holds two searches of the model "demo": one that is over, politely stopped, steered, or
killed between a step and its checkpoint, and a sound one beside it. It is damaged in one of the
named ways, or by one bit that is turned anywhere, and then used by `mctsr list`, `view`, `learn`
and `resume`, by `solve` and by `steer`, each time anew.

Prints one row a kind of damage and one for all flips, with how often each came of it:
    right      what the undamaged search holds or held, or ends with
    refused    an error of this package that says so
    wrong      anything else that was returned
    raw        an error of something else
and a line of JSON with everything that was wrong or raw.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from langgraph.runtime import RunControl
from typer.testing import CliRunner

from mctsr_graph import MCTSrContext, MCTSrError, create_mctsr, solve
from mctsr_graph.cli.main import app
from mctsr_graph.run.sqlite_saver import SqliteFileSaver, open_file
from mctsr_graph.run.steering import expand, steer
from mctsr_graph.run.stored import StoredSearch, stored_searches, stored_solution

STAGES = ("over", "stopped", "steered", "killed")
USES = ("list", "view", "resume", "solve", "steer")
PROBLEM, THREAD = "How many?", "damaged"
MODEL = "demo"  # a file may choose it, so that no environment variable is needed
CONTEXT = MCTSrContext(profile="paper", max_rollouts=6, width=2)
CONFIG: Any = {"configurable": {"thread_id": THREAD}}


# --------------------------------------------------------------------------- files
def make(file: Path, stage: str) -> None:
    """Write a file of two searches, the one to be damaged at a stage."""
    solve("How few?", MODEL, context=CONTEXT, checkpointer=file, thread_id="sound")
    if stage == "over":
        run(file)
    elif stage == "killed":
        _killed(file)
    else:
        control = RunControl()

        def stop(event: Any) -> None:
            if event.get("index") == 3:
                control.request_drain()

        run(file, on_event=stop, control=control)
        if stage == "steered":
            steered(file)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _killed(file: Path) -> None:
    """Leave a step that is done and has no checkpoint, as a kill does."""
    put, left = SqliteFileSaver.put, iter(range(9))

    def dies(self: Any, *args: Any, **kwargs: Any) -> Any:
        if next(left, None) is None:
            raise sqlite3.OperationalError("killed")
        return put(self, *args, **kwargs)

    SqliteFileSaver.put = dies  # type: ignore[method-assign]
    try:
        run(file)
    except MCTSrError:
        pass
    finally:
        SqliteFileSaver.put = put  # type: ignore[method-assign]


def run(file: Path, **options: Any) -> Any:
    """Begin the search, or go on with it."""
    return solve(PROBLEM, MODEL, context=CONTEXT, checkpointer=file, thread_id=THREAD, **options)


def steered(file: Path) -> dict[str, Any]:
    """Wish for a refinement of node 0; what the search is then."""
    with open_file(file) as saver:
        graph = create_mctsr(MODEL).compile(checkpointer=saver)
        return steer(graph, CONFIG, expand("0"), by="Ann").values


# --------------------------------------------------------------------------- uses
def use(file: Path, how: str) -> list[str]:
    """What a use of the file shows of the searches in it, as JSON.

    Raises:
        MCTSrError: it is refused.
        Exception: it fails in another way.
    """
    if how == "list":
        typed("list", file)
        stored = stored_searches(file)
        if "sound" not in [one.thread_id for one in stored]:
            return ["the sound search is hidden"]
        if damaged := [one.damage for one in stored if one.damage]:
            raise RefusedError(damaged[0])
        return [_listed(one) for one in stored]
    if how == "view":
        typed("view", file, "--search", THREAD)
        [one] = [one for one in stored_searches(file) if one.thread_id == THREAD]
        found = stored_solution(file, one)
        return [_shown(found.problem, found.tree, found.best, found.rollouts)]
    if how == "resume":
        told = json.loads(typed("resume", file, "--search", THREAD, "--json"))
        return [_ended(told)]
    if how == "solve":
        return [_ended(json.loads(run(file).to_json()))]
    values = steered(file)
    tree = {key: dict(node) for key, node in values["tree"].items()}
    for mark in ("wishes", "steering"):
        tree["0"].pop(mark)
    return [_shown(values["problem"], tree, None, values["rollouts"])]


class RefusedError(MCTSrError):
    """The command line has said what is wrong."""


def typed(*arguments: Any) -> str:
    """What a command prints."""
    done = CliRunner().invoke(app, [str(one) for one in arguments])
    if done.exit_code == 2 and isinstance(done.exception, SystemExit):
        raise RefusedError(done.stderr)
    if done.exit_code:
        raise RuntimeError(f"exit code {done.exit_code}: {done.stderr}") from done.exception
    return done.stdout


def _listed(one: StoredSearch) -> str:
    return json.dumps([one.problem, one.rollouts, one.best, one.final_answer])


def _shown(problem: str, tree: Any, best: str | None, rollouts: int) -> str:
    return json.dumps([problem, tree, best, rollouts], sort_keys=True)


def _ended(told: dict[str, Any]) -> str:
    kept = ("problem", "tree", "best", "rollouts", "stop_reason", "answer", "choice", "usage")
    return json.dumps({name: told[name] for name in kept}, sort_keys=True)


class Sound(NamedTuple):
    """A file that is not damaged."""

    file: Path
    right: dict[str, set[str]]
    """What each use may show: what the search held at any time, or ends with."""


def sound(folder: Path, stage: str) -> Sound:
    """Make a file, and note what its uses show."""
    file = folder / f"{stage}.db"
    make(file, stage)
    with open_file(file) as saver:
        graph = create_mctsr(MODEL).compile(checkpointer=saver)
        states = [state.values for state in graph.get_state_history(CONFIG)]
        states.append(graph.get_state(CONFIG).values)
    right: dict[str, set[str]] = {name: set() for name in USES}
    for values in states:
        tree, best, rollouts = values.get("tree") or {}, values.get("best"), values.get("rollouts")
        final = tree[best]["final_answer"] if best is not None else None
        right["list"].add(json.dumps([PROBLEM, rollouts or 0, best, final]))
        right["view"].add(_shown(PROBLEM, tree, best, rollouts or 0))
        plain = {**tree, "0": {**tree["0"]}} if tree else {}
        for mark in ("wishes", "steering"):
            plain.get("0", {}).pop(mark, None)
        right["steer"].add(_shown(PROBLEM, plain, None, rollouts or 0))
    for name in USES:
        right[name] |= set(use(copied(file), name))
    never = copied(file)  # the search that nobody has steered, as a lost checkpoint leaves it
    never.unlink()
    for name in ("resume", "solve"):
        right[name].add(_ended(json.loads(run(never).to_json())))
    return Sound(file, right)


def copied(file: Path) -> Path:
    """A copy of a file beside it, in place of the last one."""
    copy = file.with_name("copy.db")
    for old in file.parent.glob("copy.db*"):
        old.unlink()
    shutil.copy(file, copy)
    return copy


# --------------------------------------------------------------------------- damage
Damage = Callable[[Path], None]


def sql(*statements: str) -> Damage:
    """Damage done by someone with a database tool."""

    def damage(file: Path) -> None:
        with closing(sqlite3.connect(file)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    return damage


def edited(table: str, column: str, change: Callable[[Any], Any], where: str = "1") -> Damage:
    """A value that is unpacked, changed and packed again."""

    def damage(file: Path) -> None:
        with open_file(file) as saver:
            query = f"SELECT rowid, type, {column} FROM {table} WHERE thread_id = '{THREAD}' "
            query += f"AND {where} ORDER BY checkpoint_id DESC LIMIT 1"
            [(row, kind, packed)] = saver.conn.execute(query).fetchall()
            value = change(saver.serde.loads_typed((kind, packed)))
            new = (*saver.serde.dumps_typed(value), row)
            saver.conn.execute(f"UPDATE {table} SET type = ?, {column} = ? WHERE rowid = ?", new)
            saver.conn.commit()

    return damage


def channel(name: str, value: Any) -> Damage:
    """Another value of a key of the state in the latest checkpoint."""

    def change(checkpoint: Any) -> Any:
        checkpoint["channel_values"][name] = value
        return checkpoint

    return edited("checkpoints", "checkpoint", change)


def node(field: str, value: Any) -> Damage:
    """Another value in a field of the newest node."""

    def change(patch: Any) -> Any:
        key = max(patch, key=int)
        return {**patch, key: {**patch[key], field: value}}

    return edited("writes", "value", change, "channel = 'tree' AND type = 'msgpack'")


def _no_step(checkpoint: Any) -> Any:
    for seen in checkpoint["versions_seen"].values():
        seen.update(checkpoint["channel_versions"])
    return checkpoint


def _no_number(checkpoint: Any) -> Any:
    checkpoint["channel_versions"]["rollouts"] = "0000p.5"
    return checkpoint


_INDEX_PAGES = (2, 10)


def unsorted(file: Path) -> None:
    """An index in which the first row of the search has the name of another, and so is misplaced.

    What is found through it, and what is written from then on, may be hidden.
    """
    whole, name = bytearray(file.read_bytes()), THREAD.encode() + b"1f"
    page = int.from_bytes(whole[16:18], "big")  # of the file's header: its bytes a page
    for start in range(0, len(whole), page):
        place = whole.find(name, start, start + page)
        if whole[start] in _INDEX_PAGES and place >= 0:
            whole[place] ^= 1
            file.write_bytes(whole)
            return
    raise ValueError("there is no index")


def swapped(table: str) -> Damage:
    """Rows of one search under the name of the other."""
    key = "search" if table == "mctsr_calls" else "thread_id"
    if table == "mctsr_calls":
        return sql(
            "UPDATE OR IGNORE mctsr_calls SET reply = (SELECT other.reply FROM "
            "mctsr_calls AS other WHERE other.role = mctsr_calls.role AND other.search != "
            "mctsr_calls.search AND other.rollout = mctsr_calls.rollout AND other.sample = "
            "mctsr_calls.sample)",
            # so that the replies are read
            f"DELETE FROM checkpoints WHERE thread_id = '{THREAD}'",
            f"DELETE FROM writes WHERE thread_id = '{THREAD}'",
        )
    return sql(
        f"UPDATE {table} SET {key} = CASE {key} WHEN 'sound' THEN '{THREAD}' ELSE 'sound' END"
    )


def cut(share: float) -> Damage:
    """A file that ends early."""

    def damage(file: Path) -> None:
        whole = file.read_bytes()
        file.write_bytes(whole[: int(len(whole) * share)])

    return damage


def flipped(seed: int) -> Damage:
    """One bit of the file, turned."""

    def damage(file: Path) -> None:
        whole, rng = bytearray(file.read_bytes()), random.Random(seed)
        whole[rng.randrange(len(whole))] ^= 1 << rng.randrange(8)
        file.write_bytes(whole)

    return damage


def flipped_in_a_row(seed: int) -> Damage:
    """One bit of a text or blob that belongs to the search, turned."""

    def damage(file: Path) -> None:
        rng = random.Random(seed)
        with closing(sqlite3.connect(file)) as connection, connection:
            table = rng.choice(("checkpoints", "writes", "mctsr_calls"))
            mine = "search" if table == "mctsr_calls" else "thread_id"
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            query = f"SELECT * FROM {table} WHERE {mine} LIKE '{THREAD}%'"
            rows = connection.execute(query).fetchall()
            row, place = rng.choice(rows), rng.randrange(len(columns))
            value = row[place]
            raw = bytearray(value if isinstance(value, bytes) else str(value).encode())
            if not raw:
                raise ValueError("there is no bit to turn")
            raw[rng.randrange(len(raw))] ^= 1 << rng.randrange(8)
            new = bytes(raw) if isinstance(value, bytes) else raw.decode("latin-1")
            same = " AND ".join(f"{column} IS ?" for column in columns)
            change = f"UPDATE {table} SET {columns[place]} = ? WHERE {same}"
            connection.execute(change, (new, *row))

    return damage


_MINE = f"thread_id = '{THREAD}'"
_NEWEST = f"(SELECT MAX(checkpoint_id) FROM checkpoints WHERE {_MINE})"
_MIDDLE = (
    f"(SELECT checkpoint_id FROM checkpoints WHERE {_MINE} ORDER BY checkpoint_id LIMIT 1 "
    f"OFFSET (SELECT COUNT(*) / 2 FROM checkpoints WHERE {_MINE}))"
)
_TREE = f"channel = 'tree' AND {_MINE}"
KINDS: dict[str, Damage] = {
    "all writes pruned": sql(f"DELETE FROM writes WHERE {_MINE}"),
    "all writes but the last step's pruned": sql(
        f"DELETE FROM writes WHERE {_MINE} AND checkpoint_id < "
        f"(SELECT MAX(checkpoint_id) FROM writes WHERE {_MINE})"
    ),
    "first tree lost": sql(
        f"DELETE FROM writes WHERE {_TREE} AND checkpoint_id = "
        f"(SELECT MIN(checkpoint_id) FROM writes WHERE {_TREE})"
    ),
    "last tree lost": sql(
        f"DELETE FROM writes WHERE {_TREE} AND checkpoint_id = "
        f"(SELECT MAX(checkpoint_id) FROM writes WHERE {_TREE})"
    ),
    "middle checkpoint lost": sql(
        f"DELETE FROM checkpoints WHERE {_MINE} AND checkpoint_id = {_MIDDLE}"
    ),
    "newest checkpoint lost": sql(
        f"DELETE FROM checkpoints WHERE {_MINE} AND checkpoint_id = {_NEWEST}"
    ),
    "all but the newest checkpoint lost": sql(
        f"DELETE FROM checkpoints WHERE {_MINE} AND checkpoint_id < {_NEWEST}"
    ),
    "no parent": sql(
        f"UPDATE checkpoints SET parent_checkpoint_id = NULL WHERE {_MINE} "
        f"AND checkpoint_id = {_MIDDLE}"
    ),
    "its own parent": sql(
        "UPDATE checkpoints SET parent_checkpoint_id = checkpoint_id "
        f"WHERE {_MINE} AND checkpoint_id = {_MIDDLE}"
    ),
    "writes swapped": swapped("writes"),
    "checkpoints swapped": swapped("checkpoints"),
    "replies swapped": swapped("mctsr_calls"),
    "checkpoints cut": sql(
        f"UPDATE checkpoints SET checkpoint = substr(checkpoint, 1, 100) WHERE {_MINE}"
    ),
    "metadata cut": sql(
        f"UPDATE checkpoints SET metadata = substr(metadata, 1, 100) WHERE {_MINE}"
    ),
    "writes cut": sql(
        f"UPDATE writes SET value = substr(value, 1, length(value) - 1) WHERE {_TREE}"
    ),
    "table of writes dropped": sql("DROP TABLE writes"),
    "settings changed": sql(
        "UPDATE checkpoints SET metadata = replace(CAST(metadata AS TEXT), 'rollouts\\\": 6', "
        f"'rollouts\\\": 5') WHERE {_MINE}"
    ),
    "no next step": edited("checkpoints", "checkpoint", _no_step),
    "a version that is no number": edited("checkpoints", "checkpoint", _no_number),
    "an index out of order": unsorted,
    "another step": channel("branch:to:backpropagate", None),
    "best: another node": channel("best", "0"),
    "best: a node that is not there": channel("best", "99"),
    "best: no text": channel("best", 7),
    "rollouts: fewer": channel("rollouts", 1),
    "rollouts: negative": channel("rollouts", -1),
    "rollouts: a text": channel("rollouts", "six"),
    "usage: a list": channel("usage", []),
    "problem: another": channel("problem", "How much?"),
    "stop_reason: another": channel("stop_reason", "patience"),
    "node: another answer": node("answer", "It is \\boxed{7}."),
    "node: another final answer": node("final_answer", "7"),
    "node: a higher reward": node("rewards", [99.0]),
    "node: a reward off the scale": node("rewards", [1e9]),
    "node: another parent": node("parent", "1"),
    "node: a parent that is not there": node("parent", "99"),
    "node: its own child": node("children", ["0"]),
    "node: another id": node("id", "0"),
    "node: a list for a text": node("answer", ["7"]),
    "node: a higher q": node("q", 99.0),
    "half of the file": cut(0.5),
    "nine tenths of the file": cut(0.9),
    "no byte of the file": cut(0.0),
}


# --------------------------------------------------------------------------- the table
def outcome(one: Sound, damage: Damage, how: str) -> tuple[str, str]:
    """What comes of a use of a damaged copy, and what was told."""
    copy = copied(one.file)
    try:
        damage(copy)
    except (sqlite3.Error, ValueError):
        return "", ""  # there is nothing of this kind
    try:
        shown = use(copy, how)
    except MCTSrError as error:
        return (
            ("refused", "") if type(error).__name__ != "SearchFailedError" else ("raw", repr(error))
        )
    except Exception as error:
        return "raw", repr(error)
    foreign = [text for text in shown if text not in one.right[how]]
    return ("wrong", foreign[0][:300]) if foreign else ("right", "")


def trials(options: argparse.Namespace) -> Iterator[tuple[str, str, Damage]]:
    """Kind, stage and damage of each trial."""
    for name, damage in KINDS.items():
        yield from ((name, stage, damage) for stage in STAGES)
    for number in range(options.flips):
        stage, seed = STAGES[number % len(STAGES)], options.seed + number
        yield "a bit of the file flipped", stage, flipped(seed)
        yield "a bit of a row flipped", stage, flipped_in_a_row(seed)


def table(options: argparse.Namespace) -> tuple[dict[str, Counter[str]], list[list[str]]]:
    """How often each came of each kind of damage, and all that was wrong or raw."""
    counts: dict[str, Counter[str]] = {}
    bad = []
    with tempfile.TemporaryDirectory(prefix="damage-") as folder:
        files = {stage: sound(Path(folder), stage) for stage in STAGES}
        for number, (name, stage, damage) in enumerate(trials(options)):
            if options.only not in name:
                continue
            for how in USES:
                came, told = outcome(files[stage], damage, how)
                counts.setdefault(name, Counter())[came] += 1
                if came in ("wrong", "raw"):
                    bad.append([name, stage, how, came, told, str(number)])
    return counts, bad


def main() -> None:
    """Parse the options, do the damage, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--flips", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="")
    counts, bad = table(parser.parse_args())
    columns = ("right", "refused", "wrong", "raw")
    print(f"{'':40}" + "".join(f"{name:>9}" for name in columns))
    for kind, found in counts.items():
        print(f"{kind:40}" + "".join(f"{found[name]:9}" for name in columns))
    print(json.dumps(bad))


if __name__ == "__main__":
    main()
