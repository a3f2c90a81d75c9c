"""Puts final answers into classes of equal ones, for votes and beliefs.

Equality as a person sees it is not transitive: 50% is 50 to one and 0.5 to another, and 10 is short
for 10 cm as well as for 10 m. So the classes are those of a set of answers, by this rule:

1. Answers are equal if `compare` says so in both orders: neither is a rounded value of the other.
2. Pairs of equal answers are taken in a fixed order, the shortest first. The classes of both become
   one unless an answer of one is known to differ from an answer of the other.

So a class never holds two answers that are known to differ, and the order in which the answers came
does not matter. It matters which others there are: beside "10 cm" and "10 m", "10" is of one of
their classes only. A choice without its text, "C", is not known to differ from 42: "(C) 42" says
that they are the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import combinations

from .compare import compare
from .forms import Choice, Form
from .handles import handles
from .quantities import Quantity
from .reading import read_answer

_MOST_COMPARED = 24  # answers that are different in writing and look equal; the shortest count


def classes_of(answers: Iterable[str]) -> dict[str, str]:
    """Put answers into classes.

    Args:
        answers: Final answers, in any order, repeated or not.

    Returns:
        For each answer the name of its class: that answer of the class which comes first.
    """
    found: dict[str, str] = {}
    for members in _partition(dict.fromkeys(answers)):
        found |= dict.fromkeys(members, members[0])
    return found


def are_equal(a: str, b: str) -> bool:
    """Whether two answers are equal, apart from all others."""
    return a == b or key_of(a) == key_of(b) or _relation(*sorted((a, b))) is True


def related(answer: str, others: Iterable[str]) -> list[str]:
    """Those of the others whose class an answer can have a say in, in their order."""
    left, reached = list(others), set(handles(answer))
    found: dict[str, None] = {}
    while more := [one for one in left if one not in found and reached & handles(one)]:
        found |= dict.fromkeys(more)
        reached.update(*(handles(one) for one in more))
    return [one for one in left if one in found]


@lru_cache(maxsize=8192)
def key_of(answer: str) -> object:
    """A key that answers share which are written alike: the same number, or the same form."""
    form = read_answer(answer)
    plain = isinstance(form, Quantity) and form.unit is None and not form.mark
    value = form.value if plain and isinstance(form, Quantity) else None
    return form if value is None else value


def _partition(answers: Iterable[str]) -> list[list[str]]:
    """The classes, each in the order given."""
    alike: dict[object, list[str]] = {}
    for answer in answers:
        alike.setdefault(key_of(answer), []).append(answer)
    spelt = {_first(group): group for group in alike.values()}
    class_at = {one: [one] for one in spelt}
    for a, b in sorted(_candidates(spelt), key=_rank):
        one, two = class_at[a], class_at[b]
        if one is two or _relation(a, b) is not True:
            continue
        if not any(_relation(*sorted((x, y))) is False for x in one for y in two):
            one += two
            class_at |= dict.fromkeys(two, one)
    place = {answer: n for n, answer in enumerate(answers)}
    classes = {id(members): members for members in class_at.values()}
    whole = [[answer for one in members for answer in spelt[one]] for members in classes.values()]
    return [sorted(members, key=place.__getitem__) for members in whole]


def _first(answers: list[str]) -> str:
    return min(answers, key=lambda answer: (len(answer), answer))


def _rank(pair: tuple[str, str]) -> tuple[int, tuple[str, str]]:
    return len(pair[0]) + len(pair[1]), pair


def _candidates(answers: Iterable[str]) -> set[tuple[str, str]]:
    """The pairs, each in order, that share a handle."""
    holders: dict[str, list[str]] = {}
    for answer in sorted(answers, key=lambda answer: (len(answer), answer)):
        for handle in handles(answer):
            holders.setdefault(handle, []).append(answer)
    pairs = (combinations(sorted(group[:_MOST_COMPARED]), 2) for group in holders.values())
    return {pair for found in pairs for pair in found}


@lru_cache(maxsize=16384)
def _relation(a: str, b: str) -> bool | None:
    """Whether two answers are equal; None if that is not known."""
    one, two = read_answer(a), read_answer(b)
    both = (compare(one, two), compare(two, one))
    if False in both:
        return None if _is_bare(one) != _is_bare(two) else False
    return True if both == (True, True) else None


def _is_bare(form: Form) -> bool:
    """Whether an answer is the letter of a choice alone."""
    return isinstance(form, Choice) and form.option is None
