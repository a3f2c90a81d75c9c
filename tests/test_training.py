"""The program that trains the embedded model: its problems, texts, tokens, and a few steps."""

from __future__ import annotations

import gzip
import random
from itertools import islice
from pathlib import Path

import pytest
from langchain_core.messages import AIMessage, BaseMessage

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

from transformers import AutoModelForCausalLM

from mctsr_graph.benchmark.data_sets import load_problems
from mctsr_graph.prompts import Prompts, critique_messages, evaluate_messages, refine_messages
from training.__main__ import main
from training.problems import Problem, Step, problems, sums
from training.tasks import Attempts, Encoder, refining
from training.texts import OUTSIDE, check, critique, evaluation, others, solution, spoiled
from training.tokens import make_tokenizer

EGGS = Problem(
    "Ann has 6 boxes of 17 eggs. Then 19 of them get lost. How many eggs are left?",
    (Step("groups", 6, "*", 17), Step("fewer", 102, "-", 19)),
    "",
)
SOLVED = """Step 1, groups: 6 * 17 = 60 + 42 = 102.
Step 2, fewer: 102 - 19 = 83.
The final answer is \\boxed{83}."""
MAKERS = {"stories": problems, "sums": sums}


@pytest.fixture(scope="module")
def tokenizer() -> object:
    return make_tokenizer()


def test_a_solution_splits_a_product_into_tens_and_ones() -> None:
    assert solution(EGGS) == SOLVED
    assert EGGS.answer == 83


@pytest.mark.parametrize("kind", MAKERS)
def test_the_same_seed_makes_the_same_problems(kind: str) -> None:
    make = MAKERS[kind]
    first, again, other = (list(islice(make(seed), 50)) for seed in (7, 7, 8))
    assert first == again
    assert first != other


@pytest.mark.parametrize("kind", MAKERS)
def test_every_step_of_a_problem_goes_on_from_numbers_that_are_there(kind: str) -> None:
    for problem in islice(MAKERS[kind](1), 300):
        known = {int(number) for number in "".join(
            letter if letter.isdigit() else " " for letter in problem.text
        ).split()}  # fmt: skip
        known |= {2, 3, 4, 5}  # "doubles", "a third"
        for step in problem.steps:
            assert {step.left, step.right} <= known
            assert 0 < step.result <= 999
            if step.operation == "/":
                assert step.result * step.right == step.left
            known.add(step.result)


def test_no_wording_and_no_larger_calculation_of_the_test_split_is_trained_on() -> None:
    train, test = (list(islice(problems(1, split), 1000)) for split in ("train", "test"))
    assert not {one.wording for one in train} & {one.wording for one in test}
    learnt = {(step.left, step.operation, step.right) for one in train for step in one.steps}
    for problem in test:
        steps = {(step.left, step.operation, step.right) for step in problem.steps}
        assert steps - learnt


def test_a_right_solution_has_nothing_to_change() -> None:
    found = check(EGGS, SOLVED)
    assert critique(found) == (
        "Step 1: 6 * 17 = 60 + 42 = 102, said 102, right.\n"
        "Step 2: 102 - 19 = 83, said 83, right.\n"
        "Final answer: 83, said 83, right.\n"
        "Nothing has to change."
    )
    assert evaluation(found, EGGS).endswith("Score: 90")


@pytest.mark.parametrize(
    ("written", "instead", "wrong", "points"),
    [
        ("42 = 102", "42 = 112", 1, 20),
        ("102 - 19 = 83", "102 + 19 = 121", 2, 20),
        ("102 - 19 = 83", "102 - 19 = 93", 2, 20),
        ("83", "93", 2, -70),
        ("boxed{83}", "boxed{38}", 3, -50),
        ("The final answer is \\boxed{83}.", "I give up.", 3, -50),
        ("Step 2, fewer: 102 - 19 = 83.\n", "", 2, 20),
    ],
)
def test_a_check_stops_at_the_first_mistake(
    written: str, instead: str, wrong: int, points: int
) -> None:
    found = check(EGGS, SOLVED.replace(written, instead))
    assert found.wrong_at == wrong
    assert found.lines[-1].endswith("wrong.")
    assert evaluation(found, EGGS).endswith(f"Score: {points}")


