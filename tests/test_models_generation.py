"""What a generation config and the settings of a call ask for, beside plain `generate`."""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from mctsr_graph.errors import ConfigError
from mctsr_graph.models import ChatTransformers
from mctsr_graph.models.template import prompt_ids
from tests.engine_models import chatml_tokenizer, tiny

torch = pytest.importorskip("torch", reason="torch is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")

PROMPT = "What is 12*3?"


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return chatml_tokenizer()


@pytest.fixture(scope="module")
def model(tokenizer: Any) -> Any:
    size, end = len(tokenizer), tokenizer.eos_token_id
    return tiny(vocab_size=size, max_position_embeddings=256, eos_token_id=end)


@pytest.fixture(scope="module")
def chat(model: Any, tokenizer: Any) -> ChatTransformers:
    return ChatTransformers.from_loaded(model, tokenizer, max_tokens=12)


@pytest.fixture(scope="module")
def prompt(tokenizer: Any) -> list[int]:
    return prompt_ids(tokenizer, [{"role": "user", "content": PROMPT}])


@contextlib.contextmanager
def asking(model: Any, **settings: Any) -> Iterator[None]:
    """Let the model's generation config ask for something."""
    before = model.generation_config
    model.generation_config = transformers.GenerationConfig(
        **{**before.to_diff_dict(), "pad_token_id": 0, **settings}
    )
    try:
        yield
    finally:
        model.generation_config = before


