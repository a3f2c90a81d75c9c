"""All methods of a run on one problem. Nothing here knows the truth."""

from __future__ import annotations

from mctsr_graph.calls.journal import CallJournal
from mctsr_graph.calls.request import Model
from mctsr_graph.prompts import Prompts

from .baselines import run_baselines
from .drafts import Drafts
from .ledger import Ledger
from .persistent import Persistent
from .plan import Task
from .records import MethodRecord
from .searches import search


async def solve_task(task: Task, model: Model, journal: CallJournal) -> dict[str, MethodRecord]:
    """Run every method on a problem; the verdicts are left open.

    The same task with the same journal makes no call again, and returns the same.

    Raises:
        Unfinished: the model's server failed.
        Exception: what the model raised for a wrong setting, key or name.
    """
    plan, prompts = task.plan, Prompts()
    model = Persistent(model, plan.context("paper", task.seed), has_answered=task.has_answered)
    found: dict[str, MethodRecord] = {}
    for profile in plan.profiles:
        context = plan.context(profile, task.seed)
        found[profile] = await search(task.problem, model, context, prompts, journal, plan.rollouts)
    drafts = Drafts(task.problem, model, plan.context("paper", task.seed), prompts, Ledger(journal))
    found |= await run_baselines(plan, drafts, dict(found))
    return {name: found[name] for name in plan.methods}
