"""Parts of one run, made on several machines, put together into one folder."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing

from mctsr_graph.calls.journal import CallJournal
from mctsr_graph.errors import ConfigError

from .records import Attempted, Environment, RunSettings, all_planned
from .store import RunFolder


def merge_runs(parts: Sequence[RunFolder], out: RunFolder) -> int:
    """Put parts of a run together; the first line of a problem and seed counts.

    Args:
        parts: Folders of the same run.
        out: A folder that holds no run yet.

    Returns:
        The number of lines.

    Raises:
        ConfigError: a folder is no run, or of another one, or `out` holds one.
    """
    found = [_settings(part) for part in parts]
    for part, settings in zip(parts, found, strict=True):
        if settings["run"] != found[0]["run"]:
            raise ConfigError(
                f"{str(part.path)!r} holds run {settings['run']!r}, and {str(parts[0].path)!r} "
                f"run {found[0]['run']!r}: parts of one run are put together"
            )
    if out.settings() is not None:
        raise ConfigError(f"{str(out.path)!r} holds a run; what is put together needs a new folder")
    environments: list[Environment] = []
    for settings in found:
        environments += [e for e in settings.get("environments", []) if e not in environments]
    whole: RunSettings = {**found[0], "planned": all_planned(found), "environments": environments}
    with out.lease():
        done = _add_lines(parts, out, environments)
        for part in parts:
            for (id_, seed), reasons in part.unfinished().items():
                for why in reasons if (id_, seed) not in done else ():
                    out.note(Attempted(id=id_, seed=seed, why=why, when=""))
            _copy_calls(part, out)
        out.write_settings(whole)  # the last: without it the folder is no run
    return len(done)


def _add_lines(
    parts: Sequence[RunFolder], out: RunFolder, environments: list[Environment]
) -> set[tuple[str, int]]:
    """Add each line once; return the ids and seeds."""
    done: set[tuple[str, int]] = set()
    for part in parts:
        own = _settings(part).get("environments", [])
        for line in part.lines():
            key = (line["id"], line["seed"])
            if key not in done:
                done.add(key)
                if "environment" in line:
                    line["environment"] = environments.index(own[line["environment"]])
                out.append(line)
    return done


def _settings(part: RunFolder) -> RunSettings:
    found = part.settings()
    if found is None:
        raise ConfigError(f"{str(part.path)!r} holds no run")
    return found


def _copy_calls(part: RunFolder, out: RunFolder) -> None:
    if not part.calls.exists():
        return
    CallJournal(out.calls).close()  # which makes the table
    with closing(sqlite3.connect(out.calls)) as new:
        new.execute("ATTACH DATABASE ? AS part", (str(part.calls),))
        new.execute("INSERT OR IGNORE INTO mctsr_calls SELECT * FROM part.mctsr_calls")
        new.commit()
