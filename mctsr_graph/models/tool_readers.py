"""Readers of calls of tools, one for each way of writing them.

A reader gets the text from the first mark on and gives the calls in it, in order; what is begun
as a call and is none comes as `Broken`. Marks count only where the format has them: a text among
the arguments may hold any of them.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from mctsr_graph.models.tool_scan import (
    IS_JSON,
    JOINTS,
    SPACES,
    Broken,
    Call,
    Found,
    Upto,
    before,
    behind,
    json_at,
    json_of,
)
from mctsr_graph.models.tool_tags import (
    DSML,
    FUNCTION,
    FUNCTION_WITHIN,
    FUNCTIONS,
    GLM,
    GLM_NAME,
    INVOKE,
    INVOKES,
    tagged,
)
from mctsr_graph.models.tool_values import CONSTANTS, Schemas

_MARKS = re.compile(
    r"</?(?:tool_calls?|function_calls|seed:tool_call|TOOLCALL)>|<\|/?tool_call\|>"
    r"|<\|(?:START|END)_ACTION\|>|<\|tool_call_(?:start|end)\|>|<\|python_(?:tag|start|end)\|>"
    r"|<\|action_(?:start|end)\|>|<\|plugin\|>|functools(?=\[)"
)
# A text of Python, up to the end of the line or of everything where it is not closed
_QUOTED = r"(?s:'{3}.*?(?:'{3}|\Z)|\"{3}.*?(?:\"{3}|\Z))"
_QUOTED += r"|'(?>(?:[^'\\\n]|\\.)*)'?|\"(?>(?:[^\"\\\n]|\\.)*)\"?"


def read_json(text: str, schemas: Schemas) -> Found:
    """JSON objects with a name and arguments, in lists or one after the other."""
    at, begins = 0, True  # whether a call has to stand there
    while (at := behind(JOINTS, text, at)) < len(text):
        if mark := _MARKS.match(text, at):
            at, begins = mark.end(), True
        elif text[at] in "{[":
            at, begins = (yield from _values(text, at)), False
        else:
            stop = before(_MARKS, text, at)
            if begins:
                yield Broken(text[at:stop].strip())
            at = stop


def _values(text: str, at: int, ends: re.Pattern[str] = _MARKS) -> Upto:
    """Calls in JSON, one after the other; what is none goes up to the next of `ends`."""
    while text.startswith(("{", "["), begin := behind(JOINTS, text, at)):
        if ends.match(text, begin):
            break
        value, at = json_at(text, begin)
        if value is ...:
            is_open, at = at == len(text), before(ends, text, at)
            yield Broken(text[begin:at].strip(), is_open)
            break
        for each in value if isinstance(value, list) else [value]:
            yield _of_json(each)
    return at


def _of_json(value: Any) -> Call | Broken:
    told = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict):
        return Broken(told)
    if isinstance(value.get("function"), dict):  # as in OpenAI's API
        value = value["function"]
    name = value.get("name", value.get("tool_name", value.get("function")))
    arguments: Any = value.get("arguments", value.get("parameters", value.get("args")))
    if isinstance(arguments, str):
        arguments = json_of(arguments)
    arguments = {} if arguments is None else arguments
    if not isinstance(name, str) or not isinstance(arguments, dict):
        return Broken(told)
    return Call(name, arguments)  # ids that models make up in JSON are the same in every turn


_TOOL_CALL = re.compile(r"</?tool_call>")


def read_tags(text: str, schemas: Schemas) -> Found:
    """`<tool_call>` of Hermes and Qwen, Qwen3-Coder and GLM, which write different things in it."""
    at = 0
    while (begin := text.find("<tool_call>", at)) >= 0:
        at = begin + len("<tool_call>")
        if IS_JSON.match(text, at):
            at = yield from _values(text, at)
        elif FUNCTION_WITHIN.match(text, at):
            while head := FUNCTION_WITHIN.match(text, at):
                at = yield from _function(text, head, schemas)
        elif (head := GLM_NAME.match(text, at)) and (head["pairs"] or head["name"] in schemas):
            at = yield from tagged(text, head, GLM, schemas)
        else:
            stop = before(_TOOL_CALL, text, at)
            yield Broken(text[at:stop].strip())
            at = stop


def read_functions(text: str, schemas: Schemas) -> Found:
    """`<function=NAME>` of Qwen3-Coder and Seed with parameters, of Llama 3.1 with JSON."""
    at = 0
    while head := FUNCTION.search(text, at):
        at = yield from _function(text, head, schemas)


def _function(text: str, head: re.Match[str], schemas: Schemas) -> Upto:
    if not IS_JSON.match(text, head.end()):
        return (yield from tagged(text, head, FUNCTIONS, schemas))
    value, at = json_at(text, head.end())
    if value is ...:
        yield Broken(text[head.start() : at], at == len(text))
    else:
        yield _of_json({"name": head["name"], "arguments": value})
    return at


def read_invocations(text: str, schemas: Schemas) -> Found:
    """`<invoke name="...">` of MiniMax M2 and DeepSeek V3.2, with ｜DSML｜ in its tags."""
    at = 0
    while head := INVOKE.search(text, at):
        at = yield from tagged(text, head, DSML if head["mark"] else INVOKES, schemas)


_TOOL_CALLS = re.compile(r"\[TOOL_CALLS\]")
_NAME_MISTRAL = re.compile(
    r"\s*(?P<name>[^\[{\s]+)\s*(?:\[CALL_ID\]\s*(?P<id>[^\[\s]+)\s*)?(?:\[ARGS\])?"
)


def read_mistral(text: str, schemas: Schemas) -> Found:
    """`[TOOL_CALLS]`: a list in JSON, or, since v11, a name, `[ARGS]` and JSON for each."""
    at = 0
    while mark := _TOOL_CALLS.search(text, at):
        at = behind(SPACES, text, mark.end())
        if text.startswith(("{", "["), at):
            at = yield from _values(text, at, _TOOL_CALLS)
            continue
        named = _NAME_MISTRAL.match(text, at)
        value, at = json_at(text, named.end()) if named else (..., at)
        is_open, stop = at == len(text), before(_TOOL_CALLS, text, at)
        if named and isinstance(value, dict):
            yield Call(named["name"], value, named["id"])
        elif told := text[mark.end() : stop].strip():
            yield Broken(told, is_open)
        at = stop


_DEEPSEEK = re.compile(
    r"<｜tool▁call▁begin｜>(?P<kind>[^<]*)(?:<｜tool▁sep｜>)?(?:(?P<name>[^`{<]+)```(?:json)?)?"
)
_ENDS_DEEPSEEK = re.compile(r"<｜tool▁calls?▁end｜>|(?=<｜tool▁call▁begin｜>)")
_KIMI = re.compile(r"<\|tool_call_begin\|>(?P<id>[^<]*)(?:<\|tool_call_argument_begin\|>)?")
_ENDS_KIMI = re.compile(r"<\|tool_calls?(?:_section)?_end\|>|(?=<\|tool_call_begin\|>)")


def read_deepseek(text: str, schemas: Schemas) -> Found:
    """DeepSeek V3, R1 (a type, a name, fenced JSON) and V3.1 (a name, JSON)."""
    for head, value, broken in _headed(text, _DEEPSEEK, _ENDS_DEEPSEEK):
        name = (head["name"] or head["kind"]).strip()
        yield Call(name, value) if name and isinstance(value, dict) else broken


def read_kimi(text: str, schemas: Schemas) -> Found:
    """Kimi K2: `functions.NAME:0`, which is the id, and JSON."""
    for head, value, broken in _headed(text, _KIMI, _ENDS_KIMI):
        own = head["id"].strip()
        name = own.rpartition(":")[0].removeprefix("functions.") or own
        yield Call(name, value, own) if name and isinstance(value, dict) else broken


def _headed(
    text: str, head: re.Pattern[str], end: re.Pattern[str]
) -> Iterator[tuple[re.Match[str], Any, Broken]]:
    """Each head, the JSON behind it, and both where that is none."""
    at = 0
    while found := head.search(text, at):
        value, read = json_at(text, found.end())
        closed = end.search(text, read)
        at = closed.start() if closed else len(text)
        if closed and closed[0] and not text[found.end() : at].strip():
            value = {}
        yield found, value, Broken(text[found.start() : at], read == len(text))


_GEMMA_QUOTE = re.compile(r'(?s)<\|"\|>|<escape>|"(?>(?:[^"\\]|\\.)*)"?')
_BRACE, _BRACKET = re.compile("}"), re.compile(r"[\])]")
_GEMMA_NEXT = re.compile(
    r'\s*(?::|[}\]\s]*(?:,\s*(?:[\w.-]+\s*:|<\|"\|>|<escape>|["\d\[{-]|(?:true|false|null)\b)'
    r"|\Z|(?:<tool_call\|>|<end_function_call>)[^<]*(?:\Z|<\|tool_call>|<start_function_call>)))"
)
_GEMMA_LATE = re.compile(r"[}\]\s]*(?:<tool_call\|>|<end_function_call>)")  # if nothing else fits
_GEMMA_CALL = re.compile(
    r"(?s)call:([\w.-]+)(\{.*?)(?=<tool_call\|>|<end_function_call>|call:[\w.-]+\{|\Z)"
)


def read_gemma(text: str, schemas: Schemas) -> Found:
    """Gemma 4 and FunctionGemma: `call:NAME{key:value}`, texts between marks of their own."""
    plain, texts = _without_texts(text.replace("\x00", ""))

    def put_back(body: str, form: Callable[[str], str]) -> str:
        return re.sub(r'"\x00(\d+)"', lambda found: form(texts[int(found[1])]), body)

    for call in _GEMMA_CALL.finditer(plain):
        name, body = call.groups()
        keyed = re.sub(r"([{,]\s*)([\w.-]+)\s*:", r'\1"\2":', body)
        told = put_back(keyed, _gemma_json)
        value, at = json_at(told, 0)
        is_open = call.end() == len(plain) and at == len(told)
        broken = Broken(f"call:{name}{put_back(body, str)}", is_open, _BRACE)
        yield Call(name, value) if isinstance(value, dict) else broken


def _without_texts(text: str) -> tuple[str, list[str]]:
    """Numbers in place of texts, and the texts with their marks.

    A text may hold its own mark: it goes up to the first behind which something else may follow.
    """
    parts, texts, at = [], [], 0
    while found := _GEMMA_QUOTE.search(text, at):
        parts.append(text[at : found.start()])
        mark, at = found[0], found.end()
        if mark[0] == "<":
            ends = [end.end() for end in re.compile(re.escape(mark)).finditer(text, at)]
            fit = (e for next_ in (_GEMMA_NEXT, _GEMMA_LATE) for e in ends if next_.match(text, e))
            at = next(fit, len(text) + 1)
        texts.append(text[found.start() : at])
        parts.append(f'"\x00{len(texts) - 1}"')
        if at > len(text):  # it is cut off
            break
    return "".join([*parts, text[at:]]), texts


def _gemma_json(text: str) -> str:
    """A text with its marks, as JSON."""
    for mark in ('<|"|>', "<escape>"):
        if text.startswith(mark):
            return json.dumps(text.removeprefix(mark).removesuffix(mark))
    return text


def read_python(text: str, schemas: Schemas) -> Found:
    """Calls in Python: `[f(a=1), g()]` of Llama 3.2 and 4, LFM2, OLMo 3 and Gemma 3."""
    for part, is_last in _between(text):
        try:
            nodes = [node for line in ast.parse(part).body for node in _called(line)]
            calls = [_of_python(node, schemas) for node in nodes]
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            rest = _TEXTS.sub("", part)
            is_open = sum(map(rest.count, "([{")) > sum(map(rest.count, ")]}"))
            yield Broken(part, is_last and is_open, _BRACKET)
        else:
            yield from calls


_TEXTS = re.compile(_QUOTED)
_IN_PYTHON = re.compile(rf"{_QUOTED}|(?P<mark>{_MARKS.pattern})")
_FENCE_IN_PYTHON = re.compile(rf"{_QUOTED}|(?P<mark>```)")


def _between(text: str) -> list[tuple[str, bool]]:
    """What stands between marks outside the texts of Python, and whether no mark follows."""
    marks = [found for found in _IN_PYTHON.finditer(text) if found["mark"]]
    begins = [0, *(mark.end() for mark in marks)]
    ends = [*(mark.start() for mark in marks), len(text)]
    parts = (text[begin:end].strip() for begin, end in zip(begins, ends, strict=True))
    return [(part, i == len(marks)) for i, part in enumerate(parts) if part]


def _called(line: ast.stmt) -> list[ast.Call]:
    value: Any = getattr(line, "value", None)
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "print" and len(value.args) == 1:
        value = value.args[0]
    nodes: list[Any] = value.elts if isinstance(value, ast.List | ast.Tuple) else [value]
    if not nodes or not all(isinstance(node, ast.Call) for node in nodes):
        raise ValueError("not a call")
    return list(nodes)


def _of_python(node: ast.Call, schemas: Schemas) -> Call:
    name = ast.unparse(node.func)
    name = name if name in schemas else name.removesuffix(".call")
    order = list(schemas.get(name, {}).get("properties", {}))
    if len(node.args) > len(order):
        raise ValueError("more arguments than parameters")
    given = dict(zip(order, node.args, strict=False))
    named = {word.arg: word.value for word in node.keywords if word.arg is not None}
    return Call(name, {key: _literal(value) for key, value in {**given, **named}.items()})


def _literal(node: ast.expr) -> Any:
    """As `ast.literal_eval`, with JSON's words for True, False and None."""
    for inner in ast.walk(node):
        if isinstance(inner, ast.Name) and inner.id not in CONSTANTS:
            raise ValueError(f"{inner.id} is no value")
    changed = _Constants().visit(node)
    return ast.literal_eval(changed)


