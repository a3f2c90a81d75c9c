"""Trees of mathematical expressions: what they hold, and what is left without some of it.

A tree is a tuple: ("number", Fraction), ("name", "x"), or an operator or function and its
arguments, such as ("+", left, right) or ("sqrt", value). ("call", "f", argument) is a function of
which only the name is known, and ("sum", "k", first, last, term) has a name of its own.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

Tree = tuple[Any, ...]


def parts(tree: Tree) -> list[Tree]:
    """The arguments of a tree that are trees."""
    return [part for part in tree[1:] if isinstance(part, tuple)]


def heads(tree: Tree) -> set[str]:
    """The operators, functions and constants in a tree."""
    return {tree[0]}.union(*(heads(part) for part in parts(tree)))


def names(tree: Tree) -> set[str]:
    """The names of the variables in a tree, other than those that it sums over."""
    if tree[0] == "name":
        return {tree[1]}
    found: set[str] = set().union(*(names(part) for part in parts(tree)))
    return found - {tree[1]} if tree[0] in ("sum", "product") else found


def without_degrees(tree: Tree) -> Tree:
    """The tree without its signs for degrees: "180° - x" as "180 - x"."""
    if tree[0] == "degree":
        return without_degrees(tree[1])
    return (tree[0], *(without_degrees(p) if isinstance(p, tuple) else p for p in tree[1:]))


def renamed(tree: Tree, new: dict[str, str]) -> Tree:
    """The tree with other names for some of its variables."""
    if tree[0] == "name":
        return ("name", new.get(tree[1], tree[1]))
    return (tree[0], *(renamed(p, new) if isinstance(p, tuple) else p for p in tree[1:]))


def with_numbers(tree: Tree, number: Fraction) -> Tree:
    """The tree with one number for every variable."""
    if tree[0] == "name":
        return ("number", number)
    return (tree[0], *(with_numbers(p, number) if isinstance(p, tuple) else p for p in tree[1:]))
