"""A reward model behind HTTP as the judge: outcome or process reward, as vLLM serves them."""

from __future__ import annotations

import json
import math
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.messages.ai import UsageMetadata

from mctsr_graph.calls.request import Request
from mctsr_graph.calls.sync_async import Way
from mctsr_graph.errors import ConfigError, ScoreError
from mctsr_graph.judges.base import Case, JudgeCalls
from mctsr_graph.text.reward_scale import scaled


@dataclass(frozen=True)
class ProcessReward:
    r"""Asks a reward model that vLLM serves (`vllm serve MODEL --runner pooling`).

    It sends problem and answer as a user's and an assistant's message, and reads `data[0].data`
    of the reply: a number, or one for each step, or for each step the probabilities of "bad" and
    "good", of which the last one is taken. Example, for Qwen/Qwen2.5-Math-PRM-7B:
    `ProcessReward("http://localhost:8000/pooling", "Qwen/Qwen2.5-Math-PRM-7B",
    step_end="<extra_0>")`.
    """

    prompts_used: ClassVar = ()
    url: str
    """Address of the pooling API, http or https."""
    model: str
    """The model's name on the server."""
    step_end: str = ""
    """What the model expects behind each step; a blank line ends a step of the answer."""
    combine: Literal["min", "mean", "last"] = "min"
    """What the numbers of several steps are made into."""
    low: float = 0.0
    """The model's number that means the lowest reward, and all below it."""
    high: float = 1.0
    """The model's number that means the highest reward, and all above it."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Sent with each request: {"Authorization": "Bearer ..."}."""

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            ConfigError: a field is wrong.
        """
        if not self.url.lower().startswith(("http://", "https://")):
            raise ConfigError(f"url is {self.url!r}, allowed is one that begins with http(s)://")
        if self.combine not in _COMBINED:
            raise ConfigError(f"combine is {self.combine!r}, allowed {', '.join(_COMBINED)}")
        if not self.low < self.high:
            raise ConfigError(f"low is {self.low:g}, allowed below high = {self.high:g}")

    @property
    def name(self) -> str:
        """The model's name."""
        return self.model

    async def reward(self, case: Case, calls: JudgeCalls) -> float:
        """Return the model's number, points."""
        messages: list[BaseMessage] = [HumanMessage(case.problem), AIMessage(case.answer)]

        async def send(model: Any, defused: list[BaseMessage], way: Way) -> AIMessage:
            return await way.call(self._post, defused, calls.context.call_seconds)

        request = Request("evaluate", messages, self.read, lambda: messages, send=send, server=self)
        value: float = await calls.ask(request)
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return scaled(share)

    def read(self, reply: str) -> float:
        """Read `data[0].data` of a reply: the model's number, steps combined.

        Raises:
            ScoreError: it is not as vLLM has it ("malformed"), or a number is none
                ("not_finite").
        """
        try:
            found = json.loads(reply)["data"][0]["data"]
            rows = found if isinstance(found, list) else [found]
            steps = [float(row[-1] if isinstance(row, list) else row) for row in rows]
        except (ValueError, TypeError, LookupError) as error:
            raise ScoreError("malformed", "no numbers in data[0].data", reply) from error
        if not steps or not all(math.isfinite(step) for step in steps):
            raise ScoreError("not_finite", f"{steps} are no numbers of steps", reply)
        value: float = _COMBINED[self.combine](steps)
        return value

    def _post(self, messages: list[BaseMessage], seconds: float) -> AIMessage:
        problem, answer = (str(message.content) for message in messages)
        if self.step_end:
            steps = [part.replace(self.step_end, "") for part in answer.split("\n\n")]
            answer = "".join(step + self.step_end for step in steps if step.strip())
        sent = {
            "model": self.model,
            "messages": [
                {"role": "user", "content": problem},
                {"role": "assistant", "content": answer},
            ],
        }
        request = urllib.request.Request(
            self.url,
            json.dumps(sent).encode(),
            {"Content-Type": "application/json", **self.headers},
        )
        try:
            with urllib.request.urlopen(request, timeout=seconds) as response:
                body = response.read().decode("utf-8", "replace")
        except urllib.error.HTTPError as error:
            error.msg = f"{error.msg}: {error.read(500).decode('utf-8', 'replace')}"
            error.close()
            raise
        named = {"model_name": self.model}
        return AIMessage(body, usage_metadata=_usage(body), response_metadata=named)


def _usage(body: str) -> UsageMetadata | None:
    try:
        sent = int(json.loads(body)["usage"]["prompt_tokens"])
        return UsageMetadata(input_tokens=sent, output_tokens=0, total_tokens=sent)
    except (ValueError, TypeError, LookupError, OverflowError):
        return None


_COMBINED: dict[str, Any] = {
    "min": min,
    "mean": lambda steps: sum(steps) / len(steps),
    "last": lambda steps: steps[-1],
}
