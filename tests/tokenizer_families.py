"""Small tokenizers with the control tokens, flags and template shapes of families in use.

Vocabularies are tiny and templates short; what matters is kept: which tokens are flagged as
special and which are not, what is put together from parts, how spaces are written.
"""

from __future__ import annotations

import functools
from typing import Any

from tests.engine_models import chatml_tokenizer

_TURNS = "{% for m in messages %}"
_GENERATE = "{% endfor %}{% if add_generation_prompt %}"

LLAMA3 = (
    "<|begin_of_text|>{% if tools %}<|start_header_id|>system<|end_header_id|>\n\n"
    "Environment: ipython\n{{ tools | tojson }}<|eot_id|>{% endif %}" + _TURNS + ""
    "{% if m.tool_calls %}{% if m.tool_calls | length != 1 %}"
    "{{ raise_exception('This model only supports single tool-calls at once!') }}{% endif %}"
    "<|start_header_id|>assistant<|end_header_id|>\n\n{% set c = m.tool_calls[0].function %}"
    '{"name": "{{ c.name }}", "parameters": {{ c.arguments | tojson }}}<|eot_id|>'
    "{% elif m.role == 'tool' %}<|start_header_id|>ipython<|end_header_id|>\n\n"
    "{{ m.content | tojson }}<|eot_id|>{% else %}"
    "<|start_header_id|>{{ m.role }}<|end_header_id|>\n\n{{ m.content | trim }}<|eot_id|>"
    "{% endif %}" + _GENERATE + "<|start_header_id|>assistant<|end_header_id|>\n\n{% endif %}"
)
QWEN3 = (
    "{% if tools %}<|im_start|>system\n<tools>{% for t in tools %}\n{{ t | tojson }}{% endfor %}\n"
    "</tools> as <tool_call>\n{}\n</tool_call><|im_end|>\n{% endif %}" + _TURNS + ""
    "{% if m.role == 'tool' %}<|im_start|>user\n<tool_response>\n{{ m.content }}\n"
    "</tool_response><|im_end|>\n{% else %}{% set text = m.content %}"
    "{% if m.role == 'assistant' and '</think>' in text %}"
    "{% set text = text.split('</think>')[-1].lstrip('\\n') %}{% endif %}"
    "<|im_start|>{{ m.role }}\n{{ text }}{% for c in m.tool_calls or [] %}\n<tool_call>\n"
    '{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}\n'
    "</tool_call>{% endfor %}<|im_end|>\n{% endif %}" + _GENERATE + "<|im_start|>assistant\n"
    "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}"
    "{% endif %}"
)
GEMMA3 = (
    "<bos>{% if messages[0].role == 'system' %}{% set first = messages[0].content + '\\n\\n' %}"
    "{% set rest = messages[1:] %}{% else %}{% set first = '' %}{% set rest = messages %}"
    "{% endif %}"
    "{% for m in rest %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate') }}{% endif %}"
    "<start_of_turn>{{ 'model' if m.role == 'assistant' else m.role }}\n"
    "{{ first if loop.first else '' }}{{ m.content | trim }}<end_of_turn>\n"
    + _GENERATE
    + "<start_of_turn>model\n{% endif %}"
)
MISTRAL = (
    "<s>{% if tools %}[AVAILABLE_TOOLS] {{ tools | tojson }}[/AVAILABLE_TOOLS]{% endif %}"
    + _TURNS
    + "{% if m.role == 'user' %}[INST] {% if loop.last and messages[0].role == 'system' %}"
    "{{ messages[0].content }}\n\n{% endif %}{{ m.content }}[/INST]{% elif m.tool_calls %}"
    "[TOOL_CALLS] [{% for c in m.tool_calls %}{% if c.id | length != 9 %}"
    "{{ raise_exception('Tool call IDs should be alphanumeric strings with length 9!') }}"
    '{% endif %}{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}'
    ', "id": "{{ c.id }}"}{{ ", " if not loop.last }}{% endfor %}]</s>'
    "{% elif m.role == 'tool' %}[TOOL_RESULTS] "
    '{"content": {{ m.content }}, "call_id": "{{ m.tool_call_id }}"}[/TOOL_RESULTS]'
    "{% elif m.role == 'assistant' %} {{ m.content }}</s>{% endif %}{% endfor %}"
)
DEEPSEEK = (
    "<｜begin▁of▁sentence｜>"
    "{% for m in messages if m.role == 'system' %}{{ m.content }}{% endfor %}"
    "{% if tools %}{{ tools | tojson }}{% endif %}" + _TURNS + ""
    "{% if m.role == 'user' %}<｜User｜>{{ m.content }}{% elif m.role == 'tool' %}"
    "<｜tool▁outputs▁begin｜><｜tool▁output▁begin｜>{{ m.content }}<｜tool▁output▁end｜>"
    "<｜tool▁outputs▁end｜>{% elif m.role == 'assistant' %}<｜Assistant｜>{{ m.content }}"
    "{% if m.tool_calls %}<｜tool▁calls▁begin｜>{% for c in m.tool_calls %}<｜tool▁call▁begin｜>"
    "function<｜tool▁sep｜>"
    "{{ c.function.name + '\\n```json\\n' + c.function.arguments + '\\n```' }}"
    "<｜tool▁call▁end｜>{% endfor %}<｜tool▁calls▁end｜>{% endif %}<｜end▁of▁sentence｜>{% endif %}"
    + _GENERATE
    + "<｜Assistant｜>{% if thinking %}<think>\n{% endif %}{% endif %}"
)
GPT_OSS = (
    "<|start|>system<|message|>Reasoning: {{ reasoning_effort or 'medium' }}<|end|>"
    "{% if tools %}<|start|>developer<|message|># Tools\nnamespace functions { "
    "{% for t in tools %}\n// {{ t.function.description }}\ntype {{ t.function.name }} = (_: { "
    "{% for k, v in t.function.parameters.properties.items() %}\n{{ k }}: "
    "{% if v.type == 'string' %}string{% else %}number{% endif %}{% endfor %}\n}) => any;"
    "{% endfor %}\n}<|end|>{% endif %}" + _TURNS + ""
    "{% if m.role == 'system' %}<|start|>developer<|message|># Instructions\n\n"
    "{{ m.content }}<|end|>"
    "{% elif m.role == 'tool' %}<|start|>functions.{{ m.name or 'f' }} to=assistant"
    "<|channel|>commentary<|message|>{{ m.content | tojson }}<|end|>"
    "{% elif m.role == 'assistant' %}{% if m.thinking %}<|start|>assistant<|channel|>analysis"
    "<|message|>{{ m.thinking }}<|end|>{% endif %}{% if m.content %}<|start|>assistant"
    "<|channel|>final<|message|>{{ m.content }}<|end|>{% endif %}{% for c in m.tool_calls or [] %}"
    "<|start|>assistant to=functions.{{ c.function.name }}<|channel|>commentary json<|message|>"
    "{{ c.function.arguments | tojson }}<|call|>{% endfor %}{% else %}<|start|>user<|message|>"
    "{{ m.content }}<|end|>{% endif %}" + _GENERATE + "<|start|>assistant{% endif %}"
)
PHI4 = (
    "{% if tools %}<|system|><|tool|>{{ tools | tojson }}<|/tool|><|end|>{% endif %}"
    + _TURNS
    + "{{ '<|' + m.role + '|>' }}{{ m.content }}"
    "{% if m.tool_calls %}<|tool_call|>{% for c in m.tool_calls %}{{ c.function | tojson }}"
    "{% endfor %}<|/tool_call|>{% endif %}<|end|>" + _GENERATE + "<|assistant|>{% endif %}"
)
COMMAND = (
    "<BOS_TOKEN><|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>"
    "{% if tools %}{{ tools | tojson }}{% endif %}"
    "{% for m in messages if m.role == 'system' %}{{ m.content }}{% endfor %}<|END_OF_TURN_TOKEN|>"
    + _TURNS
    + ""
    "{% if m.role == 'user' %}<|START_OF_TURN_TOKEN|><|USER_TOKEN|>{{ m.content }}"
    "<|END_OF_TURN_TOKEN|>{% elif m.role == 'tool' %}<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>"
    '<|START_TOOL_RESULT|>[{"content": {{ m.content | tojson }}}]<|END_TOOL_RESULT|>'
    "<|END_OF_TURN_TOKEN|>{% elif m.role == 'assistant' %}<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>"
    "{% if m.tool_calls %}<|START_THINKING|>{{ m.content }}<|END_THINKING|><|START_ACTION|>["
    "{% for c in m.tool_calls %}"
    '{"tool_call_id": "{{ loop.index0 }}", "tool_name": "{{ c.function.name }}", '
    '"parameters": {{ c.function.arguments | tojson }}}{{ ", " if not loop.last }}{% endfor %}]'
    "<|END_ACTION|>{% else %}<|START_RESPONSE|>{{ m.content }}<|END_RESPONSE|>{% endif %}"
    "<|END_OF_TURN_TOKEN|>{% endif %}"
    + _GENERATE
    + "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>{% endif %}"
)
UNIGRAM = (
    "<s>"
    + _TURNS
    + "<turn>{{ m.role }}\n{{ m.content }}</turn>"
    + _GENERATE
    + ("<turn>assistant\n{% endif %}")
)

