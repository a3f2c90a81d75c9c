"""What the tests share: the network is closed, data are found by an environment variable."""

from __future__ import annotations

import faulthandler
import json
import os
import shutil
import signal
import sys

# Checkpoints hold plain JSON types: with this set, anything else would not come back
os.environ["LANGGRAPH_STRICT_MSGPACK"] = "true"
os.environ.pop("MCTSR_MODEL", None)

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mctsr_graph import ScriptedChatModel
from mctsr_graph.models.scripted import ScriptedCall
from mctsr_graph.settings.context import TEMPERATURES
from mctsr_graph.settings.profiles import PROFILES
from mctsr_graph.strategies.strategy import _named

PAPER: dict[str, Any] = {"profile": "paper", **dict.fromkeys(TEMPERATURES)}
"""The paper's profile with the temperature that the model has itself."""

# Where a shell runs tests in the background, Ctrl-C is ignored here and in whatever they start
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

HANGS = 1500
"""Seconds after which another process counts as hanging, however busy the machine is."""
of_processes = pytest.mark.timeout(HANGS + 60)

LOOPBACK = ["127.0.0.1", "::1", "localhost"]

HEAVY = (
    *("test_engine", "test_models_calls", "test_models_huggingface", "test_models_standard"),
    *("test_models_generation", "test_models_grammar", "test_models_replies"),
    *(
        "test_models_cache",
        "test_embedded",
        "test_training",
        "test_page",
        "test_studio",
        "test_benchmark_ray",
        "test_benchmark_again",
        "test_benchmark_run",
    ),
    *(
        "test_benchmark_report",
        "test_benchmark_page",
        "test_worker",
        "test_grading",
        "test_answer_classes",
        "test_many",
        "test_same_seed",
        "test_tool",
    ),
    *(
        "test_damage",
        "test_growth",
        "test_judges",
        "test_tuned",
        "test_solve",
        "test_deciding",
        "test_defuse",
    ),
    *("providers/test_command_line", "providers/test_rate_limits"),
    *("faults/", "test_search_properties", "test_steering", "test_cli"),
)
"""Beginnings of the files whose tests `make check` leaves out: they need a model, a browser, a
database, a cluster, other processes, or much time."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is heavy; a test of SmolLM2 may take longer: it is unpacked, too."""
    for item in items:
        unpacked = item.get_closest_marker("smollm2") is not None
        if unpacked or item.nodeid.removeprefix("tests/").startswith(HEAVY):
            item.add_marker("heavy")
        if unpacked and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(600))


def pytest_runtest_setup() -> None:
    """No test reaches beyond this machine."""
    from pytest_socket import socket_allow_hosts

    socket_allow_hosts(LOOPBACK, allow_unix_socket=True)


def pytest_unconfigure() -> None:
    """A thread that a failed test has left waiting does not keep the process for ever."""
    faulthandler.dump_traceback_later(60, exit=True, file=sys.__stderr__)


@pytest.fixture(autouse=True)
def forget_loaded_models() -> None:
    """No test is given a model that another test has loaded under the same name."""
    from mctsr_graph.models import load

    load._loaded.clear()


@pytest.fixture
def test_data() -> Path:
    """The folder with logged trees and judge replies; skips where there is none."""
    named = os.environ.get("MCTSR_TEST_DATA")
    if not named or not Path(named).is_dir():
        pytest.skip("MCTSR_TEST_DATA names no folder with test data")
    return Path(named)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium; skips where there is none."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Open a page; at the end it must have said nothing to the console and asked for nothing."""
    said: list[str] = []
    contexts: list[Any] = []

    def open_page(html: str, ready: str = "html[data-ready]", **how: Any) -> Any:
        file = tmp_path / "page.html"
        file.write_text(html, encoding="utf-8")
        context = browser.new_context(**how)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)  # what takes a second or two
        page.on("console", lambda m: said.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(file.as_uri())
        page.on("request", lambda request: said.append(request.url))
        page.wait_for_selector(ready, state="attached")
        return page

    yield open_page
    for context in contexts:
        context.close()
    # KaTeX's fonts lie in the page itself
    assert [text for text in said if not text.startswith("data:font/woff2")] == []


def keyed_reply(call: ScriptedCall) -> str:
    """A reply that depends on role, rollout and sample only, not on the order of calls."""
    if call.role == "evaluate":
        return f"Score: {(37 * call.rollout + 11 * call.sample) % 90 - 20}"
    if call.role == "critique":
        return f"Flaw number {call.rollout}."
    return f"Answer of rollout {call.rollout}: \\boxed{{{call.rollout}}}"


@pytest.fixture
def keyed() -> ScriptedChatModel:
    """A scripted model whose replies do not depend on the order of calls."""
    return ScriptedChatModel(replies=keyed_reply)


@pytest.fixture
def scripted() -> Callable[..., ScriptedChatModel]:
    """Make a keyed model in which some replies are replaced: {(role, rollout, sample): reply}."""

    def make(changes: dict[tuple[str, int, int], Any], **fields: Any) -> ScriptedChatModel:
        def reply(call: ScriptedCall) -> Any:
            key = (str(call.role), call.rollout, call.sample)
            return changes.get(key, keyed_reply(call))

        return ScriptedChatModel(replies=reply, **fields)

    return make


@pytest.fixture
def profiles() -> Iterator[None]:
    """Forget the profiles that a test has made."""
    known, named = dict(PROFILES), dict(_named)
    yield
    for table, before in ((PROFILES, known), (_named, named)):
        table.clear()
        table.update(before)  # type: ignore[arg-type]


def as_json(value: Any) -> str:
    """A value in a form that can be compared: without the seconds that it took."""
    return json.dumps(timeless(value), sort_keys=True)


def timeless(value: Any) -> Any:
    """A value without the seconds that anything took, which no two runs have in common."""
    if isinstance(value, dict):
        return {key: timeless(own) for key, own in value.items() if key != "seconds"}
    return [timeless(one) for one in value] if isinstance(value, list | tuple) else value
