"""What tells one model, judge or strategy from another: its class, its fields, its code.

A label is a JSON value. It holds no key and no password, and stays the same from process to
process. Something whose state cannot be read is told from others by a random text, which it keeps
as long as it lives in this process. An object may say itself what tells it from others of its
class, by a method `label_parts` that returns a dict.
"""

from __future__ import annotations

import datetime
import functools
import hashlib
import json
import re
import uuid
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from itertools import compress
from operator import attrgetter, itemgetter
from pathlib import PurePath
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    MethodDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from langchain_core.language_models import BaseLanguageModel
from langchain_core.runnables import RunnableGenerator, RunnableLambda
from langchain_core.runnables.base import RunnableBindingBase
from pydantic import BaseModel, SecretBytes, SecretStr

from mctsr_graph.calls import effort


class Label(NamedTuple):
    """What tells a thing from others."""

    value: Any
    """A JSON value; a random one where the thing cannot be told."""
    opaque: str = ""
    """Why the thing cannot be told from others; "" where it can."""


class _OpaqueError(Exception):
    """Something cannot be told from others."""


class _Empty:
    """Its instances are as large as those of every class that hides no state."""


def label_of(thing: Any) -> Label:
    """The label of a model, a chain, a judge, a function or a strategy; None has an empty one."""
    if thing is None:
        return Label(None)
    try:
        return Label(_told(thing, frozenset()))
    except _OpaqueError as error:
        return Label(["opaque", _random_text(thing)], str(error))
    except RecursionError:
        return Label(["opaque", _random_text(thing)], f"{_name(type(thing))} is nested too deeply")


_Kept = dict[int, tuple[weakref.ref[Any], Any]]
_random_texts: _Kept = {}
_first_fields: _Kept = {}


def _kept(kept: _Kept, thing: Any, make: Callable[[], Any]) -> Any:
    """What is made of an object once; of one that cannot be watched, each time."""
    known = kept.get(id(thing))
    if known is not None and known[0]() is thing:
        return known[1]
    made = make()
    with suppress(TypeError):  # of what cannot be watched
        forget = functools.partial(kept.pop, id(thing), None)
        kept[id(thing)] = (weakref.ref(thing, lambda _: forget()), made)
    return made


def _random_text(thing: Any) -> str:
    """A text that this object keeps; one that cannot be watched gets another each time."""
    if isinstance(thing, MethodType):  # made anew whenever it is asked for
        return f"{_random_text(thing.__self__)} {thing.__qualname__}"
    if hasattr(type(thing), "label_parts"):
        return " ".join(_random_text(part) for part in thing.label_parts().values())
    text: str = _kept(_random_texts, thing, lambda: uuid.uuid4().hex)
    return text


# The values that a label is made of, by their type ------------------------------------------------
Inside = frozenset[int]
"""The ids of what is being described, for things that hold themselves."""


@functools.singledispatch
def _told(value: Any, inside: Inside) -> Any:
    """An object: its class with its code, and its fields."""
    kind = type(value)
    if id(value) in inside:
        return ["again", _name(kind)]
    inside |= {id(value)}
    parts = _parts_of(value)
    if parts is not None:
        return [_told(kind, inside), _dict(parts, inside)]
    # Larger instances hold what cannot be seen: the state of C code, or slots
    if kind.__basicsize__ > _Empty.__basicsize__ or not hasattr(value, "__dict__"):
        raise _OpaqueError(f"the state of a {_name(kind)} cannot be read")
    return [_told(kind, inside), _dict(vars(value), inside)]


@_told.register(type(None))
@_told.register(bool)
@_told.register(int)
@_told.register(float)
@_told.register(str)
def _plain(value: Any, inside: Inside) -> Any:
    return value


@_told.register(bytes)
@_told.register(complex)
@_told.register(range)
@_told.register(Decimal)
@_told.register(Fraction)
@_told.register(PurePath)
@_told.register(datetime.date)
@_told.register(datetime.time)
@_told.register(datetime.timedelta)
@_told.register(uuid.UUID)
@_told.register(re.Pattern)
def _by_repr(value: Any, inside: Inside) -> Any:
    return [type(value).__name__, repr(value)]


@_told.register
def _enum(value: Enum, inside: Inside) -> Any:
    return [_name(type(value)), value.name]


@_told.register(tuple)
@_told.register(list)
def _sequence(value: Any, inside: Inside) -> Any:
    return [type(value).__name__, *(_told(part, inside) for part in value)]


@_told.register(set)
@_told.register(frozenset)
def _set(value: Any, inside: Inside) -> Any:
    return ["set", *sorted((_told(part, inside) for part in value), key=json.dumps)]


@_told.register(Mapping)
@_told.register(dict)
def _dict(value: Mapping[Any, Any], inside: Inside) -> Any:
    pairs = [
        [_told(key, inside), ["secret"] if _is_secret(key, part) else _told(part, inside)]
        for key, part in value.items()
    ]
    return ["dict", *sorted(pairs, key=lambda pair: json.dumps(pair[0]))]


