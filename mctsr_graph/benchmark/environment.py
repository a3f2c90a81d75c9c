"""What the lines of a run were made with: code, packages, machine, and where the model is."""

from __future__ import annotations

import hashlib
import platform
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mctsr_graph.calls.request import innermost

from .records import Environment

_PACKAGE = Path(__file__).parent.parent
_OURS = ("mctsr-graph", "langchain-core", "langgraph", "math-verify", "sympy", "numpy", "datasets")
_MODELS = ("ray", "torch", "transformers", "tokenizers", "accelerate", "openai", "anthropic")
_ADDRESSES = ("base_url", "openai_api_base", "azure_endpoint", "anthropic_api_url", "endpoint_url")


def environment_of(model: Any) -> Environment:
    """Say what is at work now.

    Args:
        model: The chat model. Its keys are not looked at.
    """
    inner = innermost(model)
    provider = type(inner).__module__.partition(".")[0].replace("_", "-")
    names = [*_OURS, *_MODELS, *([provider] if provider.startswith("langchain-") else [])]
    versions = {name: found for name in names if (found := _version(name)) is not None}
    commit, changed = _git()
    return Environment(
        code=code_digest(),
        commit=commit,
        changed=changed,
        python=platform.python_version(),
        system=f"{platform.system()} {platform.machine()}",
        packages=versions,
        device=_device(inner),
        dtype=_dtype(inner),
        address=_address(inner),
    )


@cache
def code_digest() -> str:
    """12 hexadecimal digits made of all source files of this package."""
    digest = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        digest.update(str(path.relative_to(_PACKAGE)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@cache
def _git() -> tuple[str | None, bool | None]:
    """The commit of the code, and whether files differ from it; None where git does not know it."""
    try:
        _run_git("ls-files", "--error-unmatch", "__init__.py")
        return _run_git("rev-parse", "HEAD"), bool(_run_git("status", "--porcelain", "--", "."))
    except (OSError, subprocess.SubprocessError):
        return None, None


def _run_git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(_PACKAGE), *arguments],
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
    )
    return done.stdout.strip()


def _device(model: Any) -> str | None:
    """Where the weights are, if they are in this process."""
    if not hasattr(model, "model_id"):
        return None
    torch = sys.modules.get("torch")
    has_cuda = torch is not None and torch.cuda.is_available()
    chosen = getattr(model, "device", None) or ("cuda" if has_cuda else None)
    if torch is None or not str(chosen).startswith("cuda") or not has_cuda:
        return chosen and str(chosen)
    return f"{chosen} ({torch.cuda.get_device_name(0)})"


def _dtype(model: Any) -> str | None:
    told = getattr(model, "dtype", None) if hasattr(model, "model_id") else None
    return None if told is None else str(told)


def _address(model: Any) -> str | None:
    """Where a served model is, without user, password and query."""
    client = getattr(model, "root_client", None)
    told = [getattr(client, "base_url", None)]
    told += [getattr(model, name, None) for name in _ADDRESSES]
    for one in told:
        parts = urlsplit(str(one or ""))
        if parts.scheme in ("http", "https", "grpc") and parts.hostname:
            port = f":{parts.port}" if parts.port else ""
            return f"{parts.scheme}://{parts.hostname}{port}{parts.path}"
    return None
