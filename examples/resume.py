"""Leave a search and come back: the same call goes on with what the file holds."""

import tempfile
from pathlib import Path

from examples.scripted import PROBLEM, pupil
from mctsr_graph import MCTSrContext, solve


def main() -> None:
    """Search for 2 rollouts, then for 2 more, then not at all."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "search.db"
        for rollouts in (2, 4, 4):
            model = pupil()
            context = MCTSrContext(profile="paper", max_rollouts=rollouts)
            solution = solve(PROBLEM, model, context=context, checkpointer=file)
            print(f"{solution.rollouts} rollouts, {len(model.calls)} calls made this time")


if __name__ == "__main__":
    main()
