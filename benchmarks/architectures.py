"""Which causal architectures of the installed transformers run, how, and with which tokens.

Each has a small model with random weights, so that the tokens of `generate` can be asked for:

    python -m benchmarks.architectures [NAME...]

Names are those of `model_type`; without any all are tried. The columns: how the model runs
(batched, row by row, refused); whether its tokens are those of `generate`; and the CPU time of
eight rows at once as a share of what `generate` takes for them one by one.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import json
import logging
import multiprocessing
import resource
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.architecture_configs import NONE, names, small_model
from mctsr_graph.errors import ConfigError
from mctsr_graph.models.engine.rope import LengthRope

LENGTHS = (1, 300, 7, 33, 150, 12, 70, 3)  # tokens of rows that come at once
NEW = 8  # tokens of each
NEAR = 0.3  # logits, in standard deviations, that bfloat16 may take for equal
_MEMORY = 12 << 30  # bytes of address space for one model
_FORK = multiprocessing.get_context("fork")


def text(length: int, first: int, size: int = 90) -> list[int]:
    """Token ids without a pattern; those of one `first` share their beginnings."""
    return [1 + (7 * i * i + 3 * i + first * (1 + i % 5)) % (size - 1) for i in range(length)]


class Wanted:
    """Greedy tokens of `generate` for one prompt alone, and how sure it was of each."""

    def __init__(self, model: Any) -> None:
        self.model, self._rope = model, LengthRope(model)
        self.seconds = 0.0
        self._known: dict[tuple[int, ...], tuple[list[int], Any]] = {}

    def __call__(self, ids: list[int], count: int = NEW) -> tuple[list[int], Any]:
        """Tokens and logits [count, vocabulary]."""
        tokens, logits = self._known.get(tuple(ids), ([], None))
        if len(tokens) < count:
            tokens, logits = self._known[tuple(ids)] = self._asked(ids, count)
        return tokens[:count], logits[:count]

    def _asked(self, ids: list[int], count: int) -> tuple[list[int], Any]:
        import torch

        self._rope.fresh()  # as in a new process
        fed, begun = torch.tensor([ids]), time.process_time()
        out = self.model.generate(
            fed,
            attention_mask=torch.ones_like(fed),
            max_new_tokens=count,
            do_sample=False,
            eos_token_id=(1 << 31) - 1,
            pad_token_id=0,
            return_dict_in_generate=True,
            output_logits=True,
        )
        self.seconds += time.process_time() - begun
        return out.sequences[0, len(ids) :].tolist(), torch.cat([x.float() for x in out.logits])


def same(found: list[int], wanted: tuple[list[int], Any], *, exact: bool) -> bool:
    """Whether tokens are equal, or part where two were about as likely in half precision."""
    tokens, logits = wanted
    for step, (one, other) in enumerate(zip(found, tokens, strict=True)):
        if one != other:
            apart = logits[step][other] - logits[step][one]
            return not exact and bool(apart <= NEAR * logits[step].std())
    return True


class Trial:
    """Ways of asking an engine, each beside `generate`."""

    def __init__(self, engine: Any, wanted: Wanted, *, exact: bool) -> None:
        self._engine, self._wanted, self._exact = engine, wanted, exact
        self._longest = longest_of(wanted.model)

    def wrong(self) -> list[str]:
        """The ways that gave other tokens."""
        return sorted({way for way, requests in self._ways() if not self._right(requests)})

    def cpu(self) -> float:
        """CPU time of eight rows at once, as a share of what `generate` takes one by one."""
        prompts = [text(n, 70 + i) for i, n in enumerate(self._lengths())]
        begun, self._wanted.seconds = time.process_time(), 0.0
        self._answers([self._request(ids) for ids in prompts])
        ours = time.process_time() - begun
        for ids in prompts:
            self._wanted(ids)
        return ours / max(self._wanted.seconds, 1e-9)

    def _ways(self) -> Iterator[tuple[str, list[Any]]]:
        longest, lengths = self._longest, self._lengths()
        yield "alone", [self._request(text(min(20, longest), 2))]
        yield "together", [self._request(text(n, i)) for i, n in enumerate(lengths)]
        rows = enumerate(lengths[:4], 20)
        yield "joining", [self._request(text(n, i), 1 + 4 * (i - 20)) for i, n in rows]
        base = text(longest - 10, 2)
        shared = [[*base[:cut], *text(5, 40 + cut)][:longest] for cut in (9, 120, 121)]
        shared += [[*base, 1, 2], [*base[: longest // 2], 3]]
        yield "shared", [self._request(base, 2)]
        yield "shared", [self._request(ids) for ids in shared]
        yield "shared", [self._request(ids) for ids in shared]
        yield "samples", [self._request(text(min(50, longest), 6), n=3)]

    def _lengths(self) -> list[int]:
        return [min(length, self._longest) for length in LENGTHS]

    def _request(self, ids: list[int], new: int = NEW, n: int = 1) -> Any:
        from mctsr_graph.models.engine.protocol import Request

        return Request(ids=ids, n=n, max_new=new)

    def _answers(self, requests: list[Any]) -> list[Any]:
        asked = [self._engine.submit(request) for request in requests]
        return [future.result(timeout=300) for future in asked]

    def _right(self, requests: list[Any]) -> bool:
        answers = zip(requests, self._answers(requests), strict=True)
        return all(
            same(sample.ids, self._wanted(one.ids, one.max_new), exact=self._exact)
            for one, samples in answers
            for sample in samples
        )


def tried(name: str, dtype: str = "float32") -> dict[str, Any]:
    """How one architecture does."""
    import torch

    from mctsr_graph.models.engine.inflight import InflightEngine
    from mctsr_graph.models.engine.limits import Limits
    from mctsr_graph.models.engine.protocol import Request
    from mctsr_graph.models.engine.solo import SoloMemory

    torch.set_num_threads(1)
    try:
        model = small_model(name)
        model = model if dtype == "float32" else as_loaded(model, getattr(torch, dtype))
        wanted = Wanted(model)
        wanted(text(40, 1), 2)
    except Exception as error:  # what the class demands cannot be made small, or it cannot generate
        why = f"{type(error).__name__}: {error}".splitlines()[0]
        return {"name": name, "how": "no small model", "why": NONE.get(name, why)[:100]}
    told: dict[str, Any] = {"name": name, "class": type(model).__name__}
    engine = InflightEngine(model, Limits(idle_seconds=5, packed_bytes=0))
    try:
        engine.submit(Request(ids=[1, 2, 3])).result(timeout=300)  # the trial of the model
        trial = Trial(engine, wanted, exact=dtype == "float32")
        told |= {"wrong": trial.wrong(), "cpu": round(trial.cpu(), 2)}
        solo = isinstance(engine._batch.memory, SoloMemory) if engine._batch else False
        told["how"] = "row by row" if solo else "batched"
    except ConfigError as error:
        told |= {"how": "refused", "why": str(error)[:100]}
    except Exception as error:
        told |= {"how": "different", "why": f"{type(error).__name__}: {error}"[:100]}
    engine.close()
    return told


def as_loaded(model: Any, dtype: Any) -> Any:
    """The model as `from_pretrained` gives it in that type: some keep a few weights in float32."""
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        loaded = type(model).from_pretrained(folder, dtype=dtype)
    loaded.generation_config = model.generation_config
    return loaded.requires_grad_(False)


def longest_of(model: Any) -> int:
    """Tokens of the longest prompt that a model has positions for, 300 at most."""
    told = model.config.get_text_config()
    limit = getattr(told, "max_position_embeddings", None) or 512
    rope = str(getattr(told, "rope_parameters", None) or "")
    return 300 if "dynamic" in rope else min(300, limit - 60)


def in_own_process(name: str, dtype: str) -> dict[str, Any]:
    """As `tried`, where a model that takes all memory or ends the process harms no other.

    The process is a copy of this one, which has the slow imports behind it.
    """
    from transformers import modeling_utils  # noqa: F401

    from mctsr_graph.models.engine import inflight  # noqa: F401

    receiver, sender = _FORK.Pipe(duplex=False)
    child = _FORK.Process(target=_alone, args=(name, dtype, sender))
    child.start()
    sender.close()
    try:
        found: dict[str, Any] = receiver.recv()
    except EOFError:
        child.join()
        found = {"name": name, "how": "different", "why": f"it ended with {child.exitcode}"}
    child.join()
    return found


def _alone(name: str, dtype: str, sender: Any) -> None:
    from transformers.utils import logging as told

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    warnings.simplefilter("ignore")
    logging.disable()
    told.disable_progress_bar()  # type: ignore[no-untyped-call]
    sender.send(tried(name, dtype))


def row(told: dict[str, Any]) -> str:
    """One line of the table."""
    wrong = told.get("wrong")
    tokens = "" if wrong is None else ("equal" if not wrong else "different: " + " ".join(wrong))
    cpu = "" if told.get("cpu") is None else f"{told['cpu']:.2f}"
    return f"| {told['name']} | {told['how']} | {tokens or told.get('why', '')} | {cpu} |"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="model types; all by default")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--json", type=Path, help="append each result to this file")
    parser.add_argument("--here", action="store_true", help="in this process, not one each")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    version = {"transformers": importlib.metadata.version("transformers")}
    version["date"] = str(datetime.date.today())
    print("| architecture | runs | tokens | CPU |\n|---|---|---|---|", flush=True)
    counts: dict[str, int] = {}
    for name in options.names or names():
        found = (tried if options.here else in_own_process)(name, options.dtype)
        print(row(found), flush=True)
        counts[found["how"]] = counts.get(found["how"], 0) + 1
        if options.json:
            with options.json.open("a", encoding="utf-8") as file:
                file.write(json.dumps({**found, "dtype": options.dtype, **version}) + "\n")
    print(", ".join(f"{count} {how}" for how, count in sorted(counts.items())))
    print(f"peak {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024} MB")


if __name__ == "__main__":
    main()