# Family: template, tokens flagged as special, tokens that are not
_BYTE_LEVEL: dict[str, tuple[str, list[str], list[str]]] = {
    "llama3": (
        LLAMA3,
        ["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>",
         "<|eom_id|>", "<|python_tag|>", "<|reserved_special_token_0|>"],
        [],
    ),
    "qwen3": (
        QWEN3,
        ["<|im_start|>", "<|im_end|>", "<|endoftext|>"],
        ["<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>",
         "</think>", "<|fim_prefix|>"],
    ),
    "deepseek_v3": (
        DEEPSEEK,
        ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"],
        ["<｜User｜>", "<｜Assistant｜>", "<think>", "</think>", "<｜tool▁calls▁begin｜>",
         "<｜tool▁calls▁end｜>", "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>", "<｜tool▁sep｜>",
         "<｜tool▁outputs▁begin｜>", "<｜tool▁outputs▁end｜>", "<｜tool▁output▁begin｜>",
         "<｜tool▁output▁end｜>"],
    ),
    "gpt_oss": (
        GPT_OSS,
        ["<|start|>", "<|end|>", "<|message|>", "<|channel|>", "<|constrain|>", "<|return|>",
         "<|call|>", "<|endoftext|>"],
        [],
    ),
    "phi4": (
        PHI4,
        ["<|endoftext|>"],
        ["<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "<|tool|>", "<|/tool|>",
         "<|tool_call|>", "<|/tool_call|>", "    "],
    ),
    "command": (
        COMMAND,
        ["<BOS_TOKEN>", "<|START_OF_TURN_TOKEN|>", "<|END_OF_TURN_TOKEN|>", "<|USER_TOKEN|>",
         "<|CHATBOT_TOKEN|>", "<|SYSTEM_TOKEN|>"],
        ["<|START_THINKING|>", "<|END_THINKING|>", "<|START_ACTION|>", "<|END_ACTION|>",
         "<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|START_TOOL_RESULT|>", "<|END_TOOL_RESULT|>"],
    ),
}  # fmt: skip
FAMILIES = (*_BYTE_LEVEL, "gemma3", "mistral", "unigram")
_ENDS = {
    "llama3": "<|eot_id|>",
    "qwen3": "<|im_end|>",
    "deepseek_v3": "<｜end▁of▁sentence｜>",
    "gpt_oss": "<|return|>",
    "phi4": "<|endoftext|>",
    "command": "<|END_OF_TURN_TOKEN|>",
}


