r"""Reading final answers out of model text, and a cheap key to compare them by.

Nothing here proves two answers equal, and nothing guesses: a text that states no final answer
has none. Every function takes any ``str``, never raises, and takes about linear time: the
patterns bound their repeats, or run only on text that was cut to a fixed length first.
"""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction

from mctsr_graph.text.thinking import strip_reasoning

_MAX_SENTENCE = 200  # characters; a longer "answer is ..." is an explanation
_MAX_BOX = 1000  # a box may hold a matrix, but not an essay
_MAX_KEY = 400  # longer answers get no rewriting, only their ends stripped
_MAX_TRIES = 100  # blank statements skipped, last to first, before giving up

# Two backslashes before "boxed" are accepted: replies quoted as JSON twice have them. An escaped
# character is one token, so that \{ and \} do not count as braces.
_BOX_TOKEN = re.compile(r"\\{1,2}(?:boxed|fbox)(?![A-Za-z])\s{0,8}(\{?)|\\.|[{}]", re.DOTALL)
# "\boxed 5" and "\boxed x", but not "a \boxed environment".
_BARE_BOX = re.compile(r"(?=[-+.]?[0-9\\]|[A-Za-z]\b)(?:[^\s${}]|\{[^\s${}]{0,40}\}){1,60}")
_HASH_LINE = re.compile(r"^[ \t]{0,8}####(?!#)([^\n]{0,400})", re.MULTILINE)
_HASH_VALUE = re.compile(r"(?![0-9]+[.)]\Z)(?:\S*[0-9]\S*|[^A-Za-z]*[0-9][^A-Za-z]*)")
_STATEMENT = re.compile(
    r"""(?imx)\b(?:(?:the|my|our)\s{1,4}(?:(?:final|correct)\s{1,4})?|final\s{1,4})
              [*_]{0,3}answers?[*_]{0,3}\s{1,4}[*_]{0,3}(?:is|are|equals)\b
          | \b(?:final\s{1,4})?answers?(?:\s?\([^()\n]{1,40}\))?[*_]{0,3}\s{0,4}[:=]
          | ^[#*_ \t]{0,12}(?:final[ \t]{1,4})?answer[*_ \t]{0,6}$"""
)
_LEAD = re.compile(
    r"(?i)\A[\s:=*_>`]{0,40}(?:(?:therefore|thus|hence|then|simply|indeed)\b[\s,:]{0,4})?"
    r"(?:(?:\$\$|\\\[)\s{0,40})?"
)
# The "." in "3.14" ends no sentence, as no space follows; nor does the "!" in "5! = 120".
_STOP = re.compile(r"""\n|(?:[.?]|(?<=[A-Za-z]{2})!)(?=[*_$"')\]\\]{0,4}(?:\s|\Z))""")
_CLAUSE = re.compile(r"(?i)\s(?:which|because|since|so)\b")
_NO_ANSWER = re.compile(r"(?is)not\b.*|as follows:?|below|(?:in)?correct|wrong")
_OWN_LINE_VALUE = re.compile(r"[-+.]?[0-9\\$]|[(\[][-+.]?[0-9\\]|\S+(?<!:)\Z")
_DELIMITER = re.compile(r"(\\\\|\\\$)|\$|\\[()\[\]]|(?<!\S)\*\*|\*\*(?=[\s.,;:]|\Z)")
_TEXT_MACRO = r"\\(?:text(?:bf|it|rm)?|math(?:rm|bf)|mbox)\s{0,2}\{([^{}]*)\}"
_WRAPPED = re.compile(_TEXT_MACRO)


def clean_text(text: str) -> str:
    """Makes any text safe to store in JSON, SQLite and Postgres.

    Returns:
        The text without NUL. Two surrogates that are one character cut in two (as a stream may
        do) become that character, and any other surrogate becomes U+FFFD.
    """
    utf16 = text.replace("\0", "").encode("utf-16-le", "surrogatepass")
    return utf16.decode("utf-16-le", "replace")


def extract_final_answer(text: str) -> str | None:
    r"""Finds the short final answer that a worked solution states.

    In this order: the last box, the last ``####`` line, the last "the answer is ..." or "Answer:
    ..."; a blank one is passed over for the one before it. Of nested boxes only the innermost
    counts. A ``####`` line with words counts only at the end of the text, as it may be a heading.
    A statement's value may stand on the next line if that line reads as a value.

    Args:
        text: A model's reply; its thinking is left out of account.

    Returns:
        The answer without the markup around it, never empty, or None where none is stated.
    """
    text = strip_reasoning(text).replace("\r\n", "\n")
    finders = ((_boxes, _MAX_BOX), (_hash_lines, _MAX_SENTENCE), (_statements, _MAX_SENTENCE))
    for find, limit in finders:
        for value in reversed(find(text)[-_MAX_TRIES:]):
            if answer := _tidy(value, limit):
                return answer
    return None


