"""Strategies of one's own: what to do next, when to stop, which answer to return."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import pytest
from langgraph.checkpoint.memory import InMemorySaver

import mctsr_graph
from mctsr_graph import (
    CheckpointError,
    ConfigError,
    FingerprintMismatchError,
    MCTSrContext,
    Node,
    ScriptedChatModel,
    SearchFailedError,
    asolve,
    create_mctsr,
    solve,
    strategies,
)
from mctsr_graph.calls.usage import total_cost
from mctsr_graph.run.spec import SolveSpec
from mctsr_graph.run.sqlite_saver import open_file
from mctsr_graph.run.steering import ask_rewards, pin, steer
from mctsr_graph.run.stored import stored_searches, stored_solution
from mctsr_graph.settings.context import allowed_values
from mctsr_graph.settings.profiles import PROFILES
from mctsr_graph.strategies import PaperStrategy, Roots, Search, Strategy, Task
from mctsr_graph.strategies.choose import classes_of
from mctsr_graph.strategies.strategy import strategy_of
from mctsr_graph.tree.task import Kind

from .conftest import keyed_reply

FOUR = MCTSrContext(profile="paper", max_rollouts=4)
PACKAGE = Path(mctsr_graph.__file__).parent


class Newest(PaperStrategy):
    """Always refines the newest answer."""

    def next_tasks(self, search: Search) -> Sequence[Any]:
        return [list(search.tree)[-1]] * search.width


class Longest(PaperStrategy):
    """Returns the longest answer."""

    def choose(self, tree: Mapping[str, Node], context: MCTSrContext) -> str | None:
        return max(tree, key=lambda node: len(tree[node]["answer"]))


@dataclass(frozen=True)
class Saying(PaperStrategy):
    """Wants what it is made with."""

    tasks: Any

    def next_tasks(self, search: Search) -> Any:
        return self.tasks


def model() -> ScriptedChatModel:
    return ScriptedChatModel(replies=keyed_reply)


# What to do next


async def test_a_strategy_makes_a_chain() -> None:
    found = solve("p", model(), context=FOUR, strategy=Newest())
    assert [node["parent"] for node in found.tree.values()] == [None, "0", "1", "2", "3"]
    awaited = await asolve("p", model(), context=FOUR, strategy=Newest())
    assert awaited.tree == found.tree


def test_a_strategy_may_draft_and_judge() -> None:
    plan = [Task("draft"), Task("evaluate", "0"), Task("refine", "1"), Task("evaluate", "2")]

    class Planned(Strategy):
        def next_tasks(self, search: Search) -> list[Task]:
            return [plan[search.rollouts]]

    found = solve(
        "p", model(), context=MCTSrContext(profile="paper", max_rollouts=3), strategy=Planned()
    )
    shape = [(node["parent"], len(node["rewards"])) for node in found.tree.values()]
    assert shape == [(None, 2), (None, 2), ("1", 1)]


def test_a_strategy_that_wants_nothing_ends_the_search() -> None:
    found = solve("p", model(), context=FOUR, strategy=Saying([]))
    assert (found.stop_reason, found.rollouts) == ("exhausted", 0)


def test_a_strategy_that_wants_too_much_gets_the_width() -> None:
    context = MCTSrContext(profile="paper", max_rollouts=4, width=2)
    found = solve("p", model(), context=context, strategy=Saying(["0"] * 50))
    assert found.rollouts == 4


@pytest.mark.parametrize(
    "task", ["9", ("draft", "0"), ("refine", None), ("refine", "9"), ("guess", "0")]
)
def test_a_task_that_is_none_is_refused(task: Any) -> None:
    with pytest.raises(ConfigError, match=r"next_tasks returned .*, allowed"):
        solve("p", model(), context=FOUR, strategy=Saying([task]))


@pytest.mark.parametrize("result", [None, 3, "0"])
def test_a_strategy_that_returns_no_tasks_at_all_is_refused(result: Any) -> None:
    with pytest.raises(ConfigError, match=f"returned {result!r}, allowed a list of tasks"):
        solve("p", model(), context=FOUR, strategy=Saying(result))


@pytest.mark.parametrize("wrong", ["paper", PaperStrategy])
def test_a_name_or_a_class_is_no_strategy(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="allowed an instance of a class made from"):
        solve("p", model(), strategy=wrong)
    with pytest.raises(ConfigError, match="allowed an instance of a class made from"):
        create_mctsr(model(), strategy=wrong)


def test_what_is_drawn_depends_on_the_seed_and_the_rollout_alone() -> None:
    seen: dict[tuple[int, int], set[float]] = {}

    class Looking(PaperStrategy):
        def next_tasks(self, search: Search) -> Sequence[Task]:
            key = (search.context.seed, search.rollouts)
            seen.setdefault(key, set()).add(search.rng.random())
            return super().next_tasks(search)

    for seed in (1, 1, 2):
        context = FOUR.model_copy(update={"seed": seed})
        solve("p", model(), context=context, strategy=Looking())
    assert [len(drawn) for drawn in seen.values()] == [1] * 8
    assert len(set.union(*seen.values())) == 8


# The other questions


def test_a_strategy_says_what_the_tree_begins_with() -> None:
    class Three(PaperStrategy):
        def roots(self, context: MCTSrContext) -> Roots:
            return Roots(drafts=2, dummy=True)

    tree = solve(
        "p", model(), context=MCTSrContext(profile="paper", max_rollouts=1), strategy=Three()
    ).tree
    roots = [(node["parent"], node["dummy"]) for node in tree.values()][:3]
    assert roots == [(None, False), (None, False), (None, True)]


def test_a_strategy_says_when_it_is_enough_and_a_budget_goes_before() -> None:
    class Impatient(PaperStrategy):
        def why_stop(self, search: Search) -> str | None:
            return "two answers" if len(search.tree) == 2 else None

    found = solve("p", model(), context=FOUR, strategy=Impatient())
    assert (found.stop_reason, found.rollouts) == ("two answers", 1)
    one = solve(
        "p", model(), context=MCTSrContext(profile="paper", max_rollouts=1), strategy=Impatient()
    )
    assert one.stop_reason == "max_rollouts"


def test_a_strategy_says_what_is_judged_at_once_and_its_calls_keep_to_the_budget() -> None:
    class Late(PaperStrategy):
        kinds = ("refine", "evaluate")

        def next_tasks(self, search: Search) -> Sequence[Task]:
            unjudged = [n["id"] for n in search.tree.values() if not n["rewards"]]
            return [Task("evaluate", unjudged[0])] if unjudged else super().next_tasks(search)

        def wants_reward(self, kind: Kind) -> bool:
            return kind == "evaluate"

    for limit in range(1, 12):
        scripted = model()
        context = MCTSrContext(profile="paper", max_rollouts=99, max_calls=limit)
        found = solve("p", scripted, context=context, strategy=Late())
        assert len(scripted.calls) == total_cost(found.usage)["calls"] <= limit
        assert all(len(node["rewards"]) < 2 for node in found.tree.values())
        roles = [call.role for call in scripted.calls]
        assert (
            roles == (["draft", "evaluate"] + ["critique", "refine", "evaluate"] * 4)[: len(roles)]
        )
        assert limit - len(roles) in (0, 1)  # one call is too few to refine


def test_a_strategy_chooses_and_is_named() -> None:
    found = solve("p", model(), context=FOUR, strategy=Longest())
    assert found.best == Longest().choose(found.tree, FOUR)
    assert found.choice is not None
    assert found.choice["rule"] == "tests.test_strategy.Longest"


def test_a_strategy_that_does_not_choose_leaves_it_to_the_setting() -> None:
    context = MCTSrContext(profile="paper", max_rollouts=4, choice="majority")
    found = solve("p", model(), context=context, strategy=Newest())
    assert found.choice is not None
    assert found.choice["rule"] == "majority"
    [first, *_] = sorted(classes_of(found.tree, context), key=lambda one: -one["votes"])
    assert found.best in first["nodes"]


def test_a_choice_that_is_no_node_is_refused() -> None:
    class Elsewhere(PaperStrategy):
        def choose(self, tree: Mapping[str, Node], context: MCTSrContext) -> str | None:
            return "99"

    with pytest.raises(ConfigError, match="returned '99', allowed None or the id of a node"):
        solve("p", model(), context=FOUR, strategy=Elsewhere())


# The official code's reading of a score


@pytest.mark.parametrize(
    ("reply", "paper", "official"),
    [
        ("Score: 30", 30.0, 30.0),
        ("Score: 30, or 40", 30.0, 40.0),
        ("Score: -250", None, -250.0),
        ("Score: 99", 94.0, 50.0),
        ("I cannot say.", None, None),
        ("Score: " + "9" * 400, None, None),
    ],
)
def test_what_a_strategy_makes_of_a_judges_reply(
    reply: str, paper: float | None, official: float | None
) -> None:
    scripted = ScriptedChatModel(
        replies=lambda call: reply if call.role == "evaluate" else keyed_reply(call)
    )
    for profile, reward in (("paper", paper), ("official", official)):
        context = MCTSrContext(profile=profile, max_rollouts=1, init="answer", max_retries=0)
        try:
            tree = solve("p", scripted, context=context).tree
        except SearchFailedError:
            assert reward is None
        else:
            assert {own for node in tree.values() for own in node["rewards"]} == {reward}


# Which search is which


def identity(strategy: Strategy | None = None, **settings: Any) -> str:
    spec = SolveSpec.of(
        model(), {"context": MCTSrContext(**{"profile": "paper", **settings}), "strategy": strategy}
    )
    return replace(spec, problem="p").identity.digest


def test_a_strategy_is_part_of_what_tells_searches_apart() -> None:
    found = [
        identity(),
        identity(Newest()),
        identity(Longest()),
        identity(Saying(["0"])),
        identity(Saying(["1"])),
        identity(profile="official"),
    ]
    assert len(set(found)) == 6
    assert identity(Saying(["0"])) == identity(Saying(["0"]))


@pytest.mark.parametrize("strategy", [None, Longest()])
def test_a_kept_search_is_not_gone_on_with_by_another_strategy(strategy: Any) -> None:
    given: Any = {"context": FOUR, "checkpointer": InMemorySaver(), "thread_id": "1"}
    solve("p", model(), strategy=Newest(), **given)
    again = model()
    solve("p", again, strategy=Newest(), **given)
    assert again.calls == []
    with pytest.raises(FingerprintMismatchError):
        solve("p", model(), strategy=strategy, **given)


# A file is a profile

EPSILON_GREEDY = '''"""Refine the best answer, now and then any."""

from mctsr_graph.strategies import PaperStrategy, Task


class EpsilonGreedyStrategy(PaperStrategy):
    """Refines the answer with the highest q, and one time in four any answer."""

    name = "epsilon_greedy"
    defaults = {"max_rollouts": 6, "choice": "majority", "draft_temperature": 0.5}

    def next_tasks(self, search):
        """Each of them drawn by the search's own generator."""
        tree, tasks = search.tree, []
        for _ in range(search.width):
            node = max(tree, key=lambda node: tree[node]["q"])
            if search.rng.random() < 0.25:
                node = search.rng.choice(list(tree))
            tasks.append(Task("refine", node))
        return tasks
