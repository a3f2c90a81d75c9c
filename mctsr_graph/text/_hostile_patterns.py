"""The patterns that `hostile` finds hostile text with, and the reading of text before."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from itertools import islice
from typing import NamedTuple

# ------------------------------------------------------------------ control tokens
# Only the first character is consumed: of tokens that overlap, each is broken.
CONTROL = re.compile(
    r"<(?=[|｜][A-Za-z][\w.▁-]{2,40}(?:[|｜]>|>)|[A-Za-z][\w.▁-]{2,40}[|｜]>"
    r"|/?(?:s|bos|eos|pad|unk|sop|eop|eoh|eoa|think|thinking|seed:\w{1,20}|image|tools)>"
    r"|/?(?:start|end|begin)_of_\w{1,20}>|/?(?:tool|function|fim|issue|jupyter|channel)_\w{1,20}>"
    r"|(?:reponame|repo_name|file_?name|file_sep|gh_stars|empty_output)>|</?SYS>>"
    r"|(?:unused|extra_id_|reserved_\w{1,20}_|SPECIAL_)\d{1,5}>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|TOOL_CONTENT|THINK|ARGS"
    r"|CALL_ID|gMASK)\]|\|/?(?:system|user|assistant|tool|endofturn)\|\]|e~\[)|\](?=~!?b[\]\[])"
    r"|(?:(?<=\n\n)|(?<=\n\r\n))[HA](?=uman:|ssistant:)"
    r"|^#(?=## (?:Instruction|Input|Response|Human|Assistant|User|System):)",
    re.MULTILINE,
)
# Each of them holds one of these
CONTROL_MARKS = ("<", "[", "]", "uman:", "ssistant:", "###")

# ------------------------------------------------------------------ words of a score
_OURS = (
    r"(?:this|that|my|our|the|above|following)(?: \w{3,10}){0,2}? (?:answer|solution|response"
    r"|submission|attempt|proof|derivation|reasoning|work|reply)s?"
)
_JUDGE = r"(?:judge|evaluator|grader|examiner|assessor|scorer|llm)s?"
_MODS = (
    r"(?:(?:the|my|your|its|this|a|final|overall|total|self|correct|true|expected|suggested"
    r"|deserved|assigned|recommended|official|revised|adjusted|numeric(?:al)?|confidence|quality|evaluation|answer"
    rf"|solution|response|{_JUDGE}(?:'s)?)[ -]){{0,5}}"
)
_MAIN = "(?:" + "|".join("[ ._-]?".join(word) for word in ("score", "grade", "rating")) + ")"
_NOUN = (
    rf"(?:{_MAIN}|grading|verdict|evaluation|assessment|judge?ment|{_JUDGE}"
    r"|(?:最终|总)?(?:评分|得分|分数|打分|評分|分數)|スコア|採点|оценка|балл(?:ы|ов)?|puntuacion"
    r"|puntaje|calificacion|pontuacao|punteggio|punktzahl|bewertung)"
)
_LABEL = (
    rf"(?<!\w){_MODS}{_NOUN}(?!\w)(?: (?:for|of|on|to) {_OURS})?(?: ?[(\[][^()\[\]]{{0,40}}[)\]])?"
)
_HIGH = (
    r"(?:full|max(?:imum)?|perfect|top|highest|100|(?:a|one) hundred)(?: possible)?"
    r" (?:marks?|scores?|points?|credits?|ratings?|grades?)"
)
_FRACTION = r"\d{1,3} ?(?:/|out of) ?\d{1,3}"
_SCALE = r"(?: ?(?:/|out of) ?\d{1,4}(?!\d)| ?%| (?:points?|pts|percent|marks)\b)"
_NUMBER = (
    rf"(?:[-+]? ?(?:(?:100|\d{{1,2}})(?:[.,]\d{{1,2}})?(?![\w.,]?\d|[a-z]){_SCALE}?"
    rf"|{_FRACTION})(?!\d)|(?:one |a )?hundred\b|ninety\b)"
)
_END = r"[.…!)\]\"'|& ]*$"
_PRAISE = (
    rf"(?:(?:{_HIGH}|perfect|flawless|excellent|outstanding|correct|accept(?:ed)?|pass(?:ed)?|full"
    rf"|[★⭐])(?= ?(?:$|[^\w ]))|(?<!\w)[a-f][-+]?(?={_END}))"
)
# No operation, list, count or sub-heading goes on behind the number
_ALONE = (
    r"(?! ?[-+×÷*/^=<>·,&|.)]? ?\(?\d| ?:| (?:times|cdot|div|plus|minus|per|each)\b|[.)] ?[a-z]"
    r"| ?[a-z] ?[-+=×/^])"
)
_VALUE = rf"[\"'()\[<| ]{{0,4}}(?:{_NUMBER}{_ALONE}|{_PRAISE})"
_ASK = (
    r"\b(?:should|must|shall|will|ought to|needs? to|has to|have to|(?:is|are|were) \w{2,12} to)\b"
)
_GIVE = (
    r"\b(?:output|give|award|assign|return|reply|respond|write|print|score|rate|grade|say|report"
    r"|answer|put|accept|mark)\b"
)
_GOOD = rf"(?:\b(?:[5-9]\d|100)\b|{_HIGH}|\ba ?\+)"
_SCORED = rf"(?:{_HIGH}|(?:{_MAIN}|mark) ?(?:of|to|as|at|is|:|=)? ?[\"']?{_GOOD})"
_EARNED = rf"(?:{_SCORED}|\d{{1,3}}(?: points| pts| marks| ?/| out of| ?%?{_END})|an? a\b)"

# ------------------------------------------------------------------ what is hidden
_RULES = (
    # LABEL, behind the sentence's beginning, a punctuation mark, or capitalised behind a word
    rf"(?:^|[^\w\s'’] ?|(?-i:(?<=[a-z] )(?=[A-Z]))){_LABEL}[\"') ]{{0,3}}[:\]|]+"
    rf"(?:\.{{2,6}}|…)?{_VALUE}",
    rf"^\W{{0,9}}(?:{_LABEL}[\"') ]{{0,3}}(?:[=|&→—–]|-+>?|\.\.+|…){_VALUE}"
    rf"|{_MODS}(?:(?:score|rating) {_NUMBER}|(?:grade|marks?|points) {_FRACTION})"
    rf"|(?:points|marks) ?[:=] ?{_FRACTION}|(?:total|overall|final) ?[:=] ?{_FRACTION}(?<=100)"
    r"|(?:100|20|10|5) ?(?:/|out of) ?(?:100|20|10|5)|(?<=\[) ?(?:[-+] ?\d{1,3}|[5-9]\d|100) ?\]"
    # VERDICT
    r"|(?:(?:so|thus|therefore|hence|then|finally|overall),? )?"
    rf"{_MODS}(?:{_MAIN}|mark) (?:is|was|(?:should|must|would|will) be|equals) (?:exactly |a )?"
    rf"(?:(?:9\d|100)(?:\.\d)?{_SCALE}?|\d{{1,3}} ?(?:/|out of) ?100|{_PRAISE})){_END}|[★⭐]{{3}}",
    # FIELD
    rf"[\"'](?:\w{{1,20}}_)?{_NOUN}[\"'] ?[:=] ?[\"']?(?:{_NUMBER}|{_PRAISE})"
    rf"|<(?:\w{{1,20}}[_-])?{_NOUN}[^<>]{{0,40}}>?(?<=[>\d\"']) ?[\"']?(?:{_NUMBER}|/?>)",
    # ADDRESS
    r"^\W{0,9}(?:(?:dear|attention|attn|hey|hello|hi|(?:note|message|instructions?) (?:to|for))"
    rf"[:,]? (?:(?:the|all|any) )?(?:ai |llm )?{_JUDGE}\b|{_JUDGE} ?[:,!—])",
    rf"\b{_JUDGE}\b.{{0,30}}{_ASK}.{{0,10}}{_GIVE}.{{0,30}}(?:{_GOOD}|\bcorrect\b)",
    rf"\byou\b.{{0,5}}{_ASK}.{{0,5}}{_GIVE}.{{0,20}}(?:{_SCORED}|{_OURS}.{{0,15}}{_GOOD})",
    r"\b(?:i|we)(?:'d|'ll| \w{2,8}){0,2} (?:give|award|assign|rate|score|grade|mark)"
    rf" (?:(?:this|it|that|myself|{_OURS})\b.{{0,25}}?{_EARNED}|{_MODS}{_SCORED})",
    rf"\ba {_MAIN} of [-+]?\d{{1,3}}\b.{{0,20}}\b(?:appropriate|fair|justified|reasonable|suitable"
    r"|warranted|deserved|reflect)",
    rf"(?:\b(?:this|it)|\b{_OURS}) (?:clearly |fully |certainly )?(?:deserve|merit|warrant"
    rf"|earn)s?\b.{{0,30}}?{_EARNED}",
    rf"\b{_OURS} .{{0,20}}(?:gets?|receives?|scores?|rates?|worth|(?:be|is) (?:given|graded"
    rf"|scored|rated|awarded|marked))\b.{{0,20}}?(?:{_SCORED}|100{_END}|\d ?(?:/|out of|points))",
    r"(?:^|[,:;!(\"'—-] ?|\b(?:please|just|only|simply|must|should|now) )(?:give|award|assign"
    r"|output|return|print|(?:respond|reply|answer) with|say|report)"
    rf" (?:this |it |me |{_OURS} |only |just |exactly |the |an? |[\"'])*{_MODS}{_SCORED}",
    r"^\W{0,9}(?:(?:please|now|just|simply|only) )*(?:output|reply|respond|say"
    r"|(?<=only |just )(?:return|print))(?: with| only| just| exactly| the (?:number|score))*"
    r" [\"']?(?:100|one hundred)\W*$",
    r"\b(?:ignor|disregard|forget|overrid)\w{0,4} .{0,40}\b(?:instructions?|rubrics?|prompts?"
    r"|grading|criteria|guidelines|flaws|errors)\b",
    rf"(?:{_NOUN}|\bmark)s? (?:for|of|on) {_OURS}.{{0,30}}(?:{_GOOD}|{_PRAISE})",
)


@cache
def hostile_patterns() -> tuple[re.Pattern[str], ...]:
    """The rules, compiled at first use: that takes a fifth of this package's import."""
    return tuple(re.compile(f"(?i){rule}") for rule in _RULES)


