r"""One spelling for what answers spell in many ways: unicode, LaTeX macros, spaces, plain text."""

from __future__ import annotations

import re
import unicodedata

MAX_LENGTH = 2000  # characters; a longer answer is not rewritten

_HALVES = {
    "½": (1, 2), "⅓": (1, 3), "⅔": (2, 3), "¼": (1, 4), "¾": (3, 4), "⅕": (1, 5), "⅖": (2, 5),
    "⅗": (3, 5), "⅘": (4, 5), "⅙": (1, 6), "⅚": (5, 6), "⅛": (1, 8), "⅜": (3, 8), "⅝": (5, 8),
    "⅞": (7, 8),
}  # fmt: skip
_CHARACTERS = {
    "−": "-", "–": "-", "‑": "-", "⁄": "/", "∕": "/", "÷": "/", "×": "*", "·": "*", "⋅": "*",
    "∗": "*", "≤": r"\le ", "≥": r"\ge ", "⩽": r"\le ", "⩾": r"\ge ", "≠": r"\ne ",
    "∞": r"\infty ", "π": r"\pi ", "√": r"\sqrt ", "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ",
    "ℝ": r"\mathbb{R}", "ℤ": r"\mathbb{Z}", "∅": r"\varnothing ", "°": r"^\circ ", "º": r"^\circ ",
    "±": r"\pm ", "∓": r"\mp ", "≈": r"\approx ", "≅": r"\approx ", "θ": r"\theta ",
    "α": r"\alpha ", "β": r"\beta ", "γ": r"\gamma ", "λ": r"\lambda ", "φ": r"\phi ",
    "、": ",", "。": ".", "’": "'", "′": "'", "″": "''", "…": r"\dots ", "⋯": r"\dots ",
    "→": r"\to ", "⇒": r"\Rightarrow ", "Ω": r"\Omega ", "∠": r"\angle ", "△": r"\triangle ",
    "٫": ".", "٬": ",", **dict.fromkeys("✓✔✅☑∎■", ""),
    **{half: rf"\frac{{{a}}}{{{b}}}" for half, (a, b) in _HALVES.items()},
    **dict.fromkeys("\u2009\u202f\xa0\u2002\u2003\u3000", "\\ "),
}  # fmt: skip
_TABLE = str.maketrans(_CHARACTERS)
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ", "0123456789-+n")
_LOWERED = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_FUNCTIONS = (
    "arcsin|arccos|arctan|sinh|cosh|tanh|sin|cos|tan|cot|sec|csc|ln|log|lg|exp|sqrt|pi|max|min"
)
_ROMAN = r"\\(?:mathrm|rm|mathsf|textup)(?![A-Za-z]) ?"
_UPRIGHT = r"\\(?:mathrm|textup|rm|mathsf|operatorname\*?|mathop|text)(?![A-Za-z]) ?"
_FONT = (
    r"mathbf|boldsymbol|bm|mathit|mathcal|mathtt|mathnormal|mathsf|displaystyle|textstyle"
    r"|scriptstyle|tiny|small|normalsize|large|Large|LARGE|huge|Huge|bf|it|limits|nolimits"
    r"|underline|uline|emph|boxed|fbox|framebox|ensuremath|strut|checkmark|qed|blacksquare"
    r"|mathopen|mathclose|mathrel|mathbin|mathord|rm|cancel|hfill|noindent|middle|protect"
)


def _arrangements(found: re.Match[str]) -> str:
    n, k = (int(group) for group in found.groups() if group)
    return rf"\frac{{{n}!}}{{{n - k}!}}" if k <= n else found[0]


