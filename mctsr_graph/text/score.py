"""Reads the score, points on the reward scale, out of the reply of a harsh LLM judge.

`parse_score` reads a whole reply as a person would. It looks, in this order, for

    6  STRONG     the requested marker "[Score] -20", a field {"score": 5}, or a label for a score
                  called final, revised, overall: "Final score: 7"
    5  PLAIN      a label with a colon, an equals sign or its own line: "Score: 40", "Grade = 7"
    4  ALONE      a number alone in square brackets at the end of a line, "[-20]", or as the last
                  line, if it has a sign or its scale: "-80", "85/100"
    3  SUMMARY    a line that sums up without naming a score: "Total: 40", "Verdict: -5"
    2  PROSE      a sentence of the judge: "a score of -20", "I'd rate this 40", "-70 is the score"
    1  CRITERION  one named sub-score: "Clarity score: 70"
    0  BARE       a reply, or its last line, that is nothing but a number

and takes the last statement of the first kind there is. Two that differ make the reply ambiguous,
unless the words between them announce a correction or a STRONG one goes by another name. Ranges,
counts, statements quoted from the judged answer and sentences about the problem ("We get 42", "a
total score of 12 points is needed") are no scores. Nothing is guessed or clamped.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from mctsr_graph.errors import ScoreError
from mctsr_graph.text._score_patterns import (
    A_RATE,
    BRACKETED,
    BRIDGE,
    CONCLUDED,
    CORRECTION,
    DETERMINER,
    DOTS,
    ENDED,
    FAULTS,
    GIVEN,
    IF,
    INTENDED,
    JUDGE,
    JUDGED,
    LABEL,
    LABELLING,
    LIST_ITEM,
    NAMED,
    NO_SCORE,
    NO_VALUE,
    NOTE,
    NOTE_TOP,
    NOTHING_ELSE,
    NUMBER,
    OF_ALL,
    OF_PROBLEM,
    OPENING,
    OPERATOR,
    OUT_OF,
    OVERRIDE,
    POINTS,
    QUOTING,
    RESULT,
    REVISED,
    SCALE,
    SENTENCE_HINTS,
    SENTENCES,
    SUM,
    TOLD,
    TOTALLED,
    UNSETTLED,
    WOULD,
    clean,
)
from mctsr_graph.text.reward_scale import HIGHEST, is_on_scale

STRONG, PLAIN, ALONE, SUMMARY, PROSE, CRITERION, BARE = 6, 5, 4, 3, 2, 1, 0
_MOST_LABELS = 800  # the verdict is at the end; bounds the work on a reply full of labels
_WINDOW = 160  # characters between a label and its number, at most
_DECIMAL_COMMA = re.compile(r"^([0-9]+),(?=[0-9]{1,2}$)")
_AN, _IS, _I = (re.compile(rf"\b(?:{words})\b") for words in ("a", "is|was|are", "i"))
_FULL_STOPS = {".", "!", "?"}
_NO_BARE = re.compile(r"\\boxed[^\n]*\Z|[0-9]\.\Z")  # an answer, or the "5." of a list
_FINAL = re.compile(r"(?:my|the|your|our)?(?: ?(?:final|overall|total))?")
_SENTENCE_END = re.compile(r"[\n.;!?]")
_SUMMED_UP = re.compile(r"[^a-zA-Z]*[:=|][^a-zA-Z]*")
_CLAUSE_END = re.compile(r"[\n.;:!?,()\[\]{}\"|>#]")
_WORD = re.compile(r"[a-z']+")
_EXPLICIT = re.compile(rf" ?[-+][0-9.]|[0-9.]+ ?(?:/|out of) ?{HIGHEST:g}")


class _Found(NamedTuple):
    """One statement of a score; `fault` is "" or the code of the error that reading it raises."""

    kind: int
    name: str
    start: int
    end: int
    value: float
    fault: str


# ------------------------------------------------------------------ reading one number
def _to_float(number: re.Match[str]) -> float:
    """The value of a `NUMBER` match; NaN and infinities pass through."""
    body = number["body"]
    if "," in body:
        body = _DECIMAL_COMMA.sub(r"\1.", body).replace(",", "")
    value = float(body.replace("∞", "inf"))
    return -value if (number["sign"] or "").lower().startswith(("-", "minus", "neg")) else value


def _other_scale(text: str, number: re.Match[str], note: str) -> bool:
    """True if a scale is named near the number and its top is not the highest reward."""
    line = text[max(0, number.start() - 100) : number.start()].rsplit("\n", 1)[-1]
    tail = text[number.end() : number.end() + 60].split("\n", 1)[0]
    hits = (OUT_OF.match(tail), SCALE.search(line), SCALE.search(tail), NOTE_TOP.search(note))
    tops = [hit[hit.lastindex or 0] for hit in hits if hit]
    return tops.count(f"{HIGHEST:g}") < len(tops)


def _read(text: str, number: re.Match[str], bridge: str = ":") -> tuple[float, str] | None:
    """Value and fault of a number that stands where a score would; None if it is no score."""
    tail = text[number.end() : number.end() + 80]
    sign, own_line = number["sign"] or "", text[number.start() - 1 : number.start()] == "\n"
    if NO_VALUE.match(tail) or (own_line and not sign and LIST_ITEM.match(tail)):
        return None
    value, gap = _to_float(number), bridge.rsplit("\n", 1)[-1].strip()
    # "Score - 40", "Score-40" and a bullet "- 40" below a label: a minus sign or a dash?
    dash = sign.startswith("-") and gap == "" and (sign == "- " or bridge == "")
    if dash or UNSETTLED.match(tail):
        return value, "ambiguous"
    if not math.isfinite(value):
        return value, "not_finite"
    if _other_scale(text, number, bridge):
        return value, "other_scale"
    return value, "" if is_on_scale(value) else "out_of_range"


def _number_after(text: str, start: int) -> tuple[re.Match[str], str] | None:
    """The number that belongs to a label ending at `start`, and what stands between them."""
    line = text[start : start + 2 * _WINDOW].split("\n", 1)[0]
    result = RESULT.search(line)
    formula = line.lstrip(" \"'])}").startswith("=") and OPERATOR.search(line)
    if result and (formula or SUM.fullmatch(line[: result.end()])):
        number = NUMBER.match(text, start + result.end())
        return (number, "=") if number else None
    near = NUMBER.search(text, start, start + _WINDOW)
    number = NUMBER.match(text, near.start()) if near else None  # again, past the window's end
    if number is None or not BRIDGE.fullmatch(text, start, number.start()):
        return None
    bridge = text[start : number.start()]
    while "]" in bridge and (dots := DOTS.match(text, number.end())):
        number = NUMBER.match(text, dots.end()) or number  # "[Score]...-246...-75...": the last
    return number, bridge


# ------------------------------------------------------------------ finding statements
def _is_quoted(text: str, start: int, end: int) -> bool:
    """True if the statement at start:end is cited from the judged answer."""
    line = text[max(0, start - _WINDOW) : start].rsplit("\n", 1)[-1]
    if line.startswith(">") or (QUOTING.search(line) and not JUDGE.search(line)):
        return True
    in_marks = line[-1:] in set("'\"«") and text[end : end + 1] in set("'\"»")
    return in_marks and line[:-1].strip(" ")[-1:] not in set(":{,") | {""}


def _kind(
    text: str, words: str, label: re.Match[str], number: re.Match[str], bridge: str
) -> int | None:
    """The kind of the statement that a label and a number make; None if they make none."""
    if NO_SCORE.search(words):
        return None
    explicit = bool(number["sign"]) or bool(OF_ALL.match(text, number.end()))
    if label["noun"]:
        marker = text[label.start() - 1 : label.start()] == "[" and bridge.startswith("]")
        kind = STRONG if marker else _noun_kind(text, words, bridge, number, explicit)
        named = NAMED.search(text[max(0, label.start() - 30) : label.start()])
        return STRONG if kind == PLAIN and named and bridge[:3].rstrip(" ")[1:2] == ":" else kind
    if label["sum"]:
        return _sum_kind(label[0].lower(), words, bridge, explicit, ENDED.match(text, number.end()))
    if "\n" in bridge and ":" not in bridge:
        return None
    if not _is_verdict(label, words, bridge, explicit or bool(POINTS.match(text, number.end()))):
        return None
    if INTENDED.search(text[max(0, label.start() - 30) : label.start()]):
        return None
    return PROSE if explicit or GIVEN.match(text, number.end()) else None


def _is_verdict(label: re.Match[str], words: str, bridge: str, explicit: bool) -> bool:
    """Whether a verb has the judge as its subject, or the judged answer; `explicit`: a score's."""
    verb, by_judge = label[0].lower(), bool(JUDGE.search(words))
    its_own, handed = bool(JUDGED.search(words)), explicit or bool(_AN.search(bridge))
    if label["rate"]:
        if verb in ("rate", "rates"):
            return bool(A_RATE.search(words) or (not words and explicit))
        return by_judge or its_own or bool(JUDGED.search(bridge)) or (not words and explicit)
    if verb == "say":
        return by_judge and explicit
    if verb.startswith("get"):
        return its_own and handed
    if verb.startswith(("giv", "assign", "award")):
        return _is_given(verb, words, bridge, explicit)
    return its_own or (by_judge and explicit)


