"""Takes off what stands around a final answer: markup, delimiters, the words of a template."""

from __future__ import annotations

import re

_DELIMITER = re.compile(r"(\\\\|\\\$)|\$|\\[()\[\]]|(?<!\S)\*\*|\*\*(?=[\s.,;:]|\Z)")
_HTML = re.compile(
    r"(?i)</?(?:b|i|u|em|strong|span|p|div|br|font|mark|td|code|center)\b[^<>]{0,60}>"
)
TEXT_MACRO = r"\\(?:text(?:bf|it|rm)?|math(?:rm|bf)|mbox)\s{0,2}\{([^{}]*)\}"
_WRAPPED = re.compile(TEXT_MACRO)
_FENCE = re.compile(r"\A```[a-z]{0,12}\n?|```\Z")
_EMPHASIS = re.compile(r"\A([*_]{1,3})(?=[^\s*_])([^*_\n]{1,200}?)(?<=[^\s*_])\1\Z")
# Dots that belong to the answer: of a list or of decimals that go on
_ELLIPSIS = re.compile(r"(?:,|\.[0-9]{1,40}) ?(?:\.{3}|…)\Z")
# What a template asks to be filled in. It holds no digit, so that it hides no answer.
_WORDS = r"(?:answer|value|number|result|solution|expression|option|letter|numerator|denominator)s?"
_PLACEHOLDER = re.compile(
    rf"""(?ix)[\[<({{]{{0,2}}\s?(?:(?:your|the|my|a|insert|put|enter|write|fill\ in|final
    |numeri(?:c|cal)
        |correct|short|exact
        |simplified)[\ _-]){{0,5}}{_WORDS}(?:\s(?:goes\s)?here)?\s?[\]>)}}]{{0,2}}
      |[\[<][^\[\]<>0-9]{{0,40}}\b(?:{_WORDS}|here|placeholder)\b[^\[\]<>0-9]{{0,40}}[\]>]
      |tbd|n/?a|to\ be\ determined|(?:unclear|unknown\ to|not\ sure|unsure)\b.*|placeholder|null
      |unknown"""
)


def lowered(text: str) -> str:
    """A text in small letters, of the same length: a few letters have two characters then."""
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(char if len(char.lower()) != 1 else char.lower() for char in text)


def tidy(value: str, limit: int) -> str:
    """An answer without the markup around it; "" if it is blank, a placeholder or too long."""
    if len(value) > 2 * limit or "\\boxed" in value or "\\fbox" in value:
        return ""
    value = _HTML.sub("", value)
    before = None
    for _ in range(4):  # each layer of markup may hide one more
        if value == before:
            break
        before = value
        value = _DELIMITER.sub(r"\1", _FENCE.sub("", value.strip()))
        # The backslash goes too: it is what is left of a trailing "\," or "\\".
        value = value.strip("` \t\n")
        if not _ELLIPSIS.search(value):
            value = value.rstrip(" \t\n.,;_\\。、").strip()
        if wrapped := _WRAPPED.fullmatch(value):
            value = wrapped[1].strip()
        elif stressed := _EMPHASIS.match(value):
            value = stressed[2]
    # Dots, dashes and blanks to fill in are no answer; "\{\}" and signs such as U+2205 may be.
    says_something = any(c.isalnum() or c == "\\" or c > "\x7f" for c in value)
    if not says_something or len(value) > limit or _PLACEHOLDER.fullmatch(value):
        return ""
    return value