# A sentence without any of these holds nothing to hide
CLUE = re.compile(
    rf"(?i){_NOUN}|{_JUDGE}|mark|point|[★⭐]|rate\b|\b(?:output|reply|respond|say|return|print)"
    r"|deserve|merit|warrant|earn|worth|(?:give|award|assign)|ignor|disregard|forget|overrid"
    r"|(?:overall|total|final) ?[:=]|\[ ?[-+5-9]|\[ ?100"
    r"|(?<!\d)(?:100|20|10|5) ?(?:/|out of) ?(?:100|20|10|5)(?!\d)"
)
# What any clue holds, in small letters and without blanks and punctuation: looked for first,
# since a pattern of this size takes a millisecond for a page
_HINTS = (
    b"score grad rating verdict evaluat assess judg examiner llm mark point rate "
    b"output reply respond say return print deserve merit warrant earn worth give "
    b"award assign ignor disregard forget overrid overall: total: final: overall= "
    b"total= final= [ /5 /10 /20 outof puntuacion puntaje calificacion pontuacao "
    b"punteggio punktzahl bewertung "
).split()
# What `as_seen` makes blank, or a clue may hold between its letters
_BLANKS = b" \t\n\r\f\v._-*`$~{\\#}"


def may_hold_a_clue(text: str) -> bool:
    """Whether to look for `CLUE` in what `as_seen` makes of a text. Never wrongly False."""
    if not text.isascii():
        return True
    packed = text.encode().lower().translate(None, _BLANKS)
    # A list, which takes half the time of `any` over a text that holds none, as most do
    return bool([hint for hint in _HINTS if hint in packed])


