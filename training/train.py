"""The stages of training: to draft, then to check, mend and score its own drafts."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from mctsr_graph.prompts import critique_messages, draft_messages
from training.measure import measured
from training.model import Size, make_model, optimizers, replies, save
from training.problems import problems, sums
from training.tasks import (
    PROMPTS,
    Attempts,
    Encoder,
    Example,
    declining,
    drafting,
    evaluating,
    merging,
    refining,
    scoring,
)
from training.texts import is_right, others, spoiled
from training.tokens import make_tokenizer

_ROWS = 96  # conversations a step
_POOL = 8  # batches that are sorted by length together, so that little is padded
_RATE = 3e-3
_WARM = 100  # steps
_KEPT, _KEEP = (
    "training.pt",
    100,
)  # beside the model: what a later run goes on from, every 100 steps


@dataclass(frozen=True)
class Plan:
    """Steps of each stage, and how many problems each round of the second drafts for itself."""

    drafting: int
    checking: tuple[int, ...]
    drafts: int
    measured: int
    decay: float = 0.4  # of all steps, at the end, in which the rate falls to zero

    @property
    def steps(self) -> int:
        """Of all stages."""
        return self.drafting + sum(self.checking)


FULL, QUICK = Plan(1100, (400, 600), 4_000, 400), Plan(4, (2,), 8, 8)


class Trainer:
    """A network in training."""

    def __init__(self, size: Size, seed: int, plan: Plan, device: str) -> None:
        self.plan, self.device, self.seed = plan, device, seed
        self.tokenizer: PreTrainedTokenizerFast = make_tokenizer()
        self.encoder = Encoder(self.tokenizer)
        self.model: LlamaForCausalLM = make_model(size, self.tokenizer, seed).to(device)
        self._optimizers = optimizers(self.model, _RATE)
        self.made = random.Random(seed)
        self.step = 0
        # A processor without instructions for 16 bits is four times slower in them than in 32
        self._half = device == "cuda" or torch.cpu.get_capabilities().get("avx512_bf16", False)
        self._started = time.monotonic()

    def run(self, stage: str, examples: Iterator[Example], until: int, file: Path) -> None:
        """Learn from one batch a step, and keep all that is needed to go on now and then."""
        batches = _batches(examples, self.made, self.model.config.pad_token_id)
        with ThreadPoolExecutor(1) as ahead:  # makes the next batch while this one is learnt
            coming = ahead.submit(next, batches)
            while self.step < until:
                ids, weights = coming.result()
                coming = ahead.submit(next, batches)
                loss = self._learn(ids.to(self.device), weights.to(self.device))
                if self.step % 50 == 0:
                    seconds = time.monotonic() - self._started
                    print(f"{stage} step {self.step} loss {loss:.4f} {seconds:.0f} s", flush=True)
                if self.step % _KEEP == 0 or self.step == until:
                    self.keep(file)

    def _learn(self, ids: torch.Tensor, weights: torch.Tensor) -> float:
        self.step += 1
        rate = _RATE * min(1, self.step / _WARM, (self.plan.steps - self.step + 1) / self._decaying)
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["lr"] = rate
        with torch.autocast(self.device, torch.bfloat16, enabled=self._half):
            hidden = self.model.model(input_ids=ids, use_cache=False).last_hidden_state
            # Only what is learnt passes the head: most of a batch is prompts
            here = weights[:, 1:] > 0
            logits = self.model.lm_head(hidden[:, :-1][here])
        losses = cross_entropy(logits.float(), ids[:, 1:][here], reduction="none")
        worth = weights[:, 1:][here]
        loss = (losses * worth).sum() / worth.sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self._optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return float(loss.detach())

    @property
    def _decaying(self) -> int:
        return max(1, round(self.plan.steps * self.plan.decay))

    def attempts(self, count: int, seed: int) -> list[Attempts]:
        """Problems of the training split with two drafts each, and a critique of some."""
        asked = [*islice(problems(seed), count), *islice(sums(seed), count // 8)]
        prompts = [self.encoder.prompt(draft_messages(PROMPTS, one.text)) for one in asked]
        # Mistakes of its own making, and those that only chance makes
        heats = (self._texts(prompts, heat) for heat in (1.1, 1.5))
        pairs = [[*two] for two in zip(*heats, strict=True)]
        criticized = list(zip(asked, pairs, strict=True))[: count // 3]
        prompts = [
            self.encoder.prompt(critique_messages(PROMPTS, one.text, two[0]))
            for one, two in criticized
        ]
        found = [Attempts(one, two) for one, two in zip(asked, pairs, strict=True)]
        found += [Attempts(one, two[::-1]) for one, two in zip(asked, pairs, strict=True)]
        if self.step > self.plan.drafting:
            said = self._texts(prompts, 1.0)
            more = zip(criticized, said, strict=True)
            found += [Attempts(one, two, text) for (one, two), text in more]
        return found

    def _texts(self, prompts: list[list[int]], temperature: float) -> list[str]:
        found = replies(self.model, prompts, temperature)
        return [self.tokenizer.decode(ids) for ids in found]

    def keep(self, file: Path) -> None:
        """Write all that a later run needs to go on after the first stage."""
        states = [optimizer.state_dict() for optimizer in self._optimizers]
        torch.save({"step": self.step, "model": self.model.state_dict(), "rates": states}, file)

    def take_up(self, file: Path) -> None:
        """Go on where an earlier run stopped."""
        kept = torch.load(file, map_location=self.device)
        self.step = kept["step"]
        self.model.load_state_dict(kept["model"])
        for optimizer, state in zip(self._optimizers, kept["rates"], strict=True):
            optimizer.load_state_dict(state)

    def report(self, folder: Path) -> None:
        """Save the model, and print what it can do by now."""
        save(self.model, self.tokenizer, folder)
        print(measured(self.model, self.tokenizer, self.plan.measured), flush=True)

    def to_draft(self) -> Iterator[Example]:
        """Solutions of problems, of bare sums among them, and what is said to other questions."""
        # Other problems than those learnt from before it stopped
        stories, bare = problems(self.seed + self.step), sums(self.seed + self.step)
        while True:
            chance = self.made.random()
            if chance < 0.08:
                yield declining(self.encoder, others(self.made), self.made)
            else:
                yield drafting(self.encoder, next(bare if chance < 0.35 else stories))

    def to_check(self, own: list[Attempts]) -> Iterator[Example]:
        """All tasks, on the model's own drafts, and on solutions with a mistake put in."""
        drafts, stories = self.to_draft(), problems(self.seed + self.step + 1)
        wrong = [one for one in own if not is_right(one.problem, one.drafts[0])]
        alone = [(refining, 0.34), (evaluating, 0.28), (scoring, 0.3), (merging, 0.08)]
        kinds, weights = zip(*alone, strict=True)
        while True:
            chance = self.made.random()
            if chance < 0.25:
                yield next(drafts)
                continue
            if chance < 0.5:
                problem = next(stories)
                attempts = Attempts(problem, [spoiled(problem, self.made) for _ in range(2)])
            else:
                # Half of what it checks is wrong, however good it has become
                pool = wrong if wrong and self.made.random() < 0.5 else own
                attempts = self.made.choice(pool)
            task = self.made.choices(kinds, weights)[0]
            if task is merging:
                attempts = Attempts(attempts.problem, self._several(attempts))
            yield task(self.encoder, attempts)

    def _several(self, attempts: Attempts) -> list[str]:
        count = self.made.randint(2, 4)
        drafts = [*attempts.drafts, spoiled(attempts.problem, self.made)]
        return [self.made.choice(drafts) for _ in range(count)]