_MOST_WRAPPED = 4
_WRAPPED = re.compile(r"(?:\\(?:boxed|fbox) ?)?\{")
# Applied in this order. (?![A-Za-z]) ends a macro; (?<!\\)(?:\\\\)* is not needed, as the double
# backslash that ends a matrix row is hidden first.
_REWRITES = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # Replies that were quoted as JSON twice have two backslashes before a macro.
        (r"\\\\(?=(?:le|ge|ne|frac|sqrt|text|pi|infty|cdot|times|in|cup|left|right)(?![a-z]))",
         r"\\"),
        (r"\\\\", "\x00"),
        (r"\\(?:text|f)?color(?:box)? ?(?:\[\w*\] ?)?\{[\w!.,# ]*\}"
         r"|\\(?:[hv]space\*?|[hv]?phantom|label|tag\*?) ?\{[^{}]*\}"
         r"|\\[hv]skip ?[-\d.]+ ?[a-z]{2}", " "),
        # A font changes nothing: upright e, i, d, digits, points and names such as ABC or P(A)
        (rf"{_UPRIGHT}\{{ ?({_FUNCTIONS}|cis|sgn|lcm|gcd|mod|det|Re|Im) ?\}}", r"\\\1 "),
        (rf"{_UPRIGHT}\{{ ?([A-Z]) ?\}}(?= ?[_^(])", r"\1"),
        (rf"{_ROMAN}\{{ ?([eid]|[-+0-9.]+) ?\}}", r"{\1}"),
        (rf"{_UPRIGHT}\{{ ?([0-9A-F]+) ?\}}(?= ?_)", r"\1"),
        (rf"(?<![0-9}}%])(?<![0-9}}%][ ~,])(?<![0-9]\\[ ,;:]){_ROMAN}\{{ ?([A-Z]{{1,4}}) ?\}}",
         r"\1"),
        (r"\\(?:text(?:bf|it|rm|sf|tt|sc|up|normal)|mathrm|mbox|hbox|operatorname\*?)(?![A-Za-z])",
         r"\\text"),
        (rf"\\(?:{_FONT})(?![A-Za-z])", ""),
        (r"(?<=[0-9])(?:\{,\}|\\[,;:! ]|,\\! ?|~|')(?=[0-9]{3}(?![0-9]))", ""),
        (r"(?<=[0-9])\{,\}(?=[0-9])", "."),
        (r"\A(-? ?[0-9]{1,3}(?:\.[0-9]{3})+),([0-9]{1,2})\Z",  # 12.345,67
         lambda m: f"{m[1].replace('.', '')}.{m[2]}"),
        (r"\\(?:pounds|textsterling)(?![A-Za-z])", "£"),
        (r"\\(?:euro|texteuro)(?![A-Za-z])", "€"),
        (r"\\(?:cent|textcent)(?![A-Za-z])", "¢"),
        (r"\\textdollar(?![A-Za-z])", r"\\$"),
        (r"\\(?:left|right|[bB]igg?[lrm]?)(?![A-Za-z])\.?", ""),
        (r"\\[,;:!> ]|\\q?quad(?![A-Za-z])|~|\\[()\[\]]", " "),
        (r"\\text ?\{ *and *\}|\\(?:land|wedge)(?![A-Za-z])", " and "),
        (r"\\text ?\{ *or *\}|\\(?:lor|vee)(?![A-Za-z])", " or "),
        (r"\\text ?\{([^{}]*[\w)])? +(and|or) +([^{}]*)\}", r"\\text{\1} \2 \\text{\3}"),
        (r"\\text ?\{ *\}", " "),
        (r"(?i)\\minus(?![a-z])|(?<![a-z])(?:negative|minus) (?=\\?(?:[0-9(]|inf(?:ini)?ty))", "-"),
        (r"(?i)(?<![a-z])(?:positive|plus) (?=\\?inf(?:ini)?ty)", ""),
        (r"\\[dtc]frac(?![A-Za-z])", r"\\frac"),
        (r"\\frac ?\{ ?\\text ?\{([^{}]*)\} ?\} ?\{ ?\\text ?\{([^{}]*)\} ?\}",
         r"\\text{\1/\2}"),
        (r"\\langle(?![A-Za-z])", "("),
        (r"\\rangle(?![A-Za-z])", ")"),
        (r"\\[dt]binom(?![A-Za-z])", r"\\binom"),
        # C(8, 3), C_8^3 and _8C_3; A_5^2 and P(5, 2) count arrangements
        (r"(?<![A-Za-z\\_^])C ?\( ?([0-9]+) ?, ?([0-9]+) ?\)", r"\\binom{\1}{\2}"),
        (r"(?<![A-Za-z\\])C ?_ ?\{? ?([0-9]+) ?\}? ?\^ ?\{? ?([0-9]+) ?\}?", r"\\binom{\1}{\2}"),
        (r"(?:\{ ?\} ?)?[_^] ?\{? ?([0-9]+) ?\}? ?C ?_ ?\{? ?([0-9]+) ?\}?", r"\\binom{\1}{\2}"),
        (r"(?<![A-Za-z\\])[AP] ?_ ?\{? ?([0-9]+) ?\}? ?\^ ?\{? ?([0-9]+) ?\}?"
         r"|(?:\{ ?\} ?)?[_^] ?\{? ?([0-9]+) ?\}? ?P ?_ ?\{? ?([0-9]+) ?\}?"
         r"|(?<![A-Za-z\\_^])P ?\( ?([0-9]+) ?, ?([0-9]+) ?\)", _arrangements),
        (r"([a-zA-Z]) ?_ ?\{? ?1 ?[,/] ?2 ?\}?(?= ?=)", r"\1"),  # x_{1,2} = 3, 2
        (r"\\(l|g)e(?:q|qslant|qq)?(?![A-Za-z])", r"\\\1e "),
        (r"\\lt(?![A-Za-z])", "<"),
        (r"\\gt(?![A-Za-z])", ">"),
        (r"\\neq?(?![A-Za-z])|\\not ?=|!=", r"\\ne "),
        (r"<=|=<", r"\\le "),
        (r">=", r"\\ge "),
        (r"\\(?:[lr]?vert|mid)(?![A-Za-z])", "|"),
        (r"\\lbrace(?![A-Za-z])", r"\\{"),
        (r"\\rbrace(?![A-Za-z])", r"\\}"),
        (r"\\emptyset(?![A-Za-z])", r"\\varnothing "),
        (r"\\(?:R|reals)(?![A-Za-z])|\\(?:mathbb|Bbb) ?R(?![A-Za-z])", r"\\mathbb{R}"),
        (r"\\(?:cdot|times|ast)(?![A-Za-z])|\\text ?\{ ?x ?\}(?= ?10)", "*"),
        (r"\*\*", "^"),
        (r"\\div(?![A-Za-z])", "/"),
        (r"\\(?:[lcdv]?dots[cbmio]?|hdots)(?![A-Za-z])|\.\.\.+|(?<=,) ?\.\.(?=,|\Z)", r"\\dots "),
        (r"\\(?:p|b)?mod(?![A-Za-z])|(?<=[0-9a-z}]) ?\( ?mod(?= )", r" \\mod "),
        (r"\\(?:long|Long)?(?:right|Right)arrow(?![A-Za-z])|\\implies(?![A-Za-z])", r"\\to "),
        (r"(?<=[0-9]) ?[xX] ?(?=10 ?(?:\^|\*\*))", "*"),
        (r"\\not(?:in)(?![A-Za-z])", r"\\ne "),
        (r"\\(?:approx|simeq|cong|thickapprox)(?![A-Za-z])", r"\\approx "),
        (r"\\var(phi|theta|epsilon)(?![A-Za-z])", r"\\\1"),
        (r"\\%", "%"),
        (r"\^ ?\{? ?((?:\\prime ?)+)\}?", lambda m: "'" * m[1].count("prime")),
        (r"(?<=[0-9]) ?(?:\\text ?\{ ?)?(k|M)?(?: ?\})? ?\\Omega ?\Z", r" \\text{\1ohm}"),
        (r"(?<![A-Za-z}])\{ ?([A-Za-z]) ?\}(?= ?\()", r"\1"),
        (r"\^ ?\{ ?(?:\\circ|\\degree) ?\}|\\degree(?![A-Za-z])|\^ ?\\circ(?![A-Za-z])", "°"),
        (rf"(?<![A-Za-z\\{{])({_FUNCTIONS})(?![A-Za-z])", r"\\\1"),
        (r"(?<=[0-9] )\\(min)(?![A-Za-z({])|(?<=[0-9])\\(min)(?![A-Za-z({])", r"\1\2"),
        (r"(?i)(?<![a-z\\])(?:infinity|infty|inf|oo)(?![a-z])", r"\\infty "),
        (r"(?: ?°| degrees?) ?\{? ?(?:\\text ?\{ ?)?"
         r"([CF]|[Cc]elsius|[Ff]ahrenheit)(?![A-Za-z]) ?\}?\}?",
         lambda m: f"°{m[1][0].upper()}"),
        # 3rd; and minutes of an arc or feet, which are a unit
        (r"(?<=[0-9]) ?(?:\^ ?)?\{? ?(?:\\text ?\{ ?)?(?:st|nd|rd|th) ?\}?\}?\Z", ""),
        (r"\A([^°]*[0-9]) ?'\Z", r"\1 \\text{primes}"),
        (r"\s+", " "),
        ("\x00", r"\\\\"),
    )
]  # fmt: skip


