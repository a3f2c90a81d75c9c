"""What finished searches tell of model and judge, for searches to come."""

from __future__ import annotations

from collections.abc import Iterable

from mctsr_graph.errors import ConfigError
from mctsr_graph.run.solution import Solution
from mctsr_graph.settings.prior import USUAL, Prior
from mctsr_graph.strategies.tuned.evidence import Evidence, evidence_of
from mctsr_graph.strategies.tuned.learn import learn
from mctsr_graph.strategies.tuned.refining import RefiningBelief, refining_of


def learn_prior(solutions: Iterable[Solution], prior: Prior = USUAL) -> Prior:
    """What searches tell of their model and judge, without the truth, for searches to come.

    Give it to those as `MCTSrContext(profile="tuned", prior=...)`. It is worth having from some 16
    problems on, which should be like those to come, with the same model and judge.

    Args:
        solutions: What was found, by any profile. One that is there several times counts once.
        prior: What was believed before.

    Raises:
        ConfigError: Something among them is no solution.
    """
    return learn(_evidences(solutions), prior)


def refining_learnt(solutions: Iterable[Solution], learnt: Prior) -> RefiningBelief:
    """Whether refining is believed to pay, by the prior that was learnt from these solutions."""
    seen = sum(sum(evidence.moves.values()) for evidence in _evidences(solutions))
    return refining_of(learnt, seen)


def _evidences(solutions: Iterable[Solution]) -> list[Evidence]:
    each = {id(solution): solution for solution in solutions}.values()
    for one in each:
        if not isinstance(one, Solution):
            raise ConfigError(f"solutions holds {one!r}, allowed: what solve and solve_many return")
    return [evidence_of(solution.tree) for solution in each]
