"""What tells a search from others: it is taken up as itself or not at all."""

from __future__ import annotations

import gzip
import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnableParallel
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.checkpoint.sqlite import SqliteSaver

from mctsr_graph import (
    CheckpointError,
    ConfigError,
    FingerprintMismatchError,
    MCTSrContext,
    Prompts,
    ScriptedChatModel,
    asolve,
    create_mctsr,
    solve,
    solve_many,
)
from mctsr_graph.calls.journal import CallJournal
from mctsr_graph.graph import identity
from mctsr_graph.graph.identity import Identity, identity_of
from mctsr_graph.graph.identity_v1 import fingerprint_v1, shown_context, stored_context
from mctsr_graph.graph.labels import label_of
from mctsr_graph.graph.spec import SearchSpec
from mctsr_graph.judges import Pairwise, ProcessReward, Rubric, SelfEvaluation
from mctsr_graph.run.session import asked
from mctsr_graph.run.steering import prune, steer
from mctsr_graph.strategies.paper import PaperStrategy

from .conftest import keyed_reply

GOLDEN = Path(__file__).parent / "golden"
ROOT = Path(__file__).parent.parent
SHORT = MCTSrContext(profile="paper", max_rollouts=1)


class Named(ScriptedChatModel):
    """A model with a name and a server."""

    model_name: str = "small"
    base_url: str | None = None


def identified(
    problem: str = "p", context: MCTSrContext | None = None, model: Any = None, **options: Any
) -> Identity:
    spec = SearchSpec.of(model or Named(replies=[]), options)  # type: ignore[arg-type]
    return identity_of(problem, context or MCTSrContext(profile="paper"), spec)


# --------------------------------------------------------------------------- what was set
@pytest.mark.parametrize(
    ("profile", "digest"),
    [
        ("paper", "1462336d913b6f01e6d675ad284ede7e"),
        ("official", "33e4516d450fd745acb204923747c4d4"),
        ("tuned", "1dca52bbc5a1f4f41854918a52b5607e"),
    ],
)
def test_the_identity_of_the_defaults_is_what_it_was(profile: str, digest: str) -> None:
    """A change here orphans every kept search of the profile: it needs another version."""
    found = identified("How many?", MCTSrContext(profile=profile), ScriptedChatModel(replies=[]))
    assert json.loads(found.text)["version"] == 2
    assert found.digest == digest, found.text


def test_a_new_setting_with_a_default_changes_no_identity() -> None:
    class Later(MCTSrContext):
        beam: int = 3

    assert identified(context=Later(profile="paper", seed=1)) == identified(
        context=MCTSrContext(profile="paper", seed=1)
    )
    assert identified(context=Later(beam=4)) != identified()


def test_a_default_that_is_given_by_name_changes_no_identity() -> None:
    given = MCTSrContext(profile="official", init="both", judge="self")
    assert identified(context=given) == identified(context=MCTSrContext(profile="official"))


def test_limits_change_no_identity_and_all_else_does() -> None:
    base = identified()
    assert (
        identified(context=MCTSrContext(profile="paper", max_rollouts=99, width=4, effort="high"))
        == base
    )
    others = [
        identified("q"),
        identified(context=MCTSrContext(profile="paper", seed=1)),
        identified(context=MCTSrContext(profile="official")),
        identified(prompts=Prompts(draft="{problem}!")),
        identified(model=Named(replies=[], model_name="large")),
        identified(judge_model=Named(replies=[], model_name="large")),
        identified(judge=lambda problem, answer: 3),
        identified(strategy=PaperStrategy()),
    ]
    assert len({base, *others}) == 9


@pytest.mark.parametrize(
    ("name", "options", "settings"),
    [
        ("dummy_answer", {}, {}),
        ("evaluate", {"judge": Rubric()}, {}),
        ("evaluate_again", {"judge": lambda p, a: 1}, {}),
        ("evaluate_again_system", {}, {"judge": "pairwise"}),
        ("evaluate", {"judge": ProcessReward("http://x", "m")}, {}),
    ],
)
def test_a_reworded_prompt_that_is_not_used_changes_no_identity(
    name: str, options: dict[str, Any], settings: dict[str, Any]
) -> None:
    context, words = (
        MCTSrContext(**{"profile": "paper", **settings}),
        Prompts(**{name: "Other words."}),
    )
    same = identified(context=context, prompts=words, **options)
    assert same == identified(context=context, **options)
    assert identified(
        context=MCTSrContext(profile="paper", init="both"), prompts=words
    ) != identified(context=MCTSrContext(profile="paper", init="both"))


