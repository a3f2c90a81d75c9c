"""How well a model drafts, criticizes, refines and judges, on problems that it has not seen."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from langchain_core.messages import BaseMessage
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from mctsr_graph.benchmark.ranking import auc
from mctsr_graph.prompts import (
    critique_messages,
    draft_messages,
    evaluate_again_messages,
    evaluate_messages,
    refine_messages,
)
from training.model import replies
from training.problems import Problem, Split, problems
from training.tasks import PROMPTS, Encoder
from training.texts import OUTSIDE, is_right, others


@dataclass(frozen=True)
class Measures:
    """Shares are of problems, from 0 to 1; none where nothing was to be measured.

    Attributes:
        first: First answers that are right.
        by_steps: The same, by the number of steps of a problem.
        mends: Wrong answers whose refinement is right.
        spoils: Right answers whose refinement is wrong.
        auc: Chance that the written score of a right answer is above that of a wrong one.
        auc_logits: The same of the mean score by logits.
        declines: Questions of another kind that are declined.
    """

    first: float
    by_steps: dict[int, float]
    mends: float | None
    spoils: float | None
    auc: float | None
    auc_logits: float | None
    declines: float

    def __str__(self) -> str:
        """One line a measure."""
        steps = ", ".join(f"{n}: {share:.3f}" for n, share in self.by_steps.items())
        return (
            f"first answers right {self.first:.3f} (by steps {steps})\n"
            f"refining mends {_shown(self.mends)}, spoils {_shown(self.spoils)}\n"
            f"judge's AUC {_shown(self.auc)} written, {_shown(self.auc_logits)} by logits\n"
            f"declines {self.declines:.3f} of other questions"
        )


def measured(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    count: int = 400,
    split: Split = "validation",
    temperature: float = 1.0,
    seed: int = 99,
) -> Measures:
    """Let a model go once through draft, critique, refine and evaluate.

    Args:
        model: The network.
        tokenizer: Its own.
        count: How many problems.
        split: Of which kind.
        temperature: Of all that it writes.
        seed: Of the problems.
    """
    encoder = Encoder(tokenizer)

    def written(conversations: list[list[BaseMessage]]) -> list[str]:
        ids = [encoder.prompt(one) for one in conversations]
        return [str(tokenizer.decode(found)) for found in replies(model, ids, temperature)]

    asked = list(islice(problems(seed, split), count))
    drafts = written([draft_messages(PROMPTS, one.text) for one in asked])
    pairs = list(zip(asked, drafts, strict=True))
    critiques = written([critique_messages(PROMPTS, one.text, draft) for one, draft in pairs])
    refined = written(
        [
            refine_messages(PROMPTS, one.text, draft, said)
            for (one, draft), said in zip(pairs, critiques, strict=True)
        ]
    )
    graded = written([evaluate_messages(PROMPTS, one.text, draft) for one, draft in pairs])
    right = [is_right(one, draft) for one, draft in pairs]
    after = [is_right(one, text) for one, text in zip(asked, refined, strict=True)]
    other = [others(random.Random(seed + i)) for i in range(100)]
    declined = written([draft_messages(PROMPTS, text) for text in other])
    prompts = [
        encoder.prompt(evaluate_again_messages(PROMPTS, one.text, draft)) for one, draft in pairs
    ]
    return Measures(
        first=sum(right) / count,
        by_steps=_by_steps(asked, right),
        mends=_share([new for old, new in zip(right, after, strict=True) if not old]),
        spoils=_share([not new for old, new in zip(right, after, strict=True) if old]),
        auc=_auc([_score(text) for text in graded], right),
        auc_logits=_auc(_by_logits(model, tokenizer, prompts), right),
        declines=sum(OUTSIDE in text for text in declined) / len(other),
    )


def _auc(scores: Sequence[float], right: Sequence[bool]) -> float | None:
    found = auc(scores, right, range(len(right)))
    return found.value if found is not None else None


def _score(text: str) -> float:
    try:
        return float(text.rpartition("Score: ")[2])
    except ValueError:
        return -100.0


@torch.no_grad()
def _by_logits(
    model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, prompts: list[list[int]]
) -> list[float]:
    """How likely it is that the score has no minus sign."""
    lead, minus = (tokenizer.convert_tokens_to_ids(token) for token in ("Score: ", "-"))
    model.train(False)
    found = [
        model(torch.tensor([[*ids, lead]], device=model.device)).logits[0, -1].softmax(-1)[minus]
        for ids in prompts
    ]
    model.train()
    return [1 - float(one) for one in found]


def _by_steps(asked: Sequence[Problem], right: Sequence[bool]) -> dict[int, float]:
    by_size: dict[int, list[bool]] = {}
    for one, is_good in zip(asked, right, strict=True):
        by_size.setdefault(len(one.steps), []).append(is_good)
    return {size: sum(found) / len(found) for size, found in sorted(by_size.items())}


def _share(found: list[bool]) -> float | None:
    return sum(found) / len(found) if found else None


def _shown(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.3f}"
