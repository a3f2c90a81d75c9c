"""How families of models write calls of tools, as a table."""

from __future__ import annotations

from dataclasses import dataclass

from mctsr_graph.models.tool_readers import (
    read_deepseek,
    read_either,
    read_functions,
    read_gemma,
    read_invocations,
    read_json,
    read_kimi,
    read_mistral,
    read_tags,
)
from mctsr_graph.models.tool_scan import Reader


@dataclass(frozen=True)
class Pairs:
    """How arguments are written where they are no JSON: one pair of key and value each.

    Attributes:
        begin: What stands before a key.
        middle: What stands between key and value; `{text}` says whether that is a text.
        end: What stands behind a value.
        joint: What stands between pairs.
        quote: What stands on both sides of a text.
    """

    begin: str
    middle: str
    end: str = ""
    joint: str = ""
    quote: str = ""


@dataclass(frozen=True)
class ToolFormat:
    """How a family of models writes a call.

    Attributes:
        signs: What a chat template of the family holds, all of it.
        before: What stands before the name.
        after: What stands between the name and the arguments.
        close: What ends a call behind its arguments.
        again: What stands between the arguments of a call and the name of the next; None: a reply
            has one call. `{n}`, there and in `after`, is the number of a call.
        pairs: How arguments are written; None: as a JSON object.
    """

    signs: tuple[str, ...]
    before: str
    after: str
    close: str
    again: str | None
    pairs: Pairs | None = None

    def lead(self, name: str | None) -> str:
        """The beginning of a call, of the tool with that name or of any."""
        named = "" if name is None else f"{name}{self.after.replace('{n}', '0')}"
        return self.before + named


_NAMED, _GIVEN = '{"name": "', '", "arguments": '
_TAGGED = Pairs("<parameter=", ">\n", "\n</parameter>\n")
_INVOKED = Pairs('<parameter name="', '">', "</parameter>\n")
_DSML = Pairs('<｜DSML｜parameter name="', '" string="{text}">', "</｜DSML｜parameter>\n")
_GLM = Pairs("<arg_key>", "</arg_key>\n<arg_value>", "</arg_value>\n")
_PYTHON = Pairs("", "=", joint=", ", quote='"')
_DEEPSEEK = "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>"
_ENDS_DEEPSEEK = "<｜tool▁call▁end｜><｜tool▁calls▁end｜>"


def _listed(mark: str, end: str = "") -> ToolFormat:
    """A list in JSON behind a mark."""
    return ToolFormat((mark,), f"{mark}[{_NAMED}", _GIVEN, "}]" + end, f"}}, {_NAMED}")