'''


@pytest.mark.usefixtures("profiles")
def test_a_file_in_the_folder_is_a_profile_without_any_other_edit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "epsilon_greedy.py").write_text(EPSILON_GREEDY, encoding="utf-8")
    monkeypatch.setattr(strategies, "__path__", [*strategies.__path__, str(tmp_path)])
    with pytest.raises(ConfigError, match="profile is 'epsilon_greedy'"):
        MCTSrContext(profile="epsilon_greedy")
    for found in strategies.walk_packages(strategies.__path__, "mctsr_graph.strategies."):
        import_module(found.name)  # as the folder itself does when it is imported
    del sys.modules["mctsr_graph.strategies.epsilon_greedy"]

    context = MCTSrContext(profile="epsilon_greedy", seed=1)
    assert (context.max_rollouts, context.choice, context.draft_temperature) == (
        6,
        "majority",
        0.5,
    )
    assert context.model_dump(exclude_unset=True) == {"profile": "epsilon_greedy", "seed": 1}
    assert MCTSrContext(profile="epsilon_greedy", max_rollouts=2).max_rollouts == 2
    assert "'epsilon_greedy'" in allowed_values("profile")
    assert MCTSrContext.model_validate_json(context.model_dump_json()) == context
    schema = MCTSrContext.model_json_schema()["properties"]
    assert "epsilon_greedy" in schema["profile"]["enum"]
    assert "epsilon_greedy: 6" in schema["max_rollouts"]["description"]
    assert identity(profile="epsilon_greedy") != identity(**context.model_dump(exclude={"profile"}))

    first, again = (solve("p", model(), context=context) for _ in range(2))
    assert first == again
    assert (first.rollouts, first.choice and first.choice["rule"]) == (6, "majority")
    others = [context.model_copy(update={"seed": seed}) for seed in range(9)]
    trees = [solve("p", model(), context=other).tree for other in others]
    shapes = {tuple(node["parent"] for node in tree.values()) for tree in trees}
    assert len(shapes) > 1


@pytest.mark.usefixtures("profiles")
def test_a_class_with_a_name_is_a_profile_and_one_without_is_none() -> None:
    before = set(PROFILES)

    class Named(Newest):
        name = "newest"
        defaults: ClassVar = {"max_rollouts": 3}

    class Nameless(Named):
        """Has the name of the class that it comes from, and is another one."""

    assert set(PROFILES) == {*before, "newest"}
    found = solve("p", model(), context=MCTSrContext(profile="newest"))
    assert [node["parent"] for node in found.tree.values()] == [None, "0", "1", "2"]
    assert type(strategy_of(MCTSrContext(profile="newest"))) is Named
    assert identity(Nameless()) != identity(Named()) != identity(profile="newest")


def test_defaults_of_a_class_that_nobody_can_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="Nameless has defaults, but no name"):
        type("Nameless", (Newest,), {"defaults": {"max_rollouts": 3}})


@pytest.mark.usefixtures("profiles")
@pytest.mark.parametrize(
    ("defaults", "told"),
    [
        ({"wdith": 2}, "'wdith' is not a setting; did you mean"),
        ({"width": 0}, "width is 0"),
    ],
)
def test_a_default_that_is_no_setting_is_refused(defaults: Any, told: str) -> None:
    type("Wrong", (Newest,), {"name": "wrong", "defaults": defaults})
    with pytest.raises(ConfigError, match=told):
        MCTSrContext(profile="wrong")


# Nobody else asks which strategy runs

NAMES = {"paper", "official", "tuned", "greedy", "information", "epsilon_greedy"}


def asks_by_name(tree: ast.AST) -> list[int]:
    """Lines that compare something with the name of a strategy, or match it."""
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Compare | ast.MatchValue)
        for part in ast.walk(node)
        if isinstance(part, ast.Constant) and part.value in NAMES
    ]


def test_no_file_but_the_strategies_asks_which_strategy_runs() -> None:
    files = {path.relative_to(PACKAGE): path for path in PACKAGE.rglob("*.py")}
    others = {name: path for name, path in files.items() if name.parts[0] != "strategies"}
    assert len(others) > 80
    asking = {
        str(name): lines
        for name, path in others.items()
        if (lines := asks_by_name(ast.parse(path.read_text("utf-8"))))
    }
    assert asking == {}


@pytest.mark.parametrize(
    "code",
    [
        'x == "tuned"',
        '"paper" != context.profile',
        'context.profile in ("paper", "official")',
        'match profile:\n    case "tuned":\n        pass',
    ],
)
def test_a_question_for_a_name_is_found(code: str) -> None:
    assert asks_by_name(ast.parse(code))


def called_by(search: Callable[[], Any]) -> set[tuple[str, str]]:
    """File and name of every function of the package that runs in a search's loop."""
    calls: set[tuple[str, str]] = set()

    def note(frame: Any, event: str, _: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(str(PACKAGE)):
            path = Path(code.co_filename).relative_to(PACKAGE).as_posix()
            if (path, code.co_name) == ("graph/nodes.py", "finalize"):
                sys.setprofile(None)
                return
            calls.add((path, code.co_name))

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        search()
    finally:
        sys.setprofile(before)
    return calls


@pytest.mark.parametrize("profile", ["paper", "official", "tuned"])
def test_the_loop_of_the_paper_runs_nothing_of_tuned(profile: str) -> None:
    graph = create_mctsr(model()).compile()
    context = MCTSrContext(profile=profile, max_rollouts=12, max_calls=20)
    calls = called_by(lambda: graph.invoke({"problem": "p"}, context=context))
    assert ("graph/nodes.py", "backpropagate") in calls
    of_tuned = {path for path, _ in calls if path.startswith("strategies/tuned/")}
    assert bool(of_tuned) == (profile == "tuned"), of_tuned


# What a strategy may not do, and who else has to know it


def test_a_task_of_another_kind_than_it_says_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"Saying returned a task 'draft', allowed .* refine"):
        solve("p", model(), context=FOUR, strategy=Saying([("draft", None)]))


@pytest.mark.usefixtures("profiles")
def test_a_built_in_profile_cannot_be_replaced_and_no_name_makes_none() -> None:
    with pytest.raises(ConfigError, match="'tuned', which is built in"):
        type("Mine", (PaperStrategy,), {"name": "tuned"})
    type("Nameless", (PaperStrategy,), {"name": ""})
    assert "" not in PROFILES


@pytest.mark.usefixtures("profiles")
def test_two_strategies_of_one_name_are_two_identities() -> None:
    class Mine(PaperStrategy):
        name = "mine"

        def choose(self, tree: Any, context: Any) -> Any:
            return min(tree)

    found = [identity(profile="mine")]

    class Mine(PaperStrategy):  # noqa: F811
        name = "mine"

        def choose(self, tree: Any, context: Any) -> Any:
            return max(tree)

    found.append(identity(profile="mine"))

    class Mine(PaperStrategy):  # noqa: F811
        name = "mine"
        defaults: ClassVar = {"max_children": 2}

        def choose(self, tree: Any, context: Any) -> Any:
            return max(tree)

    found.append(identity(profile="mine"))
    assert len(set(found)) == 3


def test_a_search_is_steered_and_shown_by_its_own_strategy(tmp_path: Path) -> None:
    file = tmp_path / "searches.db"
    found = solve("p", model(), context=FOUR, strategy=Longest(), checkpointer=file)
    [stored] = stored_searches(file)
    seen = stored_solution(file, stored)
    assert seen.best == found.best
    assert (seen.choice or {})["rule"] == (found.choice or {})["rule"]
    config: Any = {"configurable": {"thread_id": stored.thread_id}}
    with open_file(file) as saver:
        with pytest.raises(CheckpointError, match="decides by the strategy Longest"):
            steer(create_mctsr(model()).compile(checkpointer=saver), config, pin("0"), by="Ann")
        graph = create_mctsr(model(), strategy=Longest()).compile(checkpointer=saver)
        now = steer(graph, config, pin("1"), by="Ann").values
    assert now["best"] == Longest().choose(now["tree"], FOUR)


def test_steering_asks_the_judge_of_the_graphs_own_settings() -> None:
    context = MCTSrContext(profile="paper", max_rollouts=2, judge="pairwise", drafts=3)
    asked = ScriptedChatModel(
        replies=lambda call: "Better: A" if call.role == "evaluate" else keyed_reply(call)
    )
    graph = create_mctsr(asked, context=context).compile(checkpointer=InMemorySaver())
    config: Any = {"configurable": {"thread_id": "t"}}
    graph.invoke({"problem": "p"}, config)
    before = len(asked.calls)
    steer(graph, config, ask_rewards("1"), by="Ann")
    assert {"<solution_a>" in str(call.messages) for call in asked.calls[before:]} == {True}
