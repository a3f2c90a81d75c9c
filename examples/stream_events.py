"""Watch a search: one small event for every finished rollout."""

from typing import Any

from examples.scripted import PROBLEM, pupil
from mctsr_graph import MCTSrContext, create_mctsr


def main() -> None:
    """Run the graph and print its events."""
    mctsr = create_mctsr(pupil()).compile(name="mctsr")
    context = MCTSrContext(profile="paper", max_rollouts=4, width=2)
    for part in mctsr.stream(
        {"problem": PROBLEM}, context=context, stream_mode="custom", version="v2"
    ):
        event: Any = part["data"]
        if event["type"] == "mctsr.rollout":
            print(event["index"], event["parent"], "->", event["node"], event["q"], event["best"])


if __name__ == "__main__":
    main()
