r"""How far math-verify can be believed: it leaves out what it cannot read, and goes on.

Its False may thus mean that it has not read a text, as of "\circledast", and its True that it left
out the words that make the difference: "12 girls and 13 boys" is no 12.
"""

from __future__ import annotations

import re

from mctsr_graph.text.equality.plain import plain

_MACRO = re.compile(r"\\([A-Za-z]+)")
_GREEK = frozenset(
    re.findall(
        "[a-z]+",
        "alpha beta gamma delta epsilon zeta eta theta kappa lambda mu nu xi rho sigma tau phi chi "
        "psi omega",
    )
)
# What it reads, as `plain` spells it; functions, Greek letters and text have their own rules
_READ = frozenset(
    re.findall(
        "[A-Za-z]+",
        "frac sqrt sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh ln log lg exp pi "
        "infty le ge ne in cup cap setminus varnothing mathbb pm mp binom sum prod int lim to "
        "begin end max min gcd lcm det approx lfloor rfloor lceil rceil text partial",
    )
) | {*_GREEK, *(letter.capitalize() for letter in _GREEK)}
_TEXT = re.compile(r"\\text ?\{([^{}]*)\}")
_WORD = re.compile(r"[A-Za-z]{3,}")
_BOUND = re.compile(r"\\(?:sum|prod)[^{]*\{ ?([a-z]) ?=|\\lim ?_ ?\{ ?([a-z])|d ?([a-z])(?![a-z])")
_ENVIRONMENT = re.compile(r"\\(?:begin|end) ?\{[^{}]*\}(?:\{[lcr| ]*\})?|\\mathbb ?\{?[A-Z]\}?")


def is_read(answer: str) -> bool:
    """Whether math-verify reads all of an answer, so that its False says that another differs."""
    text = plain(answer)
    return not _words(text) and set(_MACRO.findall(text)) <= _READ and "'" not in text


def same_words(gold: str, answer: str) -> bool:
    """Whether two answers have the same words, primes and letters, so that its True is enough."""
    one, two = plain(gold), plain(answer)
    if _words(one) != _words(two) or one.count("'") != two.count("'"):
        return False
    return _letters(one) == _letters(two)


def _words(text: str) -> list[str]:
    bare = _MACRO.sub(" ", _TEXT.sub(r" \1 ", _ENVIRONMENT.sub(" ", text)))
    return sorted(word.lower() for word in _WORD.findall(bare))


def _letters(text: str) -> set[str]:
    """The letters that stand for something, and not only inside a sum or an integral."""
    bound = {letter for found in _BOUND.findall(text) for letter in found if letter}
    bare = _TEXT.sub(" ", _ENVIRONMENT.sub(" ", text))
    letters = {*re.findall(r"[A-Za-z]", _MACRO.sub(" ", bare)), *_MACRO.findall(bare)} - {"d"}
    return {one for one in letters if len(one) == 1 or one.lower() in _GREEK} - bound - {"e", "i"}
