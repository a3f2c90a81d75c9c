"""Two searches of one problem beside each other: what each has found, and where they part."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from mctsr_graph.text.equality.classes import classes_of
from mctsr_graph.viewers.text import one_line

_TEX = re.compile(r"[\\^_]")
_WHEN = ("begun", "ended")
_MOST = 200  # answers of a search that are compared with those of the other one


class Turn(NamedTuple):
    """From so many calls on, this answer led."""

    calls: int
    answer: str | None
    """The final answer of the leading node; None where it states none."""


def leads(solution: Mapping[str, Any]) -> list[Turn]:
    """Which answer led from which call on; nothing where the search kept no record."""
    tree, turns = solution["tree"], list[Turn]()
    for row in solution.get("record") or ():
        if row["leader"] is not None:
            answer = tree[row["leader"]]["final_answer"]
            if not turns or turns[-1].answer != answer:
                turns.append(Turn(row["calls"], answer))
    return turns


def shared_classes(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, int]:
    """The number of each final answer's class in both searches: 0 for what the first returns."""
    told = [_answers(solution) for solution in (first, second)]
    returned = [one["final_answer"] for one in (first, second) if one["final_answer"] is not None]
    names = classes_of([*returned, *told[0], *told[1]])
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names.values()))}
    return {answer: numbers[name] for answer, name in names.items()}


def parting(
    first: Mapping[str, Any],
    second: Mapping[str, Any],
    names: Sequence[str],
    for_page: bool = False,
) -> list[str]:
    """Say in sentences where two searches part.

    Args:
        first: The fields of a `Solution`.
        second: Those of another search for the same problem.
        names: What to call them.
        for_page: Put TeX between dollar signs, by which a page knows it.
    """
    say = partial(_said, for_page=for_page)
    classes = shared_classes(first, second)
    ends = [solution["final_answer"] for solution in (first, second)]
    is_one = _class(classes, ends[0]) == _class(classes, ends[1])
    found = [
        f"Both say {say(ends[0])}." if is_one else _apart("They end apart", names, map(say, ends))
    ]
    turns = [leads(solution) for solution in (first, second)]
    unknown = [name for name, own in zip(names, turns, strict=True) if not own]
    if unknown:
        return [*found, f"When each answer led is not known of {' and '.join(unknown)}."]
    differ = [
        (calls, pair)
        for calls, pair in _together(turns)
        if _class(classes, pair[0]) != _class(classes, pair[1])
    ]
    if not differ:
        return [*found, "The same answer led in both throughout."]
    calls, pair = differ[0]
    found.append(_apart(f"They part at call {calls}", names, map(say, pair)))
    if is_one:
        later = next(at for at, _ in _together(turns) if at > differ[-1][0])
        found.append(f"From call {later} on they agree.")
    return found


def differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[list[str]]:
    """What two searches were made with, where it differs: name, the first's, the second's."""
    own, other = (_made(solution) for solution in (first, second))
    return [
        [name, *(_set(made, name) for made in (own, other))]
        for name in dict.fromkeys([*own, *other])
        if name not in _WHEN and own.get(name) != other.get(name)
    ]


def _made(solution: Mapping[str, Any]) -> dict[str, Any]:
    """What a search was made with, and the settings that were not given beside those that were."""
    made: dict[str, Any] = {**(solution.get("made_with") or {})}
    defaults: dict[str, Any] = made.pop("defaults", {})
    return made | defaults


def lanes(
    solution: Mapping[str, Any], classes: Mapping[str, int], calls: int
) -> list[dict[str, Any]]:
    """The turns of a search of so many calls for a drawing, each with the number of its class."""
    turns = leads(solution)
    ends = [*(turn.calls for turn in turns[1:]), calls][: len(turns)]
    return [
        {"from": turn.calls, "to": end, "rank": _class(classes, turn.answer), "answer": turn.answer}
        for turn, end in zip(turns, ends, strict=True)
    ]


def _answers(solution: Mapping[str, Any]) -> list[str]:
    """The final answers of a search that are compared: the likeliest, and those that led."""
    choice = solution.get("choice")
    listed = [one["final_answer"] for one in choice["classes"][:_MOST]] if choice else []
    drafts = [node["final_answer"] for node in solution["tree"].values()][:_MOST]
    led = [turn.answer for turn in leads(solution)]
    return [answer for answer in [*listed, *led, *drafts] if answer is not None]


def _together(turns: Sequence[Sequence[Turn]]) -> Iterator[tuple[int, tuple[str | None, ...]]]:
    """The answers that lead at each call at which one of both changes, once both have one."""
    begin = max(own[0].calls for own in turns)
    for at in sorted({begin, *(turn.calls for own in turns for turn in own)}):
        if at >= begin:
            yield at, tuple([turn for turn in own if turn.calls <= at][-1].answer for own in turns)


def _class(classes: Mapping[str, int], answer: str | None) -> int | None:
    return None if answer is None else classes.get(answer)


def _apart(what: str, names: Sequence[str], answers: Iterable[str]) -> str:
    told = [f"{name} says {one}" for name, one in zip(names, answers, strict=True)]
    return f"{what}: {', '.join(told)}."


def _said(answer: str | None, for_page: bool) -> str:
    if answer is None:
        return "nothing"
    words = one_line(answer, 60)
    return f"${words}$" if for_page and _TEX.search(words) and "$" not in words else words


def _set(made: Mapping[str, Any], name: str) -> str:
    return one_line(str(made[name]), 200) if name in made else "as usual"