def test_every_prompt_has_its_users() -> None:
    known = [*identity.ALWAYS, *identity.DUMMY, *identity.MERGES, *identity.EVALUATIONS]
    assert sorted(known) == sorted(one.name for one in fields(Prompts))


# --------------------------------------------------------------------------- who searches
def plus(number: int) -> Callable[[Any], Any]:
    return lambda messages: [*messages, number]


def closing_over(thing: Any) -> Callable[[str, str], float]:
    return lambda problem, answer: float(bool(thing))


@dataclass(frozen=True)
class Fixed:
    """A judge with a field, and one that may be a secret."""

    points: float = 0.0
    key: str = field(default="", repr=False)

    async def reward(self, case: Any, calls: Any) -> float:
        return self.points


class Counting:
    """A callable object."""

    def __init__(self, least: int) -> None:
        self.least = least

    def __call__(self, problem: str, answer: str) -> float:
        return float(len(answer) > self.least)


class Recounting(Counting):
    def __call__(self, problem: str, answer: str) -> float:
        return float(len(answer) < self.least)


class Adapted(Named):
    """A model of one's own, with fields."""

    adapter: str = ""
    api_key: str = ""
    timeout: float = 0.0


MODEL = Named(replies=keyed_reply)
LARGE = Named(replies=keyed_reply, model_name="large")
UNLIKE: list[Any] = [
    MODEL,
    LARGE,
    Named(replies=keyed_reply, base_url="http://one:8000/v1"),
    Named(replies=keyed_reply, base_url="http://two:8000/v1"),
    Adapted(replies=keyed_reply, adapter="one"),
    Adapted(replies=keyed_reply, adapter="two"),
    MODEL.bind(stop=["x"]),
    MODEL.bind(stop=["y"]),
    MODEL.with_fallbacks([LARGE]),
    LARGE.with_fallbacks([MODEL]),
    MODEL | RunnableLambda(lambda message: message),
    MODEL | RunnableLambda(lambda message: message.text),
    RunnableLambda(plus(1)) | MODEL,
    RunnableLambda(plus(2)) | MODEL,
    ChatPromptTemplate.from_messages([("placeholder", "{messages}")]) | MODEL,
    ChatPromptTemplate.from_messages([("system", "Hi"), ("placeholder", "{messages}")]) | MODEL,
    RunnableParallel(first=MODEL) | itemgetter("first"),
    RunnableParallel(first=LARGE) | itemgetter("first"),
    RunnableParallel(first=LARGE) | itemgetter("second"),
    Rubric(),
    Rubric(end="End."),
    Pairwise(),
    Pairwise(rivals=3),
    SelfEvaluation(),
    Fixed(),
    Fixed(1.0),
    lambda problem, answer: 1.0,
    lambda problem, answer: 2.0,
    lambda problem, answer: answer in {"a", "b"},
    closing_over(1),
    closing_over("1"),
    closing_over((1, 2)),
    Counting(3),
    Counting(4),
    Recounting(3),
    Counting(3).__call__,
    PaperStrategy(),
]


def test_no_two_unlike_things_have_one_label() -> None:
    labels = [label_of(thing) for thing in UNLIKE]
    assert [label.opaque for label in labels] == [""] * len(UNLIKE)
    assert len({json.dumps(label.value) for label in labels}) == len(UNLIKE)