def _boxes(text: str) -> list[str]:
    """Lists the contents of the closed boxes that hold no other box, in reading order."""
    found: list[str] = []
    braces: list[int] = []  # one for each open brace: where a box's content starts, else -1
    newest = -1  # a box is innermost if none was opened since
    for token in _BOX_TOKEN.finditer(text):
        if token[0] == "{":
            braces.append(-1)
        elif token[0] == "}":
            start = braces.pop() if braces else -1
            if start >= 0 and start == newest:
                found.append(text[start : token.start()])
        elif token[1]:
            newest = token.end()
            braces.append(newest)
        elif token[1] is not None and (bare := _BARE_BOX.match(text, token.end())):
            newest = token.end()
            found.append(bare[0])
    return found


def _hash_lines(text: str) -> list[str]:
    """Lists what follows ``####`` where that is an answer and not a Markdown heading."""
    found: list[str] = []
    for line in _HASH_LINE.finditer(text):
        value = line[1].strip()
        last = line.end() == len(text) and ":" not in value
        # "#### Final Answer: 5" is left to be read as a statement.
        if (last or _HASH_VALUE.fullmatch(value)) and not _STATEMENT.search(value):
            found.append(value)
    return found


def _statements(text: str) -> list[str]:
    """Lists what the last answer statements state, "" for those that state nothing."""
    ends = [statement.end() for statement in _STATEMENT.finditer(text)][-_MAX_TRIES:]
    # Twice the limit, so that markup fits and a value cut short is still seen to be too long.
    return [_stated(text[end : end + 2 * _MAX_SENTENCE]) for end in ends]


def _stated(text: str) -> str:
    """Reads the value at the start of what follows a statement's introducing words."""
    body = _LEAD.sub("", text, count=1)
    lead = text[: len(text) - len(body)]
    sentence = _STOP.split(body, maxsplit=1)[0]
    if "\n" in lead and not lead.rstrip().endswith(("$$", "\\[")):
        # "Answer:" may head a section. Only a line that is a value as a whole is taken from it.
        line = body.partition("\n")[0].strip()
        whole = _tidy(line, _MAX_SENTENCE) == _tidy(sentence, _MAX_SENTENCE)
        if not (whole and _OWN_LINE_VALUE.match(line)):
            return ""
    value = _CLAUSE.split(sentence, maxsplit=1)[0]
    return "" if _NO_ANSWER.fullmatch(_tidy(value, _MAX_SENTENCE)) else value


def _tidy(value: str, limit: int) -> str:
    """Takes the markup off around a value; "" if it is blank, too long or an unread box."""
    if len(value) > 2 * limit or "\\boxed" in value or "\\fbox" in value:
        return ""
    for _ in range(4):  # each layer of markup may hide one more
        # The backslash goes too: it is what is left of a trailing "\," or "\\".
        value = _DELIMITER.sub(r"\1", value).strip("` \t\n").rstrip(" \t\n.,;_\\").strip()
        if wrapped := _WRAPPED.fullmatch(value):
            value = wrapped[1].strip()
    # Dots, dashes and blanks to fill in are no answer; "\{\}" and signs such as U+2205 may be.
    says_something = any(c.isalnum() or c == "\\" or c > "\x7f" for c in value)
    return value if says_something and len(value) <= limit else ""


