"""Tool calls as the families of models write them: one, several, cut off, and prose beside them."""

from __future__ import annotations

from typing import Any

import pytest

from mctsr_graph.models.tool_calls import Parsed, parse, schemas_of
from mctsr_graph.models.tool_formats import format_of

SCHEMAS: dict[str, Any] = {
    "add": {"properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}},
    "look": {
        "properties": {
            "city": {"type": "string"},
            "days": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "exact": {"type": "boolean"},
            "tags": {"type": "array"},
        }
    },
}
ADD = '{"a": 3, "b": -4}'
LOOK = '{"city": "São Paulo, \\"SP\\"", "days": 2, "exact": true, "tags": ["x", "y"]}'
ADDED = ("add", {"a": 3, "b": -4})
LOOKED = ("look", {"city": 'São Paulo, "SP"', "days": 2, "exact": True, "tags": ["x", "y"]})


def named(name: str, arguments: str, words: tuple[str, str] = ("name", "arguments")) -> str:
    return f'{{"{words[0]}": "{name}", "{words[1]}": {arguments}}}'


def calls(parsed: Parsed) -> list[tuple[str, dict[str, Any]]]:
    return [(call["name"], call["args"]) for call in parsed.tool_calls]


A, L = named("add", ADD), named("look", LOOK)
AP, LP = (named(n, v, ("name", "parameters")) for n, v in (("add", ADD), ("look", LOOK)))
AC, LC = (named(n, v, ("tool_name", "parameters")) for n, v in (("add", ADD), ("look", LOOK)))
PYTHON = "add(a=3, b=-4), look(city='São Paulo, \"SP\"', days=2, exact=True, tags=['x', 'y'])"
XML = (
    "<function=add>\n<parameter=a>\n3\n</parameter>\n<parameter=b>\n-4\n</parameter>\n</function>",
    '<function=look>\n<parameter=city>\nSão Paulo, "SP"\n</parameter>\n<parameter=days>\n2\n'
    '</parameter>\n<parameter=exact>\ntrue\n</parameter>\n<parameter=tags>\n["x", "y"]\n'
    "</parameter>\n</function>",
)
INVOKED = (
    '<invoke name="add">\n<parameter name="a">3</parameter>\n<parameter name="b">-4</parameter>\n'
    '</invoke>\n<invoke name="look">\n<parameter name="city">São Paulo, "SP"</parameter>\n'
    '<parameter name="days">2</parameter>\n<parameter name="exact">true</parameter>\n'
    '<parameter name="tags">["x", "y"]</parameter>\n</invoke>'
)
DSML = INVOKED.replace("<", "<｜DSML｜").replace("<｜DSML｜/", "</｜DSML｜")
DSML = DSML.replace('"city"', '"city" string="true"').replace('"tags"', '"tags" string="false"')
GLM = (
    "add\n<arg_key>a</arg_key>\n<arg_value>3</arg_value>\n<arg_key>b</arg_key>\n"
    "<arg_value>-4</arg_value>\n",
    'look\n<arg_key>city</arg_key>\n<arg_value>São Paulo, "SP"</arg_value>\n<arg_key>days'
    "</arg_key>\n<arg_value>2</arg_value>\n<arg_key>exact</arg_key>\n<arg_value>true</arg_value>\n"
    '<arg_key>tags</arg_key>\n<arg_value>["x", "y"]</arg_value>\n',
)
GEMMA = (
    "call:add{a:3,b:-4}",
    'call:look{city:<|"|>São Paulo, "SP"<|"|>,days:2,exact:true,tags:[<|"|>x<|"|>,<|"|>y<|"|>]}',
)
V3 = "<｜tool▁call▁begin｜>function<｜tool▁sep｜>{}\n```json\n{}\n```<｜tool▁call▁end｜>"
V31 = "<｜tool▁call▁begin｜>{}<｜tool▁sep｜>{}<｜tool▁call▁end｜>"
KIMI = "<|tool_call_begin|>functions.{}:{}<|tool_call_argument_begin|>{}<|tool_call_end|>"

BOTH = {
    "hermes": f"<tool_call>\n{A}\n</tool_call>\n<tool_call>\n{L}\n</tool_call>",
    "llama 3.1, joined by a semicolon": f"{AP}; {LP}",
    "llama 3.1, line by line": f"{AP}\n{LP}",
    "llama 3.1, marked": f"<|python_tag|>{AP};{LP}",
    "llama 3.1, functions": f"<function=add>{ADD}</function>\n<function=look>{LOOK}</function>",
    "llama 3.2": f"[{PYTHON}]",
    "llama 4": f"<|python_start|>[{PYTHON}]<|python_end|>",
    "lfm2": f"<|tool_call_start|>[{PYTHON}]<|tool_call_end|>",
    "lfm2, words of JSON": f"<|tool_call_start|>[{PYTHON.replace('True', 'true')}]",
    "olmo 3": f"<function_calls>\n{PYTHON.replace('), ', ')' + chr(10))}\n</function_calls>",
    "gemma 3": f"```tool_code\n[{PYTHON}]\n```",
    "gemma 3, line by line": f"```tool_code\n{PYTHON.replace('), ', ')' + chr(10))}\n```",
    "gemma 4": f"<|tool_call>{GEMMA[0]}<tool_call|><|tool_call>{GEMMA[1]}<tool_call|>",
    "functiongemma": "".join(f"<start_function_call>{g}<end_function_call>" for g in GEMMA).replace(
        '<|"|>', "<escape>"
    ),
    "command r": f"Action: ```json\n[\n    {AC},\n    {LC}\n]\n```",
    "command a": f"<|START_ACTION|>[\n    {AC},\n    {LC}\n]<|END_ACTION|>",
    "deepseek v3": "<｜tool▁calls▁begin｜>"
    + V3.format("add", ADD)
    + "\n"
    + V3.format("look", LOOK)
    + "<｜tool▁calls▁end｜>",
    "deepseek v3.1": "<｜tool▁calls▁begin｜>"
    + V31.format("add", ADD)
    + V31.format("look", LOOK)
    + "<｜tool▁calls▁end｜>",
    "deepseek v3.2": f"<｜DSML｜function_calls>\n{DSML}\n</｜DSML｜function_calls>",
    "kimi k2": "<|tool_calls_section_begin|>"
    + KIMI.format("add", 0, ADD)
    + KIMI.format("look", 1, LOOK)
    + "<|tool_calls_section_end|>",
    "granite": f"<|tool_call|>[{A}, {L}]",
    "phi 4 mini": f"<|tool_call|>[{A}, {L}]<|/tool_call|>",
    "phi 4 mini, functools": f"functools[{A}, {L}]",
    "fenced json": f"```json\n[{A}, {L}]\n```",
    "fenced json, one by one": f"```json\n{A}\n```\n```json\n{L}\n```",
    "qwen3-coder": f"<tool_call>\n{XML[0]}\n</tool_call>\n<tool_call>\n{XML[1]}\n</tool_call>",
    "qwen3-coder, without the outer tag": f"{XML[0]}\n{XML[1]}",
    "seed-oss": f"<seed:tool_call>\n{XML[0]}\n{XML[1]}\n</seed:tool_call>",
    "glm 4.5": f"<tool_call>{GLM[0]}</tool_call>\n<tool_call>{GLM[1]}</tool_call>",
    "minimax m2": f"<minimax:tool_call>\n{INVOKED}\n</minimax:tool_call>",
    "mistral v3": f"[TOOL_CALLS] [{A}, {L}]",
    "mistral v11": f"[TOOL_CALLS]add[ARGS]{ADD}[TOOL_CALLS]look[ARGS]{LOOK}",
    "mistral v11, with ids": f"[TOOL_CALLS]add[CALL_ID]abcdefgh1[ARGS]{ADD}"
    f"[TOOL_CALLS]look[CALL_ID]abcdefgh2[ARGS]{LOOK}",
    "nemotron": f"<TOOLCALL>[{A}, {L}]</TOOLCALL>",
    "jamba": f"<tool_calls>[{A}, {L}]</tool_calls>",
    "internlm": f"<|action_start|><|plugin|>{AP}<|action_end|>"
    f"<|action_start|><|plugin|>{LP}<|action_end|>",
    "openai's": f'[{{"type": "function", "function": {A}}}, {{"function": {L}}}]'.replace(
        '[{"type"', '<tool_calls>[{"type"'
    ),
}
BARE = ("llama 3.1, joined", "llama 3.1, line", "llama 3.2")


@pytest.mark.parametrize("family", BOTH)
def test_two_calls(family: str) -> None:
    parsed = parse(BOTH[family], SCHEMAS)
    assert calls(parsed) == [ADDED, LOOKED]
    assert (parsed.content, parsed.invalid_tool_calls) == ("", [])
    assert len({call["id"] for call in parsed.tool_calls}) == 2


@pytest.mark.parametrize("family", [f for f in BOTH if not f.startswith(BARE)])
def test_words_before_a_call_are_content(family: str) -> None:
    parsed = parse(f"Let me see [1].\n{BOTH[family]}", SCHEMAS)
    assert (parsed.content, calls(parsed)) == ("Let me see [1].", [ADDED, LOOKED])


# What is begun with a mark and cut off at any place is a broken call, or the calls before it
@pytest.mark.parametrize("family", BOTH)
def test_a_call_that_is_cut_off_is_none(family: str) -> None:
    text = BOTH[family]
    for at in range(len(text)):
        parsed = parse(text[:at], SCHEMAS)
        assert calls(parsed) in ([], [ADDED], [ADDED, LOOKED])


PROSE = ["The answer is {12}.", "add(a, b) is a sum", "[1, 2]", "```json\n{}\n```", "", "{", "[add"]
PROSE += ['{"name": "other", "parameters": {}}', "```python\nprint(add)\n```", "I call add(1)."]
PROSE += ["look(", "[look(city=unknown)]", "```tool_code\nimport os\n```", '{"a": "add(a=1)"}']


@pytest.mark.parametrize("text", PROSE)
def test_prose_is_no_call(text: str) -> None:
    assert parse(text, SCHEMAS) == Parsed(text, [], [])


def test_values_that_were_written_without_quotes_follow_the_schema() -> None:
    def value(text: str, name: str = "look", key: str = "city") -> Any:
        body = f"<function={name}>\n<parameter={key}>\n{text}\n</parameter>\n</function>"
        [call] = parse(f"<tool_call>\n{body}\n</tool_call>", SCHEMAS).tool_calls
        return call["args"][key]

    assert [value(text) for text in ("12", "true", '"x"', "a\nb ")] == [
        "12",
        "true",
        '"x"',
        "a\nb ",
    ]
    assert [value(text, key="days") for text in ("12", "null", "None", "two")] == [
        *(12, None, None),
        "two",
    ]
    assert [value(text, key="other") for text in ("12", "x", "True")] == [12, "x", True]


def test_positions_and_dots_in_python() -> None:
    assert calls(parse("[add(3, b=-4)]", SCHEMAS)) == [ADDED]
    parsed = parse("<|python_tag|>look.call(city='x')", SCHEMAS)
    assert calls(parsed) == [("look", {"city": "x"})]
    assert calls(parse("```tool_code\nprint(add(3, -4))\n```", SCHEMAS)) == [ADDED]


def test_calls_without_arguments() -> None:
    schemas: dict[str, Any] = {"now": {}}
    for text in (
        "<tool_call>now\n</tool_call>",
        "[now()]",
        '<tool_call>{"name": "now"}</tool_call>',
    ):
        assert calls(parse(text, schemas)) == [("now", {})]
    assert calls(parse("", schemas, [("now", "")])) == [("now", {})]


def test_calls_from_channels() -> None:
    parsed = parse("", SCHEMAS, [("add", ADD), ("look", LOOK), ("add", '{"a":')])
    assert calls(parsed) == [ADDED, LOOKED]
    assert len(parsed.invalid_tool_calls) == 1


def test_the_ids_of_kimi_and_mistral_are_kept() -> None:
    ids = [
        [c["id"] for c in parse(BOTH[f], SCHEMAS).tool_calls]
        for f in ("kimi k2", "mistral v11, with ids")
    ]
    assert ids == [["functions.add:0", "functions.look:1"], ["abcdefgh1", "abcdefgh2"]]


SIGNS = {
    "hermes": "in <tool_call>{}</tool_call>",
    "llama 3.1, joined by a semicolon": "a template without a sign",
    "deepseek v3": "<｜tool▁calls▁begin｜> function <｜tool▁sep｜> ```json",
    "deepseek v3.1": "<｜tool▁calls▁begin｜><｜tool▁sep｜>",
    "kimi k2": "<|tool_call_argument_begin|>",
    "command a": "<|START_ACTION|>",
    "mistral v11": "[TOOL_CALLS] name [ARGS]",
    "mistral v3": "[TOOL_CALLS]",
    "phi 4 mini": "<|tool_call|>",
    "nemotron": "<TOOLCALL>",
    "jamba": "<tool_calls>",
}


@pytest.mark.parametrize("family", SIGNS)
def test_a_call_that_is_begun_for_the_model_and_closed(family: str) -> None:
    written = format_of(SIGNS[family])
    parsed = parse(f"{written.lead('add')}{ADD}{written.close}", SCHEMAS)
    assert (calls(parsed), parsed.invalid_tool_calls) == ([ADDED], [])
    assert written.lead("add").startswith(written.lead(None))


@pytest.mark.parametrize(
    ("sign", "rest"),
    [
        ("<tool_call><function=", XML[0].removeprefix("<function=add>\n")),
        ("<arg_key>", GLM[0].removeprefix("add\n") + "</tool_call>"),
        ("<minimax:tool_call>", INVOKED.partition('add">\n')[2].partition("<invoke")[0]),
        ("<seed:tool_call>", XML[0].removeprefix("<function=add>\n")),
        ("<|tool_call>", "a:3,b:-4}<tool_call|>"),
        ("<start_function_call>", "a:3,b:-4}<end_function_call>"),
        ("<|tool_call_start|>", "a=3, b=-4)]<|tool_call_end|>"),
        ("｜DSML｜", DSML.partition('add">\n')[2].partition("<｜DSML｜invoke")[0]),
    ],
)
def test_a_call_that_is_begun_where_arguments_are_no_json(sign: str, rest: str) -> None:
    written = format_of(sign)
    assert written.pairs is not None
    assert calls(parse(written.lead("add") + rest, SCHEMAS)) == [ADDED]


def test_schemas_of_tools() -> None:
    tools = [{"function": {"name": "f", "parameters": {"x": 1}}}, {"function": {"name": "g"}}]
    assert schemas_of(tools) == {"f": {"x": 1}, "g": {}}
