"""Answers as JSON of a schema; a function says which of them are equal."""

import sys

from pydantic import BaseModel

from examples.scripted import model_or
from mctsr_graph import FinalAnswer, MCTSrContext, solve
from mctsr_graph.models.scripted import ScriptedCall


class Order(BaseModel):
    """What is wanted."""

    item: str
    count: int


def same(one: str, two: str) -> bool:
    """Whether two orders (as JSON) mean the same: case and plural do not matter."""
    first, second = (Order.model_validate_json(text) for text in (one, two))
    names = [order.item.lower().removesuffix("s") for order in (first, second)]
    return names[0] == names[1] and first.count == second.count


SAID = [
    '{"item": "egg", "count": 12}',
    '{"item": "Eggs", "count": 12}',
    '{"item": "egg", "count": 10}',
]


def waiter(call: ScriptedCall) -> str:
    """Understand a dozen, most times."""
    return f"A dozen is a number. {SAID[(call.rollout + call.sample) % 3]}"


def main(name: str | None = None) -> None:
    """Ask three times; print the classes of answers, and the one that was chosen."""
    found = solve(
        "I want a dozen eggs.",
        model_or(name, waiter),
        context=MCTSrContext(drafts=3, max_calls=3),
        final_answer=FinalAnswer(read=Order, equal=same),
    )
    for one in found.choice["classes"] if found.choice else []:
        print(one["votes"], "say", one["final_answer"])
    told = found.final_answer
    print("order:", Order.model_validate_json(told) if told else "none that fits the schema")


if __name__ == "__main__":
    main(*sys.argv[1:])
