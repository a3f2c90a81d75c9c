"""All of `benchmarks.backend` on one GPU in less than eight minutes, as one JSON file.

    python -m benchmarks.backend_gpu gpu.json                 # Llama-3-8B's shape, random weights
    python -m benchmarks.backend_gpu gpu.json --device cpu --shape tiny --seconds 120

Each backend runs in a process of its own, the most important first, within what is left of the
time; a part that does not end or fails is named in `missed` with the reason, what it had measured
by then is kept, and the rest goes on.
vLLM is measured where it is installed, by `engine="vllm"` with weights it makes up itself. The file
holds device, versions, date, each part as `benchmarks.backend` prints it, and `ratios`: how many
times faster than `ChatHuggingFace` eight leaves of one problem and a search are, and decoding as a
part of what the memory's bandwidth allows.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import re
import subprocess
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.backend import LEAVES, arguments, asked_by, chains, measured, rates
from benchmarks.backend_shapes import SHAPES, byte_tokenizer, config_of

SECONDS = 470
# Backend -> its measures, and the most seconds that it is given
PARTS = {
    "inflight": (["chains", "chains_again", "one_problem", "search", "decoding"], 150),
    "chat_huggingface": (["one_problem", "search"], 120),
    "generate_padded": (["chains", "one_problem"], 60),
    "vllm": (["chains", "chains_again", "one_problem", "decoding"], 140),
}
BANDWIDTH = {
    **{"H100 PCIe": 2.04, "H100 NVL": 3.94, "H100": 3.35, "H200": 4.8, "B200": 8.0},
    **{"A100-SXM4-40GB": 1.56, "A100-PCIE-40GB": 1.56, "A100": 2.04, "L40": 0.86, "L4": 0.3},
}
"""Of the memory, in TB/s, by what the device's name holds: the first counts."""
PACKAGES = ("mctsr-graph", "torch", "transformers", "langchain-huggingface", "vllm")


def run(given: argparse.Namespace) -> dict[str, Any]:
    """All parts, within the time."""
    until = time.monotonic() + given.seconds
    found: dict[str, Any] = {"parts": {}, "missed": {}}
    for name, (measures, most) in PARTS.items():
        if name == "vllm" and find_spec("vllm") is None:
            found["missed"][name] = "not installed"
            continue
        left = min(most, until - time.monotonic())
        if left < 5:
            found["missed"][name] = "no time was left"
            continue
        told, why = _part(name, measures, given, left)
        found["parts"] |= {name: told} if told else {}
        found["missed"] |= {name: why} if why else {}
    return {**_about(given), **found, "ratios": ratios(found["parts"])}


def _part(
    name: str, measures: list[str], given: argparse.Namespace, seconds: float
) -> tuple[dict[str, Any], str]:
    """What a process measured, and why that is not all."""
    module = "benchmarks.backend_gpu" if name == "vllm" else "benchmarks.backend"
    words = [sys.executable, "-m", module, *(["--vllm"] if name == "vllm" else [])]
    words += ["--device", given.device, "--shape", given.shape, "--measures", *measures]
    words += ["--bandwidth", str(_bandwidth(given.device)), "--tokens", str(given.tokens)]
    words += ["--context", str(given.context), "--sofar", "--backends"]
    words += ["inflight" if name == "vllm" else name]
    try:
        done = subprocess.run(words, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired as error:
        out, why = error.stdout, f"did not end within {seconds:.0f} s"
    else:
        failed = f"ended with {done.returncode}: {done.stderr.decode().strip()[-500:]}"
        out, why = done.stdout, failed if done.returncode else ""
    lines = re.findall(r"(?m)^\{.*\}$", (out or b"").decode())
    return (json.loads(lines[-1]) if lines else {}), why


def ratios(parts: dict[str, Any]) -> dict[str, Any]:
    """What the targets are about: parts of a limit, and times faster."""
    ours, theirs = parts.get("inflight", {}), parts.get("chat_huggingface", {})
    found: dict[str, Any] = {
        f"{name}_times_faster_than_chat_huggingface": round(
            theirs[name]["wall_s"] / max(ours[name]["wall_s"], 0.01), 1
        )
        for name in ("one_problem", "search")
        if name in ours and name in theirs
    }
    decoded = ours.get("decoding", {})
    found["of_bandwidth_limit"] = {rows: told["of_limit"] for rows, told in decoded.items()}
    other = parts.get("vllm", {}).get("decoding", {})
    found["decoding_beside_vllm"] = {
        rows: round(told["tokens_per_s"] / other[rows]["tokens_per_s"], 2)
        for rows, told in decoded.items()
        if rows in other
    }
    return found


def with_vllm(options: argparse.Namespace) -> dict[str, Any]:
    """The measures of vLLM, in this process."""
    from mctsr_graph.models import ChatTransformers

    with tempfile.TemporaryDirectory() as folder:
        config_of(options.shape).save_pretrained(folder)
        byte_tokenizer().save_pretrained(folder)
        chat = ChatTransformers(
            model_id=folder,
            engine="vllm",
            dtype="bfloat16",
            temperature=0,
            model_kwargs={"load_format": "dummy", "gpu_memory_utilization": 0.8},
        )
        ask = asked_by(chat)
        began = time.perf_counter()
        chat.invoke("Hello", max_tokens=2)
        told: dict[str, Any] = {"backend": "vllm", "start_s": time.perf_counter() - began}
        work = {
            "chains": lambda: chains(ask),
            "chains_again": lambda: chains(ask, LEAVES),
            "one_problem": lambda: chains(ask, 2 * LEAVES, one_problem=True),
        }
        for name in (one for one in options.measures if one in work):
            told[name] = measured(work[name])
            print(json.dumps(told), flush=True)
        found = rates(chat._engine(), options.context, options.tokens)
        told["decoding"] = {rows: {"tokens_per_s": round(rate, 1)} for rows, rate in found.items()}
        chat.close()
    return told


def _about(given: argparse.Namespace) -> dict[str, Any]:
    versions: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    versions["cuda"] = _cuda()
    about = {"device": _device(given.device), "bandwidth_tb_s": _bandwidth(given.device)}
    date = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return {**about, "shape": given.shape, "versions": versions, "date": date}


def _device(device: str) -> str:
    import torch

    on_gpu = device.startswith("cuda")
    return torch.cuda.get_device_name(device) if on_gpu else platform.machine()


def _cuda() -> str | None:
    import torch

    return torch.version.cuda


def _bandwidth(device: str) -> float:
    """Of the memory, TB/s; of a device that is not known, that of an H100."""
    name = _device(device)
    return next((one for part, one in BANDWIDTH.items() if part in name), 3.35)


def main() -> None:
    """Write the file, or measure vLLM for it."""
    if "--vllm" in sys.argv:
        options = arguments([word for word in sys.argv[1:] if word != "--vllm"])
        print(json.dumps(with_vllm(options)))
        return
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("file", type=Path, help="where the JSON goes")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--shape", choices=sorted(SHAPES), default="llama-3-8b")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="for all of it")
    parser.add_argument("--context", type=int, default=1024, help="prompt tokens of decoding")
    parser.add_argument("--tokens", type=int, default=128, help="new tokens of decoding")
    given = parser.parse_args()
    found = run(given)
    given.file.write_text(json.dumps(found, indent=1), "utf-8")
    print(json.dumps(found["ratios"]), found["missed"] or "")


if __name__ == "__main__":
    main()
