"""MCTS Self-Refine: let a chat model search for an answer instead of guessing once."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mctsr_graph.calls.journal import CallJournal
from mctsr_graph.errors import (
    CheckpointError,
    ClusterError,
    ConfigError,
    FingerprintMismatchError,
    JournalMismatchError,
    MCTSrError,
    MissingExtraError,
    PauseError,
    ReplyError,
    ScoreError,
    ScriptExhaustedError,
    SearchFailedError,
    SearchInterrupted,
    SearchLockedError,
    UnknownModelError,
)
from mctsr_graph.graph.graph import create_mctsr
from mctsr_graph.graph.output import MCTSrOutput
from mctsr_graph.graph.state import MCTSrInput, MCTSrState
from mctsr_graph.models.load import load_model
from mctsr_graph.prompts import Prompts
from mctsr_graph.run.estimate import Estimate, estimate
from mctsr_graph.run.learn_prior import learn_prior
from mctsr_graph.run.solution import Solution
from mctsr_graph.run.solve import asolve, solve
from mctsr_graph.run.solve_many import asolve_many, solve_many
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.settings.prices import read_prices
from mctsr_graph.settings.prior import Prior
from mctsr_graph.settings.reading import FinalAnswer
from mctsr_graph.tree.tree import Node

if TYPE_CHECKING:
    from mctsr_graph.integrations.agent import create_mctsr_agent
    from mctsr_graph.integrations.middleware import MCTSrMiddleware
    from mctsr_graph.integrations.tool import create_mctsr_tool
    from mctsr_graph.models.scripted import ScriptedChatModel

__version__ = "0.2.0"

__all__ = [
    "CallJournal",
    "CheckpointError",
    "ClusterError",
    "ConfigError",
    "Estimate",
    "FinalAnswer",
    "FingerprintMismatchError",
    "JournalMismatchError",
    "MCTSrContext",
    "MCTSrError",
    "MCTSrInput",
    "MCTSrMiddleware",
    "MCTSrOutput",
    "MCTSrState",
    "MissingExtraError",
    "Node",
    "PauseError",
    "Prior",
    "Prompts",
    "ReplyError",
    "ScoreError",
    "ScriptExhaustedError",
    "ScriptedChatModel",
    "SearchFailedError",
    "SearchInterrupted",
    "SearchLockedError",
    "Solution",
    "UnknownModelError",
    "asolve",
    "asolve_many",
    "create_mctsr",
    "create_mctsr_agent",
    "create_mctsr_tool",
    "estimate",
    "learn_prior",
    "load_model",
    "read_prices",
    "solve",
    "solve_many",
]

# Loaded at first use: most programs need none of them, and they need more than a search does
_LATE = {
    "MCTSrMiddleware": "integrations.middleware",
    "ScriptedChatModel": "models.scripted",
    "create_mctsr_agent": "integrations.agent",
    "create_mctsr_tool": "integrations.tool",
}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATE[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
