"""A search runs with every provider's chat model, and each gets the settings in its own words.

The bodies below are all that a vendor is sent beside the messages.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field

from mctsr_graph import ConfigError, MCTSrContext, asolve, solve
from tests.conftest import PAPER

from .server import FORMS, Vendors, text_for

PROBLEM = "A baker makes 12 trays of 8 muffins and sells 70 of them. How many are left?"
SETTINGS: dict[str, Any] = {
    f"{role}_{name}": value
    for role in ("draft", "critique", "refine", "evaluate")
    for name, value in (("temperature", 0.3), ("max_tokens", 300))
}
SEED = "a seed"  # in place of the number, which the search derives
_MESSAGES = ("messages", "contents", "input", "system", "systemInstruction", "toolConfig")


@pytest.fixture
def server() -> Iterator[Vendors]:
    with Vendors() as made:
        yield made


def made(package: str, name: str, **fields: Any) -> Any:
    """A model of a provider's package; skips where it is not installed."""
    module = pytest.importorskip(package, reason=f"{package} is not installed")
    return getattr(module, name)(**fields)


def openai(url: str, **fields: Any) -> Any:
    given = {"model": "gpt-4o-mini", "base_url": f"{url}/openai/v1", "api_key": "x"}
    return made("langchain_openai", "ChatOpenAI", **{**given, **fields})


def azure(url: str) -> Any:
    return made(
        *("langchain_openai", "AzureChatOpenAI"),
        **{"azure_deployment": "d", "model": "gpt-4o-mini", "api_version": "2025-01-01"},
        **{"azure_endpoint": f"{url}/openai", "api_key": "x"},
    )


def anthropic(url: str, **fields: Any) -> Any:
    given = {"model": "claude-sonnet-4-6", "base_url": f"{url}/anthropic", "api_key": "x"}
    return made("langchain_anthropic", "ChatAnthropic", **{**given, **fields})


def gemini(url: str) -> Any:
    given = {"model": "gemini-2.5-flash", "base_url": f"{url}/gemini", "api_key": "x"}
    return made("langchain_google_genai", "ChatGoogleGenerativeAI", **given)


def ollama(url: str) -> Any:
    return made("langchain_ollama", "ChatOllama", model="llama3", base_url=url)


def mistral(url: str) -> Any:
    given = {"model": "mistral-small-latest", "base_url": f"{url}/mistral/v1", "api_key": "x"}
    return made("langchain_mistralai", "ChatMistralAI", **given)


def groq(url: str) -> Any:
    given = {"model": "llama-3.3-70b-versatile", "base_url": f"{url}/groq", "api_key": "x"}
    return made("langchain_groq", "ChatGroq", **given)


def deepseek(url: str) -> Any:
    given = {"model": "deepseek-chat", "base_url": f"{url}/deepseek/v1", "api_key": "x"}
    return made("langchain_deepseek", "ChatDeepSeek", **given)


def huggingface(url: str) -> Any:
    endpoint = made(
        *("langchain_huggingface", "HuggingFaceEndpoint"),
        **{"endpoint_url": f"{url}/hf/v1/", "huggingfacehub_api_token": "x"},
    )
    return made("langchain_huggingface", "ChatHuggingFace", llm=endpoint, model_id="m")


