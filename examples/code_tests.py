"""Code, with unit tests as the judge: no model scores, and the search ends when all tests pass.

The tests run what a model wrote: let only a sandbox do that for code that you do not trust.
"""

import re
import subprocess
import sys

from examples.scripted import model_or
from mctsr_graph import MCTSrContext, solve
from mctsr_graph.models.scripted import ScriptedCall
from mctsr_graph.strategies import PaperStrategy, Search

PROBLEM = "Write a Python function median(numbers); of no numbers it is None."
TESTS = [
    "assert median([3, 1, 2]) == 2",
    "assert median([4, 1, 3, 2]) == 2.5",
    "assert median([]) is None",
]
SECONDS = 5  # of a test: what a model writes may never end


def passed(problem: str, answer: str) -> float:
    """Points: -100 where no test passes, 100 where all do."""
    block = re.search(r"```(?:python)?\n(.*?)```", answer, re.DOTALL)
    code = block[1] if block else answer
    return -100 + 200 * sum(passes(code, test) for test in TESTS) / len(TESTS)


def passes(code: str, test: str) -> bool:
    """Whether a test passes in time."""
    command = [sys.executable, "-I", "-c", f"{code}\n{test}"]
    try:
        return not subprocess.run(command, capture_output=True, timeout=SECONDS).returncode
    except subprocess.TimeoutExpired:
        return False


class UntilRight(PaperStrategy):
    """As in the paper, but over as soon as an answer has all points."""

    def why_stop(self, search: Search) -> str | None:
        """Look at the rewards."""
        is_right = any(100.0 in node["rewards"] for node in search.tree.values())
        return "passed" if is_right else super().why_stop(search)


FIRST = "def median(numbers):\n    return sorted(numbers)[len(numbers) // 2]"
THEN = """def median(numbers):
    n, m = sorted(numbers), len(numbers) // 2
    return None if not n else n[m] if len(n) % 2 else (n[m - 1] + n[m]) / 2"""


def coder(call: ScriptedCall) -> str:
    """Forget the even lengths and the empty list at first."""
    return {"draft": FIRST, "critique": "Two cases are missing."}.get(call.role or "", THEN)


def main(name: str | None = None) -> None:
    """Search; `final_answer=False` says that code is a text, in which nothing is stated."""
    found = solve(
        PROBLEM,
        model_or(name, coder),
        judge=passed,
        strategy=UntilRight(),
        context=MCTSrContext(profile="paper", max_calls=20),
        final_answer=False,
    )
    print(found)
    print("rewards:", [[round(one, 1) for one in node["rewards"]] for node in found.tree.values()])


if __name__ == "__main__":
    main(*sys.argv[1:])
