"""The embedded model from nothing.

python -m training train FOLDER           data, tokenizer and weights
python -m training measure FOLDER         what a trained model can do
python -m training problems FILE.jsonl.gz unseen problems with their answers
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from training.measure import measured
from training.model import SIZES, TEMPERATURE
from training.problems import Problem, problems
from training.train import FULL, QUICK, train


def main(arguments: list[str] | None = None) -> None:
    """Do what the command line says."""
    given = _parser().parse_args(arguments)
    torch.set_num_threads(given.threads)
    if given.command == "train":
        device = "cuda" if torch.cuda.is_available() else "cpu"
        plan = QUICK if given.quick else FULL
        train(given.folder, SIZES[given.size], given.seed, plan, device)
    elif given.command == "measure":
        model = AutoModelForCausalLM.from_pretrained(given.folder, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(given.folder)
        kind = (given.count, given.split, given.temperature, given.seed)
        print(measured(model, tokenizer, *kind))
    else:
        write_problems(given.file, given.count, given.seed)


def write_problems(file: Path, count: int, seed: int) -> None:
    """Write problems of the test split, as `mctsr bench run` reads them.

    The level of a problem is its number of steps, its subject how large its numbers are.
    """
    rows = [json.dumps(row) for row in islice(_rows(seed), count)]
    text = "\n".join(rows) + "\n"
    file.write_bytes(gzip.compress(text.encode(), mtime=0))


def _rows(seed: int) -> Iterator[dict[str, str]]:
    seen: set[str] = set()
    for number, problem in enumerate(problems(seed, "test")):
        if problem.text not in seen:
            seen.add(problem.text)
            yield {
                "id": f"arithmetic-{number:04}",
                "problem": problem.text,
                "answer": str(problem.answer),
                "level": str(len(problem.steps)),
                "subject": _size(problem),
            }


def _size(problem: Problem) -> str:
    largest = max(max(step.left, step.right, step.result) for step in problem.steps)
    return "numbers to 99" if largest < 100 else "numbers to 999"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--threads", type=int, default=1, help="of the CPU (default 1)")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("train", help="train a model from nothing, or go on with one")
    one.add_argument("folder", type=Path, help="where it is written")
    one.add_argument("--size", choices=SIZES, default="standard", help="of the network")
    one.add_argument("--seed", type=int, default=0, help="of everything drawn (default 0)")
    one.add_argument("--quick", action="store_true", help="a few steps, to see that it runs")
    one = commands.add_parser("measure", help="what a trained model can do")
    one.add_argument("folder", type=Path, help="where it is")
    one.add_argument("--count", type=int, default=400, help="of problems (default 400)")
    one.add_argument("--split", choices=["train", "validation", "test"], default="test")
    one.add_argument("--temperature", type=float, default=TEMPERATURE)
    one.add_argument("--seed", type=int, default=99, help="of the problems (default 99)")
    one = commands.add_parser("problems", help="write unseen problems with their answers")
    one.add_argument("file", type=Path, help="a .jsonl.gz file")
    one.add_argument("--count", type=int, default=1000)
    one.add_argument("--seed", type=int, default=2026)
    return parser


if __name__ == "__main__":
    main()