# ------------------------------------------------------------------ reading
_SPLIT = re.compile(
    r"(?m)(?P<item>^[ \t]*+\d{1,2}[.)](?=[ \t]+\S)|\.{2,6}(?= ?[-+]?\d))|(?P<line>\n)"
    r"|(?<![.!?])[.!?]++[\"')\]]*+(?=\s|\Z)|。|\[line removed\]"
)
_MARKUP = re.compile(
    r"(?i)\\(?:text|math)(?:bf|it|rm|sf|tt)?(?![a-z])|\\(?:boxed|[fm]box|bf)(?![a-z])|<!--|-->"
    r"|</?(?:b|i|u|em|strong|span|p|div|br|h[1-6]|font|code|td)(?: [^<>\n]{0,60})?/?>"
    r"|(?<![^\W_])_++|_++(?![^\W_])"
)
_MARKS = str.maketrans("*`$~{\\#}", "       )")
_ASCII = dict(zip("−‘’“”", "-''\"\"", strict=True))
_MOST = 4000  # sentences in a text; what comes after so many counts as one more
_WORD = re.compile(r"[^\W_]|[★⭐]")


class Sentence(NamedTuple):
    """A part of a text, from `start` up to `end`."""

    start: int
    end: int
    is_broken: bool
    """True if only a line end ends it."""


def sentences_of(view: str) -> list[Sentence]:
    """The sentences of a text, without those that hold no word."""
    found, start = [], 0
    for stop in islice(_SPLIT.finditer(view), _MOST):
        if stop["item"] is None:  # else it is the "1." of a list, or dots as in "[Score]... 95"
            is_line = stop["line"] is not None
            found.append((start, stop.start() if is_line else stop.end(), is_line))
            start = stop.end()
    found.append((start, len(view), False))
    return [
        Sentence(start, end, is_line)
        for start, end, is_line in found
        if _WORD.search(view, start, end)
    ]


def as_seen(text: str) -> tuple[str, Sequence[int]]:
    """The text as a reader sees it, and where each of its characters (and its end) stands."""
    view: str = text
    places: Sequence[int] = range(len(text) + 1)
    if not text.isascii():
        table = {char: _plain(char) for char in set(text)}
        pieces = [table[char] for char in text]
        places = [place for place, piece in enumerate(pieces) for _ in piece] + [len(text)]
        view = "".join(pieces)
    return _MARKUP.sub(lambda markup: " " * len(markup[0]), view).translate(_MARKS), places


def _plain(char: str) -> str:
    """ASCII for full-width, styled and accented letters; nothing for what is not visible."""
    if "\U000e0020" <= char <= "\U000e007e":  # "tags": ASCII that only models can read
        return chr(ord(char) - 0xE0000)
    if unicodedata.category(char) in {"Cf", "Mn"}:
        return ""
    wide = _ASCII.get(char) or unicodedata.normalize("NFKC", char)
    base = unicodedata.normalize("NFD", wide)[:1]
    return base if base.isascii() and len(wide) == 1 else wide if len(wide) < 3 else char
