r"""The program of a maths worker: a process of its own, started and killed by `worker`.

It reads JSON, one object a line, from standard input and answers each with one line:

    {"path": [...], "memory": 1000000000}     {"ready": true} or {"missing": "No module ..."}
                                              or {"failed": "AttributeError: ..."}
    {"gold": "1/2", "prediction": "0.5",      {"verdict": true, false or null, "retire": false}
     "seconds": 3.0}

`memory` is in bytes. A worker that says "retire" has grown and should be asked nothing more. The
end of standard input ends the process, and so do `seconds` of CPU time for one request. Only the
standard library may be imported at the top, and nothing of this package anywhere: the process
starts faster, and holds less to attack.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import json
import logging
import os
import re
import resource
import select
import signal
import sys
from typing import Any

_LOOK_UP = 5.0  # seconds between two looks at whether the parent is still there
_MOST_TOLD = 150  # characters of an error, so that a reply is short even where all are escaped
_RECURSION = 4000  # frames; to read 64 nested roots takes more than the usual 1,000
_PROGRAMS_AND_NETWORK = (
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
    "pty.",
    "socket.",
    "subprocess.",
)
# sympy makes numbers and the arithmetic of monomials by eval. Texts of exactly these forms hold
# digits and words of sympy's own, and thus nothing that an answer could say. What sympy makes for
# numerical limits of sums (lambdify) does come from the answer, and is refused.
_SYMPYS_OWN = re.compile(
    r"""(?ax)from\ sympy\ import\ \*
        | -?Integer\ \(\d+\ \)(?:/Integer\ \(\d+\ \))?
        | Float\ \('\d*\.?\d*(?:[eE][-+]?\d+)?'\ \)
        | def\ monomial_[a-z]+\([ABk,\ ]+\):
          (?:\b(?:return|if|else|None|[ABk]|[abr]\d+|\d+)\b|[-+*=<>:(),\s])*"""
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_DOLLAR = re.compile(r"(?<!\\)\$")


def main() -> None:
    """Serve requests until standard input ends."""
    replies = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # what a library prints must not be read as a reply
    first = sys.stdin.buffer.readline()
    if not first:
        return
    settings = json.loads(first)
    try:
        _prepare(settings)
    except ImportError as error:
        _say(replies, {"missing": str(error)[:_MOST_TOLD]})
        return
    except Exception as error:
        _say(replies, {"failed": f"{type(error).__name__}: {error}"[:_MOST_TOLD]})
        return
    _say(replies, {"ready": True})
    while line := _next_line():
        verdict = _timed(json.loads(line))
        grown = _peak() > settings["memory"] / 2
        # sympy takes the end of memory for "cannot tell" and goes on: such a False says nothing.
        _say(replies, {"verdict": verdict or (None if grown else verdict), "retire": grown})


def _prepare(settings: dict[str, Any]) -> None:
    """Import and warm up what a comparison needs, then give up what it does not need."""
    sys.path += [folder for folder in settings["path"] if folder not in sys.path]
    sys.setrecursionlimit(_RECURSION)
    logging.disable(logging.CRITICAL)
    compare(r"\frac{1}{2}", "0.5")
    compare(r"\{1, x^2\}", r"\{x^2, \sqrt{3}\}")
    importlib.import_module("sympy.integrals.manualintegrate")  # its import compiles texts
    sys.dont_write_bytecode = True  # some modules of sympy are imported only when needed
    sys.addaudithook(guard)
    for kind, limit in (
        (resource.RLIMIT_AS, settings["memory"]),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
    ):
        with contextlib.suppress(ValueError, OSError):  # not every system knows every limit
            resource.setrlimit(kind, (limit, limit))


def guard(event: str, details: tuple[Any, ...]) -> None:
    """End the process before it runs a text or a program, writes a file or opens a socket.

    An audit hook. No answer is known to get that far; this is the second wall.
    """
    forbidden = (
        (event == "compile" and not _may_be_compiled(*details[:2]))
        or (event == "open" and bool(details[2] & _WRITING))
        or event.startswith(_PROGRAMS_AND_NETWORK)
    )
    if forbidden:
        os._exit(1)


def _may_be_compiled(source: Any, name: Any) -> bool:
    """Whether a source is a module that is being imported, or one of sympy's own forms."""
    if isinstance(source, bytes):
        source = source.decode("utf-8", "replace")
    imported = isinstance(name, str) and name.endswith(".py") and os.path.isabs(name)
    return imported or (isinstance(source, str) and bool(_SYMPYS_OWN.fullmatch(source)))


def _next_line() -> bytes:
    """Wait for a request; b"" when nobody can send one any more."""
    parent = os.getppid()
    while not select.select([sys.stdin], [], [], _LOOK_UP)[0]:
        if os.getppid() != parent:  # another process may hold a copy of the pipe's other end
            return b""
    return sys.stdin.buffer.readline()


def _timed(request: dict[str, Any]) -> bool | None:
    """Compare the two answers of a request."""
    # Of CPU time, which does not depend on what else the machine does. The signal has no handler,
    # and thus ends the process in the midst of anything, and after its parent is gone, too.
    signal.setitimer(signal.ITIMER_PROF, request["seconds"])
    try:
        return compare(request["gold"], request["prediction"])
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def compare(gold: str, prediction: str) -> bool | None:
    """Compare two answers with math-verify, for as long as it takes.

    Returns:
        None if `gold` is nothing that math-verify can read, or if memory or the stack ran out.

    Raises:
        ImportError: math-verify or a package it needs is missing.
    """
    from math_verify import verify

    undecided = False
    try:
        golds, predictions = _expressions(gold), _expressions(prediction)
    except (MemoryError, RecursionError):
        return None
    for pair in itertools.product(golds, predictions):
        try:
            if verify(*pair, timeout_seconds=None, raise_on_error=True):
                return True
        except (MemoryError, RecursionError):
            undecided = True
        except Exception:  # what cannot be compared, such as a set and a matrix, differs
            continue
    return None if undecided or all(isinstance(item, str) for item in golds) else False


def _expressions(answer: str) -> list[Any]:
    """Read an answer as LaTeX: an expression and its text, or the text alone, or nothing."""
    from math_verify import LatexExtractionConfig, parse

    # LaTeX only: the reader of plain expressions goes through sympy's parse_expr, which is eval.
    config = [LatexExtractionConfig()]
    return list(parse(as_latex(answer), config, parsing_timeout=None, raise_on_error=True))


def as_latex(answer: str) -> str:
    r"""Put an answer between dollar signs, unless it marks its own maths.

    Returns:
        One line, as math-verify reads no formula of several lines between dollar signs.
    """
    answer = " ".join(answer.split())
    dollars = len(_DOLLAR.findall(answer))
    if "\\boxed" in answer or answer.startswith(("\\(", "\\[")) or (dollars and dollars % 2 == 0):
        return answer
    return f"${_DOLLAR.sub('', answer)}$"  # an odd one is a currency's


def _peak() -> int:
    """The most memory that this process has asked for, bytes; 0 where that is not known."""
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            found = re.search(r"VmPeak:\s+(\d+) kB", status.read())
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def _say(replies: Any, reply: dict[str, Any]) -> None:
    """Send one reply."""
    replies.write(json.dumps(reply) + "\n")
    replies.flush()


if __name__ == "__main__":
    main()
