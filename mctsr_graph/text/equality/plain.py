r"""One spelling for what answers spell in many ways: unicode, LaTeX macros, spaces, plain text."""

from __future__ import annotations

import re

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
    "、": ",", "。": ".", "’": "'", "′": "'", "…": "...", "½": "",
    **{half: rf"\frac{{{a}}}{{{b}}}" for half, (a, b) in _HALVES.items()},
    **{chr(code): chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)},  # full width
    **dict.fromkeys("\u2009\u202f\xa0\u2002\u2003\u3000", "\\ "),
}  # fmt: skip
_TABLE = str.maketrans(_CHARACTERS)
_RAISED = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ", "0123456789-+n")
_LOWERED = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_FUNCTIONS = (
    "arcsin|arccos|arctan|sinh|cosh|tanh|sin|cos|tan|cot|sec|csc|ln|log|lg|exp|sqrt|pi|max|min"
)
# Applied in this order. (?![A-Za-z]) ends a macro; (?<!\\)(?:\\\\)* is not needed, as the double
# backslash that ends a matrix row is hidden first.
_REWRITES = [
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        # Replies that were quoted as JSON twice have two backslashes before a macro.
        (r"\\\\(?=(?:le|ge|ne|frac|sqrt|text|pi|infty|cdot|times|in|cup|left|right)(?![a-z]))",
         r"\\"),
        (r"\\\\", "\x00"),
        (r"\\(?:textbf|textit|textrm|textsf|mathrm|mbox|operatorname\*?|mathsf)(?![A-Za-z])",
         r"\\text"),
        (r"\\text ?\{ ?(arc(?:sin|cos|tan)|sgn|lcm|gcd) ?\}", r"\\\1 "),
        (r"\\(?:mathbf|boldsymbol|bm|mathit|mathcal|displaystyle|textstyle)(?![A-Za-z])", ""),
        (r"(?<=[0-9])(?:\{,\}|\\[,;:! ]|,\\! ?|~)(?=[0-9]{3}(?![0-9]))", ""),
        (r"\\(?:left|right|[bB]igg?[lrm]?)(?![A-Za-z])\.?", ""),
        (r"\\[,;:!> ]|\\q?quad(?![A-Za-z])|~|\\[()\[\]]", " "),
        (r"\\text ?\{ *and *\}|\\(?:land|wedge)(?![A-Za-z])", " and "),
        (r"\\text ?\{ *or *\}|\\(?:lor|vee)(?![A-Za-z])", " or "),
        (r"\\text ?\{([^{}]*[\w)])? +(and|or) +([^{}]*)\}", r"\\text{\1} \2 \\text{\3}"),
        (r"\\text ?\{ *\}", " "),
        (r"(?i)(?<![a-z])(?:negative|minus) (?=\\?[0-9(])", "-"),
        (r"\\[dtc]frac(?![A-Za-z])", r"\\frac"),
        (r"\\frac ?\{ ?\\text ?\{([^{}]*)\} ?\} ?\{ ?\\text ?\{([^{}]*)\} ?\}",
         r"\\text{\1/\2}"),
        (r"\\langle(?![A-Za-z])", "("),
        (r"\\rangle(?![A-Za-z])", ")"),
        (r"\\[dt]binom(?![A-Za-z])", r"\\binom"),
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
        (r"\\(?:[lc]?dots)(?![A-Za-z])", "..."),
        (r"\\(?:approx|simeq|cong|thickapprox)(?![A-Za-z])", r"\\approx "),
        (r"\\var(phi|theta|epsilon)(?![A-Za-z])", r"\\\1"),
        (r"\\%", "%"),
        (r"\^ ?\{ ?(?:\\circ|\\degree) ?\}|\\degree(?![A-Za-z])|\^ ?\\circ(?![A-Za-z])", "°"),
        (rf"(?<![A-Za-z\\{{])({_FUNCTIONS})(?![A-Za-z])", r"\\\1"),
        (r"(?i)(?<![a-z\\])(?:infinity|infty|inf|oo)(?![a-z])", r"\\infty "),
        # 3rd; and minutes of an arc or feet, which are a unit
        (r"(?<=[0-9]) ?(?:\^ ?)?\{? ?(?:\\text ?\{ ?)?(?:st|nd|rd|th) ?\}?\}?\Z", ""),
        (r"(?<=[0-9]) ?'\Z", r" \\text{primes}"),
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
    text = re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺ⁿ]+", lambda m: f"^{{{m[0].translate(_RAISED)}}}", text)
    text = re.sub(r"[₀-₉]+", lambda m: f"_{{{m[0].translate(_LOWERED)}}}", text)
    text = text.translate(_TABLE)
    if len(re.findall(r"(?<!\\)\$", text)) == 1:
        text = re.sub(r"(?<!\\)\$(?= ?-?[0-9.])", r"\\$", text)
    text = re.sub(r"(?<!\\)\$", " ", text)
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    return _without_double_brackets(text.strip().rstrip(".,;:").rstrip())


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


def has_prose(answer: str) -> bool:
    """Whether an answer has words in it, other than macros."""
    without_macros = re.sub(r"\\(?!text)[A-Za-z]+", " ", plain(answer))
    return bool(re.search(r"[A-Za-z]{3}", without_macros.replace("\\text", " ")))
