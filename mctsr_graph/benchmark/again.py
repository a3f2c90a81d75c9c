"""A run looked at again without its model: graded anew, or replayed from its recorded calls."""

from __future__ import annotations

import json
from collections.abc import Iterator

from mctsr_graph.errors import ConfigError

from .finishing import grade_line
from .grading import Grader
from .problems import Problem
from .records import Line, RunSettings, lost_calls
from .run import Job, OnLine, local, run
from .stand_in import About, replayed
from .store import RunFolder


def regrade(folder: RunFolder) -> tuple[int, int]:
    """Grade every attempt of a run anew.

    Returns:
        The number of attempts with a verdict, and of those whose verdict has changed.

    Raises:
        ConfigError: the folder holds no run.
        SearchLockedError: another process is at work on it.
    """
    _settings(folder)
    graded = changed = 0
    with folder.lease(), Grader() as grader:

        def anew() -> Iterator[Line]:
            nonlocal graded, changed
            for line in folder.lines():
                before = _verdicts(line)
                grade_line(line, grader)
                after = _verdicts(line)
                graded += len(after)
                changed += sum(old != new for old, new in zip(before, after, strict=True))
                yield line

        folder.rewrite(anew())
    return graded, changed


async def replay(
    original: RunFolder, folder: RunFolder, on_line: OnLine = lambda line: None
) -> tuple[int, list[str]]:
    """Make a run's lines again from its recorded calls, into a new folder.

    Problems of which the server failed a call are left out: that is not among the recorded calls.

    Returns:
        The number of lines, and the ids of those that came out differently; the seconds, which a
        replay does not have, are not compared.

    Raises:
        ConfigError: there is no run in the one folder, or one in the other.
        JournalMismatchError: a call was not recorded.
    """
    settings = _settings(original)
    if folder.settings() is not None:
        raise ConfigError(f"{str(folder.path)!r} holds a run; a replay needs a new folder")
    folder.path.mkdir(parents=True, exist_ok=True)
    original.copy_calls(folder)
    jobs = [
        Job(Problem(e["id"], e["problem"], e["gold"], e["level"], e["subject"]), e["seed"])
        for e in original.lines()
        if not lost_calls(e)
    ]
    model = replayed(About(settings["label"], settings["takes_seed"], settings["tells_scores"]))
    await run(folder, settings, jobs, local(model), on_line=on_line)
    made = {(line["id"], line["seed"]): _figures(line) for line in folder.lines()}
    before = (e for e in original.lines() if not lost_calls(e))
    differ = [e["id"] for e in before if made[e["id"], e["seed"]] != _figures(e)]
    return len(made), differ


def _settings(folder: RunFolder) -> RunSettings:
    found = folder.settings()
    if found is None:
        raise ConfigError(f"{str(folder.path)!r} holds no run")
    return found


def _verdicts(line: Line) -> list[str]:
    return [
        str(attempt["verdict"])
        for method in line["methods"].values()
        for attempt in method["attempts"]
        if not attempt["dummy"]
    ]


def _figures(line: Line) -> int:
    """A hash of all that a line says, but for the seconds."""
    text = json.dumps(line, sort_keys=True)
    plain: Line = json.loads(text)
    for method in plain["methods"].values():
        for point in method["points"]:
            point["seconds"] = None
    return hash(json.dumps(plain, sort_keys=True))
