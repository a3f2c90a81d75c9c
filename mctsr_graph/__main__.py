"""`python -m mctsr_graph`, and the command `mctsr`."""

from __future__ import annotations

import sys
from importlib.util import find_spec


def main() -> None:
    """Run the command line, or say what it needs."""
    if find_spec("typer") is None or find_spec("rich") is None:
        from mctsr_graph.text.packages import install_line

        sys.exit(f"mctsr needs typer and rich: {install_line('cli')}")
    from mctsr_graph.cli.main import app

    app()


if __name__ == "__main__":
    main()
