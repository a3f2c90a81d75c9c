"""Reads answers in words: yes and no, names, dates, numbers in words, and words for no solution."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .times import DAY, read_date

_NOTHING = re.compile(
    r"(?i)(?:there (?:is|are|exists?) |it has |has )?(?:no|none|zero) (?:(?:real|such|possible"
    r"|integer|valid|other|positive|common|feasible) )*"
    r"(?:solutions?|numbers?|values?|roots?|integers?|answers?|pairs?|points?|triples?)"
    r"(?: (?:of )?[a-z])?(?: exists?)?"
    r"|(?:the )?empty set|\\varnothing|\\\{ ?\\\}|none(?: exists?)?"
    r"|(?:it is )?(?:impossible|not possible)|does not have (?:any |a )?solutions?|nothing"
)
_UNDEFINED = re.compile(r"(?i)(?:it )?(?:is )?(?:undefined|dne|does not exist|not defined|d\.n\.e)")
_DROPPED = re.compile(r"(?i)\b(?:the|an?|on|is|it|of)\b|[\"'.!?,]")
_YES_NO = re.compile(r"(?i)(yes|no|true|false)(?:[.!]?\Z|[,.!;:](?! ?(?:and|or)\b) ?[a-z])")
_SETS = {
    "N": "natural numbers", "Z": "integers", "Q": "rational numbers", "C": "complex numbers",
    "Z+": "positive integers", "Z-": "negative integers", "R+": "positive real numbers",
}  # fmt: skip
_SET = re.compile(
    r"(?:\\?[A-Za-z] ?\\in ?)?\\mathbb ?\{? ?([NZQCR]) ?\}? ?"
    r"(?:[\^_] ?\{? ?([-+*]|> ?0|< ?0) ?\}?)?"
)
_ALL = re.compile(r"(?i)\A(?:the )?(?:set of )?(?:all |every |any )?(?:the )?")
# What a kind of thing is called by, whether or not it is said: an isosceles triangle
_KINDS = frozenset(
    re.findall(
        "[a-z]+",
        "triangle triangles number numbers function functions angle quadrilateral series sequence "
        "matrix graph line lines curve solution distribution",
    )
)
_TEXT = re.compile(r"\\text ?\{([^{}]*)\}")
_PLAIN = re.compile(r"[A-Za-z][A-Za-z '.,!?\"-]*")


@dataclass(frozen=True)
class Words:
    """An answer in words, in one spelling."""

    text: str
    may_be_product: bool
    """Whether it may as well be a product of variables, such as "ab"."""


def read_words(text: str) -> Words | None:
    """Reads a text that consists of words; None for anything else."""
    bare = " ".join(_TEXT.sub(r" \1 ", text).split()).strip(" .")
    if fixed := _of_one_meaning(bare):
        return Words(fixed, False)
    if not _PLAIN.fullmatch(bare) or not _has_word(bare):
        return None
    if bare == text and len(bare.replace(" ", "")) < 3 and bare.lower() not in ("no", "up"):
        return None  # x, ab
    word = " ".join(_DROPPED.sub(" ", bare).replace("-", " ").casefold().split())
    word = _without_kind(DAY.get(word, word))
    return Words(word or bare.casefold(), bare == text and len(bare) < 4)


def _of_one_meaning(bare: str) -> str | None:
    """Reads words for nothing, for sets of numbers, and dates."""
    if _NOTHING.fullmatch(bare):
        return "no solution"
    if _UNDEFINED.fullmatch(bare):
        return "undefined"
    if found := _SET.fullmatch(bare):
        sign = {">0": "+", "<0": "-", "*": "+"}.get((found[2] or "").replace(" ", ""), found[2])
        return _SETS.get(found[1] + (sign or ""))
    called = _ALL.sub("", bare.lower())
    return called if called in _SETS.values() else read_date(bare)


def _without_kind(words: str) -> str:
    """Writes "isosceles triangle" as "isosceles", and "neither even nor odd" as "neither"."""
    if found := re.match(r"(neither|both|either|none) .* ?\b(?:nor|and|or) ", words):
        return found[1]
    rest, _, last = words.rpartition(" ")
    return rest if rest and last in _KINDS else words


def yes_or_no(text: str) -> Words | None:
    """Reads "Yes" and "No, it is not."."""
    bare = " ".join(_TEXT.sub(r" \1 ", text).split())
    found = _YES_NO.match(bare)
    return Words(found[1].lower(), False) if found else None


def _has_word(text: str) -> bool:
    """Whether letters are words: not in "a - b" or "ab-cd"."""
    longest = max(len(word) for word in re.findall(r"[A-Za-z]+", text))
    return longest > 1 and not (" - " in text or ("-" in text and longest < 3))


_PHRASE = re.compile(r"[-A-Za-z0-9'+,.:;()$*/=^ ]{2,300}")


def read_phrase(text: str) -> Words | None:
    """Reads words with numbers among them: "a circle of radius 3"."""
    bare = " ".join(_TEXT.sub(r" \1 ", text).split())
    if not _PHRASE.fullmatch(bare) or not re.search(r"[A-Za-z]{3}", bare):
        return None
    bare = re.sub(r"(?<=\d) (?:x|by) (?=\d)", "*", bare)
    bare = re.sub(r" ?([*/=^]) ?", r"\1", bare)
    return Words(" ".join(_DROPPED.sub(" ", bare).casefold().split()), False)