MODELS: dict[str, tuple[Callable[[str], Any], dict[str, Any]]] = {
    "OpenAI": (
        openai,
        {
            **{"model": "gpt-4o-mini", "stream": False},
            **{"temperature": 0.3, "max_completion_tokens": 300, "stop": ["###"], "seed": SEED},
        },
    ),
    "OpenAI, Responses API": (
        lambda url: openai(url, base_url=f"{url}/responses/v1", use_responses_api=True),
        {
            **{"model": "gpt-4o-mini", "stream": False},
            **{"temperature": 0.3, "max_output_tokens": 300},
        },
    ),
    "Azure": (
        azure,
        {
            **{"model": "gpt-4o-mini", "stream": False},
            **{"temperature": 0.3, "max_completion_tokens": 300, "stop": ["###"], "seed": SEED},
        },
    ),
    "Anthropic": (
        anthropic,
        {
            "model": "claude-sonnet-4-6",
            **{"temperature": 0.3, "max_tokens": 300, "stop_sequences": ["###"]},
        },
    ),
    "Gemini": (
        gemini,
        {
            "safetySettings": [],
            "generationConfig": {
                "candidateCount": 1,
                **{"temperature": 0.3, "maxOutputTokens": 300},
                **{"stopSequences": ["###"], "seed": SEED},
            },
        },
    ),
    "Ollama": (
        ollama,
        {
            **{"model": "llama3", "stream": True, "tools": []},
            "options": {"temperature": 0.3, "num_predict": 300, "stop": ["###"], "seed": SEED},
        },
    ),
    "Mistral": (
        mistral,
        {
            **{"model": "mistral-small-latest", "stream": False, "top_p": 1},
            **{"temperature": 0.3, "max_tokens": 300, "stop": ["###"], "random_seed": SEED},
        },
    ),
    "Groq": (
        groq,
        {
            **{"model": "llama-3.3-70b-versatile", "stream": False, "n": 1},
            **{"reasoning_effort": None, "reasoning_format": None, "service_tier": "on_demand"},
            **{"temperature": 0.3, "max_tokens": 300, "stop": ["###"]},
        },
    ),
    "DeepSeek": (
        deepseek,
        {
            **{"model": "deepseek-chat", "stream": False},
            **{"temperature": 0.3, "max_tokens": 300, "stop": ["###"], "seed": SEED},
        },
    ),
    "OpenRouter": (
        lambda url: openai(url, model="qwen/qwen3", base_url=f"{url}/openrouter/api/v1"),
        {
            **{"model": "qwen/qwen3", "stream": False},
            **{"temperature": 0.3, "max_completion_tokens": 300, "stop": ["###"], "seed": SEED},
        },
    ),
    "vLLM": (
        lambda url: openai(url, model="Qwen/Qwen3-8B", base_url=f"{url}/vllm/v1"),
        {
            **{"model": "Qwen/Qwen3-8B", "stream": False},
            **{"temperature": 0.3, "max_completion_tokens": 300, "stop": ["###"], "seed": SEED},
        },
    ),
    "llama.cpp": (
        lambda url: openai(url, model="m.gguf", base_url=f"{url}/llamacpp/v1"),
        {
            **{"model": "m.gguf", "stream": False},
            **{"temperature": 0.3, "max_completion_tokens": 300, "stop": ["###"], "seed": SEED},
        },
    ),
    "HuggingFace endpoint": (
        huggingface,
        {
            **{"model": "dummy", "stream": False},
            **{"temperature": 0.3, "max_tokens": 300, "stop": ["###"], "seed": SEED},
        },
    ),
}


def without_messages(body: Any) -> Any:
    """A body as the tables above have it."""
    if not isinstance(body, dict):
        return body
    return {
        name: SEED if "seed" in name else without_messages(value)
        for name, value in body.items()
        if name not in _MESSAGES
    }


@pytest.mark.parametrize("name", MODELS)
def test_a_search_sends_each_setting_in_the_words_of_the_provider(
    server: Vendors, name: str
) -> None:
    make, expected = MODELS[name]
    model = make(server.url).bind(stop=["###"])
    found = solve(PROBLEM, model, context=MCTSrContext(profile="paper", max_rollouts=2, **SETTINGS))
    assert (found.rollouts, found.failures, found.final_answer) == (2, [], "26")
    bodies = [without_messages(body) for body in server.asked]
    one = [body for body in bodies if body.get("n", 1) == expected.get("n", 1)]
    assert one
    assert [body for body in one if body != expected] == []


@pytest.mark.parametrize("name", MODELS)
async def test_a_search_of_no_settings_leaves_the_temperature_to_the_model(
    server: Vendors, name: str
) -> None:
    """Awaited; no warning, and no request that is refused."""
    make, _ = MODELS[name]
    model = make(server.url)
    own = getattr(model, "temperature", None)
    found = await asolve(PROBLEM, model, context=MCTSrContext(effort="low", lead=None))
    assert (found.stop_reason, found.failures) == ("max_calls", [])
    sent = [body.get("generationConfig", body.get("options", body)) for body in server.asked]
    assert {body.get("temperature") for body in sent} == {own}
    assert [body for body in server.refused if body.get("n", 1) == 1] == []


