"""The exceptions of this package.

MCTSrError
├── ConfigError            a setting is wrong: names the value and what is allowed
│   └── PauseError         something pauses where a search cannot be paused
├── UnknownModelError      no provider has that name
├── MissingExtraError      a package is missing: says what to install
├── DataUnavailableError   a data set cannot be had: says how to give it as a file
├── ClusterError           a Ray cluster lost what was at work, again and again
├── ReplyError             a model's reply cannot be used
│   └── ScoreError         a judge's reply holds no usable score
├── ScriptExhaustedError   a scripted model was asked more often than its script
└── SearchFailedError      a search gave up; carries everything it had found
KeyboardInterrupt
└── SearchInterrupted      Ctrl-C during a search; carries everything it had found
"""

from __future__ import annotations

from typing import Any

# A class whose __init__ takes other arguments than its message needs a __reduce__: an error that
# cannot be unpickled breaks a process pool, or leaves whoever waits for it waiting


class MCTSrError(Exception):
    """Base of every error that this package raises on purpose."""


# A RuntimeError, since a LangGraph server keeps to itself what errors of other kinds say; and no
# ValueError, which pydantic would take for one of its own
class ConfigError(MCTSrError, RuntimeError):
    """A setting is wrong. The message names it, its value and the allowed values."""


class UnknownModelError(MCTSrError, ValueError):
    """A model name has no known provider."""


class MissingExtraError(MCTSrError, ImportError):
    """An optional package is missing. The message says what to install."""


class DataUnavailableError(MCTSrError):
    """A data set cannot be had from the hub. The message names the form of a file instead."""


class ClusterError(MCTSrError):
    """A Ray cluster has no worker for a search, or lost too many. What was reported is kept."""


class PauseError(ConfigError):
    """Something called `interrupt()` where a search cannot be paused and gone on with."""


def bubbles_up(error: BaseException) -> bool:
    """Whether LangGraph raised it to pause a graph, or to leave it: nothing has failed.

    By its name, since most of this package knows nothing of LangGraph.
    """
    kinds = type(error).__mro__
    return any((k.__module__, k.__name__) == ("langgraph.errors", "GraphBubbleUp") for k in kinds)


class ReplyError(MCTSrError, ValueError):
    """A model's reply cannot be used; the rollout is asked again, then fails.

    `code` is a short machine-readable word ("empty", "missing", ...), `why` says it in words,
    `reply` is the offending text.
    """

    def __init__(self, code: str, message: str, reply: str = "") -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.why = message
        self.reply = reply

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.code, self.why, self.reply), self.__dict__


class ScoreError(ReplyError):
    """A judge's reply holds no usable score. Never replaced by a neutral number."""


class ScriptExhaustedError(MCTSrError):
    """A `ScriptedChatModel` was asked more often than its script foresees."""


class CheckpointError(MCTSrError):
    """A search cannot be kept, or what was kept cannot be taken up again."""


class SearchLockedError(CheckpointError):
    """Another runner, in this process or another, is at work on this search."""


class FingerprintMismatchError(CheckpointError):
    """The thread holds a search of other settings, other prompts or another model."""


class JournalMismatchError(CheckpointError):
    """A recorded model call was of another request than the one made now."""


class SearchFailedError(MCTSrError):
    """A search gave up. `solution` holds the best so far and the whole tree."""

    def __init__(self, message: str, solution: Any) -> None:
        super().__init__(message)
        self.solution = solution

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (*self.args, self.solution), self.__dict__


class SearchInterrupted(KeyboardInterrupt):
    """Ctrl-C during `solve`. `solution` holds the best so far and the whole tree."""

    def __init__(self, solution: Any) -> None:
        super().__init__("the search was interrupted")
        self.solution = solution

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.solution,), self.__dict__
