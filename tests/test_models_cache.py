"""Unpacked weights: written once, checked, the same model."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from mctsr_graph.models import bars, weights_cache
from mctsr_graph.models.weights_cache import cache_folder, entry_of, is_whole, keep
from tests.engine_models import chatml_tokenizer, tiny

torch = pytest.importorskip("torch", reason="torch is not installed")
transformers = pytest.importorskip("transformers", reason="transformers is not installed")


@pytest.fixture
def entry(tmp_path: Path, monkeypatch: Any) -> Path:
    monkeypatch.setenv("MCTSR_CACHE_DIR", str(tmp_path / "cache"))
    source = tmp_path / "weights.gguf"
    source.write_bytes(b"weights")
    return entry_of(source)


@pytest.fixture(scope="module")
def made() -> tuple[Any, Any]:
    tokenizer = chatml_tokenizer()
    return tiny(vocab_size=len(tokenizer), tie_word_embeddings=True), tokenizer


def test_what_is_kept_comes_back(entry: Path, made: tuple[Any, Any]) -> None:
    model, tokenizer = made
    assert not is_whole(entry)
    assert keep(entry, model, tokenizer)
    assert is_whole(entry)
    again = transformers.AutoModelForCausalLM.from_pretrained(entry).eval()
    ids = torch.tensor([[1, 2, 3]])
    with torch.no_grad():
        assert torch.equal(model(ids).logits, again(ids).logits)
    back = transformers.AutoTokenizer.from_pretrained(entry)
    assert back.chat_template == tokenizer.chat_template
    assert [file.name for file in entry.parent.iterdir()] == [entry.name]


@pytest.mark.parametrize("damage", ["changed", "cut", "gone", "manifest", "empty"])
def test_what_is_damaged_goes(entry: Path, made: tuple[Any, Any], damage: str) -> None:
    keep(entry, *made)
    weights, manifest = entry / "model.safetensors", entry / "manifest.json"
    data = bytearray(weights.read_bytes())
    if damage == "changed":
        data[-1] ^= 1
        weights.write_bytes(data)
    elif damage == "cut":
        weights.write_bytes(data[:-100])
    elif damage == "gone":
        weights.unlink()
    else:
        manifest.write_text("[" if damage == "manifest" else json.dumps([1]))
    assert not is_whole(entry)
    assert not entry.exists()
    assert keep(entry, *made)


def test_two_writers_at_once(entry: Path, made: tuple[Any, Any]) -> None:
    kept: list[bool] = []
    threads = [threading.Thread(target=lambda: kept.append(keep(entry, *made))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert kept == [True] * 4
    assert [file.name for file in entry.parent.iterdir()] == [entry.name]


def test_a_folder_that_cannot_be_written_is_no_error(
    tmp_path: Path, made: tuple[Any, Any], monkeypatch: Any
) -> None:
    (tmp_path / "file").write_text("in the way")
    assert not keep(tmp_path / "file" / "entry", *made)

    def full(*_: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(weights_cache, "_write", full)
    assert not keep(tmp_path / "entry", *made)
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_the_folder_of_each_platform(monkeypatch: Any) -> None:
    monkeypatch.delenv("MCTSR_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    monkeypatch.setattr("sys.platform", "linux")
    assert cache_folder() == Path("/x/mctsr-graph")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "mctsr-graph"
    monkeypatch.setattr("sys.platform", "darwin")
    assert cache_folder() == Path.home() / "Library" / "Caches" / "mctsr-graph"
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", "/l")
    assert cache_folder() == Path("/l/mctsr-graph")


class Bar:
    """As tqdm's."""

    def __init__(self, disable: bool = False) -> None:
        self.disable = disable


def test_two_threads_that_unpack_leave_the_bars_of_others_alone(monkeypatch: Any) -> None:
    monkeypatch.setattr("tqdm.tqdm", Bar)
    entered, left = threading.Event(), threading.Event()

    def second() -> None:
        with bars.no_bars():
            entered.set()
            assert left.wait(10)

    thread = threading.Thread(target=second)
    with bars.no_bars():
        assert Bar().disable
        thread.start()
        entered.wait(0.3)
    left.set()
    thread.join()
    assert not Bar().disable