# Models that refuse -------------------------------------------------------------------------------
THINKING = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 4096}
FIXED: dict[str, tuple[Callable[[str], Any], int]] = {
    # with the requests it takes to learn that the model has a temperature of its own
    "gpt-5-mini": (lambda url: openai(url, model="gpt-5-mini"), 0),
    "o4-mini": (lambda url: openai(url, model="o4-mini"), 0),
    "o1 of a date": (lambda url: openai(url, model="o1-preview"), 1),
    "gpt-5-mini, Responses API": (
        lambda url: openai(
            url, model="gpt-5-mini", base_url=f"{url}/responses/v1", reasoning={"effort": "low"}
        ),
        0,
    ),
    "gpt-5.2, whose class drops it": (
        lambda url: openai(
            url, model="gpt-5.2", base_url=f"{url}/responses/v1", reasoning={"effort": "low"}
        ),
        0,
    ),
    "Claude with thinking": (lambda url: anthropic(url, **THINKING), 1),
    "claude-opus-4-7": (lambda url: anthropic(url, model="claude-opus-4-7"), 0),
}


@pytest.mark.parametrize("name", FIXED)
def test_a_temperature_of_the_profile_is_left_out_and_told_once(server: Vendors, name: str) -> None:
    make, refusals = FIXED[name]
    model, events = make(server.url), []
    context = MCTSrContext(profile="paper", max_rollouts=2, max_calls=10)
    with pytest.warns(UserWarning, match=r"temperature = 0\.95 is not sent") as warned:
        found = solve(PROBLEM, model, context=context, on_event=events.append)
    assert (found.rollouts, found.failures) == (2, [])
    assert len(server.refused) == refusals
    assert len([one for one in warned if "not sent" in str(one.message)]) == 1
    [told] = [event for event in events if event["type"] == "mctsr.left_out"]
    assert (told["setting"], told["value"]) == ("temperature", 0.95)
    assert json.loads(json.dumps(told)) == told
    sent = [body for body in server.asked if body.get("temperature", 1) != 1]
    assert sent == []


@pytest.mark.parametrize("name", FIXED)
def test_a_temperature_that_the_user_gave_is_an_error_that_names_it_and_the_model(
    server: Vendors, name: str
) -> None:
    make, refusals = FIXED[name]
    model = make(server.url)
    with pytest.raises(
        ConfigError, match=r"draft_temperature is 0\.5, .* model Chat\w+:(gpt|o|cl)"
    ):
        solve(PROBLEM, model, context=MCTSrContext(profile="paper", draft_temperature=0.5))
    assert (len(server.asked), len(server.refused)) == (0, refusals)


@pytest.mark.parametrize("name", MODELS)
def test_what_only_the_server_refuses_is_left_out_from_then_on(server: Vendors, name: str) -> None:
    """One request that is refused for each setting, and no more calls than without."""
    make, expected = MODELS[name]
    model = make(server.url)
    sent = {**expected, **expected.get("options", {}), **expected.get("generationConfig", {})}
    seeds = tuple(name for name in sent if "seed" in name)
    # Some classes have a temperature of their own, which plain `invoke` sends, too
    takes_one = getattr(model, "temperature", None) is not None
    server.takes_no = seeds if takes_one else ("temperature", *seeds)
    if not server.takes_no:
        pytest.skip("it has no seed, and a temperature of its own")
    context = MCTSrContext(profile="paper", max_rollouts=2, max_calls=10)
    with pytest.warns(UserWarning, match="is not sent") as warned:
        found = solve(PROBLEM, model, context=context)
    assert (found.rollouts, found.failures) == (2, [])
    notes = [str(one.message) for one in warned if "not sent" in str(one.message)]
    assert sorted(note.partition(" = ")[0] for note in notes) == sorted(
        "seed" if "seed" in name else name for name in server.takes_no
    )
    refused = [body for body in server.refused if body.get("n", 1) == 1]
    assert len(refused) == len(server.takes_no)
    told = json.dumps(server.asked)
    assert not any(f'"{name}"' in told for name in server.takes_no)


