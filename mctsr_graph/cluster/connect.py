"""A Ray cluster: how it is reached, and what came of a call there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from mctsr_graph.errors import CheckpointError, MissingExtraError
from mctsr_graph.text.packages import install_line

MOST_LOSSES = 20
"""Workers that may die under one problem, and starts of one that dies each time."""


def need_ray(what: str) -> None:
    """Raise MissingExtraError where Ray is not installed."""
    if find_spec("ray") is None:
        raise MissingExtraError(f"{what} needs ray: {install_line('ray')}")


@contextmanager
def connected(address: str | None) -> Iterator[Any]:
    """The module `ray`, connected as `ray.init` takes the address; None: to this machine only."""
    # By default Ray begins a task again for ever that takes more memory than there is
    os.environ.setdefault("RAY_task_oom_retries", str(MOST_LOSSES))
    import ray

    own = not ray.is_initialized()
    if own:
        ray.init(address=address, log_to_driver=False, include_dashboard=False)
    try:
        yield ray
    finally:
        if own:
            ray.shutdown()


def kept_here(ray: Any, keeper: type, *args: Any) -> Any:
    """An actor on this machine that keeps what must not die with another."""
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    options = {"num_cpus": 0, "scheduling_strategy": here, "max_concurrency": 16}
    return ray.remote(keeper).options(**options).remote(*args)


def has_weights(model: str | None) -> bool:
    """Whether the model of a name is loaded into memory; None is the usual one."""
    name = model or os.environ.get("MCTSR_MODEL") or "embedded"
    return name in ("embedded", "smollm2") or name.startswith("huggingface:")


def raised(error: Exception) -> Exception | None:
    """What the code of a task or an actor raised; None where Ray itself has failed."""
    from ray.exceptions import RayError

    told = getattr(error, "cause", None)
    return told if isinstance(told, Exception) and not isinstance(told, RayError) else None


def of_keeper(error: Exception) -> Exception:
    """What a call of a keeper raised: its own error, or that it is gone."""
    gone = f"what the run is kept in is gone ({type(error).__name__}: {error})"
    return raised(error) or CheckpointError(gone)
