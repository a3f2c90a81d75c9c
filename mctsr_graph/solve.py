"""One call that runs a whole search: solve, and asolve for async code."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver

from .answers import clean_text, extract_final_answer
from .calls import Failure, Model
from .config import MCTSrContext
from .errors import MissingExtraError, SearchFailedError, SearchInterrupted
from .events import Event
from .graph import create_mctsr
from .models.load import load_model
from .prompts import Prompts
from .state import MCTSrInput, MCTSrOutput, MCTSrState
from .stopping import why_stop
from .tree import Node, best_node
from .usage import Usage, no_usage

Checkpointer = BaseCheckpointSaver[Any] | str | Path
OnEvent = Callable[[Event], None]

# What may change between two calls that go on with one search: limits, and how fast to go
_LIMITS = (
    "max_rollouts",
    "patience",
    "max_failures",
    "max_calls",
    "max_tokens",
    "max_seconds",
    "width",
)
_KEYS = [*MCTSrOutput.__annotations__, "tree", "failures"]


@dataclass(frozen=True)
class Solution:
    """What a search found."""

    problem: str
    answer: str | None
    """The whole text of the best answer."""
    final_answer: str | None
    """The short answer that it states, or None."""
    best: str | None
    """Id of the best node of `tree`."""
    rollouts: int
    """Rollouts finished, failed ones included."""
    usage: Usage
    """Model calls and tokens by role."""
    stop_reason: str | None
    """Why the search stopped; "interrupted" where Ctrl-C stopped it."""
    tree: dict[str, Node]
    """Every node by id."""
    failures: list[Failure]
    """Replies that could not be had."""

    def to_json(self) -> str:
        """All fields as one JSON object."""
        return json.dumps(asdict(self), ensure_ascii=False)


def solve(
    problem: str,
    model: Model | str | None = None,
    *,
    context: MCTSrContext | None = None,
    checkpointer: Checkpointer | None = None,
    thread_id: str | None = None,
    prompts: Prompts | None = None,
    on_event: OnEvent | None = None,
) -> Solution:
    """Search for an answer to `problem`.

    Args:
        problem: The problem in words.
        model: A chat model, or a name such as "huggingface:Qwen/Qwen2.5-7B-Instruct". By
            default the environment variable MCTSR_MODEL, else the embedded model.
        context: The settings; by default profile "paper".
        checkpointer: A LangGraph checkpointer, or the path of an SQLite file. The same call
            made again then goes on where the search stopped, and returns at once when it is
            over. Limits such as max_rollouts may be raised in between.
        thread_id: Name of the search in the checkpointer; by default it is made from problem,
            model and settings.
        prompts: Words to use instead of ours.
        on_event: Called with each event (see `mctsr_graph.events`) as it happens.

    Raises:
        ConfigError: A setting or the problem is wrong.
        SearchFailedError: Nothing could be evaluated, or too many rollouts failed in a row; it
            carries the best so far.
        SearchInterrupted: Ctrl-C; it carries the best so far.
        Exception: What the model raised at its first calls (a wrong key, no connection, ...).
    """
    with _saver(checkpointer) as saver:
        search = _Search(problem, model, context, saver, thread_id, prompts)
        if saver is not None:
            found = search.graph.get_state(search.config)
            update = search.take_up(found.values)
            if update is not None:
                search.graph.update_state(search.config, update, as_node="backpropagate")
        try:
            if search.left:
                for mode, part in search.graph.stream(search.input, **search.how):
                    search.note(mode, part, on_event)
        except KeyboardInterrupt:
            raise SearchInterrupted(search.so_far("interrupted")) from None
        return search.result()


async def asolve(
    problem: str,
    model: Model | str | None = None,
    *,
    context: MCTSrContext | None = None,
    checkpointer: Checkpointer | None = None,
    thread_id: str | None = None,
    prompts: Prompts | None = None,
    on_event: OnEvent | None = None,
) -> Solution:
    """Search for an answer to `problem`, awaited. As `solve` in all else.

    A task that is cancelled leaves a search that can go on, if it has a checkpointer.
    """
    with _saver(checkpointer) as saver:
        search = _Search(problem, model, context, saver, thread_id, prompts)
        if saver is not None:
            found = await search.graph.aget_state(search.config)
            update = search.take_up(found.values)
            if update is not None:
                await search.graph.aupdate_state(search.config, update, as_node="backpropagate")
        if search.left:
            async for mode, part in search.graph.astream(search.input, **search.how):
                search.note(mode, part, on_event)
        return search.result()


class _Search:
    """One search on its way: what to run, and what it has said so far."""

    def __init__(
        self,
        problem: str,
        model: Model | str | None,
        context: MCTSrContext | None,
        saver: BaseCheckpointSaver[Any] | None,
        thread_id: str | None,
        prompts: Prompts | None,
    ) -> None:
        self._problem = clean_text(problem)  # as the state holds it
        self._context = context or MCTSrContext()
        chat = load_model(model) if model is None or isinstance(model, str) else model
        graph = create_mctsr(chat, context=self._context, prompts=prompts)
        self.graph = graph.compile(checkpointer=saver, name="mctsr")
        name = thread_id or _name_of(problem, model, self._context, prompts)
        self.config: RunnableConfig = {
            "configurable": {"thread_id": name},
            "recursion_limit": 5 * self._context.max_rollouts + 20,  # five supersteps a rollout
        }
        self.input: MCTSrInput | None = {"problem": self._problem}
        self.left = True
        self.how: dict[str, Any] = {
            "config": self.config,
            "context": self._context,
            "stream_mode": ["custom", "values"],
            "output_keys": _KEYS,
            # A step that is reported is on disk; the default may lose several at a kill
            **({"durability": "sync"} if saver is not None else {}),
        }
        self._values: dict[str, Any] = {}

    def take_up(self, values: dict[str, Any]) -> dict[str, Any] | None:
        """Go on with the search that a checkpoint holds, if it is this one.

        Decides by what is done: a killed search may name no next node and be far from over.
        Returns the update that leads a search that had stopped back into its loop.
        """
        if values.get("problem") != self._problem or not values.get("tree"):
            return None
        self.input, self._values = None, values
        if values["stop_reason"] is None:
            return None
        state = cast(MCTSrState, {**values, "failed_rollouts": 0})  # failed ones may work now
        self.left = why_stop(state, self._context) is None
        if not self.left:
            return None
        # Without the answer, which every further checkpoint would hold
        return {"stop_reason": None, "failed_rollouts": 0, "answer": None, "final_answer": None}

    def note(self, mode: str, part: Any, on_event: OnEvent | None) -> None:
        """Keep the latest state; pass events on."""
        if mode == "values":
            self._values = part
        elif on_event is not None:
            on_event(part)

    def result(self) -> Solution:
        """The finished search.

        Raises:
            SearchFailedError: it gave up.
        """
        solution = self.so_far(self._values["stop_reason"])
        if solution.stop_reason == "failed":
            last = solution.failures[-1] if solution.failures else None
            why = f"; the last failure was {last['role']}: {last['message']}" if last else ""
            raise SearchFailedError(
                f"the search gave up after {solution.rollouts} rollouts{why}", solution
            )
        return solution

    def so_far(self, stop_reason: str | None) -> Solution:
        """The best so far, whatever has been done."""
        values, tree = self._values, self._values.get("tree") or {}
        best = best_node(tree)
        answer = tree[best]["answer"] if best is not None else values.get("answer")
        return Solution(
            problem=self._problem,
            answer=answer,
            final_answer=extract_final_answer(answer) if answer else None,
            best=best,
            rollouts=values.get("rollouts", 0),
            usage=values.get("usage") or no_usage(),
            stop_reason=stop_reason,
            tree=tree,
            failures=values.get("failures") or [],
        )


def _name_of(
    problem: str, model: Model | str | None, context: MCTSrContext, prompts: Prompts | None
) -> str:
    """A thread id that is the same for the same search, and no other."""
    settings = context.model_dump(exclude=set(_LIMITS))
    parts = [problem, _label(model), settings, asdict(prompts or Prompts())]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def _label(model: Model | str | None) -> str:
    if model is None or isinstance(model, str):
        return model or os.environ.get("MCTSR_MODEL", "embedded")
    names = (getattr(model, field, None) for field in ("model_name", "model", "model_id"))
    return f"{type(model).__name__}:{next((n for n in names if isinstance(n, str)), '')}"


@contextmanager
def _saver(checkpointer: Checkpointer | None) -> Iterator[BaseCheckpointSaver[Any] | None]:
    if checkpointer is None or isinstance(checkpointer, BaseCheckpointSaver):
        yield checkpointer
        return
    if find_spec("langgraph.checkpoint.sqlite") is None:
        raise MissingExtraError(
            'a checkpoint file needs langgraph-checkpoint-sqlite: pip install "mctsr-graph[sqlite]"'
        )
    from .savers import open_file

    with open_file(checkpointer) as saver:
        yield saver
