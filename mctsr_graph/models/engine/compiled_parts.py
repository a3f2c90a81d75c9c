"""Fewer kernels in captured steps: torch.compile of what a model does between its matrices.

A step of few tokens spends a third of its time in small kernels (norms, rotations, gates). Whole
layers would take minutes to compile, and again for each size; these parts take seconds, once.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

_MODULES = ("RMSNorm", "MLP")  # how their classes end, in transformers
_FUNCTION = "apply_rotary_pos_emb"  # of a model's own Python module


class CompiledParts:
    """Takes the place of parts of a model while it is entered."""

    def __init__(self, model: Any) -> None:
        import torch

        parts = [m for m in model.modules() if type(m).__name__.endswith(_MODULES)]
        files = {sys.modules[type(m).__module__] for m in model.modules()}
        named: list[tuple[Any, str]] = [(part, "forward") for part in parts]
        named += [(file, _FUNCTION) for file in files if hasattr(file, _FUNCTION)]
        self._made = [
            (owner, name, torch.compile(getattr(owner, name), dynamic=True))
            for owner, name in named
        ]

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """Let the model's forwards use them. Those of other threads do, too."""
        before = [(owner, name, vars(owner).get(name)) for owner, name, _ in self._made]
        try:
            for owner, name, compiled in self._made:
                setattr(owner, name, compiled)
            yield
        finally:
            for owner, name, own in before:
                if own is None:
                    delattr(owner, name)
                else:
                    setattr(owner, name, own)