@_told.register
def _module(value: ModuleType, inside: Inside) -> Any:
    return ["module", value.__name__]


@_told.register
def _secret(value: SecretStr | SecretBytes, inside: Inside) -> Any:
    return ["secret"]


@_told.register
def _getter(value: itemgetter | attrgetter, inside: Inside) -> Any:  # type: ignore[type-arg]
    return [type(value).__name__, _told(value.__reduce__()[1], inside)]


@_told.register
def _slot(value: MethodDescriptorType, inside: Inside) -> Any:
    return ["function", f"builtins:{value.__qualname__}"]


@_told.register
def _builtin(value: BuiltinFunctionType, inside: Inside) -> Any:
    owner = value.__self__
    if owner is None or isinstance(owner, ModuleType):
        return ["function", _name(value)]
    return ["method", _told(owner, inside), value.__name__]


@_told.register
def _method(value: MethodType, inside: Inside) -> Any:
    return ["method", _told(value.__func__, inside), _told(value.__self__, inside)]


@_told.register
def _partial(value: functools.partial, inside: Inside) -> Any:  # type: ignore[type-arg]
    parts = (value.func, value.args, value.keywords)
    return ["partial", *(_told(part, inside) for part in parts)]


@_told.register
def _cached(value: functools._lru_cache_wrapper, inside: Inside) -> Any:  # type: ignore[type-arg]
    return _told(value.__wrapped__, inside)


@_told.register
def _function(value: FunctionType, inside: Inside) -> Any:
    """A function: its name, its code, and the values that it has taken along."""
    if _is_library(value):
        return ["function", _name(value)]
    if id(value) in inside:
        return ["again", _name(value)]
    inside |= {id(value)}
    held = [_content(cell) for cell in value.__closure__ or ()]
    held += [*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()]
    return [
        *("function", _name(value), _digest(_code(value.__code__))),
        *(_unchanging(one, _name(value), inside) for one in held),
    ]


@_told.register
def _class(value: type, inside: Inside) -> Any:
    """A class: its name, and where it is a user's own, its code and that of its bases."""
    if id(value) in inside:
        return ["again", _name(value)]
    inside |= {id(value)}
    own = [base for base in value.__mro__ if not _is_library(base)]
    members = [[name, one] for base in own for name, one in _members_of(base, inside)]
    return ["class", _name(value), *([_digest(members)] if members else [])]


@_told.register
def _model(value: BaseLanguageModel, inside: Inside) -> Any:  # type: ignore[type-arg]
    """A chat model: its class, its name and its server's address, and what it says itself."""
    own = _parts_of(value)
    own = _made_with(value) if own is None else own
    parts = [_dict(own, inside)] if own else []
    return ["model", _name(type(value)), *_name_and_address(value), *parts]


@_told.register
def _chain(value: RunnableBindingBase, inside: Inside) -> Any:  # type: ignore[type-arg]
    """What is bound, with its arguments; retries and tags change no reply."""
    bound = _told(value.bound, inside)
    return ["bound", bound, _dict(value.kwargs, inside)] if value.kwargs else bound


@_told.register
def _pydantic(value: BaseModel, inside: Inside) -> Any:
    """A chain, a prompt, a parser, ...: its class and its fields."""
    shown = [name for name, field in type(value).model_fields.items() if field.repr is not False]
    known = {name: getattr(value, name) for name in shown if name not in _DECORATION}
    given = {name: one for name, one in known.items() if one is not None}
    return [_told(type(value), inside), _dict(given, inside)]


# Names and fields ---------------------------------------------------------------------------------
_DECORATION = {
    *("name", "tags", "metadata", "callbacks", "verbose", "cache", "config", "config_factories"),
    *("input_types", "custom_input_type", "custom_output_type"),
}
"""Fields of LangChain's classes that change no reply."""
_OF_CALLS = {"timeout", "request_timeout", "max_retries", "streaming", "latency", "temperature"}
"""Fields of chat models that change no reply, or that the identity of a search sees to."""
_OF_REPLIES = {
    *("top_p", "top_k", "min_p", "frequency_penalty", "presence_penalty", "repetition_penalty"),
    *("verbosity", "model_kwargs", "extra_body", *effort.NAMES),
}
"""Fields of a library's chat models that change what they reply."""
_OF_LAMBDAS = {"func", "afunc", "_transform", "_atransform"}
_NAMES = ("model_name", "model", "model_id")
_MORE_NAMES = ("deployment_name", "gguf_file", "revision")
_LIBRARIES = re.compile(r"mctsr_graph\b|langchain|langgraph|pydantic")
_ROOTS = {"builtins", "abc", "typing", "typing_extensions", "enum"}
_SECRET = re.compile(r"(^|_)(api_?key|key|password|secret|token)$")
_ADDRESS = re.compile(r"(^|_)(url|api_base|endpoint|host|server)$")


def _name(thing: Any) -> str:
    """The name of a class or function; a library may move it from module to module."""
    module = getattr(thing, "__module__", None) or ""
    place = module.partition(".")[0] if _is_library(thing) else module
    return f"{place}:{getattr(thing, '__qualname__', type(thing).__qualname__)}"


