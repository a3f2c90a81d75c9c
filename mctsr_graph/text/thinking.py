"""What a reasoning model says, without what it thinks: the one reader for answers and scores.

Thinking stands in a tag or a channel of the reply, in one of these spellings:

    <think> <thinking> <thought> <reasoning> <seed:think>   ended by the same with "/"
    <antThinking> <scratchpad> <inner_monologue>            ended by the same with "/"
    [THINK] ◁think▷                                         [/THINK] ◁/think▷
    <|START_THINKING|> <|inner_prefix|> <|think:start|>     END_THINKING, inner_suffix, think:end
    <|begin_of_thought|> <unused94>thought                  <|end_of_thought|> <unused95>
    <|channel>                                              <channel|>
    <|channel|>analysis<|message|>                          <|channel|>final<|message|>
    analysis, at the beginning                              assistantfinal

The last line is the one before it as a server shows it that drops special tokens. Templates that
open the tag in the prompt leave only its end in the reply, so an end needs no beginning.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_TAG = (
    r"(?:(?:[a-z]{1,10}:)?(?:think|(?:ant)?thinking|thoughts?|reasoning)"
    r"|scratchpad|inner_monologue)\s?"
)
# Each alternative begins with a character without case, by which a search skips the rest; ASCII,
# else the Kelvin sign would count as a "k"
_BEGIN_TAG = (
    rf"<{_TAG}>|<\|(?:START_THINKING|inner_prefix|think:start|begin_of_thought)\|>"
    r"|\[THINK\]|◁think▷|<unused94>|<\|channel>"
)
_END_TAG = (
    rf"</{_TAG}>|<\|(?:END_THINKING|inner_suffix|think:end|end_of_thought)\|>"
    r"|\[/THINK\]|◁/think▷|<\|START_RESPONSE\|>|<\|begin_of_solution\|>|<unused95>|<channel\|>"
)
BEGIN_TAG = re.compile(rf"(?ai){_BEGIN_TAG}")
"""What opens thinking, other than the channels of gpt-oss."""
END_TAG = re.compile(rf"(?ai){_END_TAG}")
"""What closes it."""
_BEGIN = re.compile(rf"(?ai){_BEGIN_TAG}|<\|channel\|>(?!\s{{0,4}}final\b)")
_END = re.compile(
    rf"(?ai){_END_TAG}"
    r"|<\|channel\|>\s{0,4}final\b[^<]{0,80}(?:<\|constrain\|>[^<]{0,80})?<\|message\|>"
)
_BARE_BEGIN = re.compile(r"\s*analysis(?=[A-Z])")  # at the beginning only
_BARE_END = "assistantfinal"
_OVER = re.compile(r"<\|(?:end|return|END_RESPONSE|end_of_solution)\|>")
_MARKS = ("<", "[", "◁", "analysis", _BARE_END)
"""Each pattern needs one of these, which are looked for much faster."""


class Said(NamedTuple):
    """A reply without its thinking."""

    text: str
    """What is meant for the reader; it may be empty."""
    is_thinking: bool
    """Whether the reply stops in the middle of its thinking."""


def said(reply: str) -> Said:
    """Reads what follows the last end of thinking, up to thinking that is begun and not ended."""
    for mark in _MARKS:
        if mark in reply:
            break
    else:
        return Said(reply.strip(), False)
    rest = _END.split(reply)[-1].rpartition(_BARE_END)[2]
    begin = _BARE_BEGIN.match(rest) or _BEGIN.search(rest)
    text = rest[: begin.start()] if begin else rest
    return Said(_OVER.split(text, maxsplit=1)[0].strip(), begin is not None)


def strip_reasoning(text: str) -> str:
    """Removes a reasoning model's thinking from its reply.

    Returns:
        What follows the last end of thinking, up to one that is left open; it may be empty.
    """
    return said(text).text
