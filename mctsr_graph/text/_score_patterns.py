"""The patterns that `score` reads a judge's reply with, and the cleaning before."""

from __future__ import annotations

import re
import unicodedata

from mctsr_graph.errors import ScoreError
from mctsr_graph.text._score_words import in_english
from mctsr_graph.text.reward_scale import HIGHEST, RANGE
from mctsr_graph.text.thinking import said

# ------------------------------------------------------------------ patterns
# Repeats are bounded or possessive, and blanks are collapsed first, so no pattern backtracks far.
NUMBER = re.compile(
    r"(?i)(?P<sign>[-+] ?|\b(?:minus|negative|plus|positive) )?"
    r"(?P<body>[0-9]++(?>(?:,[0-9]++)*)(?>(?:\.[0-9]++)?)(?>(?:e[-+]?[0-9]++)?)"
    r"|(?<!\.)\.[0-9]++|\b(?:nan|inf(?:inity)?)\b|∞)"
)
LABEL = re.compile(
    r"(?i)(?<![a-z])(?:(?P<noun>scores?|grades?|grading|ratings?)"
    r"|(?P<sum>(?:total )?points(?: awarded)?|marks?|evaluation|verdict|assessment|total|overall"
    r"|final|result)"
    r"|(?P<rate>scored|scoring|rate[sd]?|graded)|(?P<give>giv(?:e|es|en|ing)|assign(?:s|ed|ing)?"
    r"|award(?:s|ed|ing)?|(?:deserve|earn|receive|get|merit|warrant)s?|say))(?![a-z])"
)
BRIDGE = re.compile(  # what may stand between a label and its number
    r"(?i)(?>(?:[\s\])}\"'«»>|:=(\[{<~≈→—#-]|\.{2,}+|…|\b(?:is|was|be|would|should|will|has|been|of"
    r"|for|the|this|that|a|an|to|at|as|it|its|my|i|we|am|are|me|you|give[ns]?|assign(?:ed)?|set|up"
    r"|award(?:ed)?|stands?|remains?|becomes?|comes?|out|down|follows|here|now|thus|so|therefore"
    r"|hence|only|just|about|around|approximately|roughly|equals?|final|overall|answer|solution"
    r"|response|reasoning|process|submission|attempt|work|value|points?|such|following|from|settle|on|chose)\b"
    r"|, ?in my (?:view|opinion|judge?ment|estimation),)*)"
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
UNSETTLED = re.compile(  # a range, a choice, a list, a change or a sum without its result
    r"(?i) ?(?:points? |%)?(?:to|or|through|±|\.\.(?!\.)|[-+\u00d7÷]) ?[-+]?\(?[0-9]"
    r"| [0-9]|, ?[-+]?[0-9]++(?:\.[0-9]+)?%?(?:[,\])\n]|$)"
    r"| ?(?:/ ?[0-9]+ ?)?(?:→|->|=>)[^\n0-9]{0,40}[0-9]|,? (?:minus|plus|less) [0-9]"
    rf"| ?\| ?(?!{HIGHEST:g} ?\|)[-+]?[0-9]"  # the cells of a row
)
NO_VALUE = re.compile(  # part of a word; the label of something else; a count; a deduction
    r"(?i)(?!(?:points?|pts)\b)[^\W0-9_]| ?:[^\n]|(?: points?| marks?)? (?:deduct|off\b|lost\b)"
    r"| (?:(?:major|minor|key|main|serious|small|critical|logical|different|wrong|missing) ){0,2}"
    r"(?:errors?|mistakes?|steps?|issues?|flaws?|reasons?|criteria|things"
    r"|problems?|parts|cases|places|times)\b"
    r"|/[0-9]+ (?:\w{1,12} )?(?:steps|parts|cases|questions|criteria|checks)\b"
)
LIST_ITEM = re.compile(r"[.)] ?[^\W0-9]")
OPERATOR = re.compile(r"[^\n=]{0,99}[-+\u00d7÷] ?\(?[0-9]")
RESULT = re.compile(r"(?i)= ?(?=[-+]? ?[0-9][0-9.]*+ ?(?:points?|%|/ ?100)?[ .)}\]\"]*$)")
SUM = re.compile(  # "Correctness (40) + 20 - 5 (format) ="
    r"(?i)[\s\"'\])}]*+[:=] ?+(?:[a-z ]{0,30}+\(?+[-+]?+ ?+[0-9]++(?>(?:\.[0-9]++)?)"
    r"(?>(?:/[0-9]++)?)%?+\)?+(?>(?: ?\([^()\n]{0,40}\))?) ?+[-+\u00d7÷=] ?+){1,40}"
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
    r"|lower|reduc|rais|wait\b|oops|sorry|mistake|second thought|therefore|however|overall"
    r"|in conclusion|but\b|rather\b)"
)
JUDGE = re.compile(r"(?i)\b(?:i|we)\b")
JUDGED = re.compile(r"(?i)\b(?:this|it|answer|solution|response|submission|reply|attempt|work)\b")
GIVEN = re.compile(
    r"(?i) ?(?:$|[\n.,;!)\"/%]|out of|points?\b|because|since|due|(?:for|on|from)\b)"
)
OF_ALL = re.compile(rf"(?i) ?(?:points? ?)?(?:/|out of) ?(?:a possible )?{HIGHEST:g}\b")
POINTS = re.compile(r"(?i) ?points?\b(?! (?:per|each|for each|a game))")
ENDED = re.compile(r"(?i) ?(?:points?|%|[\"'})\]|]| )*(?:$|[\n.,;(]|—|/)")
A_RATE = re.compile(r"(?i)\b(?:i|we|i'd|i'll|would|will|to|must|can|should|hereby|'d|'ll)$")
# A sentence about a score of the problem, by what stands before it or behind its number
OF_PROBLEM = re.compile(
    r"\b(?:mean|average|median|test|exam|game|team|home|his|her|their|each|every|player|class|raw"
    r"|combined|needed|required|winning|students?|credit|price)\b"
)
TOTALLED = re.compile(r"\b(?:total|net|adjusted|updated|new|corrected|revised)\b")
CONCLUDED = re.compile(r"(?i)\b(?:i|my|therefore|thus|hence|overall|given|considering)\b")
TOLD = re.compile(
    r"(?i) ?(?:points? ?)?(?:(?:is|are|was|were) (?!(?:a |the |more |most |too "
    r"|quite |rather |very |therefore |thus |being |still |also )*(?:fair|appropriate"
    r"|warranted|deserved|reason|suitable"
    r"|justified|generous|given|assigned|awarded|fitting|due|because|my|right\b|harsh|low"
    r"|high))|wins?\b|exceeds|beats|loses|(?:or more )?to (?:win|pass|qualify|reach"
    r"|advance)|[<>≥≤]"
    r"|(?:goals?|runs|games?|students|players|marbles)\b|(?:in|on) the (?:\w{1,9} )?(?:game"
    r"|match|test"
    r"|exam|problem|quiz)|was read|(?-i:for [A-Z][a-z]))"
)
WOULD = re.compile(r"(?i)\b(?:would|could|might) (?:be|have been)\b")
IF = re.compile(r"(?i)\b(?:if|were|had|with|without|once|provided)\b")
INTENDED = re.compile(
    r"(?i)\b(?:(?:was|were|am) (?:going|about|inclined|tempted|ready)|(?:would|could|i'd|we'd)"
    r" have|wanted"
    r"|planned|intended)\b"
)
NAMED = re.compile(r"(?:^|[\n{,]|[^\w ]) ?[\"'](?:[a-z]{1,12} ){0,2}$", re.IGNORECASE)
_NUMBER = rf"(?P<number>{NUMBER.pattern[4:]})"
_BEFORE = (
    r"\b(?:giv(?:e|en|ing)|scor(?:e|ed|ing)|grade|rat(?:e|ed|ing)|torn|start(?:ing"
    r"|ed)? (?:at|from))\b[^\n]{0,160}?\b"
)
"""Words of a score that come first in the line."""
_FIT = r"(?:fair|appropriate|warranted|deserved)"
# Scores said without a label before them
SENTENCE_HINTS = (  # one of them is in each: looked for first, which is much faster
    *("score", "grade", "rating", "fair", "appropriate", "warranted", "deserved", "as it ", "now"),
    *("down to", "up to", "settle", "end up", "makes", "brings", "lowers", "reduces", "drops"),
    *("pushes", "pulls", "takes", " have given"),
)
SENTENCES = [
    re.compile(rf"(?im){pattern}")
    for pattern in (
        rf"(?:^|[,;:.] |\b(?:so|a|that|think) |\n){_NUMBER}(?: ?/ ?{HIGHEST:g}| points?"
        rf"| out of {HIGHEST:g})?"
        r" (?:is|would be|will be|remains) (?:the|my|our) (?:final |overall )?(?:score"
        r"|grade|rating)"
        r"(?= ?(?:[.,;!\n]|$|here|i\b|for (?:this|it|the)))",
        rf"(?:^|[,;:.] |\b(?:so|a|that|think) |\n){_NUMBER}(?: ?/ ?{HIGHEST:g}| points?)?"
        rf" (?:is|seems|feels|looks|would be)(?: (?:a|quite|more))? {_FIT}\b",
        rf"\b(?:as it (?:stands|is)|{_BEFORE}(?:now it is|it is now))\b,?(?: (?:it|i|this"
        rf"|the score|is"
        rf"|would|give|gets|deserves|a))* {_NUMBER}"
        r"(?= ?(?:points ?)?(?:[.,;!\n]|$))",
        rf"{_BEFORE}\b(?:(?:me|it|this|the score|i|but|so)(?: would| will)? (?:"
        rf"(?:come )?down to|up to"
        r"|settle (?:on|for|at)"
        r"|end up (?:at|with))|(?:makes|brings|lowers|reduces|drops|pushes|pulls|takes)"
        rf" (?:it|this|the score)(?: down| up)?(?: to)?) {_NUMBER}(?= ?(?:points ?)?"
        rf"(?:[.,;!\n]|$))",
        rf"\b(?:score|grade|rating)\b[^\n]{{0,40}}(?:→|->|[,(;]) ?(?:revised|lowered|reduced"
        rf"|adjusted"
        rf"|corrected|changed) (?:down |up )?to {_NUMBER}",
        rf"(?:\bwould|'d) have given [^\n:]{{1,100}}(?::|, so) {_NUMBER}(?= ?(?:points ?)?"
        rf"(?:[.;!\n]|$))",
    )
]
REVISED = re.compile(
    r"(?i)(?:score|grade|rating)\b.*(?:revised|lowered|reduced|adjusted|corrected|changed) "
)
# At the beginning of the reply: "-45 because ...", "45 points. ...", "65/100. ..."
OPENING = re.compile(
    rf"(?P<number>(?i:{NUMBER.pattern[4:]}))(?:(?= ?(?:/|out of) ?{HIGHEST:g}\b)|"
    rf"(?= points?[.:;,—])"
    r"|(?<=[-+][0-9])(?=\. [A-Z]|,? (?:because|since|as|due|for)\b)|(?<=[-+][0-9][0-9])"
    r"(?=\. [A-Z]|,? (?:because|since|as|due|for)\b))"
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
# Applied in this order to a text that holds the first
_CLEANING = [
    ("", _BLANKS, " "),
    ("```", CODE, "\n"),
    ("```", re.compile(r"```(?:[a-z]{2,9}(?=\n))?"), "\n"),
    ("*", re.compile(r"([0-9]) ?\* ?(?=[0-9])"), "\\1\u00d7"),
    ("frac", re.compile(r"\\[dt]?frac ?\{(-?[0-9]{1,9})\} ?\{([0-9]{1,9})\}"), r"\1/\2"),
    ("\\", re.compile(r"\\(?:boxed|text|textbf|mathbf|mathrm) ?(?=\{)|\\[()\[\],;]"), ""),
    ("\\%", re.compile(r"\\%"), "%"),
    ("_", re.compile("_"), " "),
    ("`", re.compile("`"), '"'),
    ("*", re.compile(r"\*+"), ""),
    ("$", re.compile(r"\$+"), ""),
    ("—", re.compile(r"—(?=[0-9])|(?<=[:=\]]) ?—(?= ?[0-9])"), "-"),
    ("  ", _BLANKS, " "),
    ("\n", re.compile(r" ?\n\s*"), "\n"),
]


_HEAD, _TAIL = 10_000, 30_000
"""Characters at the beginning and the end of a long reply; a verdict stands in neither's middle."""


def clean(reply: str) -> str:
    """Drops reasoning, code and markup and collapses blanks, in linear time.

    Of a reply of more than 40,000 characters, only the first 10,000 and the last 30,000 are read.
    """
    text, is_thinking = said(reply)
    if is_thinking:
        raise ScoreError("truncated_reasoning", "the reasoning was never closed", reply)
    if len(text) > _HEAD + _TAIL:
        text = f"{text[:_HEAD]}\n{text[-_TAIL:]}"
    text = _plain_characters(text)
    for needed, pattern, replacement in _CLEANING:
        if needed in text:
            text = pattern.sub(replacement, text)
    return in_english(text.strip())
