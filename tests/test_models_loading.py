"""Loading a local model: settings as people write them, what is refused and in which words."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.globals import set_llm_cache
from langchain_core.messages import HumanMessage

from mctsr_graph import MCTSrContext, load_model, solve
from mctsr_graph.errors import ConfigError, MCTSrError, MissingExtraError, UnknownModelError
from mctsr_graph.graph.labels import label_of
from mctsr_graph.models import ChatTransformers
from mctsr_graph.models.engine.limits import Limits
from mctsr_graph.models.load_errors import load_error
from mctsr_graph.models.weights_identity import digest_of_loaded
from tests.engine_models import chatml_tokenizer, tiny

torch = pytest.importorskip("torch", reason="torch is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return chatml_tokenizer()


@pytest.fixture(scope="module")
def model(tokenizer: Any) -> Any:
    return tiny(vocab_size=len(tokenizer), max_position_embeddings=4096)


@pytest.fixture(scope="module")
def folder(model: Any, tokenizer: Any, tmp_path_factory: Any) -> str:
    return saved(model, tokenizer, tmp_path_factory.mktemp("model"))


def saved(model: Any, tokenizer: Any, folder: Path) -> str:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def loaded(folder: str, **settings: Any) -> Any:
    return load_model(f"huggingface:{folder}", **{"temperature": 0, "max_tokens": 4, **settings})


def edited(folder: str, to: Path, **changes: Any) -> str:
    """A copy of the folder with another config."""
    for file in Path(folder).iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    config = json.loads((to / "config.json").read_text()) | changes
    (to / "config.json").write_text(json.dumps(config))
    return str(to)


# --------------------------------------------------------------------------- limits
def test_limits_by_name_reach_the_engine(folder: str) -> None:
    chat = loaded(folder, limits={"rows": 8, "prefill_tokens": 16.0, "row_tokens": None})
    alone = loaded(folder).invoke("hi " * 30).content
    assert chat.batch(["hi " * 30] * 3)[0].content == alone
    assert chat._engine().limits == Limits(rows=8, prefill_tokens=16)
    chat.close()


@pytest.mark.parametrize("name", ["rows", "row_tokens", "prefill_tokens"])
def test_the_least_of_each_limit_works(folder: str, name: str) -> None:
    chat = loaded(folder, limits={name: {"row_tokens": 64}.get(name, 1)})
    assert chat.invoke("hi").content == loaded(folder).invoke("hi").content
    chat.close()


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"rows": 0}, "limits['rows'] is 0, allowed a whole number, 1 or more"),
        ({"rows": -1}, "limits['rows'] is -1, allowed a whole number, 1 or more"),
        ({"rows": 8.5}, "limits['rows'] is 8.5, allowed a whole number, 1 or more"),
        ({"rows": True}, "limits['rows'] is True, allowed a whole number, 1 or more"),
        ({"rows": "8"}, "limits['rows'] is '8', allowed a whole number, 1 or more"),
        ({"rows": None}, "limits['rows'] is None, allowed a whole number, 1 or more"),
        ({"rows": float("nan")}, "limits['rows'] is nan, allowed a whole number, 1 or more"),
        ({"row_tokens": 0}, "limits['row_tokens'] is 0, allowed a whole number, 1 or more, or"),
        ({"store_tokens": -1}, "limits['store_tokens'] is -1, allowed a whole number, 0 or more"),
        ({"prefill_tokens": 0}, "limits['prefill_tokens'] is 0, allowed a whole number, 1 or"),
        ({"packed_bytes": -1}, "limits['packed_bytes'] is -1, allowed a whole number, 0 or more"),
        ({"idle_seconds": -1}, "limits['idle_seconds'] is -1, allowed a number from 0 to 1000000"),
        ({"idle_seconds": float("inf")}, "limits['idle_seconds'] is inf, allowed a number"),
        ({"row": 1}, "limits names 'row', allowed: rows, row_tokens, store_tokens, prefill_"),
        (8, "limits is 8, allowed a dict of rows, row_tokens"),
    ],
)
def test_a_wrong_limit_is_named_with_what_is_allowed(folder: str, limits: Any, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(folder, limits=limits)
    assert words in str(caught.value)


def test_other_limits_for_a_model_that_runs_are_told(model: Any, tokenizer: Any) -> None:
    own = copy.deepcopy(model)
    first = ChatTransformers.from_loaded(own, tokenizer, limits={"rows": 2}, max_tokens=2)
    first.invoke("hi")
    ChatTransformers.from_loaded(own, tokenizer, max_tokens=2).invoke("hi")
    with pytest.warns(UserWarning, match="other limits already.*rows=2"):
        ChatTransformers.from_loaded(own, tokenizer, limits={"rows": 3}, max_tokens=2).invoke("hi")
    first.close()


# --------------------------------------------------------------------------- settings
@pytest.mark.parametrize(
    "settings",
    [
        {"torch_dtype": "bfloat16"},
        {"torch_dtype": torch.bfloat16, "device": torch.device("cpu")},
        {"dtype": "torch.bfloat16", "device": -1},
        {"dtype": "bf16", "device_map": "cpu"},
        {"dtype": "bfloat16", "device_map": {"": "cpu"}},
        {"model_kwargs": {"torch_dtype": "bfloat16", "device_map": "cpu"}},
        {"model_kwargs": {"dtype": "bfloat16"}, "dtype": "bfloat16"},
        {"dtype": "bfloat16", "attn_implementation": "eager", "local_files_only": True},
    ],
)
def test_settings_as_people_write_them(folder: str, settings: dict[str, Any]) -> None:
    chat = loaded(folder, **settings)
    assert chat.invoke("hi").usage_metadata["output_tokens"] <= 4
    made, _ = chat._load()
    assert (made.dtype, made.device.type) == (torch.bfloat16, "cpu")
    if "attn_implementation" in settings:
        assert made.config._attn_implementation == "eager"
    chat.close()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"device": "gpu"}, "device is 'gpu', allowed"),
        ({"device": "cuda:99"}, "device is 'cuda:99', which is not here, allowed ['cpu'"),
        ({"device": 99}, "device is 'cuda:99', which is not here, allowed ['cpu'"),
        ({"device": -2}, "device is -2, allowed a name such as"),
        ({"device": True}, "device is True, allowed a name such as"),
        ({"device": "cpu", "device_map": "auto"}, "device is 'cpu' and device_map 'auto', allowed"),
        ({"dtype": "int8"}, "dtype is 'int8', allowed a floating torch dtype, 'auto', float32"),
        ({"dtype": "float33"}, "dtype is 'float33', allowed"),
        ({"dtype": "fp16", "torch_dtype": "bf16"}, "dtype is 'fp16' and torch_dtype 'bf16'"),
        ({"revision": "a", "model_kwargs": {"revision": "b"}}, "model_kwargs['revision'] 'b'"),
        ({"device": "meta"}, "device is 'meta', which is not here, allowed ['cpu'"),
        ({"device_map": {"": 99}}, "device is 'cuda:99', which is not here, allowed ['cpu'"),
        ({"device_map": {"model": "cpu", "lm_head": "gpu"}}, "device is 'gpu', allowed"),
        ({"attn_implementation": "nope"}, 'attn_implementation="nope"'),
        ({"gguf_file": "no.gguf"}, "there is no file or folder"),
        ({"gguf_file": "config.json"}, "is no GGUF file"),
        ({"temprature": 1}, "temprature"),
        ({"temperature": -1}, "temperature"),
    ],
)
def test_a_wrong_setting_is_told_at_once(folder: str, settings: Any, words: str) -> None:
    with pytest.raises((ConfigError, UnknownModelError)) as caught:
        loaded(folder, **settings)
    assert words in str(caught.value)


@pytest.mark.parametrize("where", ["top", "model_kwargs"])
def test_what_finds_files_reaches_config_tokenizer_and_weights(
    folder: str, model: Any, tokenizer: Any, monkeypatch: Any, where: str
) -> None:
    asked: dict[str, dict[str, Any]] = {}

    def noting(name: str, result: Any) -> None:
        def from_pretrained(model_id: str, **given: Any) -> Any:
            asked[name] = {k: given[k] for k in hub if k in given}
            return result

        monkeypatch.setattr(getattr(transformers, name), "from_pretrained", from_pretrained)

    hub = {"token": "hf_secret", "revision": "v1", "cache_dir": "/c", "subfolder": "s"}
    noting("AutoConfig", model.config)
    noting("AutoTokenizer", tokenizer)
    noting("AutoModelForCausalLM", model)
    chat = loaded("no/body", **(hub if where == "top" else {"model_kwargs": hub}))
    chat._load()
    assert asked == dict.fromkeys(("AutoConfig", "AutoTokenizer", "AutoModelForCausalLM"), hub)
    assert "hf_secret" not in repr(chat) + str(chat) + str(chat._get_llm_string())


# --------------------------------------------------------------------------- what is refused
def other(kind: str, tokenizer: Any) -> Any:
    """A small model of another kind, with random weights."""
    size = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4}
    llama = {"vocab_size": len(tokenizer), "intermediate_size": 64, **size}
    config: Any
    if kind.startswith("Llama"):
        config = transformers.LlamaConfig(num_key_value_heads=4, pad_token_id=0, **llama)
    elif kind.startswith("Bert"):
        config = transformers.BertConfig(**llama)
    else:
        layers = {"encoder_layers": 1, "decoder_layers": 1, "d_model": 32}
        heads = {"encoder_attention_heads": 4, "decoder_attention_heads": 4}
        config = transformers.BartConfig(vocab_size=len(tokenizer), **layers, **heads)
    return getattr(transformers, kind)(config)


OTHERS = {
    "LlamaForSequenceClassification": "which gives numbers, as a reward model does",
    "LlamaModel": "which has no head that writes text",
    "BartForConditionalGeneration": "an encoder-decoder",
    "BertForMaskedLM": "which fills in gaps",
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_writes_no_text_is_refused(kind: str, tokenizer: Any, tmp_path: Path) -> None:
    made = other(kind, tokenizer)
    with pytest.raises(ConfigError, match=f"is a {kind}, {OTHERS[kind]}.*ForCausalLM"):
        loaded(saved(made, tokenizer, tmp_path))
    with pytest.raises(ConfigError, match=f"is a {kind}, "):
        ChatTransformers.from_loaded(made, tokenizer)


def test_weights_that_are_not_there_are_never_random(
    model: Any, tokenizer: Any, tmp_path: Path
) -> None:
    """A folder whose config claims a head that the files lack."""
    headless = saved(model.model, tokenizer, tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    for named in (["LlamaForCausalLM"], None):
        config["architectures"] = named
        (tmp_path / "config.json").write_text(json.dumps(config))
        with pytest.raises(ConfigError, match=r"lack 1 weights.*lm_head\.weight.*be random"):
            loaded(headless).invoke("hi")


def test_a_tokenizer_without_a_template_is_refused(
    model: Any, tokenizer: Any, tmp_path: Path
) -> None:
    bare = copy.deepcopy(tokenizer)
    bare.chat_template = None
    with pytest.raises(ConfigError, match=r"no chat template.*-Instruct"):
        loaded(saved(model, bare, tmp_path))
    with pytest.raises(ConfigError, match="no chat template"):
        ChatTransformers.from_loaded(model, bare)
    given = {"chat_template": tokenizer.chat_template}
    assert loaded(str(tmp_path), **given).invoke("hi") is not None
    assert ChatTransformers.from_loaded(model, bare, max_tokens=1, **given).invoke("hi") is not None
    old = {"chat_template": tokenizer.chat_template}  # where processors kept it
    (tmp_path / "chat_template.json").write_text(json.dumps(old))
    assert loaded(str(tmp_path)).invoke("hi").content is not None


def quantised(kind: str, **how: Any) -> dict[str, Any]:
    return {"quantization_config": {"quant_method": kind, **how}}


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"model_type": "nobody_knows"}, ConfigError, "'nobody_knows'.*pip install -U transform"),
        (
            {"model_type": "own", "auto_map": {"AutoConfig": "c.C"}},
            ConfigError,
            "trust_remote_code=True if you trust it",
        ),
        (quantised("bitsandbytes", load_in_4bit=True), MissingExtraError, "install bitsandbytes"),
        (
            {"quantization_config": {"quant_method": "gptq", "bits": 4}},
            MissingExtraError,
            "optimum",
        ),
        ({"quantization_config": {"quant_method": "odd"}}, ConfigError, "Unknown quant.*gptq"),
    ],
)
def test_a_config_that_cannot_be_loaded(
    folder: str, tmp_path: Path, changes: dict[str, Any], kind: type[MCTSrError], words: str
) -> None:
    with pytest.raises(kind, match=words) as caught:
        loaded(edited(folder, tmp_path, **changes))
    assert type(caught.value) is kind


def test_folders_that_hold_no_model(folder: str, tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match=r"holds no weights.*it holds nothing"):
        loaded(str(tmp_path))
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(UnknownModelError, match=r"no folder of a model.*config\.json"):
        loaded(str(tmp_path))
    (tmp_path / "config.json").write_bytes((Path(folder) / "config.json").read_bytes())
    with pytest.raises(UnknownModelError, match=r"holds no weights.*safetensors"):
        loaded(str(tmp_path))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(MCTSrError, match="config"):
        loaded(str(tmp_path))


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "tokenizer_config.json"])
def test_a_damaged_file_of_a_folder_is_named(folder: str, tmp_path: Path, file: str) -> None:
    whole = edited(folder, tmp_path)
    (tmp_path / file).write_text('{"bos_token": ')
    with pytest.raises(UnknownModelError, match=rf"damaged file, {file} \(.*fetch it again"):
        loaded(whole)


def test_a_folder_without_a_tokenizer(folder: str, tmp_path: Path) -> None:
    bare = edited(folder, tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(UnknownModelError, match=r"no tokenizer that can be read.*tokenizer\.json"):
        loaded(bare)


def test_what_is_no_model_is_refused(tokenizer: Any) -> None:
    for wrong in (None, "model", tokenizer):
        with pytest.raises(ConfigError, match="which is none of transformers"):
            ChatTransformers.from_loaded(wrong, tokenizer)


def test_weights_that_cannot_be_read_are_told_by_this_package(folder: str, tmp_path: Path) -> None:
    broken = edited(folder, tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(ConfigError, match="cannot be loaded"):
        loaded(broken).invoke("hi")


def test_an_adapter_needs_its_package(folder: str, tmp_path: Path) -> None:
    base = {"base_model_name_or_path": folder, "peft_type": "LORA"}
    (tmp_path / "adapter_config.json").write_text(json.dumps(base))
    from importlib.util import find_spec

    if find_spec("peft") is not None:
        pytest.skip("peft is installed")
    with pytest.raises(MissingExtraError, match="pip install peft"):
        loaded(str(tmp_path))


class GatedRepoError(OSError):
    """Named as those of the hub's client are."""


