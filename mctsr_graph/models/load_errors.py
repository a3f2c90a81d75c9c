"""What is wrong where a local model cannot be loaded, in this package's errors.

transformers and the hub's client raise errors of many kinds for few causes; they are known by
class names and words, so that no release of either has to be imported for it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from mctsr_graph.errors import ConfigError, MCTSrError, MissingExtraError, UnknownModelError

_INSTALL = re.compile(r"pip install (?:-{1,2}[\w-]+ )*[\"'`]*([\w.\-]+(?:\[[\w,\-]+\])?)")
_NO_MEMORY = re.compile("out of memory|not enough memory|can't allocate memory")


def load_error(error: BaseException, model_id: str, revision: str | None = None) -> MCTSrError:
    """What an error of loading means for whoever named the model, with what to do about it."""
    if isinstance(error, MCTSrError):
        return error
    every = list(_causes(error))
    names = " ".join(kind.__name__ for one in every for kind in type(one).__mro__)
    said = " ".join(map(str, every))
    own = f"the model {model_id!r}"
    page = f"https://huggingface.co/{model_id}"
    if "GatedRepo" in names or "gated repo" in said:
        return ConfigError(
            f"{own} is gated: accept its terms at {page}, and give token= or set HF_TOKEN"
        )
    if "RevisionNotFound" in names or "not a valid git identifier" in said:
        return UnknownModelError(
            f"{own} has no revision {revision!r}, allowed a branch, tag or commit of {page}"
        )
    if re.search("RepositoryNotFound|HFValidation", names) or "valid model identifier" in said:
        return UnknownModelError(
            f"there is no folder and no hub id {model_id!r}: check the spelling at "
            "https://huggingface.co/models; a private one needs token= or HF_TOKEN"
        )
    if broken := _broken_json(model_id):
        return UnknownModelError(f"{own} has a damaged file, {broken}: fetch it again")
    return _of_packages(own, every, said) or _of_files(own, page, error, names, said)


def _of_packages(own: str, every: list[BaseException], said: str) -> MCTSrError | None:
    """Where something has to be installed, updated or allowed."""
    if "does not recognize this architecture" in said:
        kind = re.search(r"model type `([^`]+)`", said)
        return ConfigError(
            f"{own} has the architecture {kind[1] if kind else '?'!r}, which the installed "
            "transformers does not know: update it (pip install -U transformers), or give "
            "trust_remote_code=True where the model brings code of its own that you trust"
        )
    if "trust_remote_code" in said:
        return ConfigError(
            f"{own} comes with Python code of its own: give trust_remote_code=True if you trust it"
        )
    package = _INSTALL.search(said)
    missing = next((one for one in every if isinstance(one, ImportError)), None)
    if missing is not None or package is not None:
        name = package[1] if package else getattr(missing, "name", None)
        how = f": pip install {name}" if name else ""
        return MissingExtraError(f"{own} needs a package{how} ({_first_line(said)})")
    return None


def _of_files(own: str, page: str, error: BaseException, names: str, said: str) -> MCTSrError:
    if re.search("LocalEntryNotFound|Offline|Connect|Timeout|ProxyError", names) or (
        "couldn't connect" in said
    ):
        return ConfigError(
            f"{own} is in no folder and no cache here, and the hub cannot be reached: give a "
            f"folder that holds it, or check the network, HF_HUB_OFFLINE and local_files_only "
            f"({_first_line(said)})"
        )
    if "backend tokenizer" in said:
        return UnknownModelError(
            f"{own} has no tokenizer that can be read here: it wants a tokenizer.json, or the "
            "package that reads its own kind (pip install sentencepiece tiktoken)"
        )
    if "does not appear to have" in said:
        return UnknownModelError(f"{own} lacks a file: {_first_line(said)}; see {page}")
    if "Unrecognized model" in said or "config.json" in said:
        return UnknownModelError(
            f"{own} is no folder of a model that transformers can read, allowed one with a "
            f"config.json that names a model_type ({_first_line(said)})"
        )
    if "OutOfMemory" in names or "MemoryError" in names or _NO_MEMORY.search(said.lower()):
        return ConfigError(
            f"{own} does not fit into memory: take a smaller one, dtype='bfloat16', a "
            f"quantization_config or device_map='auto' ({_first_line(said)})"
        )
    return ConfigError(f"{own} cannot be loaded: {type(error).__name__}: {_first_line(said)}")


def _broken_json(folder: str) -> str | None:
    """Which JSON file of a folder of this machine cannot be read, and why."""
    for path in sorted(Path(folder).glob("*.json")) if os.path.isdir(folder) else ():
        try:
            json.loads(path.read_bytes())
        except ValueError as error:
            return f"{path.name} ({error})"
    return None


def no_folder(path: str) -> UnknownModelError:
    """For a path that is not there."""
    return UnknownModelError(f"there is no file or folder {path!r}")


def no_weights(folder: str) -> UnknownModelError:
    """For a folder with a config and nothing to load."""
    held = ", ".join(sorted(os.listdir(folder))[:8]) or "nothing"
    return UnknownModelError(
        f"the folder {folder!r} holds no weights, allowed *.safetensors or pytorch_model*.bin "
        f"beside config.json, or name a .gguf file; it holds {held}"
    )


def check_gguf(folder: str, file: str) -> None:
    """Refuse, in a folder of this machine, what is no GGUF file.

    Raises:
        UnknownModelError: It is not there, or another kind of file.
    """
    path = os.path.join(folder, file)
    if not os.path.isdir(folder):
        return
    if not os.path.isfile(path):
        raise no_folder(path)
    with open(path, "rb") as stream:
        if stream.read(4) != b"GGUF":
            raise UnknownModelError(f"{path!r} is no GGUF file, as its first bytes say")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _first_line(said: str) -> str:
    return next(iter(said.strip().splitlines()), "")[:300]