def _is_given(verb: str, words: str, bridge: str, explicit: bool) -> bool:
    """The same for forms of "give"."""
    by_judge, to_answer = bool(JUDGE.search(words)), bool(JUDGED.search(bridge))
    if verb == "gives" or _IS.search(bridge):
        return False
    if verb in ("given", "assigned", "awarded") and not by_judge:
        return explicit and bool(JUDGED.search(words))
    if verb.endswith("ing"):
        return to_answer and (explicit or bool(_AN.search(bridge)))
    return by_judge and (explicit or to_answer or bool(_I.search(words)))


def _sum_kind(
    name: str, words: str, bridge: str, explicit: bool, ended: re.Match[str] | None
) -> int | None:
    """The kind of a line that sums up, such as "Total: 40"."""
    alone = not words or bool(_FINAL.fullmatch(words))
    if not alone or not ended or (name in ("result", "final") and not explicit):
        return None
    blank = not bridge.strip() and explicit and name in ("overall", "total")
    return SUMMARY if blank or _SUMMED_UP.fullmatch(bridge) else None


def _noun_kind(
    text: str, words: str, bridge: str, number: re.Match[str], explicit: bool
) -> int | None:
    """The kind of a statement whose label is "score" or a like noun, without the marker."""
    heading = "\n" in bridge and not OVERRIDE.sub("", words).strip()
    labelled = heading or LABELLING.search(bridge)
    if labelled:
        if OVERRIDE.search(words):
            return STRONG
        return PLAIN if DETERMINER.search(words) else CRITERION
    told = TOLD.match(text, number.end()) or OF_PROBLEM.search(words)
    sentence = _SENTENCE_END.split(text[max(0, number.start() - 120) : number.start()])[-1]
    totalled = TOTALLED.search(words) and not explicit and not CONCLUDED.search(sentence)
    after = text[number.end() : number.end() + 30]
    supposed = WOULD.search(bridge) or words.endswith(("would", "could", "might"))
    wished = supposed and (IF.search(sentence) or IF.search(after))
    return None if "\n" in bridge or told or totalled or wished else PROSE