@functools.cache
def family(name: str) -> Any:
    """A tokenizer of that family; shared, so not to be changed."""
    if name in _BYTE_LEVEL:
        return _byte_level(name)
    return {"gemma3": _gemma, "mistral": _mistral, "unigram": _unigram}[name]()


def _byte_level(name: str) -> Any:
    import transformers
    from tokenizers import AddedToken, Tokenizer

    template, special, others = _BYTE_LEVEL[name]
    raw = Tokenizer.from_str(chatml_tokenizer().backend_tokenizer.to_str())
    raw.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in special])
    raw.add_tokens([AddedToken(t, normalized=False, special=False) for t in others])
    made = transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw, eos_token=_ENDS[name], pad_token="<|endoftext|>"
    )
    made.chat_template = template
    return made


def _gemma() -> Any:
    """SentencePiece's BPE with bytes for the rest; runs of spaces and HTML are added tokens."""
    from tokenizers import decoders, normalizers

    special = ["<pad>", "<eos>", "<bos>", "<unk>", "<start_of_turn>", "<end_of_turn>"]
    raw = _pieces(special, ["▁", "▁▁", "▁t", "h", "e", "he", "▁the"], [("▁", "▁"), ("h", "e")])
    raw.normalizer = normalizers.Replace(" ", "▁")
    raw.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    return _wrapped(raw, special, ["\n\n", "▁▁", "<table>", "<b>", "<unused94>"], GEMMA3, "<eos>")


