"""`ChatTransformers`: any HuggingFace causal chat model as a LangChain chat model.

torch and transformers are imported only when a model is loaded or asked, so this module
is cheap to import and works, up to that point, without them.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Mapping
from typing import Annotated, Any

from langchain_core.callbacks import CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError

from mctsr_graph.errors import ConfigError, MCTSrError

# One lock for all models of the process: sampling draws from torch's process-wide generator
# (a second model sampling meanwhile would change a seeded text), and a HuggingFace tokenizer
# keeps "split special tokens" as state of the shared object.
_TORCH_LOCK = threading.Lock()
_ROLES = {"human": "user", "ai": "assistant", "system": "system"}  # all others: as user text
Chat = list[dict[str, str]]


class ContextLengthError(MCTSrError, ValueError):
    """A prompt leaves no room for one new token in the model's context window."""


class _Weights:
    """Model and tokenizer, loaded once; shared by copies of the chat model."""

    def __init__(self, model: Any = None, tokenizer: Any = None) -> None:
        self.lock = threading.Lock()
        self.model, self.tokenizer = model, tokenizer

    def __deepcopy__(self, memo: dict[int, Any]) -> _Weights:
        return self  # a copy of the settings needs no copy of the weights


class Sampling(BaseModel):
    """Settings of one call. The chat model has them too, as defaults of its calls.

    Attributes:
        temperature: 0 is greedy; None is the default of the model's generation config.
        top_p: None is the model's default; a value without a temperature turns sampling on.
        top_k: As `top_p`; transformers' own default is 50.
        max_tokens: Most new tokens; fewer where the context window has less room.
        seed: The same seed, prompt and settings give the same text on the same machine.
        stop: Texts that end the answer; they are not part of it.
    """

    model_config = ConfigDict(extra="forbid")
    temperature: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    top_p: float | None = Field(default=None, gt=0, le=1)
    top_k: int | None = Field(default=None, ge=1)
    max_tokens: int = Field(default=1024, ge=1)
    seed: int | None = Field(default=None, ge=0, lt=2**63)
    stop: list[Annotated[str, Field(min_length=1)]] | None = None