def test_what_is_made_alike_has_one_label() -> None:
    def again() -> list[Any]:
        return [
            Named(replies=[], base_url="http://me:secret@one:8000/v1?key=secret"),
            Named(replies=[], base_url="http://one:8000/v1/").with_retry(),
            RunnableLambda(plus(1)) | MODEL,
            Adapted(replies=[], adapter="one", api_key="secret", timeout=1),
            Adapted(replies=[], adapter="one", timeout=2),
            Fixed(1.0, key="secret"),
            Fixed(1.0, key="other"),
            closing_over((1, 2)),
            Counting(3),
            ProcessReward("https://x", "m", headers={"Authorization": "Bearer secret"}),
        ]

    one, two = [label_of(a) for a in again()], [label_of(a) for a in again()]
    assert one == two
    assert one[0] == one[1]
    assert one[3] == one[4]
    assert one[5] == one[6]
    assert "secret" not in str(one)


def test_the_address_of_a_server_is_known_wherever_it_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    openai = pytest.importorskip("langchain_openai")

    def chat(**given: Any) -> Any:
        return label_of(openai.ChatOpenAI(model="m", api_key="secret", **given))

    usual, given = chat(), chat(base_url="http://u:secret@one:8000/v1")
    assert (usual, given) == (chat(), chat(base_url="http://one:8000/v1/"))
    monkeypatch.setenv("OPENAI_BASE_URL", "http://two:8000/v1")
    from_environment = chat()
    azure = openai.AzureChatOpenAI(
        azure_deployment="m", api_version="1", azure_endpoint="http://one:8000/v1", api_key="secret"
    )
    labels = [usual, given, from_environment, label_of(azure)]
    assert len({str(label) for label in labels}) == 4
    assert "secret" not in str(labels)
    assert " at 0x" not in str(labels)


def test_what_a_providers_model_was_made_with_counts_where_it_changes_replies() -> None:
    openai = pytest.importorskip("langchain_openai")

    def chat(**given: Any) -> str:
        return str(label_of(openai.ChatOpenAI(model="m", api_key="secret", **given)))

    settings: list[dict[str, Any]] = [
        {},
        *({"reasoning_effort": level} for level in ("low", "high")),
        *({"top_p": share} for share in (0.1, 0.9)),
        *({"extra_body": {"chat_template_kwargs": {"thinking": it}}} for it in (True, False)),
        {"model_kwargs": {"mood": "low"}},
    ]
    assert len({chat(**given) for given in settings}) == len(settings)
    assert chat(timeout=1, max_retries=9, streaming=True, max_tokens=9) == chat()


def test_labels_are_the_same_in_another_process() -> None:
    code = "from tests.test_identity import *; print(json.dumps([label_of(a) for a in UNLIKE]))"
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert told == {json.dumps([label_of(thing) for thing in UNLIKE]) + "\n"}


@pytest.mark.parametrize(
    ("thing", "why"),
    [
        (closing_over(object()), "the state of a builtins:object cannot be read"),
        (closing_over(sqlite3.connect(":memory:")), "the state of a sqlite3:Connection"),
        (closing_over([]), "holds a list, which may change"),
        (RunnableLambda(closing_over({})) | MODEL, "holds a dict, which may change"),
        (Counting(object()), "the state of a builtins:object"),  # type: ignore[arg-type]
    ],
)
def test_what_cannot_be_told_is_itself_only(thing: Any, why: str) -> None:
    assert why in label_of(thing).opaque
    assert label_of(thing) == label_of(thing)


def test_two_that_cannot_be_told_are_two() -> None:
    assert label_of(closing_over([])) != label_of(closing_over([]))
    assert label_of(object()) != label_of(object())


def test_an_object_may_say_itself_what_tells_it_from_others() -> None:
    class Connected(Counting):
        def label_parts(self) -> dict[str, Any]:
            return {"table": "answers"}

    assert label_of(Connected(object())) == label_of(Connected(object()))  # type: ignore[arg-type]
    assert label_of(Connected(1)).opaque == ""


def test_functions_that_call_themselves_have_a_label() -> None:
    def even(n: int) -> bool:
        return n == 0 or odd(n - 1)

    def odd(n: int) -> bool:
        return n != 0 and even(n - 1)

    assert label_of(even).opaque == ""
    assert label_of(even) != label_of(odd)


# --------------------------------------------------------------------------- in a checkpointer
def noted(word: str) -> Callable[[Any], Any]:
    """What a step of a chain may do: write into the reply what changes no answer here."""
    return lambda message: message.model_copy(update={"name": word})


