"""Tokens that only a chat template writes, and text in which none of them can come up."""

from __future__ import annotations

import copy
import json
import re
import secrets
import weakref
from collections.abc import Iterable, Sequence
from typing import Any

from mctsr_graph.errors import ConfigError

_HTML = re.compile(
    r"(?i)</?(?:a|b|blockquote|br|caption|code|div|em|h[1-6]|hr|i|img|li|ol|p|pre|s|span|strong"
    r"|sub|sup|table|tbody|td|tfoot|th|thead|tr|u|ul)>"
)
_BRACKETED = re.compile(r"[<\[{◁【|｜].*[>\]}▷】|｜]", re.DOTALL)
_ADDED: weakref.WeakKeyDictionary[Any, tuple[int, dict[int, Any]]] = weakref.WeakKeyDictionary()
_KNOWN: weakref.WeakKeyDictionary[Any, dict[Any, ControlTokens]] = weakref.WeakKeyDictionary()


def added_tokens(tokenizer: Any) -> dict[int, Any]:
    """The added tokens of a tokenizer by id; some have thousands, so they are asked for once."""
    size, found = _ADDED.get(tokenizer, (-1, {}))
    if size != len(tokenizer):
        size, found = len(tokenizer), dict(tokenizer.added_tokens_decoder)
        _ADDED[tokenizer] = size, found
    return found


def control_tokens(tokenizer: Any, template: str, written: Iterable[int] = ()) -> ControlTokens:
    """The control tokens of a tokenizer with that template; found once.

    Args:
        tokenizer: Of transformers.
        template: The source of the chat template.
        written: Ids of a prompt without any text, by which what a template puts together from
            parts ("<|" + role + "|>") counts, too.

    Needs `TOKENIZER_LOCK`.
    """
    known = _KNOWN.setdefault(tokenizer, {})
    added = added_tokens(tokenizer)
    more = frozenset(i for i in written if i in added and _has_letters(str(added[i].content)))
    key = (template, len(added), more)
    if key not in known:
        known[key] = ControlTokens(tokenizer, _contents(tokenizer, template, more))
    return known[key]


def _contents(tokenizer: Any, template: str, written: frozenset[int]) -> dict[int, str]:
    """Control tokens by id: special ones, those in the template, and all that look like one.

    Added tokens for runs of spaces, words and HTML are text of anyone.
    """
    every_added = added_tokens(tokenizer).items()
    added = {i: str(token.content) for i, token in every_added}
    flagged = {i for i, token in every_added if token.special}
    special = {*flagged, *tokenizer.all_special_ids}
    every = {**{i: str(tokenizer.convert_ids_to_tokens(i)) for i in special}, **added}
    found = {}
    for i, content in every.items():
        bracketed = _BRACKETED.fullmatch(content.strip()) and not _HTML.fullmatch(content)
        if _has_letters(content) and (
            i in special or i in written or content in template or bracketed
        ):
            found[i] = content
    unknown = tokenizer.unk_token_id  # comes of characters that have no token
    others = {tokenizer.eos_token_id, tokenizer.bos_token_id, tokenizer.pad_token_id}
    if unknown in found and unknown not in others and found[unknown] not in template:
        del found[unknown]
    return found


def _has_letters(content: str) -> bool:
    return any(character.isalnum() for character in content)


class ControlTokens:
    """Knows a tokenizer's control tokens, and encodes text without them.

    Attributes:
        contents: How they are spelled, by id.
        edges: The characters other than letters with which they begin or end.
    """

    def __init__(self, tokenizer: Any, contents: dict[int, str]) -> None:
        self._tokenizer = weakref.ref(tokenizer)
        self.contents = contents
        ends = {c for text in contents.values() for c in (text.strip()[:1], text.strip()[-1:])}
        self.edges = frozenset(c for c in ends if not c.isalnum())
        self._plain: dict[bool, Any] = {}

    def of(self, ids: Sequence[int]) -> list[int]:
        """The control tokens among ids, in order."""
        return [i for i in ids if i in self.contents]

    def may_hold(self, text: str) -> bool:
        """Whether a text has anything of which a part of a control token could be made."""
        return any(edge in text for edge in self.edges)

    def text_ids(self, text: str, *, first: bool = False) -> list[int]:
        """Ids of a text, in which no control token is, however it is spelled.

        Args:
            text: Anything.
            first: Whether the prompt begins with it.

        Raises:
            ConfigError: A single character is a control token.
        """
        ids = self._encoded(text, first)
        if not self.of(ids):
            return ids
        ids = [i for character in text for i in self._encoded(character, False)]
        if self.of(ids):
            names = sorted({self.contents[i] for i in self.of(ids)})
            raise ConfigError(f"the tokenizer has no way to write {names} as text")
        return ids

    def _encoded(self, text: str, first: bool) -> list[int]:
        tokenizer: Any = self._tokenizer()
        if not getattr(tokenizer, "is_fast", False):
            pieces = tokenizer._tokenize(text)  # the part that knows no added tokens
            return list(tokenizer.convert_tokens_to_ids(pieces))
        if first not in self._plain:
            self._plain[first] = _plain_tokenizer(tokenizer, self.contents, first)
        return list(self._plain[first].encode(text, add_special_tokens=False).ids)


def _plain_tokenizer(tokenizer: Any, gone: dict[int, str], first: bool) -> Any:
    """A copy of the Rust tokenizer in which the names of some tokens can never be spelled.

    They are renamed, not left out: ids go by place.
    """
    from tokenizers import Tokenizer

    spec = json.loads(tokenizer.backend_tokenizer.to_str())
    secret = secrets.token_hex(16)
    names = {i: f"\U0010fffe{secret}{i}" for i in gone}
    for token in spec["added_tokens"]:
        if token["id"] in names:
            token["content"] = names[token["id"]]
    for part in ("truncation", "padding", "post_processor"):
        spec[part] = None
    _rename(spec["model"], names)
    if not first:  # the space that some put before a prompt stands at its beginning only
        spec = _changed(spec, "prepend_scheme", "first", "never")
    return Tokenizer.from_str(json.dumps(spec))


def _rename(model: dict[str, Any], names: dict[int, str]) -> None:
    vocabulary = model["vocab"]
    if isinstance(vocabulary, list):  # Unigram: the place is the id
        for i, name in names.items():
            if i < len(vocabulary):
                vocabulary[i][0] = name
        return
    new = {piece: names[i] for piece, i in vocabulary.items() if i in names}
    model["vocab"] = {new.get(piece, piece): i for piece, i in vocabulary.items()}
    if model.get("unk_token") in new:
        model["unk_token"] = new[model["unk_token"]]
    if "merges" in model:
        pairs = [m.split(" ", 1) if isinstance(m, str) else m for m in model["merges"]]
        kept = [not {a, b, a + b} & new.keys() for a, b in pairs]
        model["merges"] = [m for m, keep in zip(model["merges"], kept, strict=True) if keep]


def _changed(value: Any, name: str, old: Any, new: Any) -> Any:
    """A copy of JSON in which a field has another value wherever it is found."""
    if isinstance(value, list):
        return [_changed(each, name, old, new) for each in value] if _is_nested(value) else value
    if not isinstance(value, dict):
        return copy.copy(value)
    told = {
        k: v if k in ("vocab", "merges") else _changed(v, name, old, new) for k, v in value.items()
    }
    return {**told, name: new} if told.get(name) == old else told


def _is_nested(value: list[Any]) -> bool:
    return any(isinstance(each, dict | list) for each in value)