@pytest.mark.parametrize(
    "said",
    [
        "seed not supported",
        "The seed parameter is not supported by this model.",
        "This endpoint does not allow setting seed.",
        "#: extraneous key [seed] is not permitted, please reformat your input and try again.",
    ],
)
def test_a_seed_is_left_out_in_whatever_words_it_is_refused(
    monkeypatch: pytest.MonkeyPatch, server: Vendors, said: str
) -> None:
    monkeypatch.setitem(FORMS, "openai", lambda name: (400, {"error": {"message": said}}))
    server.takes_no = ("seed",)
    with pytest.warns(UserWarning, match=r"seed = \d+ is not sent"):
        found = solve(
            PROBLEM, openai(server.url), context=MCTSrContext(profile="paper", max_rollouts=2)
        )
    assert (found.rollouts, found.failures, len(server.refused)) == (2, [], 1)


def test_a_limit_that_a_server_refuses_is_an_error_that_names_it(server: Vendors) -> None:
    model = anthropic(server.url, model="claude-none", **THINKING)
    server.most_tokens = 200
    context = MCTSrContext(**PAPER, draft_max_tokens=100_000)
    with pytest.raises(ConfigError, match=r"draft_max_tokens is 100000, .*claude-none .*> 200"):
        solve(PROBLEM, model, context=context)


def test_a_limit_goes_by_the_word_that_the_server_proposes(server: Vendors) -> None:
    """A client of the older protocol, with a model that takes the newer word only."""
    base = pytest.importorskip("langchain_openai.chat_models.base", reason="no langchain-openai")
    how = {"model": "o1-preview", "base_url": f"{server.url}/openai/v1", "api_key": "x"}
    model = base.BaseChatOpenAI(**how)
    context = MCTSrContext(**PAPER, max_rollouts=1, draft_max_tokens=300)
    assert solve(PROBLEM, model, context=context).failures == []
    assert [body["max_tokens"] for body in server.refused] == [300]
    assert [body.get("max_completion_tokens") for body in server.asked][:2] == [300, None]


def test_a_limit_reaches_a_server_that_knows_the_older_word_only(server: Vendors) -> None:
    server.takes_no = ("max_completion_tokens",)
    model = openai(server.url, extra_body={"top_p": 0.9})
    context = MCTSrContext(**PAPER, max_rollouts=1, draft_max_tokens=300)
    assert solve(PROBLEM, model, context=context).failures == []
    assert [body["max_completion_tokens"] for body in server.refused] == [300]
    assert [body.get("max_tokens") for body in server.asked][:2] == [300, None]
    assert {body["top_p"] for body in server.asked} == {0.9}


def test_a_limit_that_was_raised_too_far_is_lowered_again(server: Vendors) -> None:
    """A draft that was cut off is asked for once more with twice the tokens, which are refused."""
    server.most_tokens = 300
    server.texts = lambda asked: text_for(asked) if "grade" in asked else "12 * 8 is"
    server.ending = "max_tokens"
    roles = ("draft", "critique", "refine", "evaluate")
    limits = {f"{role}_max_tokens": 200 for role in roles}
    context = MCTSrContext(profile="paper", max_rollouts=1, **limits)
    found = solve(PROBLEM, anthropic(server.url), context=context)
    assert found.failures == []
    assert {body["max_tokens"] for body in server.asked} == {200}
    assert [body["max_tokens"] for body in server.refused] == [400, 400]  # draft and refinement
    assert all(node["truncated"] for node in found.tree.values())


