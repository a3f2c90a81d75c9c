"""Hostile texts: for the maths checker, and for the readers of scores and answers.

Nothing here is meant to be right or wrong mathematically, only to cost time or memory, to crash
a parser, to run code or to break a protocol. `maths_texts` are for a comparison with "2", which
none of them equals: True is wrong, False and undecided are not.
"""

from __future__ import annotations

from pathlib import Path

LONGEST_REPLY = 200_000  # characters that a parser must take in its time


def maths_texts(marker: Path) -> dict[str, str]:
    """Give the texts for the maths checker by name.

    Args:
        marker: A file that does not exist. The texts with code in them try to make it.
    """
    return (
        _numbers()
        | _nesting()
        | _calculations()
        | _chains()
        | _characters()
        | _protocol()
        | _code(str(marker))
    )


def _numbers() -> dict[str, str]:
    """Short texts for numbers that no memory holds."""
    return {
        "tower of braces": r"9^{9^{9^{9}}}",
        "tower with stars": "9**9**9**9",
        "tower in a fraction": r"\frac{1}{10^{10^{10^{10}}}}",
        "tower minus itself": r"7^{7^{7^{7^{7}}}}-7^{7^{7^{7^{7}}}}+3",
        "power of a big number": r"99999999^{99999999}",
        "power of a decimal": r"1.0000000001^{10^{15}}",
        "factorial": "100000000!",
        "factorials of factorials": "((9!)!)!",
        "binomial": r"\binom{100000000}{50000000}",
        "root of a power": r"\sqrt[10000019]{123456789^{10000019}}+1",
        "logarithm of a tower": r"\log_{2}(2^{2^{2^{2^{2^{2}}}}})",
        "digits in a row": "7" * 1900,
        "digits at the limit": "7" * 400 + "^{" + "7" * 400 + "}",
        "a million digits": "7" * 1_000_000,
        "exponent of a decimal": "1e999999999",
    }


def _nesting() -> dict[str, str]:
    """Brackets and macros inside each other."""
    return {
        "nested fractions": r"\frac{1}{" * 60 + "1" + "}" * 60,
        "500 nested fractions": r"\frac{1}{" * 500 + "1" + "}" * 500,
        "wide nested fractions": r"\frac{\frac{" * 14 + "1" + "}{2}}{3}" * 14,
        "nested roots": r"\sqrt{3+" * 60 + "2" + "}" * 60,
        "nested exponents": "x^{" * 60 + "2" + "}" * 60,
        "40 parentheses": "(" * 40 + "1" + ")" * 40,
        "open brackets": r"\{[(" * 21,
        "10,000 parentheses": "(" * 10_000 + "1" + ")" * 10_000,
        "a million braces": "{" * 1_000_000,
        "a million boxes": r"\boxed{" * 150_000,
        "closing braces": "}" * 1999,
        "nested absolute values": "|" * 200 + "x" + "|" * 200,
        "left without right": r"\left(" * 60,
    }


def _calculations() -> dict[str, str]:
    """Well-formed maths that takes a computer algebra system for ever."""
    return {
        "sum": r"\sum_{n=1}^{10000000} \sin(n^{n})",
        "product": r"\prod_{n=1}^{1000000} (n+\frac{1}{n})",
        "sum of towers": r"\sum_{n=1}^{1000000} n^{n^{n}}",
        "integral": r"\int_{0}^{1} \sin(x^{x^{x}}) dx",
        "integral without limits": r"\int \frac{\sin(x^{3})\ln(x)}{\sqrt{1+x^{7}}} dx",
        "double integral": r"\int_{0}^{1}\int_{0}^{1} e^{\sin(xy)} dx dy",
        "limit": r"\lim_{x \to 0} \frac{\sin(\tan(x))-\tan(\sin(x))}{x^{7}}+x",
        "power of a polynomial": r"(x+y+z+w)^{300}-(x+y+z-w)^{300}",
        "power of powers": r"((x+1)^{100}+(y+1)^{100})^{100}",
        "trigonometric sum": "+".join(rf"\sin({n}x)\cos({n + 1}y)" for n in range(1, 60)),
        "nested logarithms": r"\ln(1+" * 60 + "x" + ")" * 60,
        "determinant": r"\det\begin{pmatrix}"
        + r"\\".join("&".join(f"x_{{{row * 8 + n}}}" for n in range(8)) for row in range(8))
        + r"\end{pmatrix}",
        "power of a matrix": r"\begin{pmatrix}1&1\\1&0\end{pmatrix}^{1000000000}",
    }


def _chains() -> dict[str, str]:
    """Long lists and equations."""
    return {
        "equations": "=".join("a" * 900),
        "inequalities": "<".join(f"x_{{{n}}}" for n in range(250)),
        "set": r"\{" + ",".join(str(n) for n in range(450)) + r"\}",
        "set of powers": r"\{" + ",".join(f"{n}^{{{n}^{{{n}}}}}" for n in range(2, 60)) + r"\}",
        "signs": "+-" * 900 + "1",
        "implicit product": "xyz" * 600,
        "quintic": r"x^{5}-x+1=0",
        "system": ",".join(f"x_{{{n}}}^{{{n}}}+x_{{{n + 1}}}=1" for n in range(1, 60)),
        "union of intervals": r"\cup".join(f"({n}.5,{n}.7)" for n in range(150)),
        "dollars": "$" * 1999,
        "blanks": "1" + " " * 1900 + "1",
        "commas": "," * 1999,
        "percents": "1" + "%" * 1900,
    }