def test_a_step_is_right_by_its_result() -> None:
    assert check(EGGS, SOLVED.replace("6 * 17", "17 * 6")).wrong_at == 0
    assert check(EGGS, SOLVED.replace("102 - 19 = 83", "102 - 18 = 84")).wrong_at == 2
    assert check(EGGS, SOLVED.replace("102 - 19 = 83", "102 - 19 = x")).lines[-1] == (
        "Step 2: 102 - 19 = 83, said none, wrong."
    )


def test_a_spoiled_solution_is_not_right() -> None:
    made = random.Random(1)
    for problem in islice(problems(2), 200):
        assert check(problem, spoiled(problem, made)).wrong_at > 0


def test_any_text_comes_back_from_its_tokens_and_digits_stand_alone(tokenizer: object) -> None:
    for text in (SOLVED, "x² + 3 = 12\n\t漢字 é", others(random.Random(3)), "Score: -90"):
        ids = tokenizer(text)["input_ids"]  # type: ignore[operator]
        assert tokenizer.decode(ids) == text  # type: ignore[attr-defined]
        pieces = tokenizer.convert_ids_to_tokens(ids)  # type: ignore[attr-defined]
        assert all(len(piece) == 1 for piece in pieces if piece.isdigit())


@pytest.mark.parametrize("prompts", [critique_messages, evaluate_messages])
def test_a_default_prompt_is_one_token(tokenizer: object, prompts: object) -> None:
    asked: list[BaseMessage] = prompts(Prompts(), EGGS.text, SOLVED)  # type: ignore[operator]
    ids = tokenizer(asked[-1].content)["input_ids"]  # type: ignore[operator]
    assert len(ids) == 1


def test_conversations_are_written_as_by_the_chat_template(tokenizer: object) -> None:
    encoder = Encoder(tokenizer)  # type: ignore[arg-type]
    messages = refine_messages(Prompts(), EGGS.text, SOLVED, "Nothing has to change.")
    roles = {"human": "user", "ai": "assistant", "system": "system"}
    chat = [{"role": roles[one.type], "content": one.content} for one in messages]
    written = tokenizer.apply_chat_template(  # type: ignore[attr-defined]
        chat, add_generation_prompt=True, return_dict=False
    )
    assert encoder.prompt(messages) == written
    learnt = encoder.example([*messages, AIMessage("Step 1")], 1)
    assert sum(weight > 0 for weight in learnt.weights) == len(tokenizer("Step 1")["input_ids"]) + 1  # type: ignore[operator]


def test_critique_and_refinement_are_learnt_and_the_draft_is_not(tokenizer: object) -> None:
    encoder = Encoder(tokenizer)  # type: ignore[arg-type]
    wrong = SOLVED.replace("83", "93")
    example = refining(encoder, Attempts(EGGS, [wrong]))
    told = [one for one, weight in zip(*example, strict=True) if weight]
    assert tokenizer.decode(told) == (  # type: ignore[attr-defined]
        "Step 1: 6 * 17 = 60 + 42 = 102, said 102, right.\n"
        "Step 2: 102 - 19 = 83, said 93, wrong.\n"
        f"Step 2 has to change.<|end|>{SOLVED}<|end|>"
    )


def test_a_few_steps_make_a_model_that_transformers_loads(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["train", str(tmp_path), "--quick", "--size", "small"])
    assert "first answers right" in capsys.readouterr().out
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    assert type(model).__name__ == "LlamaForCausalLM"
    assert not list(tmp_path.glob("*.pt"))  # what was kept on the way is gone
    main(["measure", str(tmp_path), "--count", "4"])
    assert "declines" in capsys.readouterr().out


def test_the_data_set_of_the_package_is_what_the_program_writes(tmp_path: Path) -> None:
    file = tmp_path / "problems.jsonl.gz"
    main(["problems", str(file)])
    found = load_problems("arithmetic")
    assert gzip.decompress(file.read_bytes()).count(b"\n") == len(found.problems) == 1000
    assert load_problems(str(file)).problems[7].text == found.problems[7].text


def test_the_sentence_for_other_questions_is_one_line() -> None:
    assert "\n" not in OUTSIDE
