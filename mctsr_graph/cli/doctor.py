"""The command `mctsr doctor`: what is installed, what is missing, and what a search would take."""

from __future__ import annotations

import json
import os
import platform
import warnings
from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated, Any

import typer

from mctsr_graph import __version__
from mctsr_graph.cli.common import ends, told_of
from mctsr_graph.cli.options import ModelOption
from mctsr_graph.cli.streams import raw, stderr, stdout
from mctsr_graph.models.load import load_model
from mctsr_graph.text.packages import extras, install_line, version_of

_PACKAGES = (
    *("langgraph", "langgraph-checkpoint", "langchain-core", "langchain", "pydantic"),
    *("torch", "transformers"),
)
_KEYS = {
    "openai": ("OPENAI_API_KEY",),
    "anthropic": ("ANTHROPIC_API_KEY",),
    "azure_openai": ("AZURE_OPENAI_API_KEY",),
    "bedrock_converse": ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_BEARER_TOKEN_BEDROCK"),
    "deepseek": ("DEEPSEEK_API_KEY",),
    "google_genai": ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
    "groq": ("GROQ_API_KEY",),
    "mistralai": ("MISTRAL_API_KEY",),
    "openrouter": ("OPENROUTER_API_KEY",),
    "xai": ("XAI_API_KEY",),
}
"""Where providers look for a key: one of these variables."""


def doctor_command(
    model: ModelOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Tell what is installed and what is missing: packages, GPU, model, keys.

    No call is made, nothing is loaded or downloaded, and no key is shown. The exit code is that of
    a search with this model: 0 where it could begin.
    """
    err = stderr()
    with ends(err):
        used, code = _model(model)
        found = {
            "mctsr-graph": __version__,
            "python": f"{platform.python_version()}, {platform.system()} {platform.machine()}",
            "packages": {name: version_of(name) for name in _PACKAGES},
            "extras": _extras(),
            "gpu": _gpu(),
            "model": used,
            "keys": {
                provider: next((name for name in names if os.environ.get(name)), None)
                for provider, names in _KEYS.items()
            },
        }
        if as_json:
            raw(json.dumps(found) + "\n")
        else:
            for line in _lines(found):
                stdout().print(line, markup=False, highlight=False)
        if code:
            raise typer.Exit(code)


def _model(name: str | None) -> tuple[dict[str, Any], int]:
    """The model that a search would take, and the exit code where it cannot be used."""
    wanted = name or os.environ.get("MCTSR_MODEL", "").strip() or "embedded"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = load_model(wanted)
    except Exception as error:  # a missing key is an error of the provider's own
        words, code = told_of(error)
        return {"name": wanted, "class": None, "wrong": words}, code
    return {"name": wanted, "class": type(made).__name__, "wrong": None}, 0


def _extras() -> dict[str, list[str]]:
    """By extra, the packages of it that are not installed."""
    return {
        extra: [one for one in needed if version_of(one) is None]
        for extra, needed in sorted(extras().items())
    }


def _gpu() -> str:
    if find_spec("torch") is None:
        return "not looked for: torch is not installed"
    torch: Any = import_module("torch")  # late, since it takes seconds
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
        return "; ".join(f"{one.name}, {one.total_memory / 2**30:.0f} GiB" for one in names)
    return "Apple's (mps)" if torch.backends.mps.is_available() else "none; models run on the CPU"


def _lines(found: dict[str, Any]) -> Iterator[str]:
    yield f"mctsr-graph {found['mctsr-graph']}, Python {found['python']}"
    for name, version in found["packages"].items():
        yield f"  {name} {version or 'is not installed'}"
    yield f"GPU: {found['gpu']}"
    model = found["model"]
    if model["wrong"] is None:
        yield f"Model: {model['name']} can be used ({model['class']})"
    else:
        yield f"Model: {model['name']} cannot be used: {model['wrong']}"
    keys = [f"{name} ({variable})" for name, variable in found["keys"].items() if variable]
    yield f"Keys set: {', '.join(keys) or 'none'}"
    for extra, missing in found["extras"].items():
        if not missing:
            yield f"Extra {extra}: installed"
            continue
        yield f"Extra {extra}: not installed, {', '.join(missing)} missing"
        yield f"  {install_line(extra)}"
