"""A GGUF model unpacked once and kept as safetensors, which loads many times faster.

The folder is `MCTSR_CACHE_DIR`, or "mctsr-graph" in the user's cache folder of the platform.
It can be deleted at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

_log = logging.getLogger(__name__)
_MANIFEST = "manifest.json"  # file names and their SHA-256
_VERSION = "1"  # of what is written; older folders are not looked at


def cache_folder() -> Path:
    """Where unpacked weights are kept."""
    named = os.environ.get("MCTSR_CACHE_DIR")
    if named:
        return Path(named).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "mctsr-graph"


def entry_of(file: Path) -> Path:
    """The folder for the unpacked weights of a GGUF file, by its content."""
    return cache_folder() / f"{file.stem}-{_digest(file)[:16]}-{_VERSION}"


def is_whole(entry: Path) -> bool:
    """Whether a folder holds what was written; what is damaged is removed."""
    try:
        manifest = json.loads((entry / _MANIFEST).read_text("utf-8"))
        if all(_digest(entry / name) == digest for name, digest in manifest.items()):
            return True
    except FileNotFoundError:
        if not entry.exists():
            return False
    except (OSError, ValueError, AttributeError):
        pass
    _log.warning("the cached weights in %s are damaged and are made anew", entry)
    shutil.rmtree(entry, ignore_errors=True)
    return False


def keep(entry: Path, model: Any, tokenizer: Any) -> bool:
    """Write model and tokenizer. False, and nothing there, where that is not possible.

    Several processes may do this at once: each writes a folder of its own, and the first to be
    ready gives it the name.
    """
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=entry.parent, prefix=".new-") as made:
            folder = Path(made) / "model"
            folder.mkdir()
            _write(folder, model, tokenizer)
            with contextlib.suppress(OSError):  # another process was first
                folder.rename(entry)
    except OSError as error:
        _log.info("weights are not cached in %s: %s", entry, error)
        return False
    return is_whole(entry)


def _write(folder: Path, model: Any, tokenizer: Any) -> None:
    from safetensors.torch import save_file

    # `save_pretrained` refuses a model that came from GGUF
    config = type(model.config).from_dict(
        {k: v for k, v in model.config.to_dict().items() if k != "quantization_config"}
    )
    tied = set(getattr(model, "all_tied_weights_keys", None) or ())
    state = {k: v.contiguous() for k, v in model.state_dict().items() if k not in tied}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    config.architectures = [type(model).__name__]
    config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    files = sorted(file for file in folder.iterdir() if file.is_file())
    manifest = {file.name: _digest(file) for file in files}
    (folder / _MANIFEST).write_text(json.dumps(manifest, indent=1), "utf-8")


def _digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