class RepositoryNotFoundError(OSError):
    pass


class RevisionNotFoundError(OSError):
    pass


class LocalEntryNotFoundError(OSError):
    pass


@pytest.mark.parametrize(
    ("cause", "kind", "words"),
    [
        (GatedRepoError("403"), ConfigError, "is gated.*huggingface.co/some/one.*HF_TOKEN"),
        (RepositoryNotFoundError("404"), UnknownModelError, "no hub id 'some/one'.*spelling"),
        (RevisionNotFoundError("404"), UnknownModelError, "no revision 'v9'"),
        (LocalEntryNotFoundError("x"), ConfigError, "hub cannot be reached: give a folder"),
        (ModuleNotFoundError("No m", name="tiktoken"), MissingExtraError, "pip install tiktoken"),
        (ImportError("run `pip install -U kernels`"), MissingExtraError, "pip install kernels "),
        (RuntimeError("CUDA out of memory"), ConfigError, "does not fit.*bfloat16"),
        (KeyError("odd"), ConfigError, "cannot be loaded: KeyError: 'odd'"),
    ],
)
def test_foreign_errors_become_ones_that_say_what_to_do(
    monkeypatch: Any, cause: Exception, kind: type[MCTSrError], words: str
) -> None:
    def from_pretrained(*_: Any, **__: Any) -> Any:
        raise cause

    monkeypatch.setattr(transformers.AutoConfig, "from_pretrained", from_pretrained)
    with pytest.raises(kind, match=words) as caught:
        loaded("some/one", revision="v9")
    assert caught.value.__cause__ is cause
    wrapped = OSError("of transformers")
    wrapped.__cause__ = cause
    assert type(load_error(wrapped, "some/one")) is kind


