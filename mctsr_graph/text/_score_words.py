"""Scores in number words and in other languages, put into English and digits before reading."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from mctsr_graph.text.score_labels import FINAL, OF_HUNDRED, OTHER_NOUNS, SCORE_NOUNS

_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    "nineteen",
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_VALUES = {
    **{word: value for value, word in enumerate(_ONES)},
    **{word: 10 * tens for tens, word in enumerate(_TENS, 2)},
    "hundred": 100,
}
_WORD = (
    rf"(?:(?:one |a )?hundred|(?:{'|'.join(_TENS)})(?:[- ](?:{'|'.join(_ONES[1:10])}))?"
    rf"|{'|'.join(_ONES[::-1])})"
)
# Behind "score" and the like; a word below ten, only behind a colon: "the score is one of ..."
_IN_WORDS = re.compile(
    rf"(?i)(\b(?:scores?|grades?|ratings?|marks?)\b[^\n0-9.;]{{0,30}}?(?:[:=\]] ?[\"'(\[]?"
    rf"|\b(?:of|is|at|a) ))"
    rf"((?:minus|negative) )?({_WORD})(?=[\"')\].,;!]|$| out of| points|/|\n| [(—-])"
)


def _in_digits(found: re.Match[str]) -> str:
    words = re.findall("[a-z]+", found[3].lower())
    value = max(sum(_VALUES.get(word, 0) for word in words if word != "a"), 0)
    if "hundred" in words:
        value = 100
    small = value < 10 and found[1].rstrip(" \"'([")[-1:] not in {":", "=", "]"}
    return found[0] if small else f"{found[1]}{'-' if found[2] else ''}{value}"


_NOUNS = {noun for nouns in SCORE_NOUNS.values() for noun in nouns}
_NOUN = "|".join(sorted(_NOUNS, key=len, reverse=True))
_MINUS = r"(?:minus|negative|moins|menos|meno|минус|负|負|マイナス|마이너스)"
_VALUE = rf"(?=[\[\"'( ]{{0,3}}(?:[-+]|{_MINUS})? ?[0-9])"
_SIGN = re.compile(rf"(?i)(?:(?<=: )|(?<=is )){_MINUS} ?(?=[0-9])")
_VERB = r"(?: (?:es|ist|lautet|beträgt|est|è|é|là|is)(?: de)?(?= )|是|为|為|は|[은는](?= ))"
# Somebody's own score, or a mean, is one of the problem
_OWNER = r"(?<!的)(?<!平均)(?<!\bsu )(?<!\bsua )(?<!\bsuo )(?<!\bsa )(?<!\bson )"
_OWNER += r"(?<!\bseine )(?<!\bihre )(?<!\bего )"
_OWN = rf"(?:(?<=我的)|(?<=答的)|(?<=案的)|(?<=终的)|{_OWNER})"
_LABEL = re.compile(
    rf"(?i){_OWN}(?<![a-zà-ÿа-я])(?:(?P<before>{FINAL}) )?(?:(?:gesamt|end|schluss)?"
    rf"(?:{_NOUN})|score(?= (?:est|es|è|é|ist|final|finale) ))(?: "
    rf"(?P<after>{FINAL}))?"
    rf"[\"'\])】]{{0,3}} ?(?:\([^()\n]{{0,40}}\) ?)?(?:[:=—|]|(?<=[\]】]) ?|(?<=[\]】] )"
    rf"|(?P<verb>{_VERB}(?! ?:)) ?|{_VERB} ?:) ?{_VALUE}"
)
_LINE = re.compile(
    rf"(?im)^([#> |-]{{0,4}}(?:l[ae] )?)(?:{'|'.join(OTHER_NOUNS)})(?: {FINAL})?"
    rf"(?: ?: ?(?=(?:[-+]|{_MINUS} ?)?[0-9.,]{{1,9}} ?(?:/ ?[0-9]{{1,4}}|points?|pts|%)?[. ]*$)"
    r"|(?: est| es| è| é)(?: de)? (?=[-+]?[0-9.,]{1,9} ?/ ?[0-9]{1,4}[. ]*$))"
)
_POINTS = re.compile(
    r"(?i)(?<=[0-9]) ?(?:分|点|點|점|punkte|puntos|pontos|punti|баллов|балла"
    r"|балл|puan|điểm)(?![a-z])"
)
_ENDING = re.compile(r"(?<=[0-9])( points)? ?(?:です|とします|でした|입니다|이다|है)")
_SCALE = re.compile(rf"(?i)(?<=[0-9])(?: points)? ?{OF_HUNDRED} ?(?=(?:100|10|20|5)\b)")
# "I give": a verb in the first person, then the number
_GIVE = re.compile(
    r"(?i)(?:\bich (?:ver)?gebe|\bich würde|\b(?:le|yo) doy|\b(?:doy|daría|otorgo|asigno)"
    r"|\bje (?:lui )?"
    r"(?:donne|mets|donnerais|mettrais)|\bj'attribue|\b(?:dou|daria|atribuo)|\b(?:gli"
    r"|io) do|\bassegno"
    r"|\b(?:я )?(?:ставлю|даю)|\bik geef|我[^。\n0-9]{0,8}(?:给|給|打|评)|(?:给|給|打"
    r"|评)[这這该此本]"
    r")[^0-9\n.。,，-]{0,40}?"
    r"(?=[-+]?[0-9]{1,3}\b)"
)
_GIVEN = re.compile(
    r"(?<![0-9])([-+]?[0-9]{1,3}) points ?(?:を(?:与|付|つ)|を?と(?:評価|採点)|을 (?:준"
    r"|줍|줄|주|드|부여))"
)


_UNITS = ("分", "点", "點", "점", "punkt", "punto", "ponto", "punti", "балл", "puan", "điểm")
_VERBS = (
    *("gebe", "würde", "doy", "daría", "otorgo", "asigno", "donne", "mets", "mettrais"),
    *("attribue", "dou", "daria", "atribuo", " do ", "assegno", "ставлю", "даю", "geef"),
    *("给", "給", "打", "评"),
)


def _english_label(found: re.Match[str]) -> str:
    name = "final score" if found["before"] or found["after"] else "score"
    return f"the {name} is " if found["verb"] else f"{name.capitalize()}: "


# Applied in this order to a text that holds one of the words, which is mostly false and seen much
# faster than by the patterns
_IN_ENGLISH: tuple[tuple[Iterable[str], re.Pattern[str], Any], ...] = (
    ((*_TENS, *_ONES, "hundred"), _IN_WORDS, _in_digits),
    (_UNITS, _POINTS, " points"),
    (("です", "とします", "でした", "입니다", "이다", "है"), _ENDING, r"\1"),
    (("",), _SCALE, "/"),
    ((*_NOUNS, "score est", "score fin", "score es", "score è"), _LABEL, _english_label),
    (OTHER_NOUNS, _LINE, r"\1Score: "),
    (("",), _SIGN, "-"),
    (_VERBS, _GIVE, "I give this "),
    (("を", "을"), _GIVEN, r"I give this \1 points. "),
)


def in_english(text: str) -> str:
    """The text with labels of scores in English and their number words in digits."""
    lower = text.lower()
    for words, pattern, replacement in _IN_ENGLISH:
        for word in words:
            if word in lower:
                text = pattern.sub(replacement, text)
                break
    return text
