"""Who searches: one frozen record, and the options by which a user says it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from typing_extensions import TypedDict

from mctsr_graph.calls.journal import CallJournal
from mctsr_graph.calls.request import Model, innermost
from mctsr_graph.errors import ConfigError
from mctsr_graph.graph.forms import worded
from mctsr_graph.graph.labels import Label, label_of
from mctsr_graph.judges import BoundJudge, JudgeLike, bind_judge
from mctsr_graph.judges.registry import NAMED, OF_TEXTS
from mctsr_graph.models.load import lazy_model
from mctsr_graph.prompts import Prompts
from mctsr_graph.settings.context import MCTSrContext
from mctsr_graph.settings.reading import USUAL, FinalAnswer, Read, as_final_answer
from mctsr_graph.strategies.strategy import Strategy, as_strategy, strategy_of


class SearchOptions(TypedDict, total=False):
    """What everything that searches takes by name; `solve` says what each is."""

    context: MCTSrContext | None
    prompts: Prompts | None
    judge: JudgeLike | None
    judge_model: Model | str | None
    critic_model: Model | str | None
    strategy: Strategy | None
    final_answer: Read | type | FinalAnswer | Literal[False] | None
    journal: CallJournal | None


class GraphOptions(SearchOptions, total=False):
    """What a graph takes that others run."""

    limits: Mapping[str, float] | None


def check_options(what: str, options: Mapping[str, Any], allowed: Any) -> None:
    """Refuse what something does not take by name.

    Raises:
        ConfigError: an option is none of the TypedDict `allowed`.
    """
    known = allowed.__optional_keys__
    if unknown := sorted({*options} - known):
        raise ConfigError(
            f"{', '.join(unknown)}: no option of {what}, allowed {', '.join(sorted(known))}"
        )


def checked(options: Mapping[str, object], name: str, kind: Any, allowed: str) -> Any:
    """What was given for an option; None where nothing was.

    Raises:
        ConfigError: it is of another kind.
    """
    given = options.get(name)
    if given is not None and not isinstance(given, kind):
        raise ConfigError(f"{name} is {given!r:.200}, allowed {allowed}")
    return given


@dataclass(frozen=True, kw_only=True)
class SearchSpec:
    """Who searches: one model, one set of prompts, who judges, and how to decide."""

    model: Callable[[], Model]
    """Gives the model; one that is named is loaded at the first call."""
    prompts: Prompts
    bound_judge: BoundJudge
    critic: Callable[[], Model] | None = None
    """Gives the model that writes critiques; None: it is the model of the search."""
    given: Strategy | None = None
    """Decides instead of the profile's strategy."""
    reading: FinalAnswer = USUAL
    """Reads the final answers, and says which are equal."""
    journal: CallJournal | None = None
    is_named: bool = False
    """Whether a model is given by its name, and so may have to be loaded."""

    @classmethod
    def of(cls, model: Model | str | None, options: SearchOptions) -> SearchSpec:
        """What a user's options mean; the settings are left to each run.

        Raises:
            ConfigError: one of them is wrong.
        """
        others = [options.get("judge_model"), options.get("critic_model")]
        is_named = model is None or any(isinstance(one, str) for one in [model, *others])
        reading = as_final_answer(options.get("final_answer"))
        named = OF_TEXTS if reading.is_text else NAMED
        prompts = checked(options, "prompts", Prompts, "an instance of Prompts")
        return cls(
            model=lazy_model(model),
            prompts=worded(prompts or Prompts(), reading),
            reading=reading,
            bound_judge=bind_judge(options.get("judge"), options.get("judge_model"), named),
            critic=None if others[1] is None else lazy_model(others[1]),
            given=as_strategy(options.get("strategy")),
            journal=checked(options, "journal", CallJournal, "CallJournal(PATH)"),
            is_named=is_named,
        )

    @cached_property
    def labels(self) -> Mapping[str, Label]:
        """What tells it from others, by part. Told once: a judge may remember what it has seen."""
        judge_model = None if self.bound_judge.model is None else self.bound_judge.model()
        parts = {
            "model": self.model(),
            "judge": self.bound_judge.judge,
            "judge_model": judge_model,
            "strategy": self.given,
            **({} if self.critic is None else {"critic_model": self.critic()}),
            **({} if self.reading.is_usual else {"final_answer": self.reading}),
        }
        return {name: label_of(part) for name, part in parts.items()}

    def strategy(self, context: MCTSrContext) -> Strategy:
        """What decides in a search of these settings."""
        return self.given or strategy_of(context)

    def own_strategy(self, context: MCTSrContext) -> Any:
        """What decides, and its defaults, where it is not of this package: part of the identity."""
        decides = self.strategy(context)
        if self.given is not None or type(decides).__module__.startswith("mctsr_graph."):
            return self.given
        return decides, dict(decides.defaults)

    def load(self) -> list[Model]:
        """Load the models that are named, which may wait for a disk; return all models."""
        others = (self.bound_judge.model, self.critic)
        return [self.model(), *(other() for other in others if other is not None)]

    def load_weights(self) -> None:
        """Load the weights, too, of models on this machine."""
        for model in map(innermost, self.load()):
            if hasattr(model, "load_weights"):
                model.load_weights()