def generated(model: Any, prompt: list[int], **settings: Any) -> list[int]:
    """New ids of `generate`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ids = torch.tensor([prompt])
        out = model.generate(ids, attention_mask=torch.ones_like(ids), **settings)
    return list(out[0, len(prompt) :].tolist())


def said(model: Any, tokenizer: Any, prompt: list[int], **settings: Any) -> str:
    return str(tokenizer.decode(generated(model, prompt, **settings), skip_special_tokens=True))


GREEDY = ["encoder_repetition_penalty", "repetition_penalty", "no_repeat_ngram_size", "min_length"]
GREEDY += ["encoder_no_repeat_ngram_size", "min_new_tokens", "bad_words_ids", "sequence_bias"]
GREEDY += ["forced_eos_token_id", "forced_bos_token_id", "suppress_tokens", "begin_suppress_tokens"]
GREEDY += ["exponential_decay_length_penalty", "remove_invalid_values", "renormalize_logits"]


@pytest.mark.parametrize("name", GREEDY)
def test_a_generation_config_changes_the_text_as_in_generate(
    name: str, chat: ChatTransformers, model: Any, tokenizer: Any, prompt: list[int]
) -> None:
    first, second = generated(model, prompt, max_new_tokens=2, do_sample=False)
    end = tokenizer.eos_token_id
    values = {
        "encoder_repetition_penalty": 1.8,
        "repetition_penalty": 1.8,
        "no_repeat_ngram_size": 1,
        "encoder_no_repeat_ngram_size": 1,
        "min_length": len(prompt) + 6,
        "min_new_tokens": 6,
        "bad_words_ids": [[first], [second]],
        "sequence_bias": [[[first, second], -50.0]],
        "forced_eos_token_id": end,
        "forced_bos_token_id": 7,
        "suppress_tokens": [first, second],
        "begin_suppress_tokens": [first],
        "exponential_decay_length_penalty": (2, 1.9),
        "remove_invalid_values": True,
        "renormalize_logits": True,
    }
    # An end that comes at once shows what holds it up
    ends = {"eos_token_id": [end, first]} if name in ("min_length", "min_new_tokens") else {}
    plain = said(model, tokenizer, prompt, max_new_tokens=12, do_sample=False, **ends)
    with asking(model, **{name: values[name]}, **ends):
        wanted = said(model, tokenizer, prompt, max_new_tokens=12, do_sample=False)
        assert chat.invoke(PROMPT).content == wanted
    # The third is of prompts of one token only; the last forbids what is not written anyway
    quiet = ["remove_invalid_values", "renormalize_logits", "forced_bos_token_id"]
    quiet.append("encoder_no_repeat_ngram_size")
    assert (wanted == plain) == (name in quiet)


FILTERS = {
    "min_p": 0.3,
    "typical_p": 0.4,
    "epsilon_cutoff": 0.05,
    "eta_cutoff": 0.2,
    "top_h": 0.5,
    "top_k": 3,
    "top_p": 0.5,
}


@pytest.mark.parametrize("more", [{}, {"top_k": 6, "top_p": 0.9}])
@pytest.mark.parametrize("name", FILTERS)
def test_what_may_be_drawn_is_what_generate_draws_from(
    name: str, more: dict[str, Any], chat: ChatTransformers, model: Any, prompt: list[int]
) -> None:
    settings = {"do_sample": True, "temperature": 0.7, "top_k": 0, **more, name: FILTERS[name]}
    with asking(model, **settings):
        config = transformers.GenerationConfig(**{**settings, "max_new_tokens": 1})
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([prompt])).logits[:, -1]
        for process in model._get_logits_processor(config, len(prompt), device="cpu"):
            logits = process(torch.tensor([prompt]), logits)
        chances = logits.softmax(-1)[0]
        future = [
            chat._exchange([HumanMessage(PROMPT)], None, {"max_tokens": 1, "n": 100, "seed": 5})
        ]
        samples = chat._engine().submit(future[0].request()).result()
    drawn = [sample.ids[0] for sample in samples]
    for token in set(drawn):
        assert chances[token] > 0
    for token, chance in enumerate(chances.tolist()):
        # Four standard deviations of so many draws
        assert abs(drawn.count(token) / 100 - chance) <= 4 * math.sqrt(chance * (1 - chance) / 100)


def test_settings_of_a_call_are_those_of_generate(
    chat: ChatTransformers, model: Any, tokenizer: Any, prompt: list[int]
) -> None:
    options = {"max_new_tokens": 12, "do_sample": False, "repetition_penalty": 1.8}
    assert chat.invoke(PROMPT, repetition_penalty=1.8).content == said(
        model, tokenizer, prompt, **options
    )
    with asking(model, repetition_penalty=1.8):
        plain = said(model, tokenizer, prompt, **{**options, "repetition_penalty": 1.0})
        assert chat.invoke(PROMPT, repetition_penalty=1.0).content == plain
    greedy = chat.invoke(PROMPT).content
    assert chat.invoke(PROMPT, temperature=2.0, min_p=1.0).content == greedy
    assert chat.invoke(PROMPT, temperature=2.0, seed=1).content != greedy
    with asking(model, do_sample=True, min_p=0.5):
        assert chat.invoke(PROMPT, temperature=0).content == greedy


def test_a_reply_tells_what_it_was_drawn_at_where_nothing_else_bears_on_it(
    chat: ChatTransformers, model: Any
) -> None:
    def told(**settings: Any) -> Any:
        return chat.invoke(PROMPT, max_tokens=2, **settings).response_metadata.get("sampling")

    warm: dict[str, Any] = {"temperature": 0.9, "seed": 5}
    assert told(**warm, top_p=0.8) == {"temperature": 0.9, "top_p": 0.8, "top_k": 50, "seed": 5}
    streamed = [*chat.stream(PROMPT, max_tokens=2, **warm)]
    assert [one.response_metadata["sampling"]["seed"] for one in streamed[-1:]] == [5]
    assert told(temperature=0, seed=5) is None
    assert told(temperature=0.9) is None
    assert told(**warm, min_p=0.5) is None
    assert told(**warm, logits_processor=[lambda ids, scores: scores]) is None
    for name in ("min_p", "typical_p", "epsilon_cutoff", "eta_cutoff", "top_h"):
        with asking(model, do_sample=True, **{name: FILTERS[name]}):
            assert told(**warm) is None


@pytest.mark.parametrize("wrong", [{"min_p": 2}, {"min_p": -1}, {"repetition_penalty": 0}])
def test_wrong_settings(chat: ChatTransformers, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        chat.invoke(PROMPT, **wrong)


def test_limits_and_stops_of_a_generation_config(
    model: Any, tokenizer: Any, prompt: list[int], chat: ChatTransformers
) -> None:
    free = ChatTransformers.from_loaded(model, tokenizer)

    def count(of: ChatTransformers, **settings: Any) -> int:
        return int(of.invoke(PROMPT, **settings).usage_metadata["output_tokens"])

    with asking(model, max_new_tokens=3, max_length=100):
        assert (count(free), count(free, max_tokens=5), count(chat)) == (3, 5, 12)
    with asking(model, max_length=len(prompt) + 4):
        assert count(free) == 4
    text = said(model, tokenizer, prompt, max_new_tokens=12, do_sample=False)
    with asking(model, stop_strings=[text[4:6]]):
        assert chat.invoke(PROMPT).content == text[:4]
        assert chat.invoke(PROMPT, stop=[text[2:4]]).content == text[:2]
        assert chat.invoke(PROMPT, stop=[]).content == text


def test_what_is_not_honoured_is_told_once_by_name(tokenizer: Any) -> None:
    own = tiny(vocab_size=len(tokenizer))
    chat = ChatTransformers.from_loaded(own, tokenizer, temperature=0, max_tokens=3)
    with asking(own, num_beams=4, guidance_scale=1.5, max_time=2.0, num_return_sequences=1):
        with pytest.warns(
            UserWarning, match="num_beams=4, guidance_scale=1.5, max_time=2.0, which"
        ):
            chat.invoke(PROMPT)
        chat.invoke(PROMPT)


def test_own_processors(chat: ChatTransformers, tokenizer: Any) -> None:
    seen = []

    def only_z(ids: Any, scores: Any) -> Any:
        seen.append(tuple(ids.shape) + tuple(scores.shape))
        kept = torch.full_like(scores, -float("inf"))
        kept[:, tokenizer.convert_tokens_to_ids("Z")] = 0.0
        return kept

    assert chat.invoke(PROMPT, logits_processor=[only_z], max_tokens=3).content == "ZZZ"
    assert [shape[0] for shape in seen] == [1, 1, 1]
    assert seen[1][1] == seen[0][1] + 1
    assert chat.invoke(PROMPT).content != "ZZZ"
    suppressed = transformers.SuppressTokensLogitsProcessor(list(range(10)))
    with chat_of(chat, [suppressed]) as own:
        assert own.invoke(PROMPT).content


@contextlib.contextmanager
def chat_of(chat: ChatTransformers, processors: list[Any]) -> Iterator[ChatTransformers]:
    yield ChatTransformers.from_loaded(*chat._load(), max_tokens=3, logits_processor=processors)


def test_log_probabilities(
    chat: ChatTransformers, model: Any, tokenizer: Any, prompt: list[int]
) -> None:
    ids = generated(model, prompt, max_new_tokens=4, do_sample=False)
    with torch.no_grad():
        logp = model(input_ids=torch.tensor([prompt + ids])).logits[0].log_softmax(-1)
    for settings in ({"top_logprobs": 3}, {"logprobs": True, "top_logprobs": 3}):
        reply = chat.invoke(PROMPT, max_tokens=4, **settings)
        content = reply.response_metadata["logprobs"]["content"]
        assert len(content) == 4
        for i, told in enumerate(content):
            row = logp[len(prompt) - 1 + i]
            assert told["token"] == tokenizer.decode([ids[i]])
            assert told["bytes"] == list(told["token"].encode())
            assert told["logprob"] == pytest.approx(float(row[ids[i]]), abs=1e-4)
            best = row.topk(3)
            assert [t["logprob"] for t in told["top_logprobs"]] == pytest.approx(
                best.values.tolist(), abs=1e-4
            )
    alone = chat.invoke(PROMPT, max_tokens=4, logprobs=True).response_metadata["logprobs"]
    assert [told["top_logprobs"] for told in alone["content"]] == [[]] * 4
    assert "logprobs" not in chat.invoke(PROMPT, max_tokens=4).response_metadata
    # Before temperature and filters, whatever is drawn
    hot = chat.invoke(PROMPT, max_tokens=1, temperature=5.0, top_k=1, top_logprobs=1)
    [told] = hot.response_metadata["logprobs"]["content"]
    assert told["logprob"] == pytest.approx(float(logp[len(prompt) - 1].max()), abs=1e-4)
    [several] = chat.generate(
        [[HumanMessage(PROMPT)]], n=3, temperature=1.0, logprobs=True
    ).generations
    counts = [len(g.message.response_metadata["logprobs"]["content"]) for g in several]
    assert counts == [g.message.usage_metadata["output_tokens"] for g in several]
    chunks = list(chat.stream(PROMPT, max_tokens=4, top_logprobs=3))
    whole = sum(chunks[1:], chunks[0])
    assert len(whole.response_metadata["logprobs"]["content"]) == 4