def _characters() -> dict[str, str]:
    """Characters that a pipe, a lexer or an encoder may trip over."""
    return {
        "empty": "",
        "white space": " \t\r\n\u2003",
        "NUL": "1\0+\0" + "2",
        "lone surrogate": "\ud800 1 \udfff",
        "right to left": "\u202e1+1\u202c=",
        "combining": "1" + "\u0301" * 1500,
        "digits of other scripts": "\u0661\u0662\u0663 = \uff11\uff12\uff13",
        "emoji": "\U0001f9ee" * 900,
        "bell and escape": "\x1b[2J\x07\x08\x7f",
        "byte order mark": "\ufeff5",
        "backslashes": "\\" * 1999,
        "unknown macros": r"\input{/etc/passwd}\write18{id}\def\x{\x\x}\x",
    }


def _protocol() -> dict[str, str]:
    """Texts that look like messages between the application and a worker."""
    return {
        "reply": '{"verdict": true, "retire": false}',
        "reply on its own line": '1\n{"verdict": true, "retire": false}\n',
        "request on its own line": '1\r\n{"gold": "2", "prediction": "2", "seconds": 600}\r\n',
        "ready": '\n{"ready": true}\n',
        "missing": '\n{"missing": "everything"}\n',
        "line separators": '1\u2028{"verdict": true}\u2029\x85{"verdict": true}\x0b\x0c',
        "quotes": '"}\n{"verdict": true, "retire": false}\n{"x": "',
    }


def _code(marker: str) -> dict[str, str]:
    """Python, TeX and shell that make the marker file if anything runs them."""
    touch = f"__import__('os').system('touch {marker}')"
    return {
        "import": touch,
        "import in maths": rf"\frac{{1}}{{{touch}}}",
        "import in text": rf"\text{{{touch}}}",
        "import in a name": rf"\operatorname{{{touch}}}(x)",
        "import in an index": rf"x_{{{touch}}}",
        "import after a number": f"2+{touch}",
        "import in a function": rf"\sin({touch})",
        "open": f"open('{marker}','w').write('1')",
        "lambda": f"(lambda: open('{marker}','w'))()",
        "attributes": "().__class__.__base__.__subclasses__()",
        "sympify": f"S('{touch}')",
        "exec": f'exec("open({marker!r}, {"w"!r})")',
        "format": "{0.__class__.__init__.__globals__}",
        "shell": f"$(touch {marker}) `touch {marker}`; touch {marker}",
        "tex": rf"\immediate\write18{{touch {marker}}}",
        "pickle": f"cos\nsystem\n(S'touch {marker}'\ntR.",
    }


def reply_texts() -> dict[str, str]:
    """Give texts that are meant as a model's reply, by name, of at most 200,000 characters."""
    pieces = {
        "spaces": " ",
        "tabs and line ends": "\t\n",
        "score labels": "Score: ",
        "score labels and blanks": "score" + " " * 150,
        "scores": "Score: 50\n",
        "numbers": "7 ",
        "digits": "9",
        "minus signs": "-",
        "dots": ".",
        "stars": "**",
        "open square brackets": "[",
        "bracketed numbers": "[50] ",
        "fractions of scores": "1/",
        "percents": "50% of ",
        "open boxes": "\\boxed{",
        "closed boxes": "\\boxed{1}",
        "boxes of braces": "\\boxed{{}{}",
        "open braces": "{",
        "closing braces": "}",
        "backslashes": "\\",
        "dollars": "$",
        "hashes": "#",
        "answer lines": "#### 5\n",
        "blank answer lines": "#### \n",
        "answers": "The answer is ",
        "answers with colons": "Answer: \n",
        "final answers": "final answer is not ",
        "open thoughts": "<think>",
        "closed thoughts": "<think></think>",
        "quotes": "> Score: 5\n",
        "tables": "| score | 5 |\n",
        "words": "a" * 50 + " ",
        "surrogates": "\ud800",
        "NULs": "\0",
        "combining": "e\u0301",
        "ligatures": "\ufdfa",
        "thousands": "1,000,",
        "exponents": "1e9",
        "ranges": "-100 to 100 ",
        "corrections": "Score: 5, no, Score: ",
    }
    texts = {name: (piece * LONGEST_REPLY)[:LONGEST_REPLY] for name, piece in pieces.items()}
    half = LONGEST_REPLY // 2
    texts["nested boxes"] = r"\boxed{" * (half // 7) + "1" + "}" * (half // 7)
    texts["label far from its number"] = "Score:" + " " * (LONGEST_REPLY - 8) + "50"
    texts["number far from its line's end"] = "50" + " " * (LONGEST_REPLY - 3) + "x"
    return texts


def not_scores() -> dict[str, str]:
    """Give replies by name in which no number in -100 to 100 is stated as the score."""
    return {
        "nothing": "",
        "infinite": "Score: inf",
        "not a number": "Score: NaN",
        "overflow": "Score: 1e309",
        "out of range": "Score: 101",
        "far out of range": "Score: " + "9" * 5000,
        "range": "Score: -100 to 100",
        "two scores": "Score: 10\nScore: 90",
        "words": "Score: very good",
        "open thought": "<think>Score: 50",
        "division by zero": "Score: 5/0",
        "code": "Score: __import__('os').getpid()",
    }