class ChatTransformers(BaseChatModel, Sampling):
    """A HuggingFace causal chat model that runs in this process.

    Weights load at the first call (any thread, once). Calls run one after the other. The
    settings of `Sampling` can also be given per call or with `.bind(...)`; None there means
    "not given", unknown names raise. Some chat templates add a system prompt of their own
    when there is none (SmolLM2's does). No streaming, no tools, one generation per call.
    A call raises `ContextLengthError`, or `ConfigError` for a wrong setting.

    Attributes:
        model_id: Hub id ("Qwen/Qwen2.5-0.5B-Instruct") or local folder.
        device: "cuda", "cuda:1", "mps", "cpu"; None is the first of cuda, mps, cpu there is.
        dtype: A torch dtype or its name; None is bfloat16 on CUDA and float32 elsewhere.
        gguf_file: Name of GGUF weights in `model_id`; needs packages gguf and accelerate.
        revision: Branch, tag or commit on the hub.
        trust_remote_code: True runs Python code that comes with the model.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", protected_namespaces=())
    model_id: str = Field(min_length=1)
    device: str | None = None
    dtype: Any = None
    gguf_file: str | None = None
    revision: str | None = None
    trust_remote_code: bool = False
    _weights: _Weights = PrivateAttr(default_factory=_Weights)

    @classmethod
    def from_loaded(cls, model: Any, tokenizer: Any, **kwargs: Any) -> ChatTransformers:
        """Wrap a model and tokenizer that are in memory; the model is put in eval mode."""
        name = getattr(model, "name_or_path", "") or type(model).__name__
        chat = cls(**{"model_id": name, **kwargs})
        chat._weights = _Weights(model.eval(), tokenizer)
        return chat

    @property
    def _llm_type(self) -> str:
        return "mctsr-graph-transformers"

    @property
    def _identifying_params(self) -> Mapping[str, Any]:
        names = ("model_id", "gguf_file", "revision", *Sampling.model_fields)
        return {**{n: getattr(self, n) for n in names}, "dtype": str(self.dtype)}

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        sampling, chat = self._sampling(stop, kwargs), to_chat(messages)
        model, tokenizer = self._load()
        with _TORCH_LOCK:
            prompt = prompt_ids(tokenizer, chat)
            new, ended = _complete(model, tokenizer, prompt, sampling)
            text = tokenizer.decode(new, skip_special_tokens=True)
        cut = min((text.find(s) for s in sampling.stop or () if s in text), default=len(text))
        usage = UsageMetadata(
            input_tokens=len(prompt), output_tokens=len(new), total_tokens=len(prompt) + len(new)
        )
        info = {"finish_reason": "stop" if ended or cut < len(text) else "length"}
        info["model_name"] = self.gguf_file or self.model_id
        message = AIMessage(text[:cut], usage_metadata=usage, response_metadata=info)
        return ChatResult(generations=[ChatGeneration(message=message, generation_info=info)])

    def _sampling(self, stop: list[str] | None, kwargs: dict[str, Any]) -> Sampling:
        kwargs = {k: v for k, v in {**kwargs, "stop": stop}.items() if v is not None}
        kwargs.pop("stream", None)  # langchain passes it on
        try:
            defaults = {name: getattr(self, name) for name in Sampling.model_fields}
            return Sampling.model_validate({**defaults, **kwargs})
        except ValidationError as error:
            raise ConfigError(f"wrong setting for a call: {error}") from error

    def _load(self) -> tuple[Any, Any]:
        with self._weights.lock:
            if self._weights.model is None:
                self._weights.tokenizer, self._weights.model = self._read_weights()
            return self._weights.model, self._weights.tokenizer

    def _read_weights(self) -> tuple[Any, Any]:
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        mps = "mps" if torch.backends.mps.is_available() else "cpu"
        device = self.device or ("cuda" if torch.cuda.is_available() else mps)
        dtype = self.dtype or (torch.bfloat16 if device.startswith("cuda") else torch.float32)
        if isinstance(dtype, str) and dtype != "auto":
            dtype = getattr(torch, dtype, None)
            if not isinstance(dtype, torch.dtype):
                raise ConfigError(f"dtype must be a torch dtype or its name, got {self.dtype!r}")
        options: dict[str, Any] = {"revision": self.revision, "gguf_file": self.gguf_file}
        options = {name: value for name, value in options.items() if value is not None}
        options["trust_remote_code"] = self.trust_remote_code
        tokenizer = AutoTokenizer.from_pretrained(self.model_id, **options)
        # use_safetensors stays unset: then safetensors is taken where there is one.
        model: Any = AutoModelForCausalLM.from_pretrained(self.model_id, dtype=dtype, **options)
        return tokenizer, model.to(device).eval()


def _complete(
    model: Any, tokenizer: Any, prompt: list[int], sampling: Sampling
) -> tuple[list[int], bool]:
    """New ids after `prompt`, and whether they ended by themselves; needs `_TORCH_LOCK`."""
    import torch

    window = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    room = sampling.max_tokens if window is None else window - len(prompt)
    if room < 1:
        raise ContextLengthError(f"the prompt has {len(prompt)} tokens, the window {window}")
    limit, ends = min(room, sampling.max_tokens), _end_ids(model, tokenizer)
    ids = torch.tensor([prompt], device=model.device)
    cuda = range(torch.cuda.device_count()) if model.device.type == "cuda" else ()
    with torch.random.fork_rng(devices=cuda, enabled=sampling.seed is not None):
        if sampling.seed is not None:
            torch.manual_seed(sampling.seed)
        out = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=limit,
            max_length=None,  # a model's own would only bring a warning at each call
            eos_token_id=ends or None,
            pad_token_id=ends[0] if ends else 0,
            **_sampling_options(sampling),
            **_stop_options(tokenizer, len(prompt), sampling.stop),
        )
    new = out[0, len(prompt) :].tolist()
    return new, len(new) < limit or new[-1] in ends


def _stop_options(tokenizer: Any, start: int, stop: list[str] | None) -> dict[str, Any]:
    if not stop:
        return {}
    import torch
    from transformers import StoppingCriteriaList

    # The newest token ends a match and each token is a byte or more, but for a few special ones.
    reach = max(len(text.encode()) for text in stop) + 8

    def stopped(ids: Any, scores: Any, **_: Any) -> Any:
        tail = tokenizer.decode(ids[0, max(start, ids.shape[1] - reach) :])
        return torch.tensor([any(text in tail for text in stop)], device=ids.device)

    return {"stopping_criteria": StoppingCriteriaList([stopped])}


def _sampling_options(sampling: Sampling) -> dict[str, Any]:
    names = ("temperature", "top_p", "top_k")
    given = {n: getattr(sampling, n) for n in names if getattr(sampling, n) is not None}
    if sampling.temperature == 0:  # neutral values: transformers warns of others
        return {"do_sample": False, "temperature": 1.0, "top_p": 1.0, "top_k": 50}
    return {"do_sample": True, **given} if given else {}


def _end_ids(model: Any, tokenizer: Any) -> list[int]:
    """Ids that end a turn; some models list only one of the two in their generation config."""
    ends = model.generation_config.eos_token_id
    ends = list(ends) if isinstance(ends, list | tuple) else [ends]
    return sorted({end for end in [*ends, tokenizer.eos_token_id] if end is not None})


def to_chat(messages: list[BaseMessage]) -> Chat:
    """Messages as role and text; tool and function results become user text.

    Raises:
        ConfigError: No message at all, or a content block (an image, ...) that is no text.
    """
    if not messages:
        raise ConfigError("a call needs at least one message")
    chat = []
    for message in messages:
        for block in message.content if isinstance(message.content, list) else ():
            kind = "text" if isinstance(block, str) else block.get("type")
            if kind != "text" and message.type != "ai":  # reasoning or calls of an answer go
                raise ConfigError(f"only text content is supported, got a {kind!r} block")
        role = getattr(message, "role", None) or _ROLES.get(message.type, "user")
        chat.append({"role": role, "content": str(message.text)})
    return chat


def prompt_ids(tokenizer: Any, chat: Chat) -> list[int]:
    """Token ids of a chat, in which text of messages is never a special token.

    The chat is tokenised twice: as `apply_chat_template` does, and segment by segment, the
    template's parts with special tokens and the messages' texts without. When both show the
    same special tokens the first is returned (so benign text has exactly the usual ids), else
    the second. The second keeps texts as they are, or stripped where the template strips;
    other edits of a template (dropping old reasoning, ...) are not repeated there. Added
    tokens that a tokenizer does not flag as special ("<think>") stay as the model has them.
    """
    chat = _accepted(tokenizer, chat)
    text = _render(tokenizer, chat)
    whole = tokenizer(text, add_special_tokens=False)["input_ids"]
    segments = _segment_ids(tokenizer, chat, text)
    added = tokenizer.added_tokens_decoder.items()
    special = {*tokenizer.all_special_ids, *(i for i, token in added if token.special)}
    same = [i for i in whole if i in special] == [i for i in segments if i in special]
    return list(whole if same else segments)


def _segment_ids(tokenizer: Any, chat: Chat, text: str) -> list[int]:
    marks = {secrets.token_hex(16): m["content"] for m in chat if m["content"].strip()}
    by_content = {content: mark for mark, content in marks.items()}
    marked = [{**m, "content": by_content.get(m["content"], m["content"])} for m in chat]
    parts = re.split(f"({'|'.join(marks) or '(?!)'})", _render(tokenizer, marked))
    stripped = {mark: content.strip() for mark, content in marks.items()}
    if "".join(stripped.get(part, part) for part in parts) == text:
        marks = stripped
    ids: list[int] = []
    for part in parts:
        is_content, piece = part in marks, marks.get(part, part)
        options = {"add_special_tokens": False, "split_special_tokens": is_content}
        ids += tokenizer(piece, **options)["input_ids"] if piece else []
    return ids


def _render(tokenizer: Any, chat: Chat) -> str:
    return str(tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True))


def _accepted(tokenizer: Any, chat: Chat) -> Chat:
    """The chat, or where its template refuses it: no system role, roles that alternate."""
    from jinja2 import TemplateError

    try:
        _render(tokenizer, chat)
        return chat
    except TemplateError:
        merged: Chat = []
        for message in chat:
            role = "user" if message["role"] == "system" else message["role"]
            if merged and merged[-1]["role"] == role:
                merged[-1]["content"] += "\n\n" + message["content"]
            else:
                merged.append({"role": role, "content": message["content"]})
        return merged