# Models without a server --------------------------------------------------------------------------
class BedrockStub:
    """A client of Bedrock that takes what its schema has."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def converse(self, **call: Any) -> Any:
        known = {"maxTokens", "temperature", "topP", "stopSequences"}
        if wrong := sorted(set(call.get("inferenceConfig", {})) - known):
            said = f'Unknown parameter in inferenceConfig: "{wrong[0]}", must be one of: {known}'
            raise importlib.import_module("botocore.exceptions").ParamValidationError(report=said)
        self.asked.append(call)
        text = text_for(json.dumps(call["messages"]))
        return {
            "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
            "stopReason": "end_turn",
            "usage": {"inputTokens": 10, "outputTokens": 5, "totalTokens": 15},
            "ResponseMetadata": {"HTTPStatusCode": 200},
        }


def test_bedrock_is_sent_its_inference_config() -> None:
    client = BedrockStub()
    model = made(
        *("langchain_aws", "ChatBedrockConverse"),
        **{"model": "anthropic.claude-sonnet-4-6", "region_name": "us-east-1", "client": client},
        bedrock_client=client,
    )
    context = MCTSrContext(profile="paper", max_rollouts=2, **SETTINGS)
    found = solve(PROBLEM, model.bind(stop=["###"]), context=context)
    assert (found.rollouts, found.failures) == (2, [])
    expected = {"temperature": 0.3, "maxTokens": 300, "stopSequences": ["###"]}
    assert {json.dumps(call["inferenceConfig"], sort_keys=True) for call in client.asked} == {
        json.dumps(expected, sort_keys=True)
    }


class PipelineStub:
    """A pipeline of transformers that takes what `generate` does."""

    task, model, tokenizer = "text-generation", None, None

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def __call__(self, prompts: list[str], **settings: Any) -> Any:
        known = {"temperature", "do_sample", "max_new_tokens", "return_full_text"}
        if wrong := sorted(set(settings) - known):
            raise ValueError(f"The following `model_kwargs` are not used by the model: {wrong}")
        self.asked.append(settings)
        whole = settings.get("return_full_text", True)
        return [[{"generated_text": p * whole + text_for(p)}] for p in prompts]


def test_a_pipeline_of_transformers_is_sent_its_words() -> None:
    stub = PipelineStub()
    model = made("langchain_huggingface", "HuggingFacePipeline", pipeline=stub, model_id="m")
    found = solve(PROBLEM, model, context=MCTSrContext(profile="paper", max_rollouts=2, **SETTINGS))
    assert (found.rollouts, found.failures, found.final_answer) == (2, [], "26")
    assert found.answer == text_for("")  # without the prompt
    expected = {"do_sample": True, "temperature": 0.3, "max_new_tokens": 300}
    assert {json.dumps(call, sort_keys=True) for call in stub.asked} == {
        json.dumps({**expected, "return_full_text": False}, sort_keys=True)
    }


class TokenizerStub:
    def apply_chat_template(self, messages: list[dict[str, str]], **how: Any) -> str:
        return "\n".join(f"<{one['role']}> {one['content']}" for one in messages)


def test_a_chat_model_around_a_pipeline_is_sent_them_too() -> None:
    stub = PipelineStub()
    inner = made("langchain_huggingface", "HuggingFacePipeline", pipeline=stub, model_id="m")
    how = {"llm": inner, "tokenizer": TokenizerStub(), "model_id": "m"}
    model = made("langchain_huggingface", "ChatHuggingFace", **how)
    context = MCTSrContext(
        **{**PAPER, "evaluate_temperature": 0.0}, max_rollouts=2, draft_max_tokens=40
    )
    found = solve(PROBLEM, model, context=context)
    assert (found.rollouts, found.failures, found.answer) == (2, [], text_for(""))
    assert {"return_full_text": False, "max_new_tokens": 40} in stub.asked
    assert {"return_full_text": False, "do_sample": False} in stub.asked


class Own(BaseChatModel):
    """A chat model of one's own whose `_generate` takes no further arguments."""

    temperature: float | None = None
    calls: int = 0
    seen: list[float | None] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "own"

    def _generate(
        self, messages: list[BaseMessage], stop: Any = None, run_manager: Any = None
    ) -> ChatResult:
        self.calls += 1
        self.seen.append(self.temperature)
        message = AIMessage(text_for(str(messages[-1].content)))
        return ChatResult(generations=[ChatGeneration(message=message)])


def test_a_model_of_ones_own_is_set_by_its_field_and_keeps_its_state() -> None:
    model = Own(temperature=0.7)
    context = MCTSrContext(**{**PAPER, "critique_temperature": 0.1}, max_rollouts=2)
    assert solve(PROBLEM, model, context=context).rollouts == 2
    assert sorted(set(model.seen), key=str) == [0.1, 0.7]
    assert (model.temperature, model.calls) == (0.7, len(model.seen))


def test_a_limit_that_a_model_has_no_word_for_is_an_error() -> None:
    with pytest.raises(ConfigError, match="draft_max_tokens is 9, which the model Own: does not"):
        solve(PROBLEM, Own(), context=MCTSrContext(profile="paper", draft_max_tokens=9))
