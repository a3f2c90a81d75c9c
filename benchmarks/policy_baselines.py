"""Ways to answer without a search, in a simulated world; those of `mctsr bench run` among them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from benchmarks.policy_peers import BUDGETS, Outcome
from mctsr_graph.benchmark.simulation import World
from mctsr_graph.benchmark.votes import borda_weights, next_round, softmax_weights
from mctsr_graph.calls.request import derive_seed
from mctsr_graph.strategies.enough import lead
from mctsr_graph.text.final_answer import extract_final_answer
from mctsr_graph.text.reward_scale import share_of

_LEAD = 0.95
_CONFIDENCE = 5.0  # of a draft's tokens on average, in its own standard deviations

Policy = Callable[[World, int], list[Outcome]]
"""Solves one problem; one outcome a budget."""


def drafts(world: World, number: int, count: int) -> list[str]:
    """Independent answers."""
    return [world.draft(number, derive_seed(0, 0, "draft", k, 0)) for k in range(count)]


def rewards(world: World, number: int, answers: Sequence[str]) -> list[int]:
    """One reward of each answer."""
    seeds = [derive_seed(0, 0, "evaluate", k, 0) for k in range(len(answers))]
    return [world.reward(number, answer, s) for answer, s in zip(answers, seeds, strict=True)]


def is_right(world: World, number: int, answer: str) -> bool:
    """Whether an answer is right."""
    return extract_final_answer(answer) == world.problem(number).gold


def _most(finals: Sequence[str | None], weights: Sequence[float]) -> str | None:
    """The final answer of the largest weight; of equals, the first."""
    totals: Counter[str] = Counter()
    for final, weight in zip(finals, weights, strict=True):
        if final is not None:
            totals[final] += weight  # type: ignore[assignment]
    return max(totals, key=lambda final: totals[final]) if totals else None


def first_answer(world: World, number: int) -> list[Outcome]:
    """One answer, whatever the budget."""
    [answer] = drafts(world, number, 1)
    return [Outcome(is_right(world, number, answer), 1)] * len(BUDGETS)


def _voted(weigh: Callable[[World, int, list[str]], Sequence[float]], calls: int) -> Policy:
    """A vote of as many answers as the budget allows, weighted by what `weigh` says of them."""

    def policy(world: World, number: int) -> list[Outcome]:
        answers = drafts(world, number, BUDGETS[-1] // calls)
        finals = [extract_final_answer(answer) for answer in answers]
        outcomes = []
        for budget in BUDGETS:
            count = budget // calls
            chosen = _most(finals[:count], weigh(world, number, answers[:count]))
            outcomes.append(Outcome(chosen == world.problem(number).gold, calls * count))
        return outcomes

    return policy


def _equally(world: World, number: int, answers: list[str]) -> list[float]:
    return [1.0] * len(answers)


def _by_confidence(world: World, number: int, answers: list[str]) -> list[float]:
    shares = [share_of(reward) for reward in rewards(world, number, answers)]
    return softmax_weights(shares)


def _by_rank_of_tokens(world: World, number: int, answers: list[str]) -> list[float]:
    return borda_weights([world.confidence(number, answer) for answer in answers])


def _by_tokens(world: World, number: int, answers: list[str]) -> list[float]:
    return [max(0.0, _CONFIDENCE + world.confidence(number, answer)) for answer in answers]


def best_of_n(world: World, number: int) -> list[Outcome]:
    """Half of the budget for answers, half for a reward of each; the highest reward."""
    answers = drafts(world, number, BUDGETS[-1] // 2)
    merits = rewards(world, number, answers)
    outcomes = []
    for budget in BUDGETS:
        count = budget // 2
        best = max(range(count), key=lambda k: merits[k])
        outcomes.append(Outcome(is_right(world, number, answers[best]), 2 * count))
    return outcomes


def adaptive_consistency(world: World, number: int) -> list[Outcome]:
    """A vote that ends when the class ahead will hardly lose its lead (arXiv 2305.11860)."""
    answers = drafts(world, number, BUDGETS[-1])
    finals = [extract_final_answer(answer) for answer in answers]
    outcomes, votes, needed = [], Counter[str](), len(finals)
    for count, final in enumerate(finals, 1):
        votes.update([] if final is None else [final])
        if lead(votes) >= _LEAD:
            needed = count
            break
    for budget in BUDGETS:
        count = min(budget, needed)
        chosen = _most(finals[:count], [1.0] * count)
        outcomes.append(Outcome(chosen == world.problem(number).gold, count))
    return outcomes


def tournament(world: World, number: int) -> list[Outcome]:
    """A third of the budget for answers, which then meet in pairs until one is left."""
    outcomes = []
    for budget in BUDGETS:
        answers = drafts(world, number, (budget + 2) // 3)
        finals = [extract_final_answer(answer) for answer in answers]
        alive, calls = list(range(len(answers))), len(answers)

        def first_wins(one: int, two: int) -> bool:
            """Asked in both orders; a draw leaves the first."""
            nonlocal calls
            if finals[one] is not None and finals[one] == finals[two]:  # noqa: B023
                return True
            calls += 2
            pair, seed = (answers[one], answers[two]), derive_seed(0, one, "pair", two)  # noqa: B023
            forth = world.prefers(number, *pair, seed)
            return forth or not world.prefers(number, *pair[::-1], seed + 1)

        while len(alive) > 1:
            alive = next_round(
                alive, [first_wins(*pair) for pair in zip(alive[::2], alive[1::2], strict=False)]
            )
        outcomes.append(Outcome(is_right(world, number, answers[alive[0]]), calls))
    return outcomes


BASELINES: dict[str, Policy] = {
    "first answer": first_answer,
    "self-consistency": _voted(_equally, 1),
    "best-of-n": best_of_n,
    "adaptive-consistency": adaptive_consistency,
    "cisc": _voted(_by_confidence, 2),
    "self-certainty": _voted(_by_rank_of_tokens, 1),
    "deepconf": _voted(_by_tokens, 1),
    "tournament": tournament,
}