# --------------------------------------------------------------------------- pictures and text
def of_pictures(kind: str, size: int) -> Any:
    """A small configuration of a model of pictures and text."""
    text: dict[str, Any] = {"vocab_size": size, "hidden_size": 32, "intermediate_size": 64}
    text |= {"num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 4}
    vision = {"hidden_size": 32, "intermediate_size": 64}
    if kind == "Qwen3VL":
        sections = {"mrope_section": [1, 1, 2], "mrope_interleaved": True}
        rope = {"rope_type": "default", "rope_theta": 1e4, **sections}
        text |= {"head_dim": 8, "rope_parameters": rope}
        vision |= {"depth": 1, "num_heads": 4, "out_hidden_size": 32}
        more = {"deepstack_visual_indexes": [0], "num_position_embeddings": 16}
        tokens = {"image_token_id": 4, "video_token_id": 5}
        whole = {"text_config": text, "vision_config": {**vision, **more}, **tokens}
        return transformers.Qwen3VLConfig(**whole)
    kinds = {"Llava": ("llama", "clip_vision_model"), "Mistral3": ("mistral", "pixtral")}
    text["model_type"], seen = kinds[kind]
    vision |= {"num_hidden_layers": 1, "num_attention_heads": 4, "image_size": 16, "patch_size": 8}
    return getattr(transformers, f"{kind}Config")(
        text_config=text, vision_config={**vision, "model_type": seen}, image_token_index=1
    )


@pytest.mark.parametrize("kind", ["Llava", "Mistral3", "Qwen3VL"])
def test_a_model_of_pictures_and_text_is_loaded_by_name(
    kind: str, tokenizer: Any, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    made = getattr(transformers, f"{kind}ForConditionalGeneration")(
        of_pictures(kind, len(tokenizer))
    ).eval()
    chat = loaded(saved(made, tokenizer, tmp_path))
    inputs = tokenizer.apply_chat_template(
        [{"role": "user", "content": "hi"}], add_generation_prompt=True, return_tensors="pt"
    )
    ids = inputs["input_ids"]
    out = made.generate(ids, max_new_tokens=4, do_sample=False, pad_token_id=0)
    new = out[0, ids.shape[1] :]
    assert chat.invoke("hi").content == tokenizer.decode(new, skip_special_tokens=True)
    assert type(chat._load()[0]) is type(made)
    chat.close()


# --------------------------------------------------------------------------- identity
def test_a_cache_never_gives_the_reply_of_other_weights(model: Any, tokenizer: Any) -> None:
    torch.manual_seed(1)
    second = tiny(vocab_size=len(tokenizer), initializer_range=0.7)
    short = {"temperature": 0, "max_tokens": 8}
    chats = [ChatTransformers.from_loaded(one, tokenizer, **short) for one in (model, second)]
    expected = [chat.invoke("hi").content for chat in chats]
    assert expected[0] != expected[1]
    set_llm_cache(InMemoryCache())
    try:
        assert [chat.invoke("hi").content for chat in chats * 2] == expected * 2
    finally:
        set_llm_cache(None)
    assert label_of(chats[0]) != label_of(chats[1])
    twin = ChatTransformers.from_loaded(copy.deepcopy(model), tokenizer, **short)
    assert twin._get_llm_string() == chats[0]._get_llm_string()
    assert label_of(twin) == label_of(chats[0])


class Adapter(torch.nn.Module):  # type: ignore[misc, name-defined, unused-ignore]
    """As those of peft: beside a layer, and switched on by name."""

    def __init__(self) -> None:
        super().__init__()
        self.lora_A = torch.nn.Linear(2, 2)
        self._active_adapter = ["a"]


def test_what_changes_a_reply_changes_the_identity(model: Any, tokenizer: Any) -> None:
    seen = [digest_of_loaded(model, tokenizer)]
    one = copy.deepcopy(model)
    assert digest_of_loaded(one, tokenizer) == seen[0]
    with torch.no_grad():
        one.lm_head.weight[-1, -1] += 1e-3
    seen.append(digest_of_loaded(one, tokenizer))
    seen.append(digest_of_loaded(copy.deepcopy(model).bfloat16(), tokenizer))
    adapted = copy.deepcopy(model)
    adapted.lora = Adapter()
    seen.append(digest_of_loaded(adapted, tokenizer))
    adapted.lora._active_adapter = []
    seen.append(digest_of_loaded(adapted, tokenizer))
    templated = copy.deepcopy(tokenizer)
    templated.chat_template += " "
    seen.append(digest_of_loaded(model, templated))
    assert len(set(seen)) == len(seen)


def test_a_folder_is_known_by_its_files(folder: str, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    (tmp_path / "other").mkdir()
    same, other = edited(folder, tmp_path / "copy"), edited(folder, tmp_path / "other")
    weights = bytearray((tmp_path / "other" / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (tmp_path / "other" / "model.safetensors").write_bytes(weights)
    digests = [ChatTransformers(model_id=one).label_parts() for one in (folder, same, other)]
    config = (tmp_path / "copy" / "config.json", Path(folder) / "config.json")
    config[0].write_bytes(config[1].read_bytes())
    digests[1] = ChatTransformers(model_id=same).label_parts()
    assert digests[0] == digests[1] != digests[2]
    assert ChatTransformers(model_id="no/body").label_parts() == {}
    strings = {
        ChatTransformers(model_id="no/body", **given)._get_llm_string()
        for given in ({}, {"revision": "a"}, {"dtype": "bf16"}, {"quantization_config": {"a": 1}})
    }
    assert len(strings) == 4


# --------------------------------------------------------------------------- pickles
def test_a_chat_model_pickles_by_its_settings(folder: str, model: Any, tokenizer: Any) -> None:
    chat = loaded(folder, limits={"rows": 2}, token="hf_x")
    before = chat.invoke("hi").content
    again = pickle.loads(pickle.dumps(chat))
    assert again.model_dump() == chat.model_dump()
    assert (again.limits, again.token) == (Limits(rows=2), chat.token)
    assert again.invoke("hi").content == before
    given = ChatTransformers.from_loaded(model, tokenizer)
    with pytest.raises(ConfigError, match="cannot be pickled; allowed one made by load_model"):
        pickle.dumps(given)
    for one in (chat, again):
        one.close()


# --------------------------------------------------------------------------- pipelines
@pytest.fixture
def wrapped(model: Any, tokenizer: Any) -> Any:
    """Makes a ChatHuggingFace around a pipeline."""
    langchain = pytest.importorskip("langchain_huggingface", reason="not installed")

    def make(settings: dict[str, Any], made: dict[str, Any], **chat: Any) -> Any:
        inner = transformers.pipeline(
            "text-generation", model=copy.deepcopy(model), tokenizer=tokenizer, **made
        )
        llm = langchain.HuggingFacePipeline(pipeline=inner, pipeline_kwargs=settings)
        return langchain.ChatHuggingFace(llm=llm, tokenizer=tokenizer, model_id="m", **chat)

    return make


def test_a_chat_model_around_a_pipeline_is_taken_over_with_its_settings(wrapped: Any) -> None:
    made = wrapped(
        {"max_new_tokens": 9, "do_sample": True, "top_p": 0.5, "return_full_text": False},
        {"top_k": 7, "temperature": 0.3, "max_new_tokens": 3},
        seed=5,
        stop_sequences=["\n"],
        n=2,
    )
    chat = ChatTransformers.from_pipeline(made)
    told = {"max_tokens": 9, "top_p": 0.5, "top_k": 7, "temperature": 0.3, "seed": 5, "n": 2}
    assert {name: getattr(chat, name) for name in told} == told
    assert chat.stop == ["\n"]
    assert chat._load()[0] is made.llm.pipeline.model
    assert ChatTransformers.from_pipeline(made, n=1, seed=6).seed == 6
    greedy = ChatTransformers.from_pipeline(wrapped({"do_sample": False, "temperature": 0.4}, {}))
    assert greedy.temperature == 0


@pytest.mark.parametrize(
    ("settings", "made", "chat", "named"),
    [
        ({"num_beams": 4}, {}, {}, "num_beams=4"),
        ({}, {"no_repeat_ngram_size": 2}, {}, "no_repeat_ngram_size=2"),
        ({}, {}, {"presence_penalty": 0.5}, "presence_penalty=0.5"),
        ({}, {}, {"model_kwargs": {"guidance": 2}}, "guidance=2"),
        ({}, {}, {"logit_bias": {1: 2}}, "logit_bias="),
    ],
)
def test_a_setting_without_a_counterpart_is_refused_by_name(
    wrapped: Any, settings: Any, made: Any, chat: Any, named: str
) -> None:
    with pytest.raises(ConfigError, match=f"asks for {named}.*no counterpart here, allowed"):
        ChatTransformers.from_pipeline(wrapped(settings, made, **chat))


def test_what_holds_no_model_is_refused() -> None:
    class Endpoint:
        repo_id = "x"

    with pytest.raises(ConfigError, match="pipeline is a Endpoint"):
        ChatTransformers.from_pipeline(Endpoint())


def test_a_chat_model_around_a_pipeline_does_not_echo_its_prompt(wrapped: Any) -> None:
    made = wrapped({"max_new_tokens": 8, "do_sample": False}, {})
    context = MCTSrContext(profile="paper", max_rollouts=1, max_retries=0)
    found = solve("What is 2 + 2?", made, context=context, judge=lambda problem, answer: 1.0)
    answers = [node["answer"] for node in found.tree.values()]
    assert answers
    assert not [one for one in answers if "What is 2 + 2?" in one or "<|im_start|>" in one]


# --------------------------------------------------------------------------- scores
def test_a_score_beyond_the_window_is_refused(tokenizer: Any) -> None:
    small = tiny(vocab_size=len(tokenizer), max_position_embeddings=64)
    chat = ChatTransformers.from_loaded(small, tokenizer)
    assert chat.score([HumanMessage("hi")], labels=(0, 1)).mass > 0
    with pytest.raises(MCTSrError, match="tokens, the window 64"):
        chat.score([HumanMessage("x" * 200)], labels=(0, 1))