def _batches(
    examples: Iterator[Example], made: random.Random, pad: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    while True:
        pool = sorted(islice(examples, _ROWS * _POOL), key=lambda one: len(one.ids))
        parts = [pool[i : i + _ROWS] for i in range(0, len(pool), _ROWS)]
        made.shuffle(parts)
        for part in parts:
            longest = max(len(one.ids) for one in part)
            ids = torch.full((len(part), longest), pad)
            weights = torch.zeros((len(part), longest))
            for row, one in enumerate(part):
                ids[row, : len(one.ids)] = torch.tensor(one.ids)
                weights[row, : len(one.ids)] = torch.tensor(one.weights)
            yield ids, weights


def train(
    folder: Path,
    size: Size,
    seed: int = 0,
    plan: Plan = FULL,
    device: str = "cpu",
) -> Trainer:
    """Train a model and save it.

    Args:
        folder: Where it is written, as transformers loads it.
        size: Of the network.
        seed: Of everything drawn.
        plan: How long. A run that was stopped goes on from what it kept in `folder`.
        device: "cpu" or "cuda".
    """
    trainer = Trainer(size, seed, plan, device)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / _KEPT
    if file.exists():
        trainer.take_up(file)
    if trainer.step < plan.drafting:
        trainer.run("draft", trainer.to_draft(), plan.drafting, file)
        trainer.report(folder)
    until = plan.drafting
    for number, steps in enumerate(plan.checking):
        until += steps
        if trainer.step < until:
            own = trainer.attempts(plan.drafts, seed + 1000 * (number + 1))
            trainer.run("check", trainer.to_check(own), until, file)
            trainer.report(folder)
    file.unlink()
    return trainer
