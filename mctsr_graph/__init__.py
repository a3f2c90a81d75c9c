"""MCTS Self-Refine: let a chat model search for an answer instead of guessing once."""

from .config import MCTSrContext
from .errors import (
    ConfigError,
    MCTSrError,
    MissingExtraError,
    ReplyError,
    ScoreError,
    ScriptExhaustedError,
    SearchFailedError,
    SearchInterrupted,
    UnknownModelError,
)
from .graph import create_mctsr
from .models.load import load_model
from .models.scripted import ScriptedChatModel
from .prompts import Prompts
from .solve import Solution, asolve, solve
from .state import MCTSrInput, MCTSrOutput, MCTSrState
from .tree import Node

__version__ = "0.1.0"

__all__ = [
    "ConfigError",
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
    "Solution",
    "UnknownModelError",
    "asolve",
    "create_mctsr",
    "load_model",
    "solve",
]