def at(url: str, model: ScriptedChatModel) -> Named:
    return Named(replies=lambda call: model.replies(model.calls.append(call) or call), base_url=url)


PAIRS: list[tuple[Callable[[ScriptedChatModel], dict[str, Any]], ...]] = [
    (
        lambda model: {"model": model | RunnableLambda(noted("one"))},
        lambda model: {"model": model | RunnableLambda(noted("two"))},
    ),
    (
        lambda model: {"model": at("http://one/v1", model)},
        lambda model: {"model": at("http://two/v1", model)},
    ),
    (
        lambda model: {"model": model, "judge": lambda problem, answer: 1.0},
        lambda model: {"model": model, "judge": lambda problem, answer: 2.0},
    ),
    (
        lambda model: {"model": model, "judge_model": at("http://one/v1", model)},
        lambda model: {"model": model, "judge_model": at("http://two/v1", model)},
    ),
]


@pytest.mark.parametrize("pair", PAIRS)
async def test_two_of_a_kind_never_share_a_kept_search(pair: Any, tmp_path: Path) -> None:
    first, second = pair
    for kept in (InMemorySaver(), tmp_path / "search.db"):
        made = []
        for options in (first, second, first, second):
            model = ScriptedChatModel(replies=keyed_reply)
            given = {"context": SHORT, "checkpointer": kept, **options(model)}
            _ = solve("p", **given) if len(made) % 3 else await asolve("p", **given)
            made.append(len(model.calls))
        assert made[0] == made[1] > 0
        assert made[2:] == [0, 0]


def test_a_thread_given_by_hand_is_refused_with_the_reason(tmp_path: Path) -> None:
    file, model = tmp_path / "search.db", ScriptedChatModel(replies=keyed_reply)
    options: Any = {"context": SHORT, "checkpointer": file, "thread_id": "mine"}
    judge = closing_over([])
    first = solve("p", model, judge=judge, **options)
    assert solve("p", model, judge=judge, **options) == first  # the very same function
    with pytest.raises(FingerprintMismatchError, match=r"'mine' holds .*holds a list, which may"):
        solve("p", model, judge=closing_over([]), **options)
    with pytest.raises(FingerprintMismatchError, match="another model or judge"):
        solve("p", model, **options)


def test_a_batch_goes_on_with_a_judge_that_cannot_be_told() -> None:
    calls: list[str] = []
    count = 0

    def judge(problem: str, answer: str) -> float:
        nonlocal count  # both change while the batch goes on
        count += 1
        calls.append(answer)
        return 20.0

    model = ScriptedChatModel(replies=keyed_reply)
    found = solve_many(["p", "q"], model, judge=judge, max_calls=40, learn=False)
    assert sum(cost["calls"] for one in found for cost in one.usage.values()) == len(model.calls)
    assert len(model.calls) > 2 * 11


