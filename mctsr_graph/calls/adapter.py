"""Between a request and a model: each chat model inside gets the settings in its own words.

A model may be wrapped: `bind`, `with_retry`, `with_fallbacks`, `prompt | model`,
`init_chat_model(configurable_fields=...)`. The chat model is found inside, since some of these drop
what a call brings along, and others would take a refusal for a failure of the model.
"""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from copy import copy
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from langchain_core.language_models import BaseLanguageModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.runnables import Runnable, RunnableSequence, RunnableWithFallbacks
from langchain_core.runnables.config import ensure_config
from langchain_core.runnables.configurable import DynamicRunnable

from mctsr_graph.calls.effort import effort_fields
from mctsr_graph.calls.logprobs import logprob_fields
from mctsr_graph.calls.model_words import NAMES, ModelWords, Way, refused_setting, words_of
from mctsr_graph.calls.request import makes_models, model_name
from mctsr_graph.calls.sync_async import run_blocking
from mctsr_graph.errors import ConfigError, bubbles_up

T = TypeVar("T")
Tell = Callable[[str, Any, str, str], None]
"""Takes a setting that is left out, its value, the model and the reason."""
_NEVER_NEEDED = ("seed", "n", "logprobs")
"""Sent where they exist, and no loss where they do not."""
_SPECIAL = ("reasoning_effort", "logprobs")
"""Told by other fields in each class."""


@dataclass
class Wish:
    """What one call asks of a model beside its messages."""

    settings: Mapping[str, Any]
    """By the names of `NAMES`."""
    given: Mapping[str, str] = field(default_factory=dict)
    """Those that the user gave, with the names that they have among the settings of a search."""
    instead: Mapping[str, Any] = field(default_factory=dict)
    """What to send of those of `settings` that are refused."""
    tell: Tell | None = None
    error: ConfigError | None = None
    """What is wrong with a setting, which a fallback may have taken for a failure."""


class Prepared(NamedTuple):
    """A model in the state in which one call is made."""

    model: Any
    kwargs: dict[str, Any]
    sent: dict[str, Any]
    """The settings that reach it."""
    state: dict[str, Any]
    """What the model's fields were, where it is a copy."""


def adapted(
    model: Runnable[Any, Any], wish: Wish, maker: ModelWords | None = None
) -> Runnable[Any, Any]:
    """The model, with each chat model in it given what is wished in its own words.

    A `maker` is a model that makes this one anew for each call, and so remembers for it.
    """
    if isinstance(model, BaseLanguageModel):
        return Adapted(model, wish, maker.part(model) if maker else words_of(model))
    inner: Any = model
    if isinstance(model, DynamicRunnable) or makes_models(model):
        return Late(model, wish)
    bound = _bound(model)
    if bound is not None and isinstance(bound, Runnable):
        return _copied(inner, bound=adapted(bound, wish, maker))
    if isinstance(model, RunnableWithFallbacks):
        others = [adapted(one, wish, maker) for one in model.fallbacks]
        return _copied(inner, runnable=adapted(inner.runnable, wish, maker), fallbacks=others)
    if isinstance(model, RunnableSequence):
        holders = [i for i, step in enumerate(model.steps) if models_in(step)]
        if len(holders) == 1:  # of several it is open which one is meant
            steps = list(model.steps)
            steps[holders[0]] = adapted(steps[holders[0]], wish, maker)
            return _copied(inner, first=steps[0], middle=steps[1:-1], last=steps[-1])
    return Adapted(model, wish, words_of(model))


