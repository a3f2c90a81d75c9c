"""A grammar of calls of tools, in the words of a family, for the grammar library's Lark."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mctsr_graph.models.grammar import Terms, as_term, json_rule
from mctsr_graph.models.marked import quoted
from mctsr_graph.models.tool_formats import Pairs, ToolFormat
from mctsr_graph.models.tool_values import Schemas, kinds_of, resolved

_COUNTED = 1000  # most characters of a text that are counted
_CHARACTER = "(?s:.)"
_QUOTED = r'([^"\\\x00-\x1f]|\\["\\nrt])'  # what means the same in Python and in JSON


def call_grammar(
    written: ToolFormat, schemas: Schemas, tool: str | None, terms: Terms, *, several: bool = False
) -> str:
    """What may come behind the lead of a call, up to the end of its arguments.

    Args:
        written: How the family writes calls.
        schemas: Of the tools' arguments, by name.
        tool: The one that is named already; None: the call names any of them.
        terms: Tells the family's special tokens from text.
        several: Whether more calls may follow; then what closes the last one comes, too.
    """
    rules: list[str] = []
    begins: dict[str, str] = {}
    for i, name in enumerate(schemas if several or tool is None else [tool]):
        arguments = _Arguments(f"t{i}", schemas[name], written.pairs, terms)
        begins[name] = arguments.name
        rules += arguments.rules()
    behind = _numbered(written.after, terms)
    named = (" ".join([as_term(name), *behind, begun]) for name, begun in begins.items())
    start = ["call" if tool is None else begins[tool]]
    if several and written.again is not None:
        start += ["(", *_numbered(written.again, terms), "call", ")*", *terms(written.close)]
    return "\n".join([f"start: {' '.join(start)}", f"call: {' | '.join(named)}", *rules])


def _numbered(text: str, terms: Terms) -> list[str]:
    """A text that a family writes as terms, with any number for `{n}`."""
    first, *others = map(terms, text.split("{n}"))
    return [*first, *(term for other in others for term in ("/[0-9]{1,3}/", *other))]


class _Arguments:
    """The rules of the arguments of one tool, the first of which has its name."""

    def __init__(
        self, name: str, schema: Mapping[str, Any], pairs: Pairs | None, terms: Terms
    ) -> None:
        self.name, self._schema, self._pairs, self._terms = name, schema, pairs, terms

    def rules(self) -> list[str]:
        """In Lark."""
        if self._pairs is None:
            return [f"{self.name}: {json_rule(self._schema or {'type': 'object'})}"]
        keys = list(self._schema.get("properties") or {})
        return [
            f"{self.name}: {self.name}_0_first",
            *(rule for at, key in enumerate(keys) for rule in self._pair(self._pairs, at, key)),
            *(f'{self.name}_{len(keys)}_{state}: ""' for state in ("first", "more")),
        ]

    def _pair(self, pairs: Pairs, at: int, key: str) -> list[str]:
        """One argument and the next ones, where none is written yet and where one is."""
        told = resolved(self._schema["properties"][key], self._schema)
        kinds = kinds_of(told, self._schema)
        is_text = not kinds or "string" in kinds
        middle = pairs.middle.replace("{text}", str(is_text).lower())
        pair, after = f"{self.name}_{at}", f"{self.name}_{at + 1}"
        first = [*self._terms(pairs.begin), as_term(key), *self._terms(middle)]
        value = self._text(f"{pair}_text", self._of_text(told)) if is_text else self._json(told)
        is_needed = key in (self._schema.get("required") or ())
        found = [f"{pair}: {' '.join(first)} {value[0]}", *value[1:]]
        for state, joint in (("first", []), ("more", self._terms(pairs.joint))):
            without = "" if is_needed else f" | {after}_{state}"
            found.append(f"{pair}_{state}: {' '.join([*joint, pair])} {after}_more{without}")
        return found

    def _json(self, told: Mapping[str, Any]) -> list[str]:
        assert self._pairs is not None
        more = {k: self._schema[k] for k in ("$defs", "definitions") if k in self._schema}
        return [" ".join([json_rule({**more, **told}), *self._terms(self._pairs.end)])]

    def _of_text(self, told: Mapping[str, Any]) -> Mapping[str, Any]:
        """What speaks of texts, where an argument may be of several types."""
        parts = (*told.get("anyOf", ()), *told.get("oneOf", ()))
        texts = (part for part in parts if "string" in kinds_of(part, self._schema))
        return resolved(next(texts, told), self._schema)

    def _text(self, name: str, told: Mapping[str, Any]) -> list[str]:
        """A text and what ends it; more rules that this takes."""
        assert self._pairs is not None
        quote, begun = self._pairs.quote, self._terms(self._pairs.quote)
        known = told.get("enum", [told["const"]] if "const" in told else None)
        if known is not None:
            words = [one for one in known if isinstance(one, str)]
            words = [quoted(one) if quote == '"' else one for one in words]
            ended = self._terms(quote + self._pairs.end)
            return [" ".join([*begun, f"({' | '.join(map(as_term, words))})", *ended])]
        least, most = told.get("minLength", 0), told.get("maxLength", "")
        most = "" if most and most > _COUNTED else most
        if quote == '"':
            return [f"/{quote}{_QUOTED}{{{least},{most}}}{quote}/"]
        end, *rest = self._terms(quote + self._pairs.end)
        if end.startswith('"'):  # a text may hold anything but its end
            lexeme = f"{name}[suffix={end}]: /{_CHARACTER}{{{least},{most}}}/"
            return [" ".join([*begun, name, *rest]), lexeme]
        optional = "" if least else "?"
        text = f"/{_CHARACTER}{{{least or 1},{most}}}/{optional}"
        return [" ".join([*begun, text, end, *rest])]
