r"""Where a text states a final answer in words: sentences, labels, tags, fields of JSON, tables.

The nouns of `answer_labels` are looked for as plain strings, last to first; only around the last
of them are patterns tried, on a window of fixed length. So a long text costs no more than the
search for the nouns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from mctsr_graph.text.answer_labels import (
    ADJECTIVE,
    ADVERB,
    AFTER_NOUN,
    ANSWER_NOUNS,
    CONDITION,
    COPULA,
    ENDING,
    RESULT_NOUNS,
    SEPARATOR,
    SHORT_NOUNS,
)
from mctsr_graph.text.tidy import lowered, tidy

DECLARED, SAID, RESULT = 4, 2, 1
"""How sure a statement is: a field or tag for the answer; a sentence or label; "Result: 5"."""
MAX_SENTENCE = 200  # characters; a longer "answer is ..." is an explanation
_MAX_FIELD = 1000  # as a box
_MOST = 100  # nouns tried, last to first
_BEFORE = 160


class Statement(NamedTuple):
    """A statement of an answer: how sure, where it begins, and what it states ("" if nothing)."""

    level: int
    start: int
    value: str


_NOUNS = {
    noun: (language, kind)
    for kind, table in ((RESULT, RESULT_NOUNS), (SAID, ANSWER_NOUNS))
    for language, nouns in table.items()
    for noun in nouns
}
_NO_BLANKS = {"ja", "ko", "zh", "ar"}  # no blank or only a prefix stands before a noun
_PLURAL = re.compile(r"(?:s|es|n|en|i|e|ı|u)?(?![^\W_])")


def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(f"(?imx){pattern}")


_FIELD_BEFORE = _compile(r"""["'](?:\w{1,12}[_\ -])?\Z""")
_FIELD_AFTER = _compile(
    rf"""["']\s{{0,4}}(?::|=>)\s{{0,8}}(?:"(?P<double>(?:[^"\\]|\\.){{0,{_MAX_FIELD}}})"
        |'(?P<single>(?:[^'\\]|\\.){{0,{_MAX_FIELD}}})'|\[(?P<list>[^\[\]{{}}]{{0,{_MAX_FIELD}}})\]
        |(?P<bare>[-+\w.]{{1,60}}))"""
)
_TAG_BEFORE = _compile(r"<(?:\w{1,12}[_\ -])?\Z")
_TAG_AFTER = re.compile(rf"(?s)\s?>(.{{0,{2 * _MAX_FIELD}}}?)</")
_CELL_BEFORE = _compile(rf"^\s{{0,4}}\|[\s*_]{{0,6}}(?:{ADJECTIVE}\s){{0,2}}\Z")
_CELL_AFTER = _compile(
    r"[\s*_:]{0,6}\|(?:([^|\n]{1,200})\||[ \t]{0,4}\n[\s|:-]{3,80}\n[ \t]{0,4}\|([^|\n]{1,200})\|)"
)
_AFTER = _compile(
    rf"""["'’”`)\]】*_]{{0,5}}(?:\s{{1,2}}{AFTER_NOUN}){{0,2}}[*_]{{0,3}}(?:\s?\([^()\n]{{1,40}}\))?
    (?:\s(?:to|of|for|in)\s[^.:;=|\n]{{1,60}}?(?!\s?=))?[*_]{{0,3}}
    (?:\s{{0,4}}(?::=|{SEPARATOR})|(?P<copula>\s{{0,4}}[*_]{{0,3}}{COPULA}(?:\s?{SEPARATOR})?)
      |[ \t]{{1,3}}[-–—]{{1,2}}[ \t]{{1,3}}(?=\S)|(?P<direct>(?:\*\*
      |\])?[ \t]{{1,3}}(?=[-+]?[\d$\\]))
      |(?P<heading>[*_ \t]{{0,6}}$))"""
)
_SHORT = _compile(r"\.?(?:[ \t]{0,3}[:：=.]|(?=\s?[（(]?[A-H]\b))[ \t]{0,3}(?=\S)")
"""Behind "Ans", as in "Ans. 30", and in tests of several choices: "故选B"."""
_ARTICLE = _compile(
    rf"(?:\b(?:the|my|our)\s+(?:{ADJECTIVE}\s+){{0,3}}|\b(?:final|correct)\s+|^[#*>_\s\d.-]*)[*_]{{0,3}}\Z"
)
_OTHERS = _compile(  # "previous answer: 5" is another one, and so is "the student's answer: 5"
    r"\b(?:previous|wrong|incorrect|initial|earlier|old|first|their|his|her|student(?:['’]s)?|your"
    r"|an|no|any|every|each|another)\s\Z"
)
_LINE_START = _compile(rf"^[#*>_\s\d.|\[(-]{{0,12}}(?:{ADJECTIVE}[\s_]{{1,2}}){{0,3}}[*_]{{0,3}}\Z")
_FINAL = _compile(rf"(?<!\w){ADJECTIVE}\s{{1,2}}[*_]{{0,3}}\Z")
_SOLUTION = _compile(r"(?:^|[.,:]\s|\b(?:so|thus|hence|therefore)\s)the\ssolution\Z")
_CONDITION = _compile(
    rf"(?<![^\W_]){CONDITION}(?:(?<=[^\x00-\u02ff])|(?![^\W_]))[^.;!?\n]{{0,60}}\Z"
)
_IS_BEFORE = _compile(
    rf"(?:\A|[.!?:,\n]\s)(?P<value>[^\n]{{1,100}}?)\s(?:is|are)\s+(?:the|our|my)\s+(?:{ADJECTIVE}\s+){{0,2}}\Z"
)
_IS_AFTER = _compile(r"[*_]{0,3}\s{0,2}(?:[.!,;]|\Z|$|(?:to|for|of)\b)")
_OPENING = _compile(
    r"\A(?:so|hence|thus|therefore|then|and|we\ see\ that|the\ (?:number|value))\b[\s,]{0,3}"
)
_LEAD = _compile(
    rf"\A[\s:=*_>`：]{{0,40}}(?:(?:{ADVERB})(?![^\W\d_])[\s,:]{{0,4}}[*_]{{0,3}})?(?:(?:\$\$|\\\[)\s{{0,40}})?"
)
# The "." in "3.14" ends no sentence, as no space follows; nor does the "!" in "5! = 120".
_STOP = re.compile(
    r"""\n|[。．！？；।؟]|(?:[.?]|(?<=[A-Za-z]{2})!)(?=[*_$"')\]\\]{0,4}(?:\s|\Z))"""
    r"""|(?<=[\w$*)%])!(?=[*_]{0,3}(?:\s*\Z|\s*\n|\s+[A-Z]))"""
)
_CLAUSE = _compile(
    r"""\s(?:which|because|since|so|as|rather\ than|instead\ of|in\ total|altogether|and\ not)\b
      |,\s{0,3}(?:not|in\ (?:total|all)|i\.?\s?e\b|as|namely|that\ is|meaning|where|and\ not
      |altogether
        |rather|instead|no|pas|nicht|не)\b
      |\s\((?:since|because|as|i\.?e|not|from|using|see|note|in\ total|after|where|by|e\.g|which|so
        |that\ is|check|rounded|approx)
      |;\s+(?=[a-z]{2,}\s)|\s[–—]\s?(?=[a-z]{2,}\s)"""
)
_NO_ANSWER = _compile(  # what is said about an answer; without a number, that is
    r"""(?:not|nicht|pas|не)\b.*|as\ follows.*|below|wrong|nothing|unclear|(?:in)?correct(?:,\s.*
    |\b[^\d$\\]*)
      |(?:in|on|at|between|from|by|given|found|obtained|derived|shown|based|easy|hard|simple|clear|obvious
        |incomplete|missing|invalid|left|more|less|also|still|too|very|quite|almost|the\ same
        |what|this
        |that|it|here|there)\b[^\d$\\]*
      |(?:clear|most|correct|slight|near|logical|explicit|ful|partial|general|essential|obvious|complete
        |entire|probab|technical|easi|direct|proper)l?ly\s[^\d$\\]*
      |\w{3,12}ed\s(?:by|from|in|with|to|as|against|on|and|or|without|further|clearly|more)\b[^\d$\\]*
      |(?:an?|the)\ (?:\w{1,12}\ )?(?:integer|number|fraction|value|expression|polynomial)"""
)
_OWN_LINE_VALUE = re.compile(r"[-+.]?[0-9\\$]|[(\[][-+.]?[0-9\\]|\S+(?<![:：])\Z")
# No sentence: a letter, or something with a number or a formula that begins with it, or nearly so
_VALUE_LIKE = re.compile(
    r"[^\W_]\Z|\([A-Za-z]\)\Z|(?=[^\n]*[\d$\\=])(?:[-+(\[]?[\d$\\]|(?!\w+ \w+ \w+ )\S)[^\n]{0,60}"
)
_MANY = re.compile(r"[^\n]{0,20}\n\s{0,4}((?:[-*]|\d{1,2}[.)])[ \t]+[^\n]{1,60}(?:\n+|\Z)){2,20}\Z")
_ITEM = re.compile(r"(?m)^\s{0,4}(?:[-*]|\d{1,2}[.)])[ \t]+([^\n]{1,60})$")
_END = _compile(rf"{ENDING}\Z")


