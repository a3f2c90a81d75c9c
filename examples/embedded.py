"""A real chat model on CPU: the embedded SmolLM2-135M, far too small for real maths."""

from examples.scripted import PROBLEM
from mctsr_graph import MCTSrContext, load_model, solve
from mctsr_graph.graph.events import Event
from mctsr_graph.viewers.text import render_text


def show(event: Event) -> None:
    """Print what the search says of itself."""
    if event["type"] == "mctsr.rollout":
        print(f"rollout {event['index']}: q {event['q']}, best {event['best']}")


def main() -> None:
    """Load the model (a quarter of a minute) and search for one rollout."""
    model = load_model("embedded", max_tokens=40)
    # A model this small rarely writes a score when asked; its logits always tell one
    context = MCTSrContext(max_rollouts=1, judge="logits")
    solution = solve(PROBLEM, model, context=context, on_event=show)
    print(solution.final_answer)
    print(render_text(solution.tree, solution.best))


if __name__ == "__main__":
    main()
