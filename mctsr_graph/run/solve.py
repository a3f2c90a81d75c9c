"""One call that runs a whole search: solve, and asolve for async code."""

from __future__ import annotations

from contextlib import ExitStack

from typing_extensions import Unpack

from mctsr_graph.calls.request import Model
from mctsr_graph.calls.sync_async import run_blocking
from mctsr_graph.graph.spec import check_options
from mctsr_graph.run.driver import AWAITING, BLOCKING, Way
from mctsr_graph.run.session import asked, only_runner, opened
from mctsr_graph.run.solution import Solution
from mctsr_graph.run.spec import Problem, SolveOptions, SolveSpec


def solve(
    problem: Problem, model: Model | str | None = None, **options: Unpack[SolveOptions]
) -> Solution:
    """Search for an answer to `problem`.

    Args:
        problem: The problem in words, or content blocks of a LangChain message with pictures and
            files, which reach every role whose model takes them.
        model: A chat model, or a name such as "huggingface:Qwen/Qwen2.5-7B-Instruct". By
            default the environment variable MCTSR_MODEL, else the embedded model.
        context: The settings; by default profile "tuned".
        checkpointer: A LangGraph checkpointer, or the path of an SQLite file. The same call
            made again then goes on where the search stopped, and returns at once when it is
            over. Limits such as max_rollouts may be raised in between; under another prior the
            answer of a search that is over is chosen again, without a call.
        thread_id: Name of the search in the checkpointer; by default it is made from problem,
            model, judge and settings. A search with a function that holds more than plain values
            is taken up again in this process only.
        journal: Where each reply of the model is kept the moment it is there. A path given as
            checkpointer brings its own.
        prompts: Words to use instead of ours.
        judge: Who rewards answers: a name as in `MCTSrContext.judge`, a function of problem
            and answer that returns points in [-100, 100] or whether the answer is right, or an
            object with `reward` (see `mctsr_graph.judges`). It goes before the setting.
        judge_model: The model that the judge asks, by default `model`.
        critic_model: The model that writes critiques, by default `model`.
        final_answer: How the final answer is read from an answer's text: a function of the text
            that returns a text or None, a schema (a pydantic model, a TypedDict, a dataclass), or a
            `FinalAnswer`, which also says when two are equal. False asks for texts that state none,
            of which the judge chooses. By default boxes and sentences are read and compared as in
            mathematics.
        strategy: What decides, instead of the profile's (see `mctsr_graph.strategies`).
        on_event: Called with each event (see `mctsr_graph.graph.events`) as it happens. It may be
            async. What it raises is logged and ends no search; so it is with on_change.
        on_change: Called with the search so far, without `choice`, whenever its tree has changed.
            Its tree is the search's own, and not to be changed.
        control: Stops the search politely: it then returns the best so far with the
            stop_reason "interrupted".

    Raises:
        ConfigError: A setting or the problem is wrong.
        CheckpointError: The search cannot be kept or taken up again; SearchLockedError if
            another runner is at work on it, FingerprintMismatchError if `thread_id` holds one
            of other settings.
        SearchFailedError: Nothing could be evaluated, or too many rollouts failed in a row; it
            carries the best so far.
        SearchInterrupted: Ctrl-C; it carries the best so far.
        Exception: What the model raised at its first calls (a wrong key, no connection, ...).
    """
    check_options("solve", options, SolveOptions)
    return run_blocking(search_for(asked(problem, model, options), BLOCKING))


async def asolve(
    problem: Problem, model: Model | str | None = None, **options: Unpack[SolveOptions]
) -> Solution:
    """Search for an answer to `problem`, awaited. As `solve` in all else.

    A task that is cancelled leaves a search that can go on, if it has a checkpointer.
    """
    check_options("asolve", options, SolveOptions)
    return await search_for(asked(problem, model, options), AWAITING)


async def search_for(spec: SolveSpec, way: Way) -> Solution:
    """Run the search that a record asks for, blocking or awaiting."""
    # The last to be given up, when whatever a cancelled task has left is written
    with ExitStack() as lease, opened(spec) as search, search.ending():
        await search.find_thread(way)
        lease.enter_context(only_runner(spec.checkpointer, search.thread_id))
        await search.run(way)
    return search.result()
