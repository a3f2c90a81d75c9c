"""The running batch: who is in it, what comes next, and what happens when something fails.

Used by one thread only. Row i of the batch owns slot i of the memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from mctsr_graph.models.engine.draw import draw
from mctsr_graph.models.engine.jobs import Job, Question, Row
from mctsr_graph.models.engine.prefill_plan import plan
from mctsr_graph.models.engine.protocol import ContextLengthError, is_out_of_memory
from mctsr_graph.models.engine.slots import SlotMemory
from mctsr_graph.models.engine.solo import SoloMemory


class Batch:
    """Rows that run together, and those that wait until they fit.

    Args:
        memory: Where their keys and values are.
        most_rows: Most rows that run.
        room: Most tokens of the running rows, counted as rows times the longest.
        prefill: Most prompt tokens of one forward.
        price: How many tokens take as long as one more forward.
        patience: Most steps for which one newcomer waits for others while rows run.
    """

    def __init__(
        self,
        memory: SlotMemory | SoloMemory,
        most_rows: int,
        room: int,
        prefill: int,
        price: int,
        patience: int,
    ) -> None:
        self.memory = memory
        self._limits, self._patience = (most_rows, room, prefill, price), patience
        self._most = most_rows  # less for a while after an out-of-memory
        self._rows: list[Row] = []
        self._waiting: deque[Row] = deque()
        self._questions: list[Question] = []
        self._waited = 0  # steps that newcomers have waited, added up
        self.tasks: set[Job | Question] = set()
        """All that are not done, whatever else they are part of."""

    @property
    def busy(self) -> bool:
        """Whether anything is left to do."""
        return bool(self._rows or self._waiting or self._questions)

    def add(self, task: Job | Question) -> None:
        """Take a task over. One that cannot be read fails alone."""
        self.tasks.add(task)
        if isinstance(task, Question):
            self._questions.append(task)
            return
        try:
            self._wait(task)
        except Exception as error:
            task.fail(error)

    def _wait(self, task: Job) -> None:
        rows = [Row(task, j) for j in range(task.request.n)]
        if rows[0].longest > self._limits[1]:
            task.fail(
                ContextLengthError(
                    f"prompt and max_tokens are {rows[0].longest} tokens; the memory for running "
                    f"rows holds {self._limits[1]}"
                )
            )
        self._waiting += rows

    def turn(self) -> None:
        """Drop what is no longer wanted, let in what fits, and take one step."""
        self._sweep()
        self._waited += self._newcomers()
        if self._waited >= min(len(self._rows), self._patience * self._newcomers()):
            self._answer()
            self._admit()
            self._waited = self._waited if self._newcomers() else 0
        if self._rows:
            self._step()
        if not self.busy:
            self._most = self._limits[0]

    def _newcomers(self) -> int:
        """How many could be let in. Each forward of theirs holds up every row that runs."""
        return len(self._questions) + min(len(self._waiting), self._most - len(self._rows))

    def _sweep(self) -> None:
        self.tasks = {task for task in self.tasks if not task.future.done()}
        self._waiting = deque(row for row in self._waiting if not row.job.future.done())
        done = [i for i, row in enumerate(self._rows) if row.job.future.done()]
        for i in reversed(done):
            self._leave(i)

    def _leave(self, i: int, *, keep: bool = True, spoilt: bool = False) -> None:
        self.memory.leave(i, self._rows[i].ids if keep else [], spoilt=spoilt)
        self._rows[i] = self._rows[-1]
        self._rows.pop()

    def _admit(self) -> None:
        families: dict[tuple[int, ...], list[Row]] = {}
        count, longest = len(self._rows), _longest(self._rows)
        while self._waiting:
            row = self._waiting[0]
            longest = max(longest, row.longest)
            fits = count < self._most and (count + 1) * longest <= self._limits[1]
            if not fits and count:
                break
            count += 1
            self._waiting.popleft()
            families.setdefault(tuple(row.ids), []).append(row)
        joining = list(families.values())
        if joining:
            rows = [*self._rows, *(row for family in joining for row in family)]
            # One more is for a question, which then never moves the memory
            self.memory.expect(len(rows) + 1, _longest(rows) + 1, self._limits[1])
        for group in self._plan([rows[0].ids for rows in joining]):
            self._join([joining[i] for i in group])

    def _plan(self, prompts: list[list[int]]) -> Iterator[list[int]]:
        known = self.memory.known if self.memory.shares else None
        return plan(prompts, known, *self._limits[2:])

    def _join(self, families: list[list[Row]]) -> None:
        """Start rows; those of a family have the same prompt."""
        lo = len(self._rows)
        try:
            logits = self.memory.join([family[0].ids for family in families], self._limits[2])
        except Exception as error:
            self._not_joined(families, error)
            return
        self._rows += [family[0] for family in families]
        source = list(range(len(families)))
        for i, family in enumerate(families):
            if self._forked(lo + i, len(family) - 1):
                self._rows += family[1:]
                source += [i] * (len(family) - 1)
            else:
                self._waiting.extendleft(reversed(family[1:]))
        self._accept(lo, _drawn(logits[source], self._rows[lo:]))

    def _forked(self, slot: int, copies: int) -> bool:
        try:
            self.memory.fork(slot, copies)
        except Exception:  # no memory: the rows come again later, by themselves
            self._most = len(self._rows)
            return False
        return True

    def _not_joined(self, families: list[list[Row]], error: Exception) -> None:
        if len(families) > 1:
            for family in families:
                self._join([family])
        elif is_out_of_memory(error) and self.memory.forget():
            self._join(families)
        elif is_out_of_memory(error) and self._rows:
            self._most = len(self._rows)
            self._waiting.extendleft(reversed(families[0]))
        else:
            for row in families[0]:
                row.job.fail(error)

    def _step(self) -> None:
        try:
            tokens = self._next(0, len(self._rows))
        except Exception as error:  # out of memory; all else was put down to a row
            self._shrink(error)
        else:
            self._accept(0, tokens)

    def _next(self, lo: int, hi: int) -> list[int | Exception]:
        """The next token of each row; where a forward fails its halves are tried."""
        rows = self._rows[lo:hi]
        try:
            logits = self.memory.step(lo, hi, [row.ids for row in rows])
        except Exception as error:
            if is_out_of_memory(error):
                raise
            if hi - lo == 1:
                return [error]
            middle = (lo + hi) // 2
            return self._next(lo, middle) + self._next(middle, hi)
        return _drawn(logits, rows)

    def _shrink(self, error: Exception) -> None:
        """Forget the store; if that is done already, let half of the rows wait."""
        if self.memory.forget():
            return
        if len(self._rows) == 1:
            self._rows[0].job.fail(error)
            return
        for i in reversed(range((len(self._rows) + 1) // 2, len(self._rows))):
            self._waiting.appendleft(self._rows[i])
            self._leave(i, keep=False)
        self._most = len(self._rows)

    def _accept(self, lo: int, tokens: Sequence[int | Exception]) -> None:
        """Give rows from `lo` on their tokens; those that end leave."""
        for i in reversed(range(lo, lo + len(tokens))):
            row, token = self._rows[i], tokens[i - lo]
            try:
                if isinstance(token, Exception):
                    raise token
                ended = row.add(token)
            except Exception as error:
                row.job.fail(error)
                self._leave(i, keep=False, spoilt=True)
            else:
                if ended:
                    self._leave(i)

    def _answer(self) -> None:
        """Answer the questions that came first; a step comes between every so many tokens."""
        self._questions = [q for q in self._questions if not q.future.done()]
        first, left = self._questions[: self._limits[0]], self._limits[2]
        while first and left > 0:
            same = [q for q in first if q.tree == first[0].tree]
            for group in self._plan([q.ids for q in same]):
                left -= sum(len(same[i].ids) - self.memory.known(same[i].ids) for i in group)
                self._score([same[i] for i in group])
                if left <= 0:
                    break
            first = [q for q in first if not q.future.done()]
        self._questions = [q for q in self._questions if not q.future.done()]

    def _score(self, questions: list[Question]) -> None:
        longest = max(len(q.ids) + len(q.tree.inner()) + 1 for q in questions)
        longest = max(longest, _longest(self._rows) + 1)
        fit = max(1, self._limits[1] // longest - len(self._rows))
        if len(questions) > fit:
            for i in range(0, len(questions), fit):
                self._score(questions[i : i + fit])
            return
        self.memory.expect(len(self._rows) + len(questions), longest, self._limits[1])
        try:
            found = self.memory.score([q.ids for q in questions], questions[0].tree)
        except Exception as error:
            if len(questions) > 1:
                for question in questions:
                    self._score([question])
            elif is_out_of_memory(error) and self.memory.forget():
                self._score(questions)
            else:
                questions[0].fail(error)
            return
        for question, logp in zip(questions, found, strict=True):
            question.resolve(logp)


def _longest(rows: Sequence[Row]) -> int:
    return max((row.longest for row in rows), default=0)


def _drawn(logits: Any, rows: Sequence[Row]) -> list[int | Exception]:
    """Tokens by `draw`, or the exception that a row's own settings raise."""
    try:
        return list(draw(logits, rows))
    except Exception as error:
        if len(rows) == 1:
            return [error]
        return [_drawn(logits[i : i + 1], [row])[0] for i, row in enumerate(rows)]
