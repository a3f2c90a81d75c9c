"""A link in a chain: prepare | search | pick, for one question or for many at once."""

import re
from operator import itemgetter
from typing import Any

from langchain_core.prompts import PromptTemplate
from langchain_core.runnables import Runnable, RunnableLambda

from mctsr_graph import MCTSrContext, ScriptedChatModel, create_mctsr
from mctsr_graph.models.scripted import ScriptedCall


def counter(call: ScriptedCall) -> str:
    """Count the divisors of the number in the problem, wrongly at first."""
    [number] = re.findall(r"does (\d+) have", str([m.content for m in call.messages]))
    divisors = [n for n in range(1, int(number) + 1) if int(number) % n == 0]
    if call.role == "critique":
        return "The number divides itself, too."
    if call.role == "evaluate":
        told = f"boxed{{{len(divisors)}}}" in str(call.messages[-2].content)
        return "Score: 90" if told else "Score: -60"
    return f"\\boxed{{{len(divisors) - (call.role == 'draft')}}}"


def build() -> Runnable[Any, Any]:
    """Fill the words in, search, and keep the final answer."""
    words = PromptTemplate.from_template("How many positive divisors does {number} have?")
    prepare: Runnable[Any, Any] = words | RunnableLambda(
        lambda prompt: {"problem": prompt.to_string()}
    )
    model, context = (
        ScriptedChatModel(replies=counter),
        MCTSrContext(profile="paper", max_rollouts=2),
    )
    mctsr: Runnable[Any, Any] = create_mctsr(model, context=context).compile(name="mctsr")
    return prepare | mctsr | itemgetter("final_answer")


def main() -> None:
    """Ask about three numbers at once."""
    numbers = ["12", "60", "360"]
    print(dict(zip(numbers, build().batch([{"number": n} for n in numbers]), strict=True)))


if __name__ == "__main__":
    main()
