"""A real chat model on CPU: the embedded one, which solves short problems about counting things."""

from mctsr_graph import MCTSrContext, load_model, solve
from mctsr_graph.graph.events import Event
from mctsr_graph.viewers.text import render_text

PROBLEM = (
    "A baker makes 12 trays of 8 muffins. After that A baker sells 70 of them. "
    "How many muffins are left?"
)


def show(event: Event) -> None:
    """Print what the search says of itself."""
    if event["type"] == "mctsr.rollout" and event["best"] is not None:
        print(f"rollout {event['index']}: best {event['best']['final_answer']}")


def main() -> None:
    """Search for the answer with at most 11 calls: a second or two."""
    context = MCTSrContext(max_calls=11, judge="logits", seed=1)
    solution = solve(PROBLEM, load_model("embedded"), context=context, on_event=show)
    print(solution.final_answer)
    print(render_text(solution.tree, solution.best))


if __name__ == "__main__":
    main()
