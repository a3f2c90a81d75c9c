"""Judges: who says how good an answer is. One a file, all behind `mctsr_graph.judges.base`."""

from mctsr_graph.judges.base import Case, Judge, JudgeCalls, cases_of
from mctsr_graph.judges.logits import Logits
from mctsr_graph.judges.pairwise import Pairwise
from mctsr_graph.judges.process import ProcessReward
from mctsr_graph.judges.registry import BoundJudge, JudgeLike, as_judge, bind_judge
from mctsr_graph.judges.rubric import Criterion, Rubric
from mctsr_graph.judges.self_evaluation import SelfEvaluation
from mctsr_graph.judges.verifier import Verifier

__all__ = [
    "BoundJudge",
    "Case",
    "Criterion",
    "Judge",
    "JudgeCalls",
    "JudgeLike",
    "Logits",
    "Pairwise",
    "ProcessReward",
    "Rubric",
    "SelfEvaluation",
    "Verifier",
    "as_judge",
    "bind_judge",
    "cases_of",
]
