"""What eight critique -> refine -> 4 scores chains, and a search, cost on each HuggingFace backend.

    python -m benchmarks.backend                          # SmolLM2-135M, float32, CPU
    python -m benchmarks.backend --device cuda --shape llama-3-8b --random-weights

Prints one JSON object a backend, each measured in a process of its own: CPU seconds, forwards
(reads of all weights; on CUDA without replayed steps), tokens fed (padding included), wall
seconds, peak memory, and a digest of the greedy texts, which must be equal in float32. `chains`
has a problem for each chain, so next to nothing is shared between them; `one_problem` has eight
answers of one problem, as a tree has. With --shape it also prints decoded tokens per second at
1, 8, 32 and 64 rows, as a fraction of what the memory bandwidth allows.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime
import functools
import hashlib
import json
import platform
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import RunnableConfig, RunnableLambda

from benchmarks.backend_shapes import SHAPES, bytes_read, load
from mctsr_graph import MCTSrContext, Prompts, solve
from mctsr_graph.prompts import critique_messages, evaluate_messages, refine_messages

LEAVES, SCORES = 8, 4
LENGTHS = {"critique": 24, "refine": 24, "evaluate": 8}  # most new tokens
BACKENDS = ("chat_huggingface", "generate", "generate_padded", "inflight")
USUAL = ["chains", "one_problem", "search", "decoding"]
MEASURES = (*USUAL, "chains_again")
SEARCHED = ("chat_huggingface", "inflight")
PROBLEM = (
    "A train leaves city A at {a} km/h and another leaves city B, {b} km away, at {c} km/h towards "
    "it. They start at the same time. How long until they meet, how far from A do they meet, and "
    "what is the distance left after one hour?"
)
ANSWER = (
    "[reasoning process] Let the closing speed be the sum of both speeds: {a} + {c}. The time to "
    "meet is the distance {b} divided by the closing speed. The distance from A is {a} multiplied "
    "by that time. After one hour the trains have covered {a} + {c} km together so the distance "
    "left is {b} minus that sum. [verification] The two distances add to {b}. [final answer] The "
    "answer is t = {b} / ({a} + {c}) hours."
)
# In the words of the authors' code
PROMPTS = Prompts(
    system="",
    draft="Question: {problem}",
    critique="Since we have a weak Answer, could you provide me with a reflection or feedback to "
    "correct this answer better? Analyze this Answer Strictly and Critic, point out every flaw for "
    "ever possible imperfect to minus every possible score! Let's think step by step.",
    refine="Please refine the your answer according to your Reflection or Feedback. The response "
    "should begin with [reasoning process]...[Verification]... and end with [Final Answer] The "
    "answer is [answer formula]. Let's think step by step.",
    evaluate="Analyze this answer Strictly and Critic, point out every flaw for ever possible "
    "imperfect to minus every possible score! You need to be very harsh and mean in calculating "
    "grades, and never give full marks to ensure that the marks are authoritative. Output a score "
    "between [-100,+100], ie. from -100 to +100. Response format: [Score] score",
)
Ask = Callable[[list[list[BaseMessage]], int], list[str]]
"""Greedy texts of several conversations, with a limit of new tokens."""


def chains(ask: Ask, first: int = 0, *, one_problem: bool = False) -> list[str]:
    """Every leaf takes each step together with the others.

    Args:
        ask: What is measured.
        first: Another number makes other problems.
        one_problem: Whether all are answers of one problem, as in a tree, or each of its own.
    """
    numbers = [
        {"a": 40 + 7 * i, "b": 300 + 31 * i, "c": 50 + 3 * i} for i in range(first, first + LEAVES)
    ]
    asked = [numbers[0] if one_problem else n for n in numbers]
    pairs = [(PROBLEM.format(**q), ANSWER.format(**a)) for q, a in zip(asked, numbers, strict=True)]
    critiques = ask([critique_messages(PROMPTS, q, a)[1:] for q, a in pairs], LENGTHS["critique"])
    both = list(zip(pairs, critiques, strict=True))
    refined = ask([refine_messages(PROMPTS, q, a, c)[1:] for (q, a), c in both], LENGTHS["refine"])
    judge = [evaluate_messages(PROMPTS, q, r)[1:] for (q, _), r in zip(pairs, refined, strict=True)]
    scores = ask([m for m in judge for _ in range(SCORES)], LENGTHS["evaluate"])
    return [*critiques, *refined, *scores]


def backend(name: str, model: Any, tokenizer: Any) -> Ask:
    """The way a backend is asked."""
    makers: dict[str, Callable[[Any, Any], Ask]] = {
        "chat_huggingface": _chat_huggingface,
        "generate": lambda m, t: _generate(m, t, width=1),
        "generate_padded": lambda m, t: _generate(m, t, width=LEAVES * SCORES),
        "inflight": _ours,
    }
    return makers[name](model, tokenizer)


def _chat_huggingface(model: Any, tokenizer: Any) -> Ask:
    chat = _pipeline_chat(model, tokenizer)

    def ask(conversations: list[list[BaseMessage]], limit: int) -> list[str]:
        options = {"max_new_tokens": limit, "do_sample": False, "return_full_text": False}
        replies = chat.batch(conversations, pipeline_kwargs=options)
        return [str(reply.content) for reply in replies]

    return ask


def _pipeline_chat(model: Any, tokenizer: Any) -> Any:
    from langchain_huggingface import ChatHuggingFace, HuggingFacePipeline
    from transformers import pipeline

    made = pipeline("text-generation", model=model, tokenizer=tokenizer)
    return ChatHuggingFace(llm=HuggingFacePipeline(pipeline=made), tokenizer=tokenizer)


def _generate(model: Any, tokenizer: Any, width: int) -> Ask:
    import torch

    from mctsr_graph.models.template import prompt_ids, to_chat

    def together(prompts: list[list[int]], limit: int) -> list[str]:
        longest = max(map(len, prompts))
        ids = [[0] * (longest - len(p)) + p for p in prompts]
        seen = [[0] * (longest - len(p)) + [1] * len(p) for p in prompts]
        with torch.inference_mode():
            out = model.generate(
                torch.tensor(ids, device=model.device),
                attention_mask=torch.tensor(seen, device=model.device),
                max_new_tokens=limit,
                do_sample=False,
                pad_token_id=tokenizer.pad_token_id,
            )
        return list(tokenizer.batch_decode(out[:, longest:], skip_special_tokens=True))

    def ask(conversations: list[list[BaseMessage]], limit: int) -> list[str]:
        prompts = [prompt_ids(tokenizer, to_chat(c)) for c in conversations]
        parts = [prompts[i : i + width] for i in range(0, len(prompts), width)]
        return [text for part in parts for text in together(part, limit)]

    return ask


def _ours(model: Any, tokenizer: Any) -> Ask:
    from mctsr_graph.models import ChatTransformers

    return asked_by(ChatTransformers.from_loaded(model, tokenizer, temperature=0))


def asked_by(chat: BaseChatModel) -> Ask:
    """All conversations at once."""

    def ask(conversations: list[list[BaseMessage]], limit: int) -> list[str]:
        async def all_at_once() -> list[AIMessage]:
            return await asyncio.gather(*(chat.ainvoke(c, max_tokens=limit) for c in conversations))

        return [str(reply.content) for reply in asyncio.run(all_at_once())]

    return ask


def search(name: str, model: Any, tokenizer: Any) -> list[str]:
    """One search of 8 rollouts, 4 leaves at once."""
    from mctsr_graph.models import ChatTransformers

    limit = 32
    chat: Any
    if name == "chat_huggingface":
        options = {"max_new_tokens": limit, "do_sample": False, "return_full_text": False}
        chat = _pipeline_chat(model, tokenizer).bind(pipeline_kwargs=options)
    else:
        chat = ChatTransformers.from_loaded(model, tokenizer, temperature=0, max_tokens=limit)
    problem = PROBLEM.format(a=40, b=300, c=50)
    roles = ("draft", "critique", "refine", "evaluate")
    greedy: dict[str, Any] = {f"{role}_temperature": 0.0 for role in roles}
    lengths: dict[str, Any] = {f"{role}_max_tokens": limit for role in roles}
    context = MCTSrContext(
        profile="paper", max_rollouts=8, width=4, max_retries=1, **greedy, **lengths
    )
    found = solve(problem, chat | RunnableLambda(_with_score), context=context)
    return [node["answer"] for node in found.tree.values()]


def _with_score(reply: AIMessage, config: RunnableConfig) -> AIMessage:
    """The reply as all backends give it: no word on how it ended, and a score from a judge."""
    judged = config.get("metadata", {}).get("mctsr_role") == "evaluate"
    missing = "\nScore: 10" if judged and "Score:" not in str(reply.text) else ""
    return reply.model_copy(update={"content": f"{reply.text}{missing}", "response_metadata": {}})


def measured(work: Callable[[], list[str]], model: Any = None) -> dict[str, Any]:
    """Run it and count; without a model, the time only."""
    if model is None:
        return _timed(work)
    counts, original = {"forwards": 0, "tokens_fed": 0}, model.forward

    @functools.wraps(original)
    def forward(*args: Any, **kwargs: Any) -> Any:
        counts["forwards"] += 1
        counts["tokens_fed"] += kwargs["input_ids"].numel()
        return original(*args, **kwargs)

    model.forward = forward
    told = _timed(work)
    model.forward = original
    return {**told, **counts}


def _timed(work: Callable[[], list[str]]) -> dict[str, Any]:
    wall, cpu = time.perf_counter(), time.process_time()
    texts = work()
    told = {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - wall}
    digest = hashlib.sha256(json.dumps(texts).encode()).hexdigest()[:12]
    return {**{k: round(v, 2) for k, v in told.items()}, "texts": digest}


def decoding(model: Any, bandwidth: float, context: int, count: int) -> dict[str, Any]:
    """Tokens a second of our engine after the prefill, alone and as part of the limit."""
    from mctsr_graph.models.engine.limits import Limits
    from mctsr_graph.models.weights import engine_of

    engine_of(model, Limits()).close()  # that of the other measures
    engine = engine_of(model, Limits())
    told = {}
    for rows, rate in rates(engine, context, count).items():
        limit = int(rows) * bandwidth / bytes_read(model, int(rows), context + count // 2)
        told[rows] = {"tokens_per_s": round(rate, 1), "of_limit": round(rate / limit, 3)}
    engine.close()
    return told


def rates(engine: Any, context: int, count: int) -> dict[str, float]:
    """Tokens a second of an engine by its rows, after the prefill."""
    from mctsr_graph.models.engine.protocol import Request

    told = {}
    for rows in (1, 8, 32, 64):
        for _ in range(2):  # the first time captures graphs
            times: list[float] = []
            futures = [
                engine.submit(
                    Request(
                        ids=[1 + (i * 7 + j) % 250 for j in range(context)],
                        max_new=count,
                        on_token=functools.partial(_note, times),
                    )
                )
                for i in range(rows)
            ]
            for future in futures:
                future.result()
        # From when all rows run until the first one ends, nothing but full steps happens
        steady = times[2 * rows : -rows]
        told[str(rows)] = (len(steady) - 1) / (steady[-1] - steady[0])
    return told


def _note(times: list[float], *_: int) -> None:
    times.append(time.perf_counter())


def one(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Everything about one backend, in this process."""
    import torch
    import transformers

    warnings.simplefilter("ignore")
    quiet: Any = transformers.logging
    quiet.set_verbosity_error()
    quiet.disable_progress_bar()
    if options.device == "cpu":
        torch.set_num_threads(1)
    model, tokenizer = load(options.shape, options.device, options.tokenizer)
    told: dict[str, Any] = {"backend": name}
    ask = backend(name, model, tokenizer)
    ask([[HumanMessage("Hello")]], 2)  # whatever is done once
    work = {
        "chains": lambda: chains(ask),
        "chains_again": lambda: chains(ask, LEAVES),  # kernels loaded, graphs captured
        "one_problem": lambda: chains(ask, 2 * LEAVES, one_problem=True),
        "search": lambda: search(name, model, tokenizer),
    }
    wanted = [m for m in options.measures if m in work and (m != "search" or name in SEARCHED)]
    for measure in wanted:
        told[measure] = measured(work[measure], model)
        if options.sofar:
            print(json.dumps(told), flush=True)
    if "decoding" in options.measures and options.shape and name == "inflight":
        told["decoding"] = decoding(
            model, options.bandwidth * 1e12, options.context, options.tokens
        )
    told["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    device = platform.processor() or platform.machine()
    if options.device.startswith("cuda"):
        told["peak_cuda_mb"] = torch.cuda.max_memory_allocated() >> 20
        device = torch.cuda.get_device_name()
    versions = {"torch": torch.__version__, "transformers": transformers.__version__}
    return {**told, "device": device, **versions, "date": str(datetime.date.today())}


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", choices=["smollm2"], default="smollm2")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--shape", choices=sorted(SHAPES), help="random weights of this shape")
    parser.add_argument("--random-weights", action="store_true", help="the only kind with --shape")
    parser.add_argument("--tokenizer", help="with --shape: folder or hub id; else one token a byte")
    parser.add_argument("--backends", nargs="+", choices=BACKENDS, default=list(BACKENDS))
    parser.add_argument("--measures", nargs="+", choices=MEASURES, default=USUAL)
    parser.add_argument("--bandwidth", type=float, default=3.35, help="of the memory, TB/s")
    parser.add_argument("--context", type=int, default=1024, help="prompt tokens of `decoding`")
    parser.add_argument("--tokens", type=int, default=128, help="new tokens of `decoding`")
    parser.add_argument("--sofar", action="store_true", help="print after each measure, too")
    parser.add_argument("--here", action="store_true", help="in this process, not one each")
    options = parser.parse_args(given)
    if options.tokens < 5:  # the first two and the last of each row are left out
        parser.error(f"--tokens is {options.tokens}, allowed 5 or more")
    return options


def main() -> None:
    """Measure each backend in a process of its own."""
    options = arguments()
    for name in options.backends:
        if options.here or len(options.backends) == 1:
            print(json.dumps(one(name, options)), flush=True)
            continue
        rest = [arg for arg in sys.argv[1:] if arg not in {"--backends", *BACKENDS}]
        subprocess.run(
            [sys.executable, "-m", "benchmarks.backend", *rest, "--backends", name], check=True
        )


if __name__ == "__main__":
    main()
