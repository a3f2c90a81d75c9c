"""One go at a search of a batch, wherever it runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, cast

from langgraph.errors import GraphBubbleUp

from mctsr_graph.calls.request import Failure, Model
from mctsr_graph.errors import ConfigError, SearchFailedError
from mctsr_graph.run.driver import AWAITING
from mctsr_graph.run.solution import Solution
from mctsr_graph.run.solve import search_for
from mctsr_graph.run.spec import SolveSpec
from mctsr_graph.run.stages import failure_of
from mctsr_graph.settings.question import Question

ModelMaker = Callable[[], Model]
"""Makes the model, wherever it is wanted."""


class Search(Protocol):
    """Takes one search of a batch further."""

    def __call__(self, question: Question, changes: Mapping[str, Any]) -> Awaitable[Found]:
        """Search for an answer under changes of what was asked of the batch (context, ...)."""


Found = Solution | Failure
"""What a search has found, or what ended it with nothing to show for it."""


async def attempt(spec: SolveSpec) -> Found:
    """Search; what ends this search alone is no reason to end the batch.

    Raises:
        ConfigError: a setting is wrong.
    """
    try:
        return await search_for(spec, AWAITING)
    except (ConfigError, GraphBubbleUp):
        raise
    except SearchFailedError as error:
        return cast(Solution, error.solution)
    except Exception as error:
        return failure_of(error, 0)
