"""The benchmark of a GPU: what it makes of its parts, and what it says of missing ones."""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import backend, backend_gpu
from benchmarks.backend_gpu import ratios, run


def test_ratios_are_those_of_the_walls_and_the_rates() -> None:
    ours = {"one_problem": {"wall_s": 1.6}, "search": {"wall_s": 3.0}}
    decoded = {"1": {"tokens_per_s": 200.0, "of_limit": 0.7}, "8": {"tokens_per_s": 1200.0}}
    decoded["8"]["of_limit"] = 0.66
    theirs = {"one_problem": {"wall_s": 40.0}, "search": {"wall_s": 31.5}}
    vllm = {"decoding": {"8": {"tokens_per_s": 1500.0}}}
    parts = {"inflight": {**ours, "decoding": decoded}, "chat_huggingface": theirs, "vllm": vllm}
    assert ratios(parts) == {
        "one_problem_times_faster_than_chat_huggingface": 25.0,
        "search_times_faster_than_chat_huggingface": 10.5,
        "of_bandwidth_limit": {"1": 0.7, "8": 0.66},
        "decoding_beside_vllm": {"8": 0.8},
    }
    assert ratios({}) == {"of_bandwidth_limit": {}, "decoding_beside_vllm": {}}


def test_a_part_that_fails_is_named_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def ran(words: list[str], *, timeout: float, **_: Any) -> subprocess.CompletedProcess[bytes]:
        name = words[-1]
        out = b'noise\n{"backend": "a"}\n{"backend": "a", "search": {"wall_s": 1}}\nmore noise\n'
        if name == "chat_huggingface":
            raise subprocess.TimeoutExpired(words, timeout, out if given["tokens"] == 4 else None)
        if name == "generate_padded":
            return subprocess.CompletedProcess(words, 1, b"", b"out of memory")
        return subprocess.CompletedProcess(words, 0, out, b"")

    monkeypatch.setattr(backend_gpu.subprocess, "run", ran)
    monkeypatch.setattr(backend_gpu, "find_spec", lambda name: None)
    monkeypatch.setattr(backend_gpu, "_device", lambda name: "NVIDIA H200")
    given = {"device": "cuda", "shape": "tiny", "seconds": 100, "context": 8, "tokens": 4}
    found = run(argparse.Namespace(**given))
    measured = {"backend": "a", "search": {"wall_s": 1}}
    assert found["parts"] == {"inflight": measured, "chat_huggingface": measured}
    assert found["ratios"]["search_times_faster_than_chat_huggingface"] == 1
    assert found["missed"] == {
        "chat_huggingface": "did not end within 100 s",
        "generate_padded": "ended with 1: out of memory",
        "vllm": "not installed",
    }
    assert (found["device"], found["bandwidth_tb_s"]) == ("NVIDIA H200", 4.8)
    given["tokens"] = 5
    assert list(run(argparse.Namespace(**given))["parts"]) == ["inflight"]
    nothing = run(argparse.Namespace(**{**given, "seconds": 0}))
    assert nothing["missed"]["inflight"] == "no time was left"


def here(words: list[str], **_: Any) -> subprocess.CompletedProcess[bytes]:
    """Run a part in this process."""
    out, main = io.StringIO(), {"backend": backend.main, "backend_gpu": backend_gpu.main}
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out):
        patch.setattr(sys, "argv", words[2:])
        main[words[2].rpartition(".")[2]]()
    return subprocess.CompletedProcess(words, 0, out.getvalue().encode(), b"")


def test_every_part_runs_on_a_cpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for package in ("torch", "transformers", "langchain_huggingface"):
        pytest.importorskip(package, reason=f"{package} is not installed")
    from mctsr_graph import models

    class AsIfByVllm:
        """The model that vLLM would make up, by the engine of this package."""

        def __new__(cls, *, model_id: str, engine: str, dtype: str, **settings: Any) -> Any:
            assert (engine, dtype, Path(model_id, "tokenizer.json").is_file()) == (
                *("vllm", "bfloat16", True),
            )
            assert settings.pop("model_kwargs")["load_format"] == "dummy"
            model, tokenizer = backend.load("tiny", "cpu")
            return ours.from_loaded(model, tokenizer, **settings)

    ours, file = models.ChatTransformers, tmp_path / "gpu.json"
    with_vllm = backend_gpu.with_vllm

    def with_stand_in(options: argparse.Namespace) -> dict[str, Any]:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(models, "ChatTransformers", AsIfByVllm)
            return with_vllm(options)

    monkeypatch.setattr(backend_gpu, "with_vllm", with_stand_in)
    monkeypatch.setattr(backend_gpu, "find_spec", lambda name: "there")
    ran = SimpleNamespace(run=here, TimeoutExpired=subprocess.TimeoutExpired)
    monkeypatch.setattr(backend_gpu, "subprocess", ran)
    monkeypatch.setattr(backend, "LEAVES", 2)
    monkeypatch.setattr(backend, "SCORES", 1)
    monkeypatch.setattr(backend, "LENGTHS", dict.fromkeys(backend.LENGTHS, 2))
    words = [str(file), "--device", "cpu", "--shape", "tiny", "--context", "8", "--tokens", "8"]
    monkeypatch.setattr(sys, "argv", ["backend_gpu", *words])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        backend_gpu.main()
    found = json.loads(file.read_text("utf-8"))
    assert found["missed"] == {}
    for name, (measures, _) in backend_gpu.PARTS.items():
        assert set(measures) <= set(found["parts"][name]), name
    ratios = found["ratios"]
    assert set(ratios["of_bandwidth_limit"]) == set(ratios["decoding_beside_vllm"])
    assert ratios["search_times_faster_than_chat_huggingface"] > 0
