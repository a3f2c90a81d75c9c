r"""Reads a mathematical expression, as `plain` spells it, into a tree of `trees`.

Nothing is calculated here. What has two readings, such as "1/2x", has none.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction

from .series import closed_form, product_form
from .tokens import LETTERS, MARKS, UnreadableError, tokens_of
from .trees import Tree

_MAX_LENGTH = 2000  # characters
_MAX_DEPTH = 60
_MAX_TOKENS = 300  # a sum of n terms is a tree n deep, and recursion has its limits
_MAX_EXPONENT = 3000  # of a number in e-notation
FUNCTIONS = frozenset(
    re.findall(
        "[a-z]+", "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh ln lg exp cis"
    )
)
_OF_SEVERAL = frozenset(("gcd", "lcm", "max", "min"))
_POSTFIX = {"!": "factorial", "!!": "factorial2", "%": "percent", "°": "degree"}
_NO_FACTOR = frozenset(("rfloor", "rceil", "over", "choose", "mod", "dots"))


def read_expression(text: str) -> Tree | None:
    """Reads a text; None if it is not an expression that has one clear reading."""
    if not text.strip() or len(text) > _MAX_LENGTH:
        return None
    try:
        tokens = tokens_of(text)
        if len(tokens) > _MAX_TOKENS:
            return None
        reader = _Reader(tokens)
        tree = reader.sum()
        return tree if reader.at_end() else None
    except (UnreadableError, RecursionError):
        return None


class _Reader:
    """Recursive descent over tokens, at most _MAX_DEPTH deep."""

    def __init__(self, tokens: list[tuple[str, str, bool]]) -> None:
        self._tokens = tokens
        self._next = 0
        self._depth = 0
        self._bars = 0

    def at_end(self) -> bool:
        return self._next == len(self._tokens)

    def _peek(self, ahead: int = 0) -> tuple[str, str]:
        place = self._next + ahead
        return self._tokens[place][:2] if place < len(self._tokens) else ("end", "")

    def _accept(self, *texts: str) -> str | None:
        kind, text = self._peek()
        if kind in ("sign", "macro") and text in texts:
            self._next += 1
            return text
        return None

    def _expect(self, text: str) -> None:
        if not self._accept(text):
            raise UnreadableError

    def sum(self) -> Tree:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise UnreadableError
        terms = [self._product()]
        tree = terms[0]
        while sign := self._accept("+", "-"):
            if sign == "+" and self._accept("dots"):
                self._expect("+")
                tree = self._whole(closed_form(terms, self._product()))
                terms = []
            else:
                terms.append(self._product())
                tree = (sign, tree, terms[-1])
                if sign == "-":
                    terms = []
        while sign := self._accept("over", "choose", "mod"):
            tree = ({"over": "/", "choose": "binom"}.get(sign, sign), tree, self._product())
        self._depth -= 1
        return tree

    @staticmethod
    def _whole(tree: Tree | None) -> Tree:
        if tree is None:
            raise UnreadableError
        return tree

    def _product(self) -> Tree:
        if sign := self._accept("+", "-"):
            tree = self._product()
            return ("neg", tree) if sign == "-" else tree
        tree = self._factor()
        factors, divided = [tree], False
        while True:
            if self._accept("dots"):  # 1 * 2 \\dots n
                self._accept("*")
                tree = self._whole(product_form(factors, self._factor()))
            elif sign := self._accept("*", "/"):
                if self._peek() == ("macro", "dots"):
                    continue
                negative = self._accept("-")
                factor = self._factor()
                factors.append(factor)
                tree = (sign, tree, ("neg", factor) if negative else factor)
                divided = sign == "/"
            elif self._starts_a_factor():
                # 1/2x is (1/2)x to some and 1/(2x) to others; 1/2 x is the first
                if divided and not (self._is_apart() and tree[2][0] == "number"):
                    raise UnreadableError
                tree, divided = ("*", tree, self._factor(after=tree)), False
            else:
                return tree

    def _is_apart(self) -> bool:
        return self._tokens[self._next][2]

    def _starts_a_factor(self) -> bool:
        kind, text = self._peek()
        if kind == "sign":
            return text in "({[" or (text == "|" and not self._bars)
        return kind in ("letter", "number") or (kind == "macro" and text not in _NO_FACTOR)

    def _factor(self, after: Tree | None = None) -> Tree:
        tree = self._atom(after)
        while mark := self._accept("!", "%", "°", "'"):
            if mark == "!" and self._accept("!"):
                mark = "!!"
            if mark == "'":
                if tree[0] != "name":
                    raise UnreadableError
                tree = ("name", tree[1] + "'")
            else:
                tree = (_POSTFIX[mark], tree)
        if self._accept("^"):
            tree = ("^", tree, self._script())
            if self._peek() == ("sign", "^"):
                raise UnreadableError
            if self._accept("!"):
                tree = ("factorial", tree)
        return tree

    def _script(self) -> Tree:
        """What ^ raises to: a group, a signed number (2^-3, 10^23) or one atom."""
        if self._accept("-"):
            return ("neg", self._script())
        if self._accept("{"):
            return self._until("}")
        tree = self._atom()
        if self._accept("^"):  # right to left, as in 9**9**9
            return ("^", tree, self._script())
        return tree

    def _until(self, close: str) -> Tree:
        tree = self.sum()
        self._expect(close)
        return tree

    def _atom(self, after: Tree | None = None) -> Tree:
        kind, text = self._peek()
        self._next += 1
        if kind == "number":
            is_power = after is not None and after[0] != "number" and self._peek() == ("sign", "^")
            if after is not None and not (is_power or _is_factor(after)):
                raise UnreadableError  # "2 3", "x2", but not "x2^n"
            return self._number(text)
        if kind == "letter":
            return self._name(text)
        if kind == "macro":
            return self._macro(text)
        if kind == "sign" and text in ("(", "{", "["):
            return self._until({"(": ")", "{": "}", "[": "]"}[text])
        if (kind, text) == ("sign", "|") and not self._bars:
            self._bars += 1
            tree = self._until("|")
            self._bars -= 1
            return ("abs", tree)
        raise UnreadableError

    def _number(self, text: str) -> Tree:
        if "e" in text or "E" in text:
            mantissa, _, exponent = text.lower().partition("e")
            if abs(int(exponent)) > _MAX_EXPONENT:
                raise UnreadableError
            value = Fraction(Decimal(mantissa)) * Fraction(10) ** int(exponent)
        else:
            value = Fraction(Decimal(text))
        return self._mixed(value) or ("number", value)

    def _mixed(self, whole: Fraction) -> Tree | None:
        r"""Reads the fraction of a mixed number: 3\frac{1}{4} and "3 1/4"."""
        start = self._next
        if self._accept("frac"):
            top, bottom = self._argument(), self._argument()
            if top[0] != "number" or bottom[0] != "number":
                self._next = start
                return None
        elif self._peek()[0] == "number" and self._peek(1) == ("sign", "/"):
            top, bottom = ("number", Fraction(self._tokens[start][1])), self._denominator()
        else:
            return None
        parts = (whole, top[1], bottom[1])
        if any(part.denominator != 1 for part in parts) or not 0 < top[1] < bottom[1]:
            raise UnreadableError  # 2\frac{3}{2} may be a product
        return ("number", whole + top[1] / bottom[1])

    def _denominator(self) -> Tree:
        self._next += 2
        kind, text = self._peek()
        self._next += 1
        if kind != "number" or not text.isdigit():
            raise UnreadableError
        return ("number", Fraction(text))

    def _argument(self) -> Tree:
        r"""Reads a macro's argument: a group, or one digit or letter, as in \frac12."""
        if self._accept("{"):
            return self._until("}")
        kind, text = self._peek()
        if kind == "number" and text.isdigit():
            rest = text[1:]
            if rest:  # leave the other digits for the next argument
                self._tokens[self._next] = ("number", rest, False)
            else:
                self._next += 1
            return ("number", Fraction(text[0]))
        if kind in ("letter", "macro"):
            return self._atom()
        raise UnreadableError

    def _name(self, text: str) -> Tree:
        if self._accept("_"):
            text += "_" + self._subscript()
        while text not in ("e", "i") and self._accept("'"):
            text += "'"
        if text.rstrip("'")[:1] in "fghFGHOPT" and self._peek() == ("sign", "("):
            return self._call(text)
        if text in ("e", "i"):
            return (text,)
        return ("name", text)

    def _call(self, name: str) -> Tree:
        """f(x), a function of which only the name is known, and not the product of f and x."""
        start = self._next
        arguments = self._arguments()
        if name in ("P", "T") and not (len(arguments) == 1 and arguments[0][0] == "name"):
            self._next = start  # P(1 + r) is money
            return ("name", name)
        return ("call", name, *arguments)

    def _arguments(self) -> list[Tree]:
        """What stands in brackets, separated by commas."""
        closing = ")" if self._accept("(") else "\\}"
        if closing != ")":
            kind, text = self._peek()
            self._next += 1
            if (kind, text) != ("set", "\\{"):
                raise UnreadableError
        found = [self.sum()]
        while self._peek() == ("comma", ","):
            self._next += 1
            found.append(self.sum())
        if self._peek()[1] != closing:
            raise UnreadableError
        self._next += 1
        return found

    def _subscript(self) -> str:
        if not self._accept("{"):
            kind, text = self._peek()
            self._next += 1
            if kind in ("number", "letter", "macro"):
                return text
            raise UnreadableError
        start = self._next
        while self._peek()[0] in ("number", "letter", "macro"):
            self._next += 1
        text = " ".join(token[1] for token in self._tokens[start : self._next])
        self._expect("}")
        return text

    def _macro(self, text: str) -> Tree:
        if text == "pi":
            return ("pi",)
        if text in LETTERS:
            return self._name(text)
        if text in FUNCTIONS:
            return self._function(text)
        if text in _OF_SEVERAL:
            return (text, *self._arguments())
        if text in MARKS:
            return self._marked(text)
        special: dict[str, Callable[[], Tree]] = {
            "sum": lambda: self._series("sum"),
            "prod": lambda: self._series("product"),
            "frac": self._fraction,
            "sqrt": self._root,
            "binom": self._binomial,
            "log": self._logarithm,
            "lfloor": lambda: ("floor", self._until("rfloor")),
            "lceil": lambda: ("ceil", self._until("rceil")),
        }
        if text not in special:
            raise UnreadableError
        return special[text]()

    def _marked(self, sign: str) -> Tree:
        """A letter, or several, with a sign: the vector AB, the angle ABC."""
        if self._accept("{"):
            letters = self._letters()
            self._expect("}")
        else:
            letters = self._letters()
        if not letters:
            raise UnreadableError
        return ("name", f"{sign} {letters}")

    def _letters(self) -> str:
        found = ""
        while self._peek()[0] == "letter":
            found += self._peek()[1]
            self._next += 1
            if len(found) == 1 and found.islower():
                break
        return found

    def _series(self, head: str) -> Tree:
        r"""Reads \sum_{k=1}^{n} k."""
        self._expect("_")
        self._expect("{")
        kind, name = self._peek()
        self._next += 1
        if kind != "letter" or self._peek() != ("sign", "="):
            raise UnreadableError
        self._next += 1
        first = self._until("}")
        self._expect("^")
        last = self._script()
        return (head, name, first, last, self._product())

    def _fraction(self) -> Tree:
        top = self._argument()
        return ("/", top, self._argument())

    def _binomial(self) -> Tree:
        top = self._argument()
        return ("binom", top, self._argument())

    def _root(self) -> Tree:
        degree = self._until("]") if self._accept("[") else None
        if self._peek() in (("sign", "{"), ("sign", "(")):
            value = self._atom()
        else:
            kind, text = self._peek()
            value = self._atom() if kind == "number" and len(text) > 1 else self._argument()
        if degree is None:
            return ("sqrt", value)
        return ("^", value, ("/", ("number", Fraction(1)), degree))

    def _logarithm(self) -> Tree:
        if not self._accept("_"):
            return ("log", self._applied())  # to base e or 10: the text does not say
        base = self._argument()
        return ("/", ("ln", self._applied()), ("ln", base))

    def _function(self, name: str) -> Tree:
        power = None
        if self._accept("^"):
            power = self._script()
            if power == ("neg", ("number", Fraction(1))):
                name, power = "arc" + name, None
                if name not in FUNCTIONS:
                    raise UnreadableError
        tree: Tree = (name, self._applied())
        return tree if power is None else ("^", tree, power)

    def _applied(self) -> Tree:
        r"""What a function is applied to: a group, or the factors up to the next sign."""
        if self._peek() in (("sign", "("), ("sign", "{"), ("sign", "[")):
            tree = self._atom()
            if self._peek() == ("sign", "^"):
                raise UnreadableError  # \sin(x)^2
            return tree
        tree = self._factor()
        while self._peek()[0] in ("letter", "number") or self._peek()[1] in ("pi", "frac"):
            tree = ("*", tree, self._factor(after=tree))
        if self._accept("/"):
            raise UnreadableError
        return tree


def _is_factor(tree: Tree) -> bool:
    """Whether a number may follow a tree as a factor without a sign: not in "x2"."""
    return tree[0] in ("sqrt", "factorial")
