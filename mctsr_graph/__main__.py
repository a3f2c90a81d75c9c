"""`python -m mctsr_graph`, and the command `mctsr`."""

from __future__ import annotations

import sys
from importlib.util import find_spec


def main() -> None:
    """Run the command line, or say what it needs."""
    if find_spec("typer") is None or find_spec("rich") is None:
        sys.exit('mctsr needs typer and rich: pip install "mctsr-graph[cli]"')
    from mctsr_graph.cli.main import app

    app()


if __name__ == "__main__":
    main()
