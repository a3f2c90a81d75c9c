"""The words that ask for JSON of a schema, where others ask for a boxed answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mctsr_graph.prompts import Prompts

_BOXED = "Finish with one line of this form:\nThe final answer is \\boxed{...}."


def asking_for_json(prompts: Prompts, schema: Mapping[str, Any]) -> Prompts:
    """The same words, but where they ask for a boxed answer they ask for JSON of a schema."""
    told = json.dumps(schema, ensure_ascii=False, sort_keys=True)
    wanted = f"Finish with one JSON object of this schema, and nothing after it:\n{told}"
    names = ("draft", "refine", "merge")
    return replace(
        prompts, **{name: getattr(prompts, name).replace(_BOXED, wanted) for name in names}
    )
