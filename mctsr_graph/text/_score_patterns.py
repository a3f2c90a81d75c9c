"""The patterns that `score` reads a judge's reply with, and the cleaning before."""

from __future__ import annotations

import re
import unicodedata

from mctsr_graph.errors import ScoreError
from mctsr_graph.text.reward_scale import RANGE
from mctsr_graph.text.thinking import said

# ------------------------------------------------------------------ patterns
# Repeats are bounded or possessive, and blanks are collapsed first, so no pattern backtracks far.
NUMBER = re.compile(
    r"(?i)(?P<sign>[-+] ?|\b(?:minus|negative|plus|positive) )?"
    r"(?P<body>[0-9]++(?:,[0-9]++)*+(?:\.[0-9]++)?+(?:e[-+]?[0-9]++)?+"
    r"|(?<!\.)\.[0-9]++|\b(?:nan|inf(?:inity)?)\b|∞)"
)
LABEL = re.compile(
    r"(?i)(?<![a-z])(?:(?P<noun>scores?|grades?|grading|ratings?)"
    r"|(?P<sum>(?:total )?points(?: awarded)?|marks?|evaluation|verdict|assessment|total|overall"
    r"|final|result)"
    r"|(?P<rate>scored|scoring|rate[sd]?|graded)|(?P<give>giv(?:e|es|en|ing)|assign(?:s|ed|ing)?"
    r"|award(?:s|ed|ing)?|(?:deserve|earn|receive|get|merit|warrant)s?))(?![a-z])"
)
BRIDGE = re.compile(  # what may stand between a label and its number
    r"(?i)(?:[\s\])}\"'«»>|:=(\[{<~≈→—#-]|\.{2,}+|…|\b(?:is|was|be|would|should|will|has|been|of"
    r"|for|the|this|that|a|an|to|at|as|it|its|my|i|we|am|are|me|you|give[ns]?|assign(?:ed)?|set|up"
    r"|award(?:ed)?|stands?|remains?|becomes?|comes?|out|down|follows|here|now|thus|so|therefore"
    r"|hence|only|just|about|around|approximately|roughly|equals?|final|overall|answer|solution"
    r"|response|reasoning|process|submission|attempt|work|value|points?)\b)*+"
)
LABELLING = re.compile(r"[:=|>→—]|\.\.|…")  # makes a bridge a label's, not a sentence's
NOTE = re.compile(  # a remark on the scale between the label and its number
    r"(?i)[\"'\])}>\s]{0,4}(?:\([^()\n]{0,80}\)|, [^\n0-9,.;:]{0,80},"
    r"|\[[-+0-9., to]{3,30}\](?=[\s\"']?[:=])"
    r"|(?:/|out of|on a scale (?:of|from)) ?[-+]?[0-9]+(?: ?(?:to|-) ?[-+]?[0-9]+)?(?=[\s:=\])}]))"
)
# The top of a scale: in the note, right after the number, anywhere in its line.
NOTE_TOP = re.compile(r"(?i)(?:out of|/|to|-|,|max(?:imum)?:?) ?[-+]?([0-9]{1,9})[^0-9]{0,20}$")
OUT_OF = re.compile(
    r"(?i) ?(?:(stars?)\b|(?:points?|pts|marks?)?[ \])},(]{0,2}(?:/|out of|of|over) ?(?:a |the )?"
    r"(?:possible |maximum |total )?[({]?[-+]?([0-9]{1,9}|ten\b|five\b))"
)
SCALE = re.compile(
    r"(?i)scale (?:of|from|between)? ?[\[(]?(?:[-+]?[0-9]+ ?(?:to|-|and|,) ?)?[-+]?([0-9]{1,9})"
    r"|([0-9]{1,9})-point scale"
)
UNSETTLED = re.compile(  # a range, a choice, a list or a sum without its result
    r"(?i) ?(?:points? |%)?(?:to|or|through|±|\.\.(?!\.)|[-+\u00d7÷]) ?[-+]?\(?[0-9]"
    r"| [0-9]|, ?[-+]?[0-9]++(?:\.[0-9]+)?%?(?:[,\])\n]|$)"
)
NO_VALUE = re.compile(  # part of a word; the label of something else; a count; a deduction
    r"(?i)(?!(?:points?|pts)\b)[^\W0-9_]| ?:[^\n]|(?: points?| marks?)? (?:deduct|off\b|lost\b)"
    r"| (?:(?:major|minor|key|main|serious|small|critical|logical|different|wrong|missing) ){0,2}"
    r"(?:errors?|mistakes?|steps?|issues?|flaws?|reasons?|criteria|things"
    r"|problems?|parts|cases|places|times)\b"
)
LIST_ITEM = re.compile(r"[.)] ?[^\W0-9]")
OPERATOR = re.compile(r"[^\n=]{0,99}[-+\u00d7÷] ?\(?[0-9]")
RESULT = re.compile(r"(?i)= ?(?=[-+]? ?[0-9][0-9.]*+ ?(?:points?|%|/ ?100)?[ .)}\]\"]*$)")
SUM = re.compile(  # "Correctness (40) + 20 - 5 (format) ="
    r"(?i)[\s\"'\])}]*+[:=] ?+(?:[a-z ]{0,30}+\(?+[-+]?+ ?+[0-9]++(?:\.[0-9]++)?+(?:/[0-9]++)?+%?+"
    r"\)?+(?: ?\([^()\n]{0,40}\))?+ ?+[-+\u00d7÷=] ?+){1,40}"
)
DOTS = re.compile(r"\.{3,}+ ?(?=[-+]?[0-9])")
BRACKETED = re.compile(r"(?m)(?:^|[.!?:] ?)\[ ?(?=[-+.0-9])([^\[\]\n]{1,24})\][. ]*$")
NOTHING_ELSE = re.compile(
    rf"(?i)[\s\"'(\[{{]{{0,6}}(?P<number>{NUMBER.pattern[4:]})"
    r"(?: ?/ ?[0-9]+| out of [0-9]+| ?%| points?| pts)?[\s\"')\]}.]{0,6}"
)
QUOTING = re.compile(
    r"(?i)\b(?:claim(?:s|ed|ing)|say(?:s|ing)|said|stat(?:es|ed|ing)|writes|wrote|written|ask(?:s|ed)"
    r"|demands|requests|instructs|insists|(?:ends|ended|ending) with|appends|inserts|injects|prints"
    r"|outputs|tells|told|declares|asserts|itself)\b[^.,;\n]{0,30}$"
)
CORRECTION = re.compile(
    r"(?i)\b(?:revis|final|correct(?:ion|ing)|adjust|updat|instead|actually|reconsider|reflection"
    r"|lower|reduc|rais|second thought|therefore|however|overall|in conclusion|but\b|rather\b)"
)
JUDGED = re.compile(r"(?i)\b(?:this|it|answer|solution|response|submission|reply|attempt|work)\b")
GIVEN = re.compile(
    r"(?i) ?(?:$|[\n.,;!)\"/%]|out of|points?\b|because|since|due|(?:for|on|from)\b)"
)
CODE = re.compile(
    r"(?is)```(?!(?:text|txt|plaintext|markdown|md|json|latex|xml|yaml) ?\n)[a-z0-9+#-]{1,19} ?\n"
    r".*?(?:```|\Z)"
)
# Words before a label: they make its score the last word, or no score of this answer at all.
OVERRIDE = re.compile(r"\b(?:final|revised|adjusted|updated|corrected|overall|total|net)\b")
NO_SCORE = re.compile(
    r"\b(?:perfect|full|max|maximum|min|minimum|highest|lowest|possible|top|passing|initial|original"
    r"|base|baseline|starting|previous|prior|old|claimed|not|never|cannot|if|instead|normally"
    r"|deducted|deduction)\b|n't\b"
)
DETERMINER = re.compile(
    r"(?:^|\b(?:the|a|an|my|this|its|is|so|and|give|giving|of|following|your|therefore|thus|hence"
    r"|numeric|numerical|here|with|be|as|for|or))$"
)
FAULTS = {
    "missing": "no score was found",
    "ambiguous": "the score can be read in more than one way",
    "other_scale": f"the score is given on another scale than {RANGE}",
    "out_of_range": f"the score is outside {RANGE}",
    "not_finite": "the score is not a finite number",
}


