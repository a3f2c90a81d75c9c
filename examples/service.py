"""A web service: `pip install fastapi uvicorn`, then `python -m examples.service MODEL`.

    curl localhost:8000/solve -H 'content-type: application/json' -d '{"problem": "2 + 2?"}'

Searches are kept in service.db: a request that is made again goes on, or is answered at once.
"""

import sys
from pathlib import Path

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

from examples.scripted import model_or, reply
from mctsr_graph import MCTSrContext, SearchFailedError, asolve


class Question(BaseModel):
    """What is asked."""

    problem: str = Field(min_length=1, max_length=10_000)
    max_calls: int = Field(35, ge=1, le=131)


class Answer(BaseModel):
    """What is told."""

    final_answer: str | None
    answer: str | None
    confidence: float | None
    verdict: dict[str, str]


def build(name: str | None = None, kept: Path = Path("service.db")) -> FastAPI:
    """Make the service; the model is shared by all requests."""
    model, app = model_or(name, reply), FastAPI(title="MCTSr")

    async def solve(question: Question) -> Answer:
        context = MCTSrContext(max_calls=question.max_calls)
        try:
            found = await asolve(question.problem, model, context=context, checkpointer=kept)
        except SearchFailedError as error:  # the model could not be reached, or told nonsense
            raise HTTPException(502, str(error)) from error
        return Answer(
            final_answer=found.final_answer,
            answer=found.answer,
            confidence=found.confidence,
            verdict=found.verdict["says"],
        )

    app.post("/solve")(solve)
    app.get("/health")(lambda: {"status": "ok"})
    return app


def main(name: str | None = None) -> None:
    """Serve on port 8000."""
    import uvicorn

    uvicorn.run(build(name), port=8000)


if __name__ == "__main__":
    main(*sys.argv[1:])
