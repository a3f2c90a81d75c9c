"""Answers that cannot be anything but JSON of a schema, by the grammar library llguidance."""

from __future__ import annotations

import json
import re
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from mctsr_graph.errors import ConfigError, MissingExtraError
from mctsr_graph.models.control_tokens import added_tokens
from mctsr_graph.models.engine.protocol import EngineError
from mctsr_graph.text.packages import install_line

_FORMS = (
    '{"type": "json_schema", "json_schema": {"schema": ...}}, {"type": "json_object"}, '
    '{"type": "text"}'
)
# Else a weak model may write spaces until it is cut off
_SPACES: dict[str, Any] = {"whitespace_pattern": r"[\x20\x0A\x0D\x09]{0,20}"}
_SPEAKS_OF_KEYS = {"additionalProperties", "patternProperties", "unevaluatedProperties", "allOf"}
_LITERAL = {"enum", "const", "default", "examples", "allOf"}
_TOKENIZERS: weakref.WeakKeyDictionary[Any, dict[Any, Any]] = weakref.WeakKeyDictionary()


Terms = Callable[[str], list[str]]
"""What a family writes itself as terms of a grammar: quoted texts, and special tokens by id."""


def is_there() -> bool:
    """Whether the grammar library is installed."""
    return find_spec("llguidance") is not None


def schema_of(response_format: dict[str, Any]) -> dict[str, Any] | None:
    """The schema that a response format asks for; None for text.

    Raises:
        ConfigError: It is none of those that are known.
    """
    kind, told = response_format.get("type"), response_format.get("json_schema")
    if kind == "text":
        return None
    if kind == "json_object":
        return {"type": "object"}
    schema = told.get("schema") if isinstance(told, dict) else None
    if kind != "json_schema" or not isinstance(schema, dict):
        raise ConfigError(f"response_format is {response_format!r}; allowed {_FORMS}")
    return schema


def as_term(text: str) -> str:
    """A text as a term of a rule."""
    return json.dumps(text, ensure_ascii=False)


def json_rule(schema: Mapping[str, Any]) -> str:
    """JSON of a schema, as a term of a rule."""
    return f"%json {json.dumps({**_closed(dict(schema)), 'x-guidance': _SPACES})}"


class Grammar:
    """What an answer is kept to, for the tokens of a tokenizer.

    Args:
        tokenizer: Of transformers; one of the fast ones.
        size: How many scores a model gives.
        ends: Ids that end an answer.
        rules: Given how texts are written as terms, it gives rules in Lark.

    Raises:
        MissingExtraError: The library is missing.
        ConfigError: A schema holds what the library does not know, or the tokenizer is slow.
    """

    def __init__(
        self, tokenizer: Any, size: int, ends: Iterable[int], rules: Callable[[Terms], str]
    ) -> None:
        if not is_there():
            raise MissingExtraError(f"response_format needs llguidance: {install_line('grammar')}")
        matcher = import_module("llguidance").LLMatcher
        self._matcher, self._ends = matcher, sorted(ends)
        self._tokenizer = _tokenizer(tokenizer, size, self._ends)
        self._grammar = matcher.grammar_from_lark(rules(self._terms(tokenizer)))
        wrong, told = matcher.validate_grammar_with_warnings(self._grammar, self._tokenizer)
        if wrong:
            raise ConfigError(f"a schema of response_format or a tool cannot be kept: {told[0]}")

    def _terms(self, tokenizer: Any) -> Terms:
        tokens = {str(token.content): i for i, token in added_tokens(tokenizer).items()}
        special = {text: i for text, i in tokens.items() if self._tokenizer.is_special_token(i)}
        either = re.compile(f"({'|'.join(map(re.escape, special)) or '(?!)'})")

        def terms(text: str) -> list[str]:
            parts = filter(None, either.split(text))
            return [f"<[{special[p]}]>" if p in special else as_term(p) for p in parts]

        return terms

    def keeper(
        self, start: int, waits: Callable[[Sequence[int]], bool] | None = None
    ) -> GrammarKeeper:
        """A logits processor for one sample.

        Args:
            start: How many tokens come before the answer.
            waits: Told the newest tokens, it says whether the answer has not begun yet.
        """
        matcher = self._matcher(self._tokenizer, self._grammar, log_level=0)
        return GrammarKeeper(matcher, self._ends, start, waits)


class GrammarKeeper:
    """Leaves one sample only tokens with which its answer can go on."""

    def __init__(
        self,
        matcher: Any,
        ends: Sequence[int],
        start: int,
        waits: Callable[[Sequence[int]], bool] | None,
    ) -> None:
        self._matcher, self._ends, self._seen, self._waits = matcher, list(ends), start, waits

    def __call__(self, ids: Any, scores: Any) -> Any:
        """Scores, minus infinity where no answer goes on; the same twice for the same ids."""
        new = ids[0, self._seen :].tolist()
        self._seen += len(new)
        if self._waits is not None:
            if self._waits(new):
                kept = scores.clone()
                kept[:, self._ends] = -float("inf")  # it may not end before it has answered
                return kept
            self._waits, new = None, []  # the grammar begins behind what has been thought
        if new:
            self._matcher.consume_tokens(new)
        if self._matcher.is_error():
            raise EngineError(f"the grammar was left: {self._matcher.get_error()}")
        return scores.masked_fill(~self._allowed(scores), -float("inf"))

    def _allowed(self, scores: Any) -> Any:
        import torch

        size = scores.shape[-1]
        if self._matcher.is_stopped():
            allowed = torch.zeros(size, dtype=torch.bool)
            allowed[self._ends] = True
            return allowed.to(scores.device)
        words = torch.frombuffer(bytearray(self._matcher.compute_bitmask()), dtype=torch.int32)
        bits = (words[:, None] >> torch.arange(32, dtype=torch.int32)) & 1
        allowed = bits.flatten()[:size].bool()
        missing = size - len(allowed)
        allowed = torch.nn.functional.pad(allowed, (0, missing)) if missing > 0 else allowed
        return allowed.to(scores.device)


def _closed(schema: Any) -> Any:
    """The schema without keys that it does not name, unless it speaks of them.

    Parts of an `allOf` name each other's keys, so they stay open.
    """
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {k: v if k in _LITERAL else _closed(v) for k, v in schema.items()}
    if isinstance(schema.get("properties"), dict) and not schema.keys() & _SPEAKS_OF_KEYS:
        closed["additionalProperties"] = False
    return closed


def _tokenizer(tokenizer: Any, size: int, ends: Sequence[int]) -> Any:
    """The library's own form of a tokenizer, made once: it takes about a second."""
    from_tokenizer = import_module("llguidance.hf").from_tokenizer
    known = _TOKENIZERS.setdefault(tokenizer, {})
    key = (size, tuple(ends), len(tokenizer))
    if key not in known:
        try:
            known[key] = from_tokenizer(tokenizer, n_vocab=size, eos_token=list(ends))
        except ValueError as error:
            raise ConfigError(f"response_format cannot be kept with this tokenizer: {error}") from (
                error
            )
    return known[key]