class _Constants(ast.NodeTransformer):
    def visit_Name(self, node: ast.Name) -> ast.Constant:
        return ast.Constant(CONSTANTS[node.id])


_LEAD = re.compile(rf"(?:\s*(?:{_MARKS.pattern}))*\s*")
_FENCED = re.compile(r"```(?P<word>\w*)\n")
_BACKQUOTES = re.compile(r"```")


def read_either(text: str, schemas: Schemas) -> Found:
    """JSON, `<invoke>` or Python, whichever stands there."""
    at = behind(_LEAD, text, 0)
    if text.startswith("<invoke ", at):
        return read_invocations(text, schemas)
    return (read_json if IS_JSON.match(text, at) else read_python)(text, schemas)


def read_fence(text: str, schemas: Schemas) -> Found:
    """JSON or Python between three backquotes."""
    at = 0
    while fence := _FENCED.search(text, at):
        at = fence.end()
        if IS_JSON.match(text, at):
            at = yield from _values(text, at, _BACKQUOTES)
            stop = before(_BACKQUOTES, text, at)
        else:
            marks = (m for m in _FENCE_IN_PYTHON.finditer(text, at) if m["mark"])
            stop = next((mark.start() for mark in marks), len(text))
            if fence["word"] != "json":
                for each in read_python(text[at:stop], schemas):
                    is_open = isinstance(each, Broken) and stop == len(text)
                    yield each if is_open or isinstance(each, Call) else Broken(each.text)
        at = stop + 3