def _words_before(text: str, label: re.Match[str]) -> str:
    """The words that lead up to a label within its clause, at most four."""
    before = text[max(0, label.start() - 60) : label.start()]
    clause = _CLAUSE_END.split(before)[-1]
    return " ".join(_WORD.findall(clause.lower())[-4:])


def _labelled(text: str) -> list[_Found]:
    """All statements made of a label and a number."""
    found = []
    for label in list(LABEL.finditer(text))[-_MOST_LABELS:]:
        note = NOTE.match(text, label.end())
        hit = _number_after(text, note.end() if note else label.end())
        if hit is None or _is_quoted(text, label.start(), hit[0].end()):
            continue
        number, bridge = hit[0], (note[0] if note else "") + hit[1]
        words = _words_before(text, label)
        kind, read = _kind(text, words, label, number, bridge), _read(text, number, bridge)
        if kind is not None and read is not None:
            name = words.rpartition(" ")[2] + label[0].lower()
            found.append(_Found(kind, name, label.start(), number.end(), *read))
    return found


def _unlabelled(text: str, reply: str) -> list[_Found]:
    """Statements without a label: "[-20]", a number that is the whole reply or its last line."""
    spans = [(ALONE, m.start(1), m.end(1)) for m in BRACKETED.finditer(text)]
    start = text.rfind("\n") + 1
    before = text[max(0, start - 2) : start - 1] if start else ""
    if start and _EXPLICIT.match(text[start : start + 30]) and before not in (":", "="):
        spans.append((ALONE, start, len(text)))
    elif not start or (before in _FULL_STOPS and not _NO_BARE.search(reply[-100:].rstrip())):
        spans.append((BARE, start, len(text)))
    found = []
    for kind, start, end in spans:
        bare = NOTHING_ELSE.fullmatch(text, start, end)
        number = NUMBER.match(text, bare.start("number")) if bare else None
        if number and (read := _read(text, number)):
            found.append(_Found(kind, "", start, end, *read))
    return found