def statements(text: str) -> list[Statement]:
    """The last statements of a text, in reading order, at most a hundred nouns of them."""
    found = [_read(text, *noun) for noun in _nouns(text)]
    return [one for one in found if one is not None]


def _nouns(text: str) -> list[tuple[int, int, str, int]]:
    """Where the last nouns stand: start, end, language, kind."""
    lower = lowered(text)
    found: dict[int, tuple[int, int, str, int]] = {}
    stated = [(noun, *told) for noun, told in _NOUNS.items() if noun in lower]  # few are
    for noun, language, kind in stated:
        for start in _last_places(lower, noun):
            end = start + len(noun)
            if language not in _NO_BLANKS:
                plural = _PLURAL.match(lower, end)
                if plural is None or (start and lower[start - 1].isalpha()):
                    continue
                end = plural.end()
            if start not in found or found[start][1] < end:
                found[start] = start, end, language, kind
    kept: list[tuple[int, int, str, int]] = []
    for one in sorted(found.values()):
        if not kept or one[0] >= kept[-1][1]:  # not the second half of a longer noun
            kept.append(one)
    return kept[-_MOST:]


def _last_places(text: str, noun: str) -> Iterator[int]:
    end = len(text)
    for _ in range(_MOST):
        start = text.rfind(noun, 0, end)
        if start < 0:
            return
        yield start
        end = start


