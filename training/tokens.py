"""The tokenizer: digits one by one, known words and what the default prompts say whole.

Every other text is spelt letter by letter, and what is no ASCII by bytes.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter

from tokenizers import AddedToken, Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from mctsr_graph.prompts import Prompts
from training.problems import CONTAINERS, NAMES, THINGS, TRADES, problems, sums
from training.texts import END, NONE, NOTHING, OUTSIDE, SAID

PAD, STOP = "<pad>", "<|end|>"
ROLES = {role: f"<|{role}|>" for role in ("system", "user", "assistant")}
TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
VERDICTS = (", right.\n", ", wrong.\n")
LONGEST = 768  # tokens of a conversation
_SEEN = 30  # times that a word must come in 20,000 problems to be a token


def fixed_texts(prompts: Prompts) -> list[str]:
    """What the default prompts say around problems and answers."""
    texts = [
        prompts.system,
        prompts.evaluate_again_system,
        prompts.write_again,
        prompts.dummy_answer,
    ]
    for text in (prompts.draft, prompts.critique, prompts.refine, prompts.merge, prompts.evaluate):
        texts += re.split(r"\{(?:problem|answers?|critique)\}", text)
    again = prompts.evaluate_again
    texts += re.split(r"\{(?:problem|answer)\}", again)
    for example in prompts.evaluate_examples:
        filled = again.replace("{problem}", example.problem).replace("{answer}", example.answer)
        texts += [filled, example.reply]
    return [text for text in texts if text]


def _words() -> list[str]:
    """The words of the problems, with the space before them, and of what is written about them."""
    counted: Counter[str] = Counter()
    drawn = itertools.chain(itertools.islice(problems(0), 20_000), itertools.islice(sums(0), 2_000))
    for problem in drawn:
        counted.update(re.findall(r" ?[A-Za-z]+", problem.text))
    found = [word for word, times in counted.items() if times >= _SEEN]
    for name in (*NAMES, *TRADES, *THINGS, *CONTAINERS):
        found += [name, f" {name}"]
    finds = {
        step.finds for problem in itertools.islice(problems(0), 2_000) for step in problem.steps
    }
    found += [f"{one}: " for one in (*sorted(finds), "value")]
    found += [
        text
        for i in range(1, 8)
        for text in (f"Step {i}, ", f"Step {i}: ", f"Step {i} has to change.")
    ]
    end, close = END.format("\n").split("\n")
    found += [end, close, NOTHING, "The final answer has to change.", "Final answer: ", OUTSIDE]
    found += [f" {sign} " for sign in "+-*/="]
    found += [*VERDICTS, SAID, NONE, ".\n", ". ", "? ", "Score: ", "\n\n"]
    found += [text for i in range(1, 9) for text in (f"<solution_{i}>\n", f"\n</solution_{i}>")]
    return found


def make_tokenizer() -> PreTrainedTokenizerFast:
    """The tokenizer, with the chat template.

    It takes the fewest pieces that make up a text: each has the same likelihood.
    """
    special = [PAD, STOP, *ROLES.values()]
    letters = [chr(code) for code in range(32, 127)] + ["\n"]
    pieces = dict.fromkeys([*letters, *_words(), *fixed_texts(Prompts())])
    bytes_ = [f"<0x{code:02X}>" for code in range(256)]
    vocabulary = [(piece, 0.0) for piece in special]
    vocabulary += [(piece, -1.0) for piece in pieces] + [(piece, -1.0) for piece in bytes_]
    core = Tokenizer(models.Unigram(vocabulary, unk_id=0, byte_fallback=True))
    core.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    core.add_special_tokens(
        [AddedToken(token, special=True, normalized=False) for token in special]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, pad_token=PAD, eos_token=STOP, model_max_length=LONGEST,
        clean_up_tokenization_spaces=False,
    )  # fmt: skip
    tokenizer.chat_template = TEMPLATE
    return tokenizer