def plain(answer: str) -> str:
    r"""Rewrites an answer in one spelling.

    Args:
        answer: A final answer, plain or in LaTeX.

    Returns:
        Text with ``\frac``, ``*``, ``/``, ``\le``, ``\text``, ``°`` and single spaces. A dollar
        that is an amount's stays as ``\$``; those around formulas are gone.
    """
    text = answer.strip()
    if len(text) > MAX_LENGTH:
        return text
    text = _unwrapped(text)
    text = re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ]+", lambda m: f"^{{{m[0].translate(_RAISED)}}}", text)
    text = re.sub(r"[₀-₉]+", lambda m: f"_{{{m[0].translate(_LOWERED)}}}", text)
    text = text.translate(_TABLE)
    if not text.isascii():
        text = "".join(map(_digit, unicodedata.normalize("NFKC", text))).translate(_TABLE)
    if len(re.findall(r"(?<!\\)\$", text)) == 1:
        text = re.sub(r"(?<!\\)\$(?= ?-?[0-9.])", r"\\$", text)
    text = re.sub(r"(?<!\\)\$", " ", text)
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    return _without_double_brackets(text.strip().rstrip(".,;:").rstrip())


def _unwrapped(text: str) -> str:
    r"""Takes off braces, or a \boxed{}, around the whole text."""
    for _ in range(_MOST_WRAPPED):
        found = _WRAPPED.match(text)
        if not found:
            return text
        depth = 0
        for place, character in enumerate(text):
            if text[place - 1 : place] != "\\":
                depth += (character == "{") - (character == "}")
            if depth == 0 and character == "}":
                break
        if place < len(text) - 1 or depth:
            return text
        text = text[found.end() : -1].strip()
    return text


def _digit(character: str) -> str:
    """A digit of any script as one of 0 to 9."""
    value = unicodedata.decimal(character, None) if character > "\x7f" else None
    return character if value is None else str(value)


def _without_double_brackets(text: str) -> str:
    """Writes ((x)) as (x), at any depth; time is linear."""
    opened: list[int] = []
    partner: dict[int, int] = {}
    for place, character in enumerate(text):
        if character in "({" and text[place - 1 : place] != "\\":
            opened.append(place)
        elif character in ")}" and text[place - 1 : place] != "\\" and opened:
            partner[opened.pop()] = place
    dropped = set()
    for start, end in partner.items():
        if partner.get(start + 1) == end - 1 and text[start] == text[start + 1]:
            dropped |= {start, end}
    return "".join(c for place, c in enumerate(text) if place not in dropped)