def _mistral() -> Any:
    """As Llama 2's and Mistral's: a space before the prompt, control tokens in the vocabulary."""
    from tokenizers import decoders, pre_tokenizers

    special = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]"]
    special += ["[/AVAILABLE_TOOLS]", "[TOOL_CALLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]"]
    # A merge that makes a control token of text: conversions of SentencePiece's have such
    more = [*"[INST]/▁the", "[INST", "▁the"]
    raw = _pieces(special, more, [("[INST", "]")])
    raw.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    raw.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    return _wrapped(raw, special, [], MISTRAL, "</s>")


def _unigram() -> Any:
    """Unigram with bytes for the rest; turn marks are pieces, and not flagged."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    marks = ["<pad>", "<s>", "<unk>", "<turn>", "</turn>"]
    pieces = [(mark, 0.0) for mark in marks] + [(f"<0x{i:02X}>", -9.0) for i in range(256)]
    pieces += [(piece, -3.0) for piece in ("▁", "▁the", "a", "n", "user", "<", ">", "/")]
    raw = Tokenizer(models.Unigram(pieces, unk_id=2, byte_fallback=True))
    raw.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never", split=False)
    raw.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    return _wrapped(raw, ["<pad>", "<s>"], ["<turn>", "</turn>"], UNIGRAM, "</turn>")


def _pieces(special: list[str], more: list[str], merges: list[tuple[str, str]]) -> Any:
    from tokenizers import Tokenizer, models

    letters = [chr(i) for i in range(33, 127)]
    names = [*special, *(f"<0x{i:02X}>" for i in range(256)), *letters, *more]
    vocabulary = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return Tokenizer(
        models.BPE(vocabulary, merges, byte_fallback=True, fuse_unk=True, unk_token="<unk>")
    )


def _wrapped(raw: Any, special: list[str], others: list[str], template: str, end: str) -> Any:
    import transformers
    from tokenizers import AddedToken

    raw.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in special])
    raw.add_tokens([AddedToken(t, normalized=False, special=False) for t in others])
    made = transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw, eos_token=end, pad_token=special[0], unk_token="<unk>"
    )
    made.chat_template = template
    return made
