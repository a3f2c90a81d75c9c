"""Readers of calls of tools, one for each way of writing them.

A reader gets the text from the first mark on and gives the calls in it, in order; what is begun
as a call and is none comes as `Broken`.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from mctsr_graph.models.tool_values import CONSTANTS, Schemas, typed


class Call(NamedTuple):
    """One call."""

    name: str
    arguments: dict[str, Any]
    id: str | None = None


class Broken(NamedTuple):
    """A text that is begun as a call and is none."""

    text: str


Found = Iterator[Call | Broken]
Reader = Callable[[str, Schemas], Found]
_JSON = json.JSONDecoder(strict=False)
_JOINTS = " \t\r\n;,"
_GEMMA_TEXT = re.compile(r'(?s)<\|"\|>(.*?)<\|"\|>|<escape>(.*?)<escape>|"(?:[^"\\]|\\.)*"')


def read_json(text: str, schemas: Schemas) -> Found:
    """JSON objects with a name and arguments, in lists or one after the other."""
    for part in _between(text):
        at = 0
        while at < len(part):
            try:
                value, end = _JSON.raw_decode(part, at)
            except ValueError:
                rest = part[at:].strip()
                if at == 0 or rest.startswith(("{", "[")):
                    yield Broken(rest)
                break
            for each in value if isinstance(value, list) else [value]:
                yield _of_json(each)
            at = end + len(part[end:]) - len(part[end:].lstrip(_JOINTS))


def _of_json(value: Any) -> Call | Broken:
    told = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict):
        return Broken(told)
    if isinstance(value.get("function"), dict):  # as in OpenAI's API
        value = value["function"]
    name = value.get("name", value.get("tool_name", value.get("function")))
    arguments: Any = value.get("arguments", value.get("parameters", value.get("args")))
    if isinstance(arguments, str):
        arguments = _json_of(arguments)
    arguments = {} if arguments is None else arguments
    if not isinstance(name, str) or not isinstance(arguments, dict):
        return Broken(told)
    return Call(name, arguments)  # ids that models make up in JSON are the same in every turn


def read_tags(text: str, schemas: Schemas) -> Found:
    """`<tool_call>` of Hermes and Qwen, Qwen3-Coder and GLM, which write different things in it."""
    for part, end in re.findall(r"(?s)<tool_call>(.*?)(</tool_call>|(?=<tool_call>)|\Z)", text):
        if is_json(part):
            yield from read_json(part, schemas)
        elif "<function=" in part:
            yield from read_functions(part, schemas)
        elif end and ("<arg_key>" in part or part.strip() in schemas):
            yield _of_glm(part.strip(), schemas)
        else:
            yield Broken(part.strip())


def _of_glm(text: str, schemas: Schemas) -> Call | Broken:
    name = text.partition("<arg_key>")[0].strip()
    pairs = re.findall(r"(?s)<arg_key>(.*?)</arg_key>\s*<arg_value>(.*?)</arg_value>", text)
    if text.count("<arg_key>") != len(pairs):
        return Broken(text)
    return Call(name, typed(name, pairs, schemas))


def read_functions(text: str, schemas: Schemas) -> Found:
    """`<function=NAME>` of Qwen3-Coder and Seed with parameters, of Llama 3.1 with JSON."""
    for name, body, end in re.findall(
        r"(?s)<function=([^>\n]+)>(.*?)(</function>|(?=<function=)|\Z)", text
    ):
        if body.strip().startswith("{"):
            yield from (
                each if isinstance(each, Broken) else Call(name, each.arguments)
                for each in [_of_json({"name": name, "arguments": _json_of(body)})]
            )
            continue
        pairs = re.findall(r"(?s)<parameter=([^>\n]+)>(.*?)</parameter>", body)
        if not end or body.count("<parameter=") != len(pairs):
            yield Broken(f"<function={name}>{body}")
        else:
            yield Call(name, typed(name, pairs, schemas))


def read_invocations(text: str, schemas: Schemas) -> Found:
    """`<invoke name="...">` of MiniMax M2 and DeepSeek V3.2, with ｜DSML｜ in its tags."""
    text = text.replace("｜DSML｜", "")
    for name, body, end in re.findall(r'(?s)<invoke name="([^"]*)">(.*?)(</invoke>|\Z)', text):
        found = re.findall(r'(?s)<parameter name="([^"]*)"([^>]*)>(.*?)</parameter>', body)
        if not end or body.count("<parameter ") != len(found):
            yield Broken(f'<invoke name="{name}">{body}')
            continue
        arguments = typed(name, [(k, v) for k, _, v in found], schemas)
        texts = {k: v for k, told, v in found if 'string="true"' in told}
        values = {k: _json_of(v) for k, told, v in found if 'string="false"' in told}
        yield Call(name, {**arguments, **texts, **values})


def read_mistral(text: str, schemas: Schemas) -> Found:
    """`[TOOL_CALLS]`: a list in JSON, or, since v11, a name, `[ARGS]` and JSON for each."""
    for part in filter(None, map(str.strip, text.split("[TOOL_CALLS]"))):
        if part.startswith(("{", "[")):
            yield from read_json(part, schemas)
            continue
        head = re.match(r"([^\[{\s]+)\s*(?:\[CALL_ID\]\s*([^\[\s]+)\s*)?(?:\[ARGS\])?", part)
        value = _json_of(part[head.end() :]) if head else None
        if head is None or not isinstance(value, dict):
            yield Broken(part)
        else:
            yield Call(head[1], value, head[2])


def read_deepseek(text: str, schemas: Schemas) -> Found:
    """DeepSeek V3, R1 (a type, a name, fenced JSON) and V3.1 (a name, JSON)."""
    for part, end in re.findall(
        r"(?s)<｜tool▁call▁begin｜>(.*?)(<｜tool▁calls?▁end｜>|(?=<｜tool▁call▁begin｜>)|\Z)", text
    ):
        head, _, body = part.partition("<｜tool▁sep｜>")
        if "```" in body:
            head, _, body = body.partition("```")
            body = body.removeprefix("json").partition("```")[0]
        yield _named(head.strip(), body, part, closed=bool(end))


def read_kimi(text: str, schemas: Schemas) -> Found:
    """Kimi K2: `functions.NAME:0`, which is the id, and JSON."""
    for part, end in re.findall(
        r"(?s)<\|tool_call_begin\|>(.*?)(<\|tool_calls?(?:_section)?_end\|>|\Z)", text
    ):
        head, _, body = part.partition("<|tool_call_argument_begin|>")
        name = head.strip().rpartition(":")[0].removeprefix("functions.") or head.strip()
        found = _named(name, body, part, closed=bool(end))
        yield found._replace(id=head.strip()) if isinstance(found, Call) else found


def read_gemma(text: str, schemas: Schemas) -> Found:
    """Gemma 4 and FunctionGemma: `call:NAME{key:value}`, texts between marks of their own."""
    for name, body in re.findall(
        r"(?s)call:([\w.-]+)(\{.*?)(?=<tool_call\|>|<end_function_call>|call:[\w.-]+\{|\Z)", text
    ):
        texts: list[str] = []

        def kept(found: re.Match[str], texts: list[str] = texts) -> str:
            texts.append(found[0] if found[0][0] == '"' else json.dumps(found[1] or found[2] or ""))
            return f'"\x00{len(texts) - 1}"'

        plain = _GEMMA_TEXT.sub(kept, body)
        plain = re.sub(r"([{,]\s*)([\w.-]+)\s*:", r'\1"\2":', plain)
        plain = re.sub(r'"\x00(\d+)"', lambda m, texts=texts: texts[int(m[1])], plain)  # type: ignore[misc]
        yield _named(name, plain, f"call:{name}{body}")


def read_python(text: str, schemas: Schemas) -> Found:
    """Calls in Python: `[f(a=1), g()]` of Llama 3.2 and 4, LFM2, OLMo 3 and Gemma 3."""
    for part in _between(text):
        try:
            nodes = [node for line in ast.parse(part).body for node in _called(line)]
            calls = [_of_python(node, schemas) for node in nodes]
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            yield Broken(part)
        else:
            yield from calls


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


def read_either(text: str, schemas: Schemas) -> Found:
    """JSON, `<invoke>` or Python, whichever stands there."""
    if "<invoke " in text:
        return read_invocations(text, schemas)
    inside = "".join(_between(text)[:1])
    return (read_json if is_json(inside) else read_python)(text, schemas)


def read_fence(text: str, schemas: Schemas) -> Found:
    """JSON or Python between three backquotes."""
    for word, body in re.findall(r"(?s)```(\w*)\n(.*?)(?:```|\Z)", text):
        if is_json(body):
            yield from read_json(body, schemas)
        elif word != "json":
            yield from read_python(body, schemas)


_MARKS = re.compile(
    r"</?(?:tool_calls?|function_calls|seed:tool_call|TOOLCALL)>|<\|/?tool_call\|>"
    r"|<\|(?:START|END)_ACTION\|>|<\|tool_call_(?:start|end)\|>|<\|python_(?:tag|start|end)\|>"
    r"|<\|action_(?:start|end)\|>|<\|plugin\|>|functools(?=\[)"
)


def _between(text: str) -> list[str]:
    """What stands between marks that hold nothing else."""
    return [part for part in map(str.strip, _MARKS.split(text)) if part]


def is_json(text: str) -> bool:
    """Whether a text begins as an object of JSON or a list of them."""
    return re.match(r"\s*(?:\{|\[\s*\{)", text) is not None


def _named(name: str, body: str, told: str, *, closed: bool = False) -> Call | Broken:
    value = {} if closed and not body.strip() else _json_of(body)
    return Call(name, value) if name and isinstance(value, dict) else Broken(told)


def _json_of(text: str) -> Any:
    """A JSON value at the beginning of a text, or the text where there is none."""
    try:
        return _JSON.raw_decode(text.strip())[0]
    except ValueError:
        return text
