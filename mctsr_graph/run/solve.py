"""One call that runs a whole search: solve, and asolve for async code."""

from __future__ import annotations

import inspect
from collections.abc import Collection

from mctsr_graph.calls.journal import CallJournal
from mctsr_graph.calls.request import Model
from mctsr_graph.errors import ConfigError
from mctsr_graph.judges import JudgeLike
from mctsr_graph.prompts import Prompts
from mctsr_graph.run.session import (
    Checkpointer,
    OnChange,
    OnEvent,
    SearchControl,
    Wanted,
    modes,
    opened,
)
from mctsr_graph.run.solution import Solution
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.strategies.strategy import Strategy


def solve(
    problem: str,
    model: Model | str | None = None,
    *,
    context: MCTSrContext | None = None,
    checkpointer: Checkpointer | None = None,
    thread_id: str | None = None,
    journal: CallJournal | None = None,
    prompts: Prompts | None = None,
    judge: JudgeLike | None = None,
    judge_model: Model | str | None = None,
    strategy: Strategy | None = None,
    on_event: OnEvent | None = None,
    on_change: OnChange | None = None,
    control: SearchControl | None = None,
) -> Solution:
    """Search for an answer to `problem`.

    Args:
        problem: The problem in words.
        model: A chat model, or a name such as "huggingface:Qwen/Qwen2.5-7B-Instruct". By
            default the environment variable MCTSR_MODEL, else the embedded model.
        context: The settings; by default profile "paper".
        checkpointer: A LangGraph checkpointer, or the path of an SQLite file. The same call
            made again then goes on where the search stopped, and returns at once when it is
            over. Limits such as max_rollouts may be raised in between; under another prior the
            answer of a search that is over is chosen again, without a call.
        thread_id: Name of the search in the checkpointer; by default it is made from problem,
            model and settings.
        journal: Where each reply of the model is kept the moment it is there. A path given as
            checkpointer brings its own.
        prompts: Words to use instead of ours.
        judge: Who rewards answers: a name as in `MCTSrContext.judge`, a function of problem
            and answer that returns points in [-100, 100] or whether the answer is right, or an
            object with `reward` (see `mctsr_graph.judges`). It goes before the setting.
        judge_model: The model that the judge asks, by default `model`.
        strategy: What decides, instead of the profile's (see `mctsr_graph.strategies`).
        on_event: Called with each event (see `mctsr_graph.graph.events`) as it happens.
        on_change: Called with the search so far whenever its tree has changed.
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
    wanted = Wanted(
        problem, model, context, prompts, judge, judge_model, strategy, thread_id, control
    )
    with opened(wanted, checkpointer, journal) as search, search.ending():
        if search.config is not None:
            update = search.take_up(search.graph.get_state(search.config))
            if update is not None:
                search.graph.update_state(search.config, *update)
        if search.left:
            for mode, part in search.graph.stream(
                search.input, stream_mode=modes(on_event), **search.how
            ):
                search.note(mode, part, on_event, on_change)
    return search.result()


def check_options(options: Collection[str], own: Collection[str], what: str) -> None:
    """Refuse, at once, what `solve` does not take.

    Args:
        options: Names that were given.
        own: Names that `what` gives `solve` itself, besides problem, model and context.
        what: Who passes them on.

    Raises:
        ConfigError: `solve` has no such parameter, or it is one of `own`.
    """
    allowed = {*inspect.signature(solve).parameters} - {"problem", "model", "context", *own}
    unknown = sorted({*options} - allowed)
    if unknown:
        raise ConfigError(
            f"{', '.join(unknown)}: no option of {what}, allowed {', '.join(sorted(allowed))}"
        )


async def asolve(
    problem: str,
    model: Model | str | None = None,
    *,
    context: MCTSrContext | None = None,
    checkpointer: Checkpointer | None = None,
    thread_id: str | None = None,
    journal: CallJournal | None = None,
    prompts: Prompts | None = None,
    judge: JudgeLike | None = None,
    judge_model: Model | str | None = None,
    strategy: Strategy | None = None,
    on_event: OnEvent | None = None,
    on_change: OnChange | None = None,
    control: SearchControl | None = None,
) -> Solution:
    """Search for an answer to `problem`, awaited. As `solve` in all else.

    A task that is cancelled leaves a search that can go on, if it has a checkpointer.
    """
    wanted = Wanted(
        problem, model, context, prompts, judge, judge_model, strategy, thread_id, control
    )
    with opened(wanted, checkpointer, journal) as search, search.ending():
        config = search.config
        if config is not None:
            update = search.take_up(await search.graph.aget_state(config))
            if update is not None:
                await search.graph.aupdate_state(config, *update)
        if search.left:
            async for mode, part in search.graph.astream(
                search.input, stream_mode=modes(on_event), **search.how
            ):
                search.note(mode, part, on_event, on_change)
    return search.result()