# ------------------------------------------------------------------ cleaning
def _plain_characters(text: str) -> str:
    """Turns digits of all scripts, full-width forms and minus signs into ASCII."""
    if text.isascii():
        return text
    table: dict[int, str | None] = {}
    for char in {c for c in text if not c.isascii()}:
        if char.isdecimal():
            table[ord(char)] = str(unicodedata.decimal(char))
        elif char in "\u2212\u2010\u2011\u2012\u2013\ufe63\uff0d":
            table[ord(char)] = "-"
        elif char in "\u2018\u2019\u201c\u201d":
            table[ord(char)] = "'" if char < "\u201a" else '"'
        elif "\uff01" <= char <= "\uff5e":
            table[ord(char)] = chr(ord(char) - 0xFEE0)
        elif unicodedata.category(char) == "Cf":  # not visible: directions, zero-width blanks
            table[ord(char)] = None
    return text.translate(table)


_BLANKS = re.compile(r"[^\S\n]+")
# Applied in this order
_CLEANING = [
    (_BLANKS, " "),
    (CODE, "\n"),
    (re.compile(r"```(?:[a-z]{2,9}(?=\n))?"), "\n"),
    (re.compile(r"([0-9]) ?\* ?(?=[0-9])"), "\\1\u00d7"),
    (re.compile(r"\\[dt]?frac ?\{(-?[0-9]{1,9})\} ?\{([0-9]{1,9})\}"), r"\1/\2"),
    (re.compile(r"\\(?:boxed|text|textbf|mathbf|mathrm) ?(?=\{)|\\[()\[\],;]"), ""),
    (re.compile(r"\\%"), "%"),
    (re.compile("_"), " "),
    (re.compile("`"), '"'),
    (re.compile(r"[*$]+"), ""),
    (re.compile(r"—(?=[0-9])|(?<=[:=\]]) ?—(?= ?[0-9])"), "-"),
    (_BLANKS, " "),
    (re.compile(r" ?\n\s*"), "\n"),
]


def clean(reply: str) -> str:
    """Drops reasoning, code and markup and collapses blanks, in linear time."""
    text, is_thinking = said(_plain_characters(reply))
    if is_thinking:
        raise ScoreError("truncated_reasoning", "the reasoning was never closed", reply)
    for pattern, replacement in _CLEANING:
        text = pattern.sub(replacement, text)
    return text.strip()
