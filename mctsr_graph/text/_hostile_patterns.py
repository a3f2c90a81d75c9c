"""The patterns that `hostile` finds hostile text with."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from mctsr_graph.text._hostile_view import as_seen
from mctsr_graph.text.reward_scale import HIGHEST, highest_pattern
from mctsr_graph.text.score_labels import FINAL, OTHER_NOUNS, SCORE_NOUNS

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
    r"|deserved|assigned|recommended|official|revised|adjusted|numeric(?:al)?|confidence|quality"
    rf"|eval|evaluation|answer|solution|response|{_JUDGE}(?:'s)?)[ -]?){{0,5}}"
)


def _spaced(word: str) -> str:
    """A word whose letters may be spaced out, or written in digits that look like them."""
    letters = {"s": "[s5$]", "o": "[o0]", "e": "[e3]", "a": "[a4]", "i": "[i1]"}
    return "[ ._-]{0,2}".join(letters.get(letter, letter) for letter in word)


def _folded(nouns: Iterable[str]) -> str:
    """Nouns of the table as they are seen, the longest first."""
    seen = {as_seen(noun)[0].lower() for noun in nouns}
    return "|".join(sorted(seen, key=lambda noun: (-len(noun), noun)))


_MAIN = "(?:" + "|".join(map(_spaced, ("score", "grade", "rating"))) + ")"
_AMBIGUOUS = {
    *("分数", "分數", "成绩", "評価", "평가", "درجة", "النقاط", "cijfer", "skor"),
}
_FOREIGN = _folded(n for nouns in SCORE_NOUNS.values() for n in nouns if n not in _AMBIGUOUS)
_WEAK = (  # they mean other things, too
    rf"(?:(?:points|marks?) awarded|points|marks?|reward|{_folded((*OTHER_NOUNS, *_AMBIGUOUS))})"
)
_NOUN = (
    rf"(?:{_MAIN}|grading|verdict|evaluation|assessment|judge?ment|{_JUDGE}"
    rf"|(?:最终|总|最後の)?(?:{_FOREIGN}))"
)
_LABEL = (
    rf"(?<!\w){_MODS}{_NOUN}(?!\w)(?: (?:result|value|outcome)(?!\w))?(?: (?:for|of|on"
    rf"|to) {_OURS})?"
    rf"(?: {FINAL})?(?: ?[(\[][^()\[\]]{{0,40}}[)\]])?"
)
_HIGH = (
    r"(?:full|max(?:imum)?|perfect|top|highest|100|(?:a|one) hundred)(?: possible)?"
    r" (?:marks?|scores?|points?|credits?|ratings?|grades?)"
)
_FRACTION = r"\d{1,3} ?(?:/|out of|sur|von|de|su|из|van) ?\d{1,3}"
_SCALE = r"(?: ?(?:/|out of|sur|von|de|su) ?\d{1,4}(?!\d)| ?%| (?:points?|pts|percent|marks)\b)"
_WHOLE = rf"(?:{HIGHEST:g}|100|\d{{1,{max(2, len(f'{HIGHEST:g}') - 1)}}})"
_WORD = (
    r"(?:(?:one[ -]|a )?hundred\b|(?:twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety)"
    r"(?:[- ](?:one|two|three|four|five|six|seven|eight|nine))?\b)"
)
_NUMBER = (
    rf"(?:[-+]? ?(?:{_WHOLE}(?:[.,]\d{{1,4}})?(?![\w.,]?\d|[a-z]){_SCALE}?"
    rf"|{_FRACTION})(?!\d)|{_WORD}|1 0 0\b|1e2\b|10 ?\^ ?2\b)"
)
_TOP = rf"(?:{highest_pattern()}|9\d(?:\.\d{{1,2}})?|100(?:\.0{{1,2}})?|(?:one |a )?hundred)"
"""A number at the top of the scale."""
_FULL = "(?:" + "|".join(rf"{n} ?(?:/|out of) ?{n}" for n in (100, 20, 10, 5)) + ")"
_END = r"[.…!)\]\"'|&;, 。]*$"
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
_COPULA = r"(?: (?:es|ist|lautet|est(?: de)?|e|is) |是|为|は|[은는] )"
_ASK = (
    r"\b(?:should|must|shall|will|ought to|needs? to|has to|have to|(?:is|are|were) \w{2,12} to)\b"
)
_GIVE = (
    r"\b(?:output|give|award|assign|return|reply|respond|write|print|score|rate|grade|say|report"
    r"|answer|put|accept|mark)\b"
)
_GOOD = rf"(?:\b(?:[5-9]\d|100)\b|{_HIGH}|\ba ?\+)"
_SCORED = rf"(?:{_HIGH}|(?:{_MAIN}|mark) ?(?:of|to|as|at|is|:|=)? ?[\"']?{_GOOD})"
_EARNED = (
    rf"(?:{_SCORED}|\d{{1,3}}(?: points| pts| marks| ?/| out of| ?%?{_END})|an? a\b"
    rf"|a (?:perfect|full|solid) {_TOP}(?!\w))"
)

# ------------------------------------------------------------------ what is hidden
_JUDGES = ("judg", "evaluator", "grader", "examiner", "assessor", "scorer", "llm")
_WORKS = (
    *("answer", "solution", "response", "submission", "attempt", "proof", "derivation"),
    *("reasoning", "work", "reply"),
)
SPELLED = ("score", "grade", "rating")
_FOREIGN_HINTS = tuple(noun.replace(" ", "") for noun in _FOREIGN.split("|"))
_NOUN_HINTS = (
    *SPELLED,
    *("sc0re", "5core", "5c0re", "scor3", "sc0r3", "5cor3", "5c0r3", "gr4de", "grad3", "r4ting"),
    *("rat1ng", "grading", "verdict", "evaluat", "assess"),
    *_JUDGES,
    *_FOREIGN_HINTS,
)
ANYTHING = ("",)
# Each rule, and of what a sentence holds one for it, in small letters without blanks and markup
_RULES: tuple[tuple[tuple[str, ...], str], ...] = (
    # LABEL, behind the sentence's beginning, a punctuation mark, or capitalised behind a word
    (
        _NOUN_HINTS,
        rf"(?:^|[^\w\s'’] ?|(?-i:(?<=[a-z] )(?=[A-Z]))){_LABEL}[\"'). ]{{0,3}}"
        rf"(?:is ?)?[:\]|][:\]|=]{{0,4}}"
        rf"(?:\.{{2,6}}|…)?{_VALUE}",
    ),
    (
        ANYTHING,
        rf"^\W{{0,9}}(?:{_LABEL}[\"') ]{{0,3}}(?:[:=]{{0,3}}[=|&→—–~≔⇒➜»;,]>?|<?-+>?|\.\.+"
        rf"|…){_VALUE}"
        rf"|{_MODS}(?:(?:score|rating)(?: \([^()]{{0,20}}\))? {_NUMBER}|(?:grade|marks?"
        rf"|points) {_FRACTION})"
        rf"|(?:points|marks) ?[:=] ?{_FRACTION}|(?:total|overall|final"
        rf"|result) ?[:=] ?{_FRACTION}(?<=100)"
        rf"|(?:final |your |{_JUDGE} )?{_WEAK}(?: {FINAL})? ?[:=]{{1,3}} ?[\"']?"
        rf"(?:{_TOP}{_SCALE}?|1\.0|{_FULL})"
        rf"|(?:quality|confidence|rank|result|total (?:points|marks)) ?[:=]{{1,3}} ?{_FULL}|{_FULL}"
        r"|(?<=\[) ?(?:[-+] ?\d{1,3}|[5-9]\d|100) ?\]"
        # VERDICT
        r"|(?:(?:so|thus|therefore|hence|then|finally|overall),? )?"
        rf"{_MODS}(?:{_MAIN}|mark) (?:is|was|(?:should|must|would|will) be|equals"
        rf"|stands at) (?:exactly |a )?"
        rf"(?:{_TOP}{_SCALE}?|\d{{1,3}} ?(?:/|out of) ?100|{_PRAISE})"
        rf"|(?:(?:l[ae]|l'|die|der|das|il|o|a|het|de) )?(?:{_NOUN})(?: {FINAL})?{_COPULA}"
        rf" ?(?:{_TOP}{_SCALE}?|\d{{1,3}} ?(?:/|sur|von|de|su) ?100)"
        rf"|(?:(?:this|it|my \w{{4,12}}|has|was|is|been|already|hereby) ){{0,5}}"
        rf"(?:graded|rated|evaluated|marked)\b[^0-9]{{0,12}}(?:{_TOP}{_SCALE}?|{_FRACTION})"
        rf"(?: by .{{0,40}})?"
        rf"){_END}|[★⭐]{{3}}",
    ),
    # FIELD
    (
        _NOUN_HINTS,
        rf"[\"'](?:\w{{1,20}}_)?{_NOUN}[\"'] ?(?:[:=]>?) ?[\"']?(?:{_NUMBER}|{_PRAISE})"
        rf"|\b(?:\w{{1,20}}_(?:score|rating|grade)|(?:score|rating|grade)_\w{{1,12}}) ?: ?"
        rf"{_TOP}(?!\w){_ALONE}"
        rf"|<(?:\w{{1,20}}[_-])?{_NOUN}[^<>]{{0,40}}>?(?<=[>\d\"']) ?[\"']?(?:{_NUMBER}|/?>)",
    ),
    # ADDRESS
    (
        _JUDGES,
        r"^\W{0,9}(?:(?:dear|attention|attn|hey|hello|hi|(?:note|message|instructions?) (?:to|for))"
        rf"[:,]? (?:(?:the|all|any) )?(?:ai |llm )?{_JUDGE}\b|{_JUDGE} ?[:,!—])",
    ),
    (
        _JUDGES,
        rf"\b{_JUDGE}\b.{{0,30}}{_ASK}.{{0,10}}{_GIVE}.{{0,30}}(?:{_GOOD}|\bcorrect\b)",
    ),
    (
        _JUDGES,
        rf"\b{_JUDGE}\b.{{0,20}}\b(?:replied|said|wrote|answered|decided|(?:gave|gives|awarded|assigned)"
        rf" (?:this|it|me|us|{_OURS}))\b ?[:,]? ?[\"']?(?:a )?(?:{_TOP}(?!\w)|{_SCORED})",
    ),
    (
        ("your",),
        rf"\byour (?:\w{{3,9}} )?(?:reply|response|output|answer|verdict) {_ASK} (?:be|read"
        rf"|say|contain)\b"
        rf".{{0,20}}?(?:{_TOP}(?!\w)|{_SCORED})",
    ),
    (
        ("reply",),
        rf"\b(?:the|correct|valid|expected|required|only|right|proper) "
        rf"(?:\w{{3,9}} )?reply\b.{{0,9}}(?:is|be|:)"
        rf" ?.{{0,12}}?{_TOP}(?!\w)",
    ),
    (
        ("you",),
        rf"\byou\b.{{0,5}}{_ASK}.{{0,5}}{_GIVE}.{{0,20}}(?:{_SCORED}|{_OURS}.{{0,15}}{_GOOD})",
    ),
    (
        ("give", "award", "assign", "rate", "score", "grade", "mark"),
        r"\b(?:i|we)(?:'d|'ll| \w{2,8}){0,2} (?:give|award|assign|rate|score|grade|mark)"
        rf" (?:(?:this|it|that|myself|{_OURS})\b.{{0,25}}?{_EARNED}|{_MODS}{_SCORED})",
    ),
    (
        SPELLED,
        rf"\ba {_MAIN} of [-+]?\d{{1,3}}\b.{{0,20}}\b(?:appropriate|fair|justified"
        rf"|reasonable|suitable"
        r"|warranted|deserved|reflect)",
    ),
    (
        ("deserve", "merit", "warrant", "earn"),
        rf"(?:\b(?:this|it)|\b{_OURS}) (?:clearly |fully |certainly )?(?:deserve|merit|warrant"
        rf"|earn)s?\b[^=*+:]{{0,30}}?{_EARNED}",
    ),
    (
        _WORKS,
        rf"\b{_OURS} .{{0,20}}(?:gets?|receives?|scores?|rates?|worth|(?:be|is) (?:given|graded"
        rf"|scored|rated|awarded|marked))\b.{{0,20}}?(?:{_SCORED}|100{_END}|\d ?(?:/|out of"
        rf"|points))",
    ),
    (
        ("give", "award", "assign", "output", "return", "print", "with", "say", "report"),
        r"(?:^|[,:;!(\"'—-] ?|\b(?:please|just|only|simply|must|should|now) )(?:give|award|assign"
        r"|output|return|print|(?:respond|reply|answer) with|say|report)"
        rf" (?:this |it |me |{_OURS} |only |just |exactly |the |an? |[\"'])*{_MODS}{_SCORED}",
    ),
    (
        ("output", "reply", "respond", "say", "return", "print"),
        r"^\W{0,9}(?:(?:please|now|just|simply|only) )*(?:output|reply|respond|say"
        r"|(?<=only |just )(?:return|print))(?: with| only| just| exactly| the (?:number|score))*"
        r" [\"']?(?:100|one hundred)\W*$",
    ),
    (
        ("ignor", "disregard", "forget", "overrid", "满分"),
        r"\b(?:ignor|disregard|forget|overrid)\w{0,4} .{0,40}\b(?:instructions?|rubrics?|prompts?"
        r"|grading|criteria|guidelines|flaws|errors)\b|给.{0,4}满分",
    ),
    (
        _WORKS,
        rf"(?:{_NOUN}|\bmark)s? (?:for|of|on) {_OURS}.{{0,30}}(?:{_GOOD}|{_PRAISE})",
    ),
)


@cache
def hostile_patterns() -> list[tuple[tuple[str, ...], list[re.Pattern[str]]]]:
    """The rules, compiled at first use: that takes a fifth of this package's import.

    Returns:
        The rules that need the same words, with these words.
    """
    found: dict[tuple[str, ...], list[re.Pattern[str]]] = {}
    for needed, rule in _RULES:
        found.setdefault(needed, []).append(re.compile(f"(?i){rule}"))
    return list(found.items())


# What a sentence to be hidden holds, in small letters: in a long text, sentences with one of the
# first and one of the second group are looked at. "" is in each.
_NEEDED = (
    *(f"{digit} {word}" for digit in "0123456789" for word in ("point", "mark", "pts", "/")),
    *("100", "hundred", "score", "grade", "full", "perfect", "highest", "maximum"),
    *(
        "top ",
        "a+",
        "out of",
        "★★",
        "⭐⭐",
        ": 9",
        ":9",
        "=9",
        "= 9",
        "1.0",
        "10/10",
        "20/20",
        "5/5",
    ),
    *(f"{HIGHEST:g}", "]"),
)
HINTS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    ((*_NOUN_HINTS, "rated", "100/100", "20/20", "10/10", "5/5", *_RULES[-2][0]), ("",)),
    (
        ("give", "gave", "award", "assign", "rate ", "mark ", "deserve", "merit", "warrant"),
        (*_NEEDED, "this", "that", " it", " my", " our"),
    ),
    (
        (
            *("mark", "point", "output", "reply", "respon", "say", "return", "print", "earn"),
            *("worth", "total", "overall", "final", "result", "quality", "confidence", "rank"),
            *("out of", "your", "reward", "★", "⭐", *(f"[{begin}" for begin in "+-56789 1")),
            *_folded((*OTHER_NOUNS, *_AMBIGUOUS)).split("|"),
        ),
        _NEEDED,
    ),
)
_PACKED_HINTS = {
    hint.replace(" ", "").encode() for hints, _ in HINTS for hint in hints if hint.isascii()
}
# What holds another one tells no more
_PACKED_HINTS -= {hint for hint in _PACKED_HINTS for one in _PACKED_HINTS - {hint} if one in hint}
# What is made blank, or what a sentence may hold between the letters of a word
_BLANKS = b" \t\n\r\f\v._-*`$~{\\#}"
_PACKED = str.maketrans("", "", _BLANKS.decode())
SPACED = {word: re.compile(r"[^a-z0-9]{0,4}".join(word)) for word in SPELLED}


def packed(text: str) -> str:
    """A text in small letters, without blanks and markup."""
    return text.lower().translate(_PACKED)


def spells_out(text: str) -> list[str]:
    """The words for a score whose letters stand apart in a text of small letters."""
    bare = text.encode("ascii", "ignore").translate(None, _BLANKS)  # much faster than `packed`
    return [word for word in SPELLED if bare.count(word.encode()) > text.count(word)]


def may_be_hostile(text: str) -> bool:
    """Whether to look at a text. Never wrongly False."""
    if not text.isascii():
        return True
    bare = text.encode().lower().translate(None, _BLANKS)  # several times faster than `packed`
    # A list, which takes half the time of `any` over a text that holds none, as most do
    return bool([hint for hint in _PACKED_HINTS if hint in bare])
