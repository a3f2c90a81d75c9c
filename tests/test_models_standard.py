"""LangChain's own tests of a chat model."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel

from mctsr_graph.errors import MissingExtraError
from mctsr_graph.models import ChatTransformers, embedded_model
from tests.engine_models import chatml_tokenizer, tiny

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")
pytest.importorskip("langchain_tests", reason="langchain-tests is not installed")

from langchain_tests.integration_tests import ChatModelIntegrationTests  # noqa: E402
from langchain_tests.unit_tests import ChatModelUnitTests  # noqa: E402

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
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatTransformers

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"model_id": "nobody/nothing"}  # the tests that load have the fixture `model`

    @property
    def has_tool_calling(self) -> bool:
        """The template of SmolLM2-135M writes no tools; tests/test_models_tools.py has them."""
        return False

    @property
    def has_structured_output(self) -> bool:
        """It is made of a tool call."""
        return False


@pytest.fixture(scope="module")
def embedded() -> ChatTransformers:
    try:
        return embedded_model(**SETTINGS, device="cpu")
    except MissingExtraError as error:
        pytest.skip(f"no embedded model: {error}")


@pytest.fixture(scope="module")
def random_weights() -> ChatTransformers:
    tokenizer = chatml_tokenizer()
    model = tiny(vocab_size=len(tokenizer), max_position_embeddings=2048)
    return ChatTransformers.from_loaded(model, tokenizer, **SETTINGS)


@pytest.mark.embedded
class TestEmbedded(Integration):
    @pytest.fixture
    def model(self, embedded: ChatTransformers) -> BaseChatModel:
        return embedded


class TestRandomWeights(Integration):
    @pytest.fixture
    def model(self, random_weights: ChatTransformers) -> BaseChatModel:
        return random_weights
