"""What a model's forward calls its arguments, which differs between releases of transformers.

Its newer releases call the cache `cache`, where the older ones have `past_key_values` and
`cache_params`; so does code that comes with a model. The old names warn before they go, so the
model that is there is asked.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

_CACHE = ("cache", "past_key_values", "cache_params")  # of several the first: it is the newest


@dataclass(frozen=True)
class ForwardNames:
    """Arguments of a model's forward.

    Attributes:
        every: All that it names.
        cache: The one that is the cache; "" where the model takes none.
    """

    every: frozenset[str]
    cache: str

    @classmethod
    def of(cls, model: Any) -> ForwardNames:
        """Those of the model, or of the one that it wraps and passes everything on to."""
        for module in model.modules():
            names = frozenset(inspect.signature(module.forward).parameters)
            found = [name for name in _CACHE if name in names]
            if found:
                return cls(names, found[0])
        return cls(frozenset(inspect.signature(model.forward).parameters), "")


def cache_of(output: Any) -> Any:
    """The cache that a forward returned, None where there is none."""
    held = dict(output.items())  # the output itself takes the old names, too, but warns
    return next((held[name] for name in _CACHE if name in held), None)
