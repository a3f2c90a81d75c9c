"""Where a local model's files are and how they are read, as settings of a chat model."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from mctsr_graph.errors import ConfigError

_DEVICE = re.compile(r"[a-z]+(:\d+)?")
_DEVICES = 'a name such as "cpu", "cuda", "cuda:1", "mps", or the number of a GPU'
_OLD = {"torch_dtype": "dtype", "use_auth_token": "token"}  # transformers' former words
HUB = ("revision", "token", "cache_dir", "subfolder", "local_files_only")
"""What counts wherever files are looked for: config, tokenizer and weights."""


class Source(BaseModel):
    """The files of a model, and where its weights go.

    What is also an argument of `from_pretrained` may be given here or in `model_kwargs`.

    Attributes:
        model_id: Hub id ("Qwen/Qwen2.5-0.5B-Instruct") or local folder, also of a LoRA adapter.
        device: "cuda", "cuda:1", "mps", "cpu", or the number of a GPU, -1 for the CPU; None is the
            first of cuda, mps, cpu there is.
        device_map: In place of `device`: "auto" or a dict, as `from_pretrained` takes it.
        dtype: A torch dtype, its name or "auto"; None is bfloat16 on CUDA and float32 elsewhere.
            `torch_dtype` is the same.
        quantization_config: As `from_pretrained` takes it.
        attn_implementation: As `from_pretrained` takes it.
        gguf_file: Name of GGUF weights in `model_id`; needs packages gguf and accelerate.
        revision: Branch, tag or commit on the hub.
        token: Of the hub, for private and gated models; True is the one that is stored.
        cache_dir: Where downloads are kept.
        subfolder: Of the hub id or folder.
        local_files_only: True asks the hub for nothing.
        trust_remote_code: True runs Python code that comes with the model.
        model_kwargs: More for `from_pretrained` of the model.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", protected_namespaces=())
    model_id: str = Field(min_length=1)
    device: str | None = None
    device_map: Any = None
    dtype: Any = None
    quantization_config: Any = None
    attn_implementation: str | None = None
    gguf_file: str | None = None
    revision: str | None = None
    token: SecretStr | bool | None = Field(default=None, repr=False)
    cache_dir: str | None = None
    subfolder: str | None = None
    local_files_only: bool | None = None
    trust_remote_code: bool = False
    model_kwargs: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _one_place_for_each(cls, given: Any) -> Any:
        """Former names, and what stands in `model_kwargs`, become the field that they mean."""
        if not isinstance(given, Mapping):
            return given
        found = dict(given)
        more = found.get("model_kwargs")
        if isinstance(more, Mapping):
            lifted = {k: v for k, v in more.items() if k in {*Source.model_fields, *_OLD}}
            found["model_kwargs"] = {k: v for k, v in more.items() if k not in lifted}
            for name, value in lifted.items():
                _add(found, _OLD.get(name, name), value, f"model_kwargs[{name!r}]")
        for old, new in _OLD.items():
            if old in found:
                _add(found, new, found.pop(old), old)
        if found.get("device") is not None and found.get("device_map") is not None:
            raise ConfigError(
                f"device is {found['device']!r} and device_map {found['device_map']!r}, "
                "allowed one of both"
            )
        return found

    @field_validator("device", mode="before")
    @classmethod
    def _as_name(cls, device: Any) -> Any:
        if isinstance(device, int) and not isinstance(device, bool) and device >= -1:
            return f"cuda:{device}" if device >= 0 else "cpu"
        name = str(device) if type(device).__module__ == "torch" else device
        if name is not None and not (isinstance(name, str) and _DEVICE.fullmatch(name)):
            raise ConfigError(f"device is {device!r}, allowed {_DEVICES}")
        return name

    @field_validator("cache_dir", "model_id", mode="before")
    @classmethod
    def _as_text(cls, path: Any) -> Any:
        return os.fspath(path) if isinstance(path, os.PathLike) else path

    def hub_options(self) -> dict[str, Any]:
        """What counts wherever files are looked for, as far as it is given."""
        token = self.token.get_secret_value() if isinstance(self.token, SecretStr) else self.token
        options = {**{name: getattr(self, name) for name in HUB}, "token": token}
        return {name: value for name, value in options.items() if value is not None}


def _add(found: dict[str, Any], name: str, value: Any, written: str) -> None:
    """Set a field, unless another value stands there."""
    if found.get(name) is not None and found[name] is not value and found[name] != value:
        raise ConfigError(f"{name} is {found[name]!r} and {written} {value!r}, allowed one of both")
    found[name] = value