def _in_sentences(text: str) -> list[_Found]:
    """Statements whose number comes first or that revise one: "-70 is the score"."""
    lines, end = [], 0
    for line in text.lower().split("\n"):
        start, end = end, end + len(line) + 1
        if any(hint in line for hint in SENTENCE_HINTS):
            lines.append((start, end - 1))
    matches = [m for p in SENTENCES for line in lines for m in p.finditer(text, *line)]
    if opening := OPENING.match(text):
        matches.append(opening)
    found = []
    for match in matches:
        number = NUMBER.match(text, match.start("number"))
        if number and (read := _read(text, number)):
            kind = STRONG if REVISED.match(match[0]) else PROSE
            found.append(_Found(kind, "", match.start(), number.end(), *read))
    return sorted(found, key=lambda one: one.start)


def _choose(found: list[_Found], text: str, reply: str) -> _Found:
    """The last statement of the first kind there is; raises ScoreError missing or ambiguous."""
    settled = [one for one in found if one.fault != "ambiguous"]
    if not settled:
        raise _error("ambiguous" if found else "missing", reply)
    kind = max([one.kind for one in settled])
    same = [one for one in settled if one.kind == kind]
    last = same[-1]
    unsettled_since = any(
        one.fault == "ambiguous" and one.kind >= kind and one.start > last.start for one in found
    )
    rivals = [
        one
        for one in same[:-1]
        if one.value != last.value and (kind != STRONG or one.name == last.name)
    ]
    if rivals and not unsettled_since:
        between = text[max(rivals[-1].end, last.start - 500) : last.start]
        unsettled_since = kind == CRITERION or not CORRECTION.search(between)
    if unsettled_since:
        raise _error("ambiguous", reply)
    return last


def _error(code: str, reply: str) -> ScoreError:
    """The exception for a code of `FAULTS`."""
    return ScoreError(code, FAULTS[code], reply)


# ------------------------------------------------------------------ public
def parse_score(reply: str) -> float:
    """Reads the score of a judge's whole reply as a person would.

    Args:
        reply: the reply, with or without reasoning in <think>...</think>.

    Returns:
        The score in points, on the reward scale.

    Raises:
        ScoreError: its `code` is one of empty, truncated_reasoning (an unclosed <think>),
            missing, not_finite, out_of_range, other_scale ("8/10"), ambiguous.
    """
    text = clean(reply or "")
    if not text:
        raise ScoreError("empty", "the reply holds no text", reply or "")
    found = _labelled(text) + _in_sentences(text) + _unlabelled(text, reply)
    chosen = _choose(sorted(found, key=lambda one: one.end), text, reply)
    if chosen.fault:
        raise _error(chosen.fault, reply)
    return chosen.value


def last_number_after_score(reply: str) -> float:
    """Reads a score the way the official MCTSr code does, to reproduce its runs.

    Takes the text after the last "Score" (all of it if there is none) and the last number there.

    Args:
        reply: the judge's reply.

    Returns:
        A finite number of points; it is not limited to the reward scale.

    Raises:
        ScoreError: missing (no number) or not_finite (too many digits for a float).
    """
    numbers = re.findall(r"-?\d++(?>(?:\.\d++)?)", reply.rpartition("Score")[2])
    if not numbers:
        raise _error("missing", reply)
    value = float(numbers[-1])
    if not math.isfinite(value):
        raise _error("not_finite", reply)
    return value
