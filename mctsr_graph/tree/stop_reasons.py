"""Why a search is over, in words, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from mctsr_graph.text.figures import counted


class StopReason(NamedTuple):
    """What a `stop_reason` means."""

    words: str
    """The reason, as the second half of a sentence."""
    advice: str
    """What a reader may do."""


_MORE = "Raise it and make the same call: a search that is kept goes on"
_NOTHING = "Nothing: this is how a search ends well"
STOP_REASONS: dict[str, StopReason] = {
    "decided": StopReason(
        "further independent answers would hardly change which one is ahead",
        f"{_NOTHING}. A higher `lead` asks for more votes",
    ),
    "agreed": StopReason(
        "the first independent answers all say the same",
        f"{_NOTHING}. `agree` says how many have to",
    ),
    "confident": StopReason(
        "one answer is as likely to be right as `confidence` asks for",
        f"{_NOTHING}. A higher `confidence` asks for more",
    ),
    "settled": StopReason(
        "the rollouts left could not change the majority any more",
        f"{_NOTHING}. `settle=False` makes them all the same",
    ),
    "exhausted": StopReason(
        "the strategy has nothing left to do",
        "Allow more drafts, children or depth (`drafts`, `max_children`, `max_depth`), or restore "
        "what was pruned",
    ),
    "patience": StopReason(
        "the last rollouts in a row brought nothing better, as many as `patience` says",
        "Take the answer, or raise `patience`",
    ),
    "max_rollouts": StopReason("all rollouts that `max_rollouts` allows were made", _MORE),
    "max_calls": StopReason(
        "too few of the model calls that `max_calls` or `effort` allows were left for a next step",
        _MORE,
    ),
    "max_tokens": StopReason("the tokens that `max_tokens` allows were used", _MORE),
    "max_seconds": StopReason("the time that `max_seconds` allows was used", _MORE),
    "max_cost": StopReason("the money that `max_cost` allows was spent", _MORE),
    "recursion_limit": StopReason(
        "LangGraph's limit of steps was reached",
        "Pass a higher `recursion_limit` in the config; `solve` sets it by itself",
    ),
    "failed": StopReason(
        "no first draft could be used, or too many rollouts failed",
        "Read `failures`: each says what was asked for and what came. `max_failures` and "
        "`max_failure_share` say how many are too many",
    ),
    "interrupted": StopReason(
        "it was told to stop, by Ctrl-C, a signal or its caller",
        "Make the same call: a search that is kept goes on",
    ),
}
"""Every reason that this package gives. A strategy of yours may give others."""


def stopped_in_words(found: Mapping[str, Any]) -> str:
    """One sentence on why a search is over, or that it is not.

    Args:
        found: The fields of a `Solution`; of one that found nothing, `tree` may be absent.
    """
    reason = found.get("stop_reason")
    if reason is None:
        return "Not over yet."
    if reason not in STOP_REASONS:
        return f"Stopped ({reason})."
    words = why_failed(found) if reason == "failed" else STOP_REASONS[reason].words
    return f"Stopped ({reason}): {words}."


def why_failed(found: Mapping[str, Any]) -> str:
    """What became of a search that has failed, as the second half of a sentence."""
    if not found.get("tree"):
        drafted = found.get("answer") is not None
        return f"no first draft could be {'judged' if drafted else 'used'}"
    record = found.get("record") or []
    if not record:  # of a search that was kept before there was one
        return "too many rollouts failed"
    lost = sum(row["node"] is None for row in record)
    if not lost:
        return "an error ended it"
    return f"{lost} of {counted(found['rollouts'], 'rollout')} failed"
