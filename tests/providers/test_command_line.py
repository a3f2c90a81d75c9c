"""`mctsr solve --model provider:name` against servers that the environment names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from .server import Vendors
from .test_every_provider import PROBLEM

pytest.importorskip("langchain.chat_models", reason="langchain is not installed")
pytest.importorskip("typer", reason="typer is not installed")


@pytest.fixture
def server() -> Iterator[Vendors]:
    with Vendors() as made:
        yield made


def mctsr(server: Vendors, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What the command does, in a process of its own."""
    environment = {
        **os.environ,
        **{"OPENAI_BASE_URL": f"{server.url}/openai/v1", "OPENAI_API_KEY": "x"},
        "OLLAMA_HOST": server.url,
    }
    command = [sys.executable, "-m", "mctsr_graph", "solve", PROBLEM, "--rollouts", "2", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("model", "package"),
    [("openai:gpt-5-mini", "langchain_openai"), ("ollama:llama3", "langchain_ollama")],
)
def test_a_model_of_a_provider_answers(server: Vendors, model: str, package: str) -> None:
    pytest.importorskip(package, reason=f"{package} is not installed")
    done = mctsr(server, "--model", model)
    assert (done.returncode, "Final answer: 26" in done.stdout) == (0, True), done.stderr
    assert server.refused == []
    assert {body["model"] for body in server.asked} == {model.partition(":")[2]}
    assert "not sent" not in done.stderr


def test_a_profile_with_a_temperature_says_that_the_model_takes_none(server: Vendors) -> None:
    pytest.importorskip("langchain_openai", reason="langchain-openai is not installed")
    done = mctsr(server, "--model", "openai:gpt-5-mini", "--profile", "paper", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["final_answer"] == "26"
    assert "temperature = 0.95 is not sent to the model ChatOpenAI:gpt-5-mini" in done.stderr


def test_a_temperature_that_the_model_does_not_take_is_an_error(server: Vendors) -> None:
    pytest.importorskip("langchain_openai", reason="langchain-openai is not installed")
    done = mctsr(server, "--model", "openai:gpt-5-mini", "--set", "draft_temperature=0.2")
    assert done.returncode != 0
    assert "draft_temperature is 0.2, which the model ChatOpenAI:gpt-5-mini" in done.stderr
    assert (done.stdout, server.asked) == ("", [])