class Adapted(Runnable[Any, Any]):
    """A model that is asked in its own words, and once more without what it refuses by name."""

    def __init__(self, model: Any, wish: Wish, words: ModelWords) -> None:
        self._model, self._wish, self._words = model, wish, words

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        """Ask the model, blocking."""

        async def ask(call: Prepared) -> Any:
            return call.model.invoke(input, config, **call.kwargs)

        return run_blocking(self.asked(ask, kwargs))

    def ainvoke(self, input: Any, config: Any = None, **kwargs: Any) -> Coroutine[Any, Any, Any]:
        """Ask the model, awaited."""
        return self.asked(lambda call: call.model.ainvoke(input, config, **call.kwargs), kwargs)

    async def asked(self, ask: Callable[[Prepared], Awaitable[T]], kwargs: Mapping[str, Any]) -> T:
        """What `ask` makes of the model, in the state for its call."""
        while True:
            call = self.prepare(kwargs)
            try:
                return await ask(call)
            except Exception as error:
                if bubbles_up(error) or not self.learn(error, call):
                    raise
            finally:
                if call.state:
                    self.give_back(call)

    def prepare(self, kwargs: Mapping[str, Any]) -> Prepared:
        """The model and the arguments of its call.

        Raises:
            ConfigError: it does not take what the user gave.
        """
        call = self._prepared(kwargs)
        drops = self._words.drops(call.model, call.sent, call.kwargs)
        return self._prepared(kwargs) if drops else call

    def _prepared(self, kwargs: Mapping[str, Any]) -> Prepared:
        words, sent = self._words, dict[str, Any]()
        fields: dict[str, Any] = {}
        arguments, in_pipeline = dict(kwargs), dict(words.of_pipeline or {})
        for setting, value in self._wish.settings.items():
            special = self._special(setting, value, fields) if setting in _SPECIAL else {}
            way = Way(None, None) if special else words.way(setting)
            if way is None:
                self._leave_out(setting, value)
                continue
            sent[setting] = value
            for name in [*NAMES[setting], *special]:  # what `bind` has set gives way
                arguments.pop(name, None)
            fields |= special
            if words.of_pipeline is not None:
                in_pipeline |= _of_transformers(setting, value)
                continue
            if way.argument == "extra_body":
                bound = arguments.get("extra_body", getattr(self._model, "extra_body", None))
                arguments["extra_body"] = {**(bound or {}), setting: value}
                continue
            fields |= {way.field: value} if way.field else {}
            arguments |= {way.argument: value} if way.argument else {}
        if in_pipeline:
            arguments["pipeline_kwargs"] = {**(kwargs.get("pipeline_kwargs") or {}), **in_pipeline}
        model = _with_fields(self._model, fields)
        return Prepared(model, arguments, sent, dict(vars(model)) if fields else {})

    def _special(self, setting: str, value: Any, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The fields for a setting that takes several; none where the model does not take it."""
        words = self._words
        if setting in words.left_out:
            return {}
        found = (
            effort_fields(self._model, value, fields)
            if setting == "reasoning_effort"
            else logprob_fields(self._model, value)
        )
        if isinstance(found, str):
            words.left_out[setting] = found
            return {}
        return found

    def learn(self, error: Exception, call: Prepared) -> bool:
        """Whether an error refuses a setting, so that the call is to be made without it."""
        # "n" is a word of prose; whoever asks for several replies sees to its refusal
        told = {name: value for name, value in call.sent.items() if name != "n"}
        setting = refused_setting(error, told)
        if setting is None:
            return False
        lower = self._wish.instead.get(setting, call.sent[setting])
        if lower != call.sent[setting]:
            self._wish.settings = {**self._wish.settings, setting: lower}
        else:
            self._words.learn(setting, error)
        return True

    def give_back(self, call: Prepared) -> None:
        """Let the model have what its copy has changed: counters, and clients made when needed."""
        changed = vars(call.model).items()
        its = {name: one for name, one in changed if call.state.get(name) is not one}
        vars(self._model).update(its)

    def _leave_out(self, setting: str, value: Any) -> None:
        words, wish = self._words, self._wish
        if setting == "logprobs" or (setting in _NEVER_NEEDED and setting not in words.refused):
            return  # whoever wants them says that there are none
        name = model_name(self._model)
        reason = words.left_out.get(setting, "it has no word for it")
        if given := wish.given.get(setting):
            wish.error = ConfigError(
                f"{given} is {value!r}, which the model {name} does not take ({reason}); "
                "allowed: null, which leaves it to the model"
            )
            raise wish.error
        with words.lock:
            if setting in words.told:
                return
            words.told.add(setting)
        if wish.tell is not None:
            wish.tell(setting, value, name, reason)
        warnings.warn(
            f"{setting} = {value!r} is not sent to the model {name}, which does not take it "
            f"({reason})",
            UserWarning,
            stacklevel=2,
        )


class Late(Runnable[Any, Any]):
    """A model that the configuration of each call chooses."""

    def __init__(self, model: Any, wish: Wish) -> None:
        self._model, self._wish = model, wish

    def invoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        """Ask the model that is chosen, blocking."""
        model, config = self._chosen(config)
        return model.invoke(input, config, **kwargs)

    async def ainvoke(self, input: Any, config: Any = None, **kwargs: Any) -> Any:
        """Ask the model that is chosen, awaited."""
        model, config = self._chosen(config)
        return await model.ainvoke(input, config, **kwargs)

    def _chosen(self, config: Any) -> tuple[Runnable[Any, Any], Any]:
        config = ensure_config(config)
        if isinstance(self._model, DynamicRunnable):
            model, config = self._model.prepare(config)
        else:
            own = {k: v for k, v in config["configurable"].items() if not _is_of_langgraph(k)}
            model = self._model._model({**config, "configurable": own})
        return adapted(model, self._wish, words_of(self._model)), config


def as_message(reply: Any, model: Any) -> AIMessage:
    """What a model has replied, as a message.

    Raises:
        ConfigError: it is neither a message nor a text.
    """
    if isinstance(reply, AIMessage):
        return reply
    if isinstance(reply, str):
        return AIMessage(reply)
    if isinstance(reply, BaseMessage):
        return AIMessage(reply.content, response_metadata=reply.response_metadata)
    raise ConfigError(
        f"the model {model_name(model)} returns a {type(reply).__name__}, "
        "allowed a message or a text"
    )


# What is inside a model
def _with_fields(model: Any, fields: dict[str, Any]) -> Any:
    """A copy of the model with other fields, that shares all else with it."""
    if not fields:
        return model
    other = model.model_copy(update=fields)
    object.__setattr__(other, "__pydantic_private__", model.__pydantic_private__)
    return other


def _copied(wrapper: Any, **parts: Any) -> Runnable[Any, Any]:
    """A wrapper around other parts, which are not checked: that takes longer than all else."""
    other: Runnable[Any, Any] = copy(wrapper)
    vars(other).update(parts)
    return other


def _bound(model: Any) -> Any:
    """What `bind`, `with_config`, `with_retry`, or a wrapper of one's own, is around."""
    return getattr(model, "__dict__", {}).get("bound")


def _of_transformers(setting: str, value: Any) -> dict[str, Any]:
    if setting == "max_tokens":
        return {"max_new_tokens": value}
    return {"do_sample": True, "temperature": value} if value else {"do_sample": False}


def models_in(model: Any) -> list[Any]:
    """The chat models that a model is made of, each as far as it is known before a call."""
    if isinstance(model, BaseLanguageModel | DynamicRunnable) or makes_models(model):
        return [model]
    if isinstance(bound := _bound(model), Runnable):
        return models_in(bound)
    if isinstance(model, RunnableWithFallbacks):
        return models_in(model.runnable)
    steps = model.steps if isinstance(model, RunnableSequence) else []
    return [one for step in steps for one in models_in(step)]


def _is_of_langgraph(name: str) -> bool:
    """Whether a configurable key tells LangGraph, or its server, where a run belongs."""
    return name in _PLACES or name.startswith(("__", "checkpoint_", "langgraph_", "x-"))


_PLACES = {"thread_id", "run_id", "task_id", "graph_id", "assistant_id", "user_id"}
