"""What tells weights from others: a digest of their values and of the chat template.

Values are added up exactly, and a sample of them is read where it stands, so an adapter, a
quantised variant, a further step of training and another template all have their own.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_READ = (".json", ".jinja", ".txt", ".model", ".py", ".safetensors", ".bin", ".gguf")
_PIECES, _PIECE = 64, 4096  # of a file: how many are read, and their bytes
_SAMPLED = 256  # values of a tensor that count in their order


def digest_of_loaded(model: Any, tokenizer: Any) -> str:
    """16 hexadecimal digits for a model and tokenizer in memory."""
    digest = hashlib.sha256()
    for part in (*_settings(model, tokenizer), *_tensors(model)):
        digest.update(repr(part).encode())
    return digest.hexdigest()[:16]


def digest_of_folder(folder: str, gguf_file: str | None = None) -> str | None:
    """16 hexadecimal digits for the files of a model, by content; None where there is no folder."""
    path = Path(folder)
    if not path.is_dir():
        return None
    named = [path / gguf_file] if gguf_file else sorted(path.rglob("*"))
    digest = hashlib.sha256()
    for file in (one for one in named if one.suffix in _READ and one.is_file()):
        digest.update(f"{file.relative_to(path)} {file.stat().st_size} ".encode())
        for piece in _pieces(file):
            digest.update(piece)
    return digest.hexdigest()[:16]


def _pieces(file: Path) -> Iterator[bytes]:
    size = file.stat().st_size
    with file.open("rb") as stream:
        if size <= _PIECES * _PIECE:
            yield stream.read()
            return
        for i in range(_PIECES):
            stream.seek(i * (size - _PIECE) // (_PIECES - 1), os.SEEK_SET)
            yield stream.read(_PIECE)


def _settings(model: Any, tokenizer: Any) -> Iterator[Any]:
    """What else decides a reply: the classes, the template, the words, the active adapters."""
    yield type(model).__name__, getattr(tokenizer, "chat_template", None)
    vocabulary: dict[str, int] = getattr(tokenizer, "get_vocab", dict)()
    yield sorted(vocabulary.items())
    config = getattr(model, "generation_config", None)
    yield config.to_json_string() if config is not None else None
    for name, module in model.named_modules():
        known = ("active_adapter", "active_adapters", "disable_adapters", "merged", "scaling")
        state = {one: vars(module)[f"_{one}"] for one in known if f"_{one}" in vars(module)}
        state |= {one: vars(module)[one] for one in known if one in vars(module)}
        if state:
            yield name, sorted((key, repr(value)) for key, value in state.items())


def _tensors(model: Any) -> Iterator[Any]:
    """Name, shape, dtype, sum and sample of each tensor."""
    import torch

    sized = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    with torch.no_grad():
        for name, tensor in model.state_dict(keep_vars=True).items():
            if not isinstance(tensor, torch.Tensor):
                yield name, repr(tensor)
                continue
            yield name, tuple(tensor.shape), str(tensor.dtype)
            if tensor.device.type == "meta" or not tensor.numel():
                continue
            flat = tensor.detach().contiguous().flatten()
            if flat.dtype.itemsize in sized and not flat.is_complex():
                flat = flat.view(sized[flat.dtype.itemsize])
            step = max(1, flat.numel() // _SAMPLED)
            yield int(flat.sum(dtype=torch.int64)), flat[::step].tolist()
