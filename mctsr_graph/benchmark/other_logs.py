"""A run as inspect_ai and lm-evaluation-harness write theirs: plain JSON, by hand."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .metrics import RunMetrics
from .outcomes import Key, Outcome, outcomes, point_at
from .records import Attempt, Line
from .report import words
from .report.write import RunLines
from .statistics import Interval

_OUTPUT = "generate_until"
_INSPECT_VALUES = {"right": "C", "no_answer": "N"}  # all else is "I", incorrect


def inspect_logs(lines: RunLines, metrics: RunMetrics, out: Path) -> Iterator[Path]:
    """Write a log of inspect_ai, version 2, for each method at the largest budget."""
    for key in metrics.at_most():
        settings, measured = lines.settings, metrics.methods[key]
        name = f"{settings['dataset']}: {words.full_name(key)}"
        seeds = sorted({line["seed"] for line in lines})
        samples = [_inspect_sample(line, key, seeds, settings["model"]) for line in lines]
        value = {"accuracy": measured.selected.value, "stderr": _stderr(measured.selected)}
        environments: list[Any] = [*settings.get("environments", [])]
        spec = {
            "created": settings["started"],
            "task": name,
            "run_id": settings["run"],
            "dataset": {
                "name": settings["dataset"],
                "location": settings["source"],
                "samples": metrics.problems,
            },
            "model": settings["model"],
            "model_base_url": environments[-1]["address"] if environments else None,
            "task_args": {"method": key.method, "budget": words.budget_name(key)},
            "config": {"epochs": len(seeds)},
            "packages": environments[-1]["packages"] if environments else {},
            "metadata": {"settings": settings["settings"], "methods": settings["methods"]},
        }
        score = {
            "name": "mctsr",
            "scorer": "mctsr",
            "scored_samples": len(samples),
            "metrics": {one: {"name": one, "value": number} for one, number in value.items()},
        }
        log = {
            "version": 2,
            "status": "success" if not metrics.missing else "cancelled",
            "eval": spec,
            "results": {
                "total_samples": metrics.planned or len(samples),
                "completed_samples": len(samples),
                "scores": [score],
            },
            "samples": samples,
        }
        path = out / f"{_file_name(key)}.json"
        path.write_text(json.dumps(log), "utf-8")
        yield path


def _inspect_sample(line: Line, key: Key, seeds: list[int], model: str) -> dict[str, Any]:
    [found] = outcomes(line, [key])
    attempt, value = _selected(line, key), _INSPECT_VALUES.get(found.verdict, "I")
    reason = "max_tokens" if found.truncated else "stop"
    text = "" if attempt is None else attempt["text"]
    message = {"role": "assistant", "content": text}
    return {
        "id": line["id"],
        "epoch": seeds.index(line["seed"]) + 1,
        "input": line["problem"],
        "target": line["gold"],
        "output": {"model": model, "choices": [{"message": message, "stop_reason": reason}]},
        "scores": {
            "mctsr": {
                "value": value,
                "answer": None if attempt is None else attempt["final_answer"],
                "explanation": found.verdict,
            }
        },
        "model_usage": {
            model: {
                "input_tokens": found.cost["input_tokens"],
                "output_tokens": found.cost["output_tokens"],
                "total_tokens": found.cost["input_tokens"] + found.cost["output_tokens"],
            }
        },
        "metadata": {"level": line["level"], "subject": line["subject"], "seed": line["seed"]},
    }


def lm_eval_files(lines: RunLines, metrics: RunMetrics, out: Path) -> Iterator[Path]:
    """Write results and samples as lm-evaluation-harness does, a task for each method."""
    settings = lines.settings
    stamp = re.sub(r"[^0-9T-]", "-", settings["started"])
    tasks = {f"{settings['dataset']}_{_file_name(key)}": key for key in metrics.at_most()}
    results: dict[str, Any] = {
        task: {
            "alias": task,
            "exact_match,none": metrics.methods[key].selected.value,
            "exact_match_stderr,none": _stderr(metrics.methods[key].selected),
        }
        for task, key in tasks.items()
    }
    whole = {
        "results": results,
        "group_subtasks": {task: [] for task in tasks},
        "configs": {
            task: {
                "task": task,
                "dataset_path": settings["source"],
                "output_type": "generate_until",
            }
            for task in tasks
        },
        "versions": dict.fromkeys(tasks, 1),
        "n-shot": dict.fromkeys(tasks, 0),
        "higher_is_better": {task: {"exact_match": True} for task in tasks},
        "n-samples": {
            task: {
                "original": metrics.planned or metrics.methods[key].problems,
                "effective": metrics.methods[key].problems,
            }
            for task, key in tasks.items()
        },
        "config": {"model": settings["model"], "model_args": settings["settings"]},
        "model_name": settings["model"],
        "date": settings["started"],
    }
    path = out / f"results_{stamp}.json"
    path.write_text(json.dumps(whole, indent=2), "utf-8")
    yield path
    for task, key in tasks.items():
        path = out / f"samples_{task}_{stamp}.jsonl"
        with path.open("w", encoding="utf-8") as file:
            for number, line in enumerate(lines):
                [found] = outcomes(line, [key])
                file.write(json.dumps(_lm_eval_sample(number, line, key, found)) + "\n")
        yield path


def _lm_eval_sample(number: int, line: Line, key: Key, found: Outcome) -> dict[str, Any]:
    attempt = _selected(line, key)
    text = "" if attempt is None else attempt["text"]
    doc = {"id": line["id"], "problem": line["problem"], "answer": line["gold"]}
    return {
        "doc_id": number,
        "doc": {**doc, "level": line["level"], "subject": line["subject"], "seed": line["seed"]},
        "target": line["gold"],
        "arguments": {"gen_args_0": {"arg_0": line["problem"], "arg_1": {}}},
        "resps": [[text]],
        "filtered_resps": [None if attempt is None else attempt["final_answer"]],
        "filter": "none",
        "metrics": ["exact_match"],
        "doc_hash": _hash(json.dumps(doc)),
        "prompt_hash": _hash(line["problem"]),
        "target_hash": _hash(line["gold"]),
        "exact_match": float(found.verdict == "right"),
    }


def _selected(line: Line, key: Key) -> Attempt | None:
    point = point_at(line, key)
    selected = None if point is None else point["selected"]
    return None if selected is None else line["methods"][key.method]["attempts"][selected]


def _stderr(interval: Interval) -> float:
    return (interval.high - interval.low) / 3.92


def _file_name(key: Key) -> str:
    parts = [key.method, key.budget, str(key.rollouts), key.against or ""]
    return re.sub(r"[^A-Za-z0-9-]+", "-", "-".join(parts)).strip("-")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