_CHARACTERS = str.maketrans(
    {"\u2212": "-", "\u2013": "-", "\u00b0": "^\\circ ", "\u03c0": "\\pi ", "\u221e": "\\infty "}
)
# Applied in this order. `(\\\\)` comes first where "\\" could be read as half of another macro.
_REWRITES = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # Separators that can only mean thousands: 1{,}234 1\,234 1,\!234 and narrow spaces.
        (r"(?<=[0-9])(?:\{,\}|\\[,;:! ]|,\\! ?|[~\u2009\u202f\xa0])(?=[0-9]{3}(?![0-9]))", ""),
        (r"\s+", " "),
        (r"(\\\\)|\\[!$()\[\]]|\\(?=%)|\\(?:left|right|[bB]igg?[lr]?)(?![A-Za-z])", r"\1"),
        (r"(\\\\)|\\[,;: ]|\\q?quad(?![A-Za-z])|[~$]", r"\1 "),
        (_TEXT_MACRO, r"\1"),
        (r"\^ ?(?:\\circ(?![A-Za-z])|\{ ?\\circ ?\})|(?<=[0-9]) ?degrees?\Z", ""),
        (r"\\([lg]e|ne)q(?:slant)?(?![A-Za-z])", r"\\\1"),
        (r"\\[dtc]frac(?![A-Za-z])", r"\\frac"),
        (r"\\(frac|sqrt)(?: ?([0-9])| ([A-Za-z]))", r"\\\1{\2\3}"),
        (r"(\\frac\{[^{}]*\}) ?([0-9A-Za-z])", r"\1{\2}"),
        (r"([_^])\{ ?([0-9A-Za-z]) ?\}", r"\1\2"),
        (r"\A(-? ?)([\w\\]{1,20}) ?/ ?([0-9]{1,20}|[A-Za-z]|\\pi)\Z", r"\1\\frac{\2}{\3}"),
        (r"(\A|[,(\[=;{])[ +]*\+", r"\1"),
    )
]
_VARIABLE = re.compile(
    r"\A(?:(?:[A-Za-z]|\\[a-z]{2,8}) ?(?:_ ?(?:\w|\{[^{}=]{1,20}\}))?)? ?(?:=|\\in\b)(?= ?[^ ])"
)
_THOUSANDS = re.compile(r"(?a) ?-? ?[1-9]\d{0,2}(?:(?:,\d{3})+(?!\d)[^,)\]]*|(?: \d{3})+[.\d]*%?)")
_DECIMAL = r"(?:[0-9]{1,100}(?:\.[0-9]{0,100})?|\.[0-9]{1,100})"
# A number that is the whole answer, or the whole of one place in a list, tuple or equation.
_NUMBER = re.compile(
    rf"""(?x)(?P<left>\A|[,(\[=;]|\\\{{)\ ?(?P<sign>-?)\ ?
        (?:(?P<whole>[0-9]{{1,20}})(?=\ ?\\frac|\ [0-9]+\ ?/)\ ?)?
        (?:\\frac\ ?\{{\ ?(?P<a>-?{_DECIMAL})\ ?\}}\ ?\{{\ ?(?P<b>-?{_DECIMAL})\ ?\}}
          |(?P<c>{_DECIMAL})(?:\ ?/\ ?(?P<d>{_DECIMAL}))?)
        (?=\ ?%?\ ?(?:\Z|[,)\];]|\\\}}))"""
)
_IN_PARENTHESES = re.compile(r"\A[({\[] ?([-0-9/]{1,210}%?|[A-Za-z]) ?[\])}]\Z")
_SPACES = re.compile(r"(?<=[0-9])(\s)\s*(?=[0-9])|\s+")


def answer_key(final_answer: str) -> str:
    r"""Gives a form under which final answers that are plainly equal compare equal.

    For votes and repeated answers, not for proof. Numbers become exact rationals (``0.5``, ``1/2``
    and ``\frac12`` are one); "1,234" is a number, while "1, 234", "(1,234)" and "1,2" are lists;
    words and single letters lose their case; units and percent stay ("50%" is not "50").

    Args:
        final_answer: An answer as `extract_final_answer` returns it, or a reference answer.

    Returns:
        The key; the key of a key is that key.
    """
    # A rewrite can make room for another. The first text to come back also comes back to itself,
    # so the key of a key is that key, whatever the rewrites do.
    seen: set[str] = set()
    while final_answer not in seen:
        seen.add(final_answer)
        final_answer = _rewrite(final_answer)
    return final_answer


def _rewrite(text: str) -> str:
    """Does one round of `answer_key`."""
    text = text.lstrip(" \t\r\n$").rstrip(" \t\r\n$.,;\\")
    if len(text) > _MAX_KEY:
        return text
    text = text.translate(_CHARACTERS)
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    if text.count("=") <= 1:  # "x=1, x=2" states two things, and keeps them
        text = _VARIABLE.sub("", text)
    if _THOUSANDS.fullmatch(text):
        text = re.sub(r"(?<=[0-9])[, ](?=[0-9]{3}(?![0-9]))", "", text)
    text = _IN_PARENTHESES.sub(r"\1", _NUMBER.sub(_rational, text))
    if all(c.isalpha() or c in " ,'" for c in text):
        text = text.casefold()
    # One space stays between digits ("1 2" is not 12), and one after each comma, which tells a
    # list from a number with thousands separators when the key is read again.
    return _SPACES.sub(lambda m: " " if m[1] else "", text).replace(",", ", ")


def _rational(number: re.Match[str]) -> str:
    """Rewrites a match of `_NUMBER` as an exact rational in lowest terms."""
    value = Fraction(Decimal(number["a"] or number["c"]))
    divisor = Fraction(Decimal(number["b"] or number["d"] or "1"))
    if divisor == 0 or (number["whole"] and not 0 <= value < divisor):  # "2\frac{3}{2}": product
        return number[0]
    value = value / divisor + int(number["whole"] or 0)
    return number["left"] + str(-value if number["sign"] else value)
