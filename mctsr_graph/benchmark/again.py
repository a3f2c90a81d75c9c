"""A run looked at again without its model: graded anew, or replayed from its recorded calls."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from mctsr_graph.errors import ConfigError

from .finishing import grade_line
from .grading import Grader
from .problems import Problem, read_golds
from .records import Line, RunSettings, lost_calls
from .run import Job, OnLine, local, run
from .stand_in import About, replayed
from .store import RunFolder


class Regraded(NamedTuple):
    """What came of grading anew."""

    graded: int
    """Attempts with a verdict."""
    changed: int
    """Those whose verdict has changed."""
    replaced: int
    """Lines whose answer was replaced."""
    foreign: int
    """Corrected answers to problems that the run does not have."""


# Time, money (prices change) and where the lines were made
_NOT_REPLAYED = {"seconds", "price", "unpriced_calls", "environment", "gold_before"}


def regrade(folder: RunFolder, golds: str | Path | None = None) -> Regraded:
    """Grade every attempt of a run anew.

    Args:
        folder: The run's.
        golds: A file of corrected answers, as a data set's or with ids and answers alone. Other
            problems keep theirs; each line keeps what it was graded by first.

    Raises:
        ConfigError: the folder holds no run, or the file none of its problems.
        SearchLockedError: another process is at work on it.
    """
    settings = _settings(folder)
    corrected, source = read_golds(Path(golds)) if golds is not None else ({}, None)
    graded = changed = replaced = 0
    ids = set()
    with folder.lease(), Grader() as grader:

        def anew() -> Iterator[Line]:
            nonlocal graded, changed, replaced
            for line in folder.lines():
                ids.add(line["id"])
                new = corrected.get(line["id"], line["gold"])
                if new != line["gold"]:
                    line.setdefault("gold_before", line["gold"])
                    line["gold"], replaced = new, replaced + 1
                before = _verdicts(line)
                grade_line(line, grader)
                after = _verdicts(line)
                graded += len(after)
                changed += sum(old != new for old, new in zip(before, after, strict=True))
                yield line

        if corrected and not any(line["id"] in corrected for line in folder.lines()):
            raise ConfigError(f"{str(golds)!r} holds no id of the run in {str(folder.path)!r}")
        folder.rewrite(anew())
        if source is not None:
            folder.write_settings({**settings, "golds": source})
    return Regraded(graded, changed, replaced, len(corrected.keys() - ids))


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
    told = settings["takes_seed"], settings["tells_scores"], settings.get("tells_logprobs", False)
    model = replayed(About(settings["label"], *told))
    await run(folder, settings, jobs, local(model), on_line=on_line)
    made = {(line["id"], line["seed"]): line for line in folder.lines()}
    before = (e for e in original.lines() if not lost_calls(e))
    differ = [e["id"] for e in before if not _is_same(e, made[e["id"], e["seed"]])]
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


def _is_same(before: Any, after: Any) -> bool:
    """Whether all that a line says came out again; what it does not say is of a later version."""
    if isinstance(before, dict):
        names = before.keys() - _NOT_REPLAYED
        return all(name in after and _is_same(before[name], after[name]) for name in names)
    if isinstance(before, list):
        pairs = zip(before, after, strict=False)
        return len(before) == len(after) and all(_is_same(one, other) for one, other in pairs)
    return bool(before == after)
