"""LangChain's own tests of a chat model."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel

from mctsr_graph.errors import MissingExtraError
from mctsr_graph.models import ChatTransformers, embedded_model
from tests.engine_models import chatml_tokenizer, tiny
from tests.scripted_engine import obedient, scripted

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")
pytest.importorskip("langchain_tests", reason="langchain-tests is not installed")

from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

pytestmark = pytest.mark.filterwarnings("ignore:.*benchmark.*")
# Of LangChain's usual settings: timeout and max_retries are a network's
SETTINGS = {"temperature": 0, "max_tokens": 16, "stop": []}


class TestUnit(ChatModelUnitTests):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatTransformers

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model_id": "nobody/nothing"}

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        return SETTINGS


class Integration(ChatModelIntegrationTests):
    @property
    def has_tool_calling(self) -> bool:
        """The templates of these two write no tools; `TestScripted` has them."""
        return False

    @property
    def has_structured_output(self) -> bool:
        """It is made of a tool call."""
        return False


@pytest.fixture(scope="module")
def embedded() -> BaseChatModel:
    try:
        return embedded_model(**SETTINGS, device="cpu")
    except MissingExtraError as error:
        pytest.skip(f"no embedded model: {error}")


@pytest.fixture(scope="module")
def random_weights(tmp_path_factory: Any) -> BaseChatModel:
    tokenizer, folder = chatml_tokenizer(), str(tmp_path_factory.mktemp("model"))
    tiny(vocab_size=len(tokenizer), max_position_embeddings=2048).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    TestRandomWeights.folder = folder
    return ChatTransformers(model_id=folder, device="cpu", **SETTINGS)


class TestEmbedded(Integration):
    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return type(embedded_model())

    @property
    def chat_model_params(self) -> dict[str, Any]:
        made = embedded_model()
        return {"model_id": made.model_id, "max_tokens": 8}

    @pytest.fixture
    def model(self, embedded: BaseChatModel) -> BaseChatModel:
        return embedded


class TestRandomWeights(Integration):
    folder = ""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatTransformers

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model_id": self.folder, "device": "cpu", "max_tokens": 8}

    @pytest.fixture
    def model(self, random_weights: BaseChatModel) -> BaseChatModel:
        return random_weights


class TestScripted(ChatModelIntegrationTests):
    """All of it, tools and structured output among them, with what a good model would reply."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatTransformers

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model_id": TestRandomWeights.folder, "device": "cpu", "max_tokens": 8}

    @property
    def supports_model_override(self) -> bool:
        """There is one model."""
        return False

    @pytest.fixture
    def model(self, random_weights: BaseChatModel) -> BaseChatModel:
        return scripted("qwen3", obedient)
