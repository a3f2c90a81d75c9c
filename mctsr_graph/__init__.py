"""MCTS Self-Refine: let a chat model search for an answer instead of guessing once."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .config import MCTSrContext
from .errors import (
    CheckpointError,
    ConfigError,
    FingerprintMismatchError,
    JournalMismatchError,
    MCTSrError,
    MissingExtraError,
    ReplyError,
    ScoreError,
    ScriptExhaustedError,
    SearchFailedError,
    SearchInterrupted,
    SearchLockedError,
    UnknownModelError,
)
from .graph import create_mctsr
from .journal import CallJournal
from .learning import learn_prior
from .many import asolve_many, solve_many
from .models.load import load_model
from .prior import Prior
from .prompts import Prompts
from .solution import Solution
from .solve import asolve, solve
from .state import MCTSrInput, MCTSrOutput, MCTSrState
from .tree import Node

if TYPE_CHECKING:
    from .agent import create_mctsr_agent
    from .middleware import MCTSrMiddleware
    from .models.scripted import ScriptedChatModel
    from .tool import create_mctsr_tool

__version__ = "0.1.0"

__all__ = [
    "CallJournal",
    "CheckpointError",
    "ConfigError",
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
    "learn_prior",
    "load_model",
    "solve",
    "solve_many",
]

# Loaded at first use: most programs need none of them, and they need more than a search does
_LATE = {
    "MCTSrMiddleware": "middleware",
    "ScriptedChatModel": "models.scripted",
    "create_mctsr_agent": "agent",
    "create_mctsr_tool": "tool",
}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LATE[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