def _read(text: str, start: int, end: int, language: str, kind: int) -> Statement | None:
    """What is stated around one noun; None if it is used otherwise."""
    before = text[max(0, start - _BEFORE) : start]
    if _FIELD_BEFORE.search(before) and (field := _FIELD_AFTER.match(text, end)):
        return Statement(DECLARED, start, _field(field))
    if _TAG_BEFORE.search(before) and (tag := _TAG_AFTER.match(text, end)):
        return Statement(DECLARED, start, tag[1])
    if _CELL_BEFORE.search(before) and (cell := _CELL_AFTER.match(text, end)):
        return Statement(kind, start, cell[1] or cell[2])
    if before.endswith(("</", "{", "\\")) or _CONDITION.search(before):
        return None
    noun = text[start:end].lower()
    after = _AFTER.match(text, end)
    is_short = noun in SHORT_NOUNS and (after := _SHORT.match(text, end))
    if after and (is_short or _is_announced(noun, before, after, language, kind)):
        # Twice the limit, so that markup fits and a value cut short is still seen to be too long.
        value = stated(text[after.end() : after.end() + 2 * MAX_SENTENCE])
        if kind == RESULT and not _VALUE_LIKE.match(value):
            value = ""
        return Statement(kind, start, value)
    if kind == SAID and _IS_AFTER.match(text, end) and (said := _IS_BEFORE.search(before)):
        value = _OPENING.sub("", said["value"])
        return Statement(kind, start, value) if _VALUE_LIKE.match(value) else None
    return None


def _is_announced(noun: str, before: str, after: re.Match[str], language: str, kind: int) -> bool:
    """Whether the words around a noun announce a value."""
    if _OTHERS.search(before):
        return False
    if kind == RESULT:
        if after["copula"]:
            return language != "en" or bool(
                _FINAL.search(before) or _SOLUTION.search(before + noun)
            )
        begins = _LINE_START.search(before) or _FINAL.search(before)
        return bool(begins) and not after["heading"]
    if after["heading"] is not None:
        return bool(_LINE_START.search(before))
    if after["direct"]:
        return language != "en" or "*" in after["direct"] or "]" in after[0]
    return not after["copula"] or language != "en" or bool(_ARTICLE.search(before))


def _field(field: re.Match[str]) -> str:
    """The value of a field of JSON or of a Python dict. Only escapes that can be no macro go."""
    if field["list"] is not None:
        return field["list"].replace('"', "").replace("'", "")
    if field["bare"] is not None:
        return "" if field["bare"].lower() in ("null", "none") else field["bare"]
    value = field["double"] if field["double"] is not None else field["single"]
    return (
        value.replace("\\\\", "\\").replace('\\"', '"').replace("\f", "\\f").replace("\x08", "\\b")
    )


def stated(text: str) -> str:
    """Reads the value at the start of what follows a statement's introducing words."""
    body = _LEAD.sub("", text, count=1)
    lead = text[: len(text) - len(body)]
    if (many := _MANY.match(text.rstrip() + "\n")) and not text.partition("\n")[0].strip(" *_:"):
        return ", ".join(filter(None, (tidy(item, 60) for item in _ITEM.findall(many[0]))))
    sentence = _STOP.split(_CLAUSE.split(body, maxsplit=1)[0], maxsplit=1)[0]
    if "\n" in lead and not lead.rstrip().endswith(("$$", "\\[")):
        # "Answer:" may head a section. Only a line that is a value as a whole is taken from it.
        line = body.partition("\n")[0].strip()
        whole = tidy(line, MAX_SENTENCE) == tidy(sentence, MAX_SENTENCE)
        if not (whole and _OWN_LINE_VALUE.match(line.lstrip("*_"))):
            return ""
    value = _END.sub("", tidy(sentence, MAX_SENTENCE))
    return "" if _NO_ANSWER.fullmatch(value) else value
