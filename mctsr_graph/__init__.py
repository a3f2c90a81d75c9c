"""MCTS Self-Refine: let a chat model search for an answer instead of guessing once."""

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
from .models.load import load_model
from .models.scripted import ScriptedChatModel
from .prompts import Prompts
from .solution import Solution
from .solve import asolve, solve
from .state import MCTSrInput, MCTSrOutput, MCTSrState
from .tree import Node

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
    "MCTSrOutput",
    "MCTSrState",
    "MissingExtraError",
    "Node",
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
    "create_mctsr",
    "load_model",
    "solve",
]