# fmt: off
FORMATS = (  # the first whose signs are found; the last stands for all others
    # DeepSeek V3.2; V3 and R1; V3.1
    ToolFormat(("｜DSML｜",), '<｜DSML｜function_calls>\n<｜DSML｜invoke name="', '">\n',
               "</｜DSML｜invoke>\n</｜DSML｜function_calls>",
               '</｜DSML｜invoke>\n<｜DSML｜invoke name="', _DSML),
    ToolFormat(("<｜tool▁sep｜>", "```json"), f"{_DEEPSEEK}function<｜tool▁sep｜>", "\n```json\n",
               f"\n```{_ENDS_DEEPSEEK}",
               "\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>"),
    ToolFormat(("<｜tool▁sep｜>",), _DEEPSEEK, "<｜tool▁sep｜>", _ENDS_DEEPSEEK,
               "<｜tool▁call▁end｜><｜tool▁call▁begin｜>"),
    # Kimi K2
    ToolFormat(("<|tool_call_argument_begin|>",),
               "<|tool_calls_section_begin|><|tool_call_begin|>functions.",
               ":{n}<|tool_call_argument_begin|>", "<|tool_call_end|><|tool_calls_section_end|>",
               "<|tool_call_end|><|tool_call_begin|>functions."),
    # gpt-oss
    ToolFormat(("<|channel|>",), "<|channel|>commentary to=functions.",
               " <|constrain|>json<|message|>", "<|call|>", None),
    # Command A
    ToolFormat(("<|START_ACTION|>",),
               '<|START_ACTION|>[\n    {"tool_call_id": "0", "tool_name": "', '", "parameters": ',
               "}\n]<|END_ACTION|>", '},\n    {"tool_call_id": "{n}", "tool_name": "'),
    # Mistral, since v11 and before
    ToolFormat(("[ARGS]",), "[TOOL_CALLS]", "[ARGS]", "", "[TOOL_CALLS]"),
    ToolFormat(("[TOOL_CALLS]",), f"[TOOL_CALLS] [{_NAMED}", _GIVEN, "}]", f"}}, {_NAMED}"),
    # Gemma 4, FunctionGemma
    ToolFormat(("<|tool_call>",), "<|tool_call>call:", "{", "}<tool_call|>",
               "}<tool_call|><|tool_call>call:", Pairs("", ":", joint=",", quote='<|"|>')),
    ToolFormat(("<start_function_call>",), "<start_function_call>call:", "{",
               "}<end_function_call>", "}<end_function_call><start_function_call>call:",
               Pairs("", ":", joint=",", quote="<escape>")),
    # MiniMax M2, Seed-OSS, GLM 4.5, Qwen3-Coder
    ToolFormat(("<minimax:tool_call>",), '<minimax:tool_call>\n<invoke name="', '">\n',
               "</invoke>\n</minimax:tool_call>", '</invoke>\n<invoke name="', _INVOKED),
    ToolFormat(("<seed:tool_call>",), "<seed:tool_call>\n<function=", ">\n",
               "</function>\n</seed:tool_call>",
               "</function>\n</seed:tool_call>\n<seed:tool_call>\n<function=", _TAGGED),
    ToolFormat(("<arg_key>",), "<tool_call>", "\n", "</tool_call>", "</tool_call>\n<tool_call>",
               _GLM),
    ToolFormat(("<function=",), "<tool_call>\n<function=", ">\n", "</function>\n</tool_call>",
               "</function>\n</tool_call>\n<tool_call>\n<function=", _TAGGED),
    # LFM2, OLMo 3
    ToolFormat(("<|tool_call_start|>",), "<|tool_call_start|>[", "(", ")]<|tool_call_end|>", "), ",
               _PYTHON),
    ToolFormat(("<function_calls>",), "<function_calls>\n", "(", ")\n</function_calls>", ")\n",
               _PYTHON),
    # Granite and Phi 4 mini, Nemotron, Jamba
    _listed("<|tool_call|>"), _listed("<TOOLCALL>"), _listed("<tool_calls>"),
    # Hermes and Qwen; bare JSON, as Llama's
    ToolFormat(("<tool_call>",), f"<tool_call>\n{_NAMED}", _GIVEN, "}\n</tool_call>",
               f"}}\n</tool_call>\n<tool_call>\n{_NAMED}"),
    ToolFormat((), _NAMED, '", "parameters": ', "}", None),
)
# fmt: on

OPENINGS: dict[str, Reader] = {
    "<tool_call>": read_tags,
    **dict.fromkeys(("<seed:tool_call>", "<function="), read_functions),
    "[TOOL_CALLS]": read_mistral,
    **dict.fromkeys(("<|tool_call|>", "functools[", "<tool_calls>", "<TOOLCALL>"), read_json),
    **dict.fromkeys(("<|START_ACTION|>", "<|action_start|>"), read_json),
    **dict.fromkeys(("<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>"), read_deepseek),
    **dict.fromkeys(("<｜DSML｜", "<minimax:tool_call>"), read_invocations),
    **dict.fromkeys(("<|tool_calls_section_begin|>", "<|tool_call_begin|>"), read_kimi),
    **dict.fromkeys(("<|tool_call>", "<start_function_call>"), read_gemma),
    **dict.fromkeys(("<|tool_call_start|>", "<function_calls>"), read_either),
    **dict.fromkeys(("<|python_start|>", "<|python_tag|>"), read_either),
}
"""The mark that a call begins with, and what reads from there."""


def format_of(template: str) -> ToolFormat:
    """The format that a chat template shows."""
    return next(each for each in FORMATS if all(sign in template for sign in each.signs))


def is_tool_mark(content: str) -> bool:
    """Whether a token belongs to a call, and so has to be seen where calls are read."""
    words = ("tool", "TOOL", "ACTION", "ARGS", "CALL_ID", "function", "python_", "action", "plugin")
    others = ("escape", '<|"|>', "｜DSML｜")
    return any(word in content for word in (*words, *others))