def _is_library(thing: Any) -> bool:
    """Whether it is code that a user did not write, which a new version may reword."""
    module = getattr(thing, "__module__", None) or "builtins"
    of_python = module in _ROOTS and not isinstance(thing, FunctionType)
    return of_python or _LIBRARIES.match(module) is not None


def _is_secret(key: Any, value: Any) -> bool:
    """Whether a text is a key or a password, by its name."""
    return isinstance(value, str) and isinstance(key, str) and _SECRET.search(key) is not None


def _name_and_address(model: Any) -> Iterator[str]:
    texts = [getattr(model, name, None) for name in (*_NAMES, *_MORE_NAMES)]
    names = [one for one in texts[: len(_NAMES)] if isinstance(one, str)]
    yield from [*names[:1], *(one for one in texts[len(_NAMES) :] if isinstance(one, str))]
    # `base_url` of OpenAI's client may come from the environment, and then stands in no field
    addresses = [getattr(getattr(model, "root_client", None), "base_url", None)]
    addresses += _of_ollama(model)
    for name in type(model).model_fields:
        given = getattr(model, name)
        if isinstance(given, BaseLanguageModel):
            yield from _name_and_address(given)
        elif _ADDRESS.search(name):
            addresses.append(given)
    is_url = (isinstance(one, str) or "url" in type(one).__name__.lower() for one in addresses)
    yield from (_address(str(one)) for one in compress(addresses, is_url))


def _of_ollama(model: Any) -> list[Any]:
    """The address of a client that takes it from the environment and that keeps httpx's inside."""
    private = getattr(model, "__pydantic_private__", None) or {}
    inner = getattr(private.get("_client"), "_client", None)
    return [getattr(inner, "base_url", None)] if getattr(model, "base_url", "") is None else []


def _made_with(model: BaseLanguageModel) -> dict[str, Any]:  # type: ignore[type-arg]
    """What a chat model was given that changes its replies; of a class of one's own, plain values.

    Names and addresses are told already.
    """
    names = model.model_fields_set - {*_NAMES, *_MORE_NAMES, *_DECORATION, *_OF_CALLS}
    given = {name: getattr(model, name) for name in names}
    if _is_library(type(model)):
        return {name: one for name, one in given.items() if name in _OF_REPLIES and one}
    told = {
        name: one
        for name, one in given.items()
        if isinstance(one, bool | int | float | str)
        and not (_ADDRESS.search(name) or _is_secret(name, one))
    }
    first: dict[str, Any] = _kept(_first_fields, model, lambda: told)  # it may count its calls
    return first


def _address(text: str) -> str:
    """An address without the user, the password and the query, where keys stand."""
    parts = urlsplit(text)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")


def _parts_of(value: Any) -> Mapping[str, Any] | None:
    """What an object says that it consists of; fields that are not shown may be secrets."""
    if hasattr(type(value), "label_parts"):
        parts: Mapping[str, Any] = value.label_parts()
        return parts
    if isinstance(value, RunnableLambda | RunnableGenerator):
        return {name: one for name, one in vars(value).items() if name in _OF_LAMBDAS}
    if is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in fields(value) if field.repr}
    return None


# Code ---------------------------------------------------------------------------------------------
_GENERATED = {"__repr__", "__eq__", "__hash__", "__setattr__", "__delattr__", "__replace__"}
"""Methods that decide nothing, and that `dataclass` writes."""


def _members_of(base: type, inside: Inside) -> Iterator[tuple[str, Any]]:
    """The functions of a class, and its constants."""
    params = getattr(base, "__dataclass_params__", None)
    skipped = _GENERATED | ({"__init__"} if params is not None and params.init else set())
    for name, member in sorted(vars(base).items()):
        functions = [one for one in _functions_of(member) if name not in skipped]
        if functions:
            yield name, [_told(one, inside) for one in functions]
        elif isinstance(member, bool | int | float | str) and not name.startswith("__"):
            yield name, member


def _functions_of(member: Any) -> list[FunctionType]:
    names = ("fget", "fset", "func", "__func__", "__wrapped__")
    found = [member, *(getattr(member, name, None) for name in names)]
    return [one for one in found if isinstance(one, FunctionType)]


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


def _unchanging(value: Any, owner: str, inside: Inside) -> Any:
    """What a function holds: a list there is a memory rather than a value."""
    if isinstance(value, list | dict | set | bytearray):
        raise _OpaqueError(f"{owner} holds a {type(value).__name__}, which may change")
    return _told(value, inside)


def _code(code: CodeType) -> list[Any]:
    """What the code does, without where it stands."""
    return [code.co_code.hex(), code.co_names, code.co_argcount, [*map(_const, code.co_consts)]]


def _const(value: Any) -> Any:
    if isinstance(value, CodeType):
        return _code(value)
    if isinstance(value, tuple | frozenset):
        parts: list[Any] = [_const(part) for part in value]
        return parts if isinstance(value, tuple) else sorted(parts, key=json.dumps)
    return repr(value)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
