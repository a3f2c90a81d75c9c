"""Searches on a server that fails three requests in ten: no wrong answer, and none left over."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.timeout(400)
def test_searches_end_right_whatever_the_server_does() -> None:
    pytest.importorskip("langchain_openai", reason="langchain-openai is not installed")
    options = ["--searches", "6", "--at-once", "6", "--minutes", "5"]
    command = [sys.executable, "-m", "benchmarks.soak", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    found = json.loads(done.stdout)
    assert (found["right"], found["wrong"], found["stuck"]) == (6, 0, 0)
    assert len(found["faults"]) > 10
