"""Calls whose arguments stand in tags, without quotes: `<parameter=x>...</parameter>`."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from typing import NamedTuple

from mctsr_graph.models.tool_scan import Broken, Call, Upto, before, json_of
from mctsr_graph.models.tool_values import Schemas, typed


class Tags(NamedTuple):
    """How a call is written whose arguments stand in tags.

    Attributes:
        pair: What begins an argument: a space, its key and more.
        end: What ends an argument.
        close: What ends a call.
        over: What stands behind a call that is over: words at most, up to the next.
        following: The end of a call up to the name of the next.
    """

    pair: re.Pattern[str]
    end: str
    close: re.Pattern[str]
    over: re.Pattern[str]
    following: re.Pattern[str]


def _tags(pair: str, end: str, close: str, outer: str, head: str) -> Tags:
    head = rf"(?:<{outer}>\s*)?{head}"
    return Tags(
        pair=re.compile(rf"(?P<joint>\s*){pair}"),
        end=end,
        close=re.compile(rf"\s*{close}"),
        over=re.compile(rf"\s*(?:</{outer}>)?[^<]*(?:\Z|{head})"),
        following=re.compile(rf"{close}[^<]*(?:</{outer}>[^<]*)?{head}"),
    )


FUNCTION = re.compile(r"<function=(?P<name>[^<>\n]+)>")
FUNCTION_WITHIN = re.compile(rf"[^<]*{FUNCTION.pattern}")
FUNCTIONS = _tags(
    pair=r"<parameter=(?P<key>[^<>\n]+)>",
    end="</parameter>",
    close="</function>",
    outer="(?:seed:)?tool_call",
    head=FUNCTION.pattern,
)
GLM_NAME = re.compile(r"\s*(?P<name>[^<]*?)(?:(?P<pairs>(?=\s*<arg_key>))|(?=\s*</tool_call>))")
GLM = _tags(
    pair=r"<arg_key>(?P<key>[^<]*)</arg_key>\s*<arg_value>",
    end="</arg_value>",
    close="</tool_call>",
    outer="(?!)",
    head=r"<tool_call>\s*(?P<name>[^<\s]+)\s*(?:<arg_key>|</tool_call>)",
)
INVOKE = re.compile(r'<(?P<mark>｜DSML｜)?invoke name="(?P<name>[^"<>\n]*)">')
INVOKES, DSML = (
    _tags(
        pair=rf'<{mark}parameter name="(?P<key>[^"<>\n]*)"(?P<told>[^<>]*)>',
        end=f"</{mark}parameter>",
        close=f"</{mark}invoke>",
        outer=f"{mark}(?:minimax:tool_call|function_calls)",
        head=rf'<{mark}invoke name="(?P<name>[^"<>\n]*)">',
    )
    for mark in ("", "｜DSML｜")
)


def tagged(text: str, head: re.Match[str], tags: Tags, schemas: Schemas) -> Upto:
    """One call, behind its name; it ends before another call of a tool that is offered."""
    name, at = head["name"].strip(), head.end()
    calls = (call for call in tags.following.finditer(text, at) if call["name"] in schemas)
    stop = next((call.start() for call in calls), len(text))
    pairs, at = _pairs(text, at, stop, tags, schemas.get(name, {}).get("properties", {}))
    closed = tags.close.match(text, at)
    if closed is None:
        is_last, in_value = stop == len(text), tags.pair.match(text, at)
        at = before(tags.close, text, at) if is_last else stop
        is_open = is_last and (in_value is not None or at == stop)
        yield Broken(text[head.start() : at], is_open, re.compile(tags.end))
        return at
    values = typed(name, [(pair["key"], value) for pair, value in pairs], schemas)
    for pair, value in pairs:
        told, key = pair.groupdict().get("told") or "", pair["key"].strip()
        if 'string="' in told:
            values[key] = value if 'string="true"' in told else json_of(value)
    yield Call(name, values)
    return closed.end()


def _pairs(
    text: str, at: int, stop: int, tags: Tags, known: Collection[str]
) -> tuple[list[tuple[re.Match[str], str]], int]:
    """The arguments from a place on, and where they end.

    A text may hold any tag: it goes up to the first end behind which a new argument begins, or
    behind which the call is over.
    """
    found: list[tuple[re.Match[str], str]] = []
    given: set[str] = set()

    def is_new(pair: re.Match[str]) -> bool:
        as_usual = bool(pair["joint"]) == bool(found[0][0]["joint"] if found else pair["joint"])
        return pair["key"] not in given and (pair["key"] in known or not known or as_usual)

    while pair := tags.pair.match(text, at):
        given.add(pair["key"])
        found.append((pair, ""))
        end = _end_of_value(text, pair.end(), stop, tags, is_new)
        if end < 0:
            break
        found[-1] = pair, text[pair.end() : end]
        at = end + len(tags.end)
    return found, at


def _end_of_value(
    text: str, at: int, stop: int, tags: Tags, is_new: Callable[[re.Match[str]], bool]
) -> int:
    """Where a text among tags ends; -1: nowhere before `stop`."""
    late = -1  # anything may stand behind a call, if nothing else fits
    while (at := text.find(tags.end, at, stop)) >= 0:
        behind = at + len(tags.end)
        pair, closed = tags.pair.match(text, behind), tags.close.match(text, behind)
        if (pair and is_new(pair)) or (closed and tags.over.match(text, closed.end())):
            return at
        late = at if closed and late < 0 else late
        at = behind
    return late
