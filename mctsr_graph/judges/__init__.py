"""Judges: who says how good an answer is. One a file, all behind `mctsr_graph.judges.base`."""

from mctsr_graph.judges.base import Case, Clerk, Judge, cases_of
from mctsr_graph.judges.court import Court, JudgeLike, as_court, as_judge
from mctsr_graph.judges.logits import Logits
from mctsr_graph.judges.self_evaluation import SelfEvaluation
from mctsr_graph.judges.verifier import Verifier

__all__ = [
    "Case",
    "Clerk",
    "Court",
    "Judge",
    "JudgeLike",
    "Logits",
    "SelfEvaluation",
    "Verifier",
    "as_court",
    "as_judge",
    "cases_of",
]