# ------------------------------------------------------------------------- what was written before
@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The file, which commit 738253b wrote, unpacked."""
    unpacked = tmp_path / "searches.db"
    unpacked.write_bytes(gzip.decompress((GOLDEN / "searches-738253b.sqlite.gz").read_bytes()))
    return unpacked


def metadata(file: Path) -> dict[str, dict[str, Any]]:
    """The metadata of the latest checkpoint of each thread."""
    with sqlite3.connect(file) as connection:
        rows = connection.execute(
            "SELECT thread_id, metadata FROM checkpoints ORDER BY checkpoint_id"
        ).fetchall()
    connection.close()
    return {thread: json.loads(told) for thread, told in rows}


def change_settings(file: Path, **settings: Any) -> None:
    """Write settings into the metadata of the thread "my search"."""
    with sqlite3.connect(file) as connection:
        rows = connection.execute(
            "SELECT checkpoint_id, metadata FROM checkpoints WHERE thread_id = 'my search'"
        ).fetchall()
        for key, text in rows:
            told = json.loads(text)
            given = {**json.loads(told["mctsr_settings"]), **settings}
            told["mctsr_settings"] = json.dumps(given)
            connection.execute(
                "UPDATE checkpoints SET metadata = ? WHERE checkpoint_id = ?",
                (json.dumps(told), key),
            )
    connection.close()


def test_going_on_with_an_old_search_writes_the_new_identity_to_its_thread(file: Path) -> None:
    from .test_stored_before import again

    threads = set(metadata(file))
    _, calls = again(file, "interrupted")
    after = metadata(file)
    assert calls > 0
    assert set(after) == threads
    [new] = [told for told in after.values() if told.get("mctsr_version") == 2]
    assert json.loads(new["mctsr_settings"])["profile"] == "official"
    assert again(file, "interrupted")[1] == 0  # and is found again


def test_a_chain_and_a_lambda_were_not_told_apart_so_they_are_not_taken_up() -> None:
    def former(model: Any = MODEL, **options: Any) -> str | None:
        return fingerprint_v1("p", SHORT, SearchSpec.of(model, options))  # type: ignore[arg-type]

    assert former() == former(MODEL.bind(stop=["x"]))
    assert former(judge=Fixed()) != former(judge=Fixed(1.0))
    assert former(RunnableLambda(plus(1)) | MODEL) is None
    assert former(judge=lambda problem, answer: 1.0) is None
    assert former(strategy=PaperStrategy()) is None


NEUTRAL: dict[str, Any] = {
    "select": "majority",
    "selection": "greedy",
    "class_patience": None,
    "effort": None,
    "exploration_unit": "points",
    "score_reader": "whole_reply",
}


def test_settings_that_have_gone_are_dropped_where_they_changed_nothing() -> None:
    assert stored_context(NEUTRAL) == MCTSrContext(profile="paper", choice="majority")
    official = {"profile": "official", "score_reader": "last_number", "init": "both"}
    assert stored_context(official) == MCTSrContext(profile="official", init="both")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("selection", "thompson"),
        ("class_patience", 4),
        ("select", "playoff"),
        ("value", "lower_bound"),
        ("score_reader", "last_number"),
        ("beam", 3),  # of a later version
        ("prior", {"refining": [0.34, 0.33, 0.33]}),  # over grids that have changed
    ],
)
def test_a_setting_that_has_gone_forbids_to_go_on_but_not_to_look(
    file: Path, name: str, value: Any
) -> None:
    from typer.testing import CliRunner

    from mctsr_graph.cli.main import app

    with pytest.raises(
        CheckpointError, match=re.escape(f"made with {name} = {value!r}, which this version")
    ):
        stored_context({name: value})
    assert shown_context({name: value, "seed": 3}) == MCTSrContext(profile="paper", seed=3)
    change_settings(file, **{name: value})
    run = CliRunner()
    assert run.invoke(app, ["list", str(file)]).exit_code == 0
    drawn = run.invoke(app, ["view", str(file), "--search", "my", "--format", "text"])
    assert "26" in drawn.output
    for command in (["resume", str(file), "--search", "my"], steering(file)):
        refused = run.invoke(app, command)
        assert refused.exit_code == 2
        assert f"made with {name} = {value!r}" in " ".join(refused.output.split())


def steering(file: Path) -> list[str]:
    return ["steer", "--search", "my", str(file), "prune", "1"]


def test_code_cannot_steer_it_either(file: Path) -> None:
    change_settings(file, selection="thompson")
    with SqliteSaver.from_conn_string(str(file)) as saver:
        graph = create_mctsr(MODEL).compile(checkpointer=saver)
        config: Any = {"configurable": {"thread_id": "my search"}}
        with pytest.raises(CheckpointError, match="selection = 'thompson'"):
            steer(graph, config, prune("1"), by="Ann")


# --------------------------------------------------------------------------- places and options
@pytest.mark.parametrize("name", ["user/42", "../../up", "a\0b", "x" * 300, "é", "."])
def test_any_text_names_a_thread_and_its_lock_stays_beside_the_file(
    name: str, tmp_path: Path
) -> None:
    folder = tmp_path / "in" / "here"
    folder.mkdir(parents=True)
    before = {*tmp_path.rglob("*")}
    options: Any = {"context": SHORT, "checkpointer": folder / "s.db", "thread_id": name}
    first = solve("p", ScriptedChatModel(replies=keyed_reply), **options)
    assert solve("p", ScriptedChatModel(replies=[]), **options) == first
    assert {path.parent for path in {*tmp_path.rglob("*")} - before} == {folder}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("", "checkpointer is ''"),
        (":memory:", "checkpointer is ':memory:'"),
        (True, "checkpointer is True"),
        ("postgresql://u:secret@host/db", r"checkpointer is an address \(postgresql:...\)"),
        (Path("postgresql://u:secret@host/db"), r"checkpointer is an address \(postgresql:...\)"),
        ("file:x?mode=memory", r"checkpointer is an address \(file:...\)"),
        (" ", "checkpointer is ' '"),
        ("a\0b", r"checkpointer is 'a\\x00b'"),
    ],
)
def test_a_checkpointer_that_keeps_nothing_is_refused(given: Any, told: str) -> None:
    with pytest.raises(ConfigError, match=f"{told}, allowed a LangGraph checkpointer, or the path"):
        solve("p", MODEL, checkpointer=given)
    with pytest.raises(ConfigError) as caught:
        solve("p", MODEL, checkpointer=given)
    assert "secret" not in str(caught.value)


def test_a_thread_that_no_file_can_hold_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"thread_id is 'a\\ud800', allowed a text"):
        solve("p", MODEL, thread_id="a\ud800")


@pytest.mark.parametrize(
    ("option", "allowed"),
    [
        ("prompts", "an instance of Prompts"),
        ("journal", r"CallJournal\(PATH\)"),
        ("on_event", "a function"),
        ("on_change", "a function"),
        ("control", "a RunControl of LangGraph"),
    ],
)
def test_an_option_of_another_kind_is_refused(option: str, allowed: str) -> None:
    model, given = ScriptedChatModel(replies=keyed_reply), dict[str, Any]({option: "x"})
    with pytest.raises(ConfigError, match=f"{option} is 'x', allowed {allowed}"):
        solve("p", model, **given)
    assert model.calls == []


async def test_an_unknown_option_is_refused_and_the_allowed_ones_are_named() -> None:
    wrong: Any = {"jugde": "rubric"}
    for name, call in (("solve", solve), ("create_mctsr", create_mctsr)):
        with pytest.raises(ConfigError, match=rf"^jugde: no option of {name}, allowed .*\bjudge\b"):
            call("p", **wrong)
    with pytest.raises(ConfigError, match=r"^jugde: no option of asolve, allowed .*\bjudge\b"):
        await asolve("p", **wrong)


def test_a_named_judge_is_a_setting_of_what_is_asked() -> None:
    spec = asked(
        "p", MODEL, {"judge": "pairwise", "context": MCTSrContext(profile="paper", seed=1)}
    )
    assert spec.context == MCTSrContext(profile="paper", judge="pairwise", seed=1)
    assert spec.identity == asked("p", MODEL, {"context": spec.context}).identity


def test_what_a_journal_holds_of_a_search_that_an_earlier_version_made_is_recalled(
    tmp_path: Path,
) -> None:
    def recorded(digest: str | None) -> str:
        """Name the search in the journal by another digest; return the one it had."""
        with sqlite3.connect(tmp_path / "calls.db") as connection:
            [[name]] = connection.execute("SELECT DISTINCT search FROM mctsr_calls").fetchall()
            found = str(name.partition("|")[2].rpartition("|")[2].partition(":")[0])
            now = "replace(search, ?, ?)"
            connection.execute(f"UPDATE mctsr_calls SET search = {now}", (found, digest or found))
        connection.close()
        return found

    model = ScriptedChatModel(replies=keyed_reply)
    spec = SearchSpec.of(model, {})
    for silent in (False, True, True):
        with CallJournal(tmp_path / "calls.db") as journal:
            asked = ScriptedChatModel(replies=[]) if silent else model
            graph = create_mctsr(asked, journal=journal).compile()
            graph.invoke({"problem": "p"}, context=SHORT)
        recorded(fingerprint_v1("p", SHORT, spec))  # as it was called
    assert recorded(None) == fingerprint_v1("p", SHORT, spec)
    assert len(model.calls) == 6
