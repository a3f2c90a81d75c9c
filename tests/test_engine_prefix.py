"""The prefix store against a list of everything that was ever put in."""

from __future__ import annotations

import gc
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mctsr_graph.models.engine.prefill_plan import plan
from mctsr_graph.models.engine.prefix import PrefixStore, common

torch = pytest.importorskip("torch", reason="torch is not installed")

texts = st.lists(st.integers(0, 2), max_size=8)


def value(ids: list[int], a: int, b: int) -> torch.Tensor:
    """Stands for keys and values: each token's depends on all before it."""
    each = [hash(tuple(ids[: i + 1])) % 10**6 for i in range(a, b)]
    return torch.tensor(each).reshape(1, -1, 1)


def put(store: PrefixStore, ids: list[int]) -> None:
    store.insert(ids, lambda a, b: [value(ids, a, b)])


def found(store: PrefixStore, ids: list[int]) -> list[int]:
    return [int(x) for [kv] in store.lookup(ids) for x in kv.flatten()]


@given(st.lists(texts), texts)
def test_it_finds_the_longest_beginning_and_what_belongs_to_it(
    puts: list[list[int]], asked: list[int]
) -> None:
    store = PrefixStore(10**6)
    for ids in puts:
        put(store, ids)
    longest = max((common(ids, asked) for ids in puts), default=0)
    assert store.match(asked) == longest
    assert found(store, asked) == value(asked, 0, longest).flatten().tolist()
    beginnings = {tuple(ids[:i]) for ids in puts for i in range(1, len(ids) + 1)}
    assert store.tokens == len(beginnings)  # what is shared is held once


@given(st.lists(texts, max_size=30), st.integers(0, 12))
def test_it_stays_within_its_budget_and_is_never_wrong(puts: list[list[int]], budget: int) -> None:
    store = PrefixStore(budget)
    for ids in puts:
        put(store, ids)
        assert store.tokens <= budget
        assert found(store, ids) == value(ids, 0, store.match(ids)).flatten().tolist()
    store.clear()
    assert (store.tokens, store.match([0, 1])) == (0, 0)


def test_what_is_forgotten_is_freed_at_once() -> None:
    """Gigabytes cannot wait for Python's search for circles of references."""
    store = PrefixStore(100)
    for ids in ([1, 2, 3], [1, 2, 4], [5]):
        put(store, ids)
    held = [weakref.ref(kv) for node in store._nodes() for kv in node.kv]
    gc.disable()
    try:
        store.clear()
        assert [kv() for kv in held] == [None] * 4
    finally:
        gc.enable()


def test_what_was_used_last_stays() -> None:
    store = PrefixStore(6)
    for ids in ([1, 1], [2, 2], [3, 3]):
        put(store, ids)
    found(store, [1, 1])
    put(store, [4, 4])
    assert [store.match([i, i]) for i in (1, 2, 3, 4)] == [2, 0, 2, 2]


prompts = st.lists(st.lists(st.integers(0, 1), min_size=1, max_size=60), max_size=12)


@given(prompts, st.integers(1, 100), st.booleans())
def test_each_prompt_is_planned_once(asked: list[list[int]], most: int, keeps: bool) -> None:
    store = PrefixStore(10**6)
    known = (lambda ids: store.match(ids[:-1])) if keeps else None
    groups = []
    for group in plan(asked, known, most):
        rests = [len(asked[i]) - (known(asked[i]) if known else 0) for i in group]
        assert len(group) == 1 or max(rests) * len(group) <= most
        for i in group:
            put(store, asked[i])
        groups.append(group)
    assert sorted(i for group in groups for i in group) == list(range(len(asked)))


def test_siblings_wait_for_the_first_of_them() -> None:
    store, head = PrefixStore(10**6), [1, 0] * 20
    asked = [[*head, i, i] for i in range(3)]
    groups = []
    for group in plan(asked, lambda ids: store.match(ids[:-1]), 100):
        groups.append(group)
        for i in group:
            put(store, asked[i])
    assert groups == [[0], [1, 2]]
