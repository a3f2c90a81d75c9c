"""A PostgreSQL server of the tests' own, in a folder of its own, reached by a Unix socket."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest


def find_binaries() -> Path | None:
    """The folder of the newest server installed, or None."""
    on_path = shutil.which("initdb")
    folders = [Path(on_path).parent] if on_path else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


@contextmanager
def server() -> Iterator[str]:
    """Start a server; yields a connection string. Skips where there is none to start."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    if find_spec("psycopg") is None or find_spec("langgraph.checkpoint.postgres") is None:
        pytest.skip("langgraph-checkpoint-postgres and psycopg are not installed")
    user = "postgres" if os.geteuid() == 0 else None  # the server refuses to run as root
    folder = Path(tempfile.mkdtemp(prefix="mctsr-pg-"))
    try:
        if user:
            shutil.chown(folder, user)
        data = str(folder / "data")
        options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"
        for command in (
            ["initdb", "-D", data, "-A", "trust", "-U", "postgres", "--no-sync"],
            ["pg_ctl", "-D", data, "-w", "-l", str(folder / "log"), "-o", options, "start"],
        ):
            run(binaries, command, user)
        try:
            yield f"host={folder} user=postgres dbname=postgres"
        finally:
            run(binaries, ["pg_ctl", "-D", data, "-m", "immediate", "stop"], user)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(binaries: Path, command: list[str], user: str | None) -> None:
    """Run one of the server's programs as `user`."""
    program, *rest = command
    # To a file and not to a pipe, which the server would keep open
    with tempfile.TemporaryFile() as output:
        done = subprocess.run(
            [str(binaries / program), *rest], stdout=output, stderr=output, user=user, cwd="/"
        )
        output.seek(0)
        if done.returncode:
            pytest.fail(f"{program} failed: {output.read().decode(errors='replace')[-2000:]}")
