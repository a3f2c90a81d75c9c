"""Options that several commands of `mctsr` take, and what they make of the settings."""

from __future__ import annotations

from typing import Annotated, Any, get_args

import typer

from mctsr_graph.calls.usage import ROLES
from mctsr_graph.cli.arguments import parse_setting
from mctsr_graph.settings.context import EFFORTS, MCTSrContext
from mctsr_graph.settings.profiles import DEFAULT_PROFILE, PROFILES

JUDGES: tuple[str, ...] = get_args(MCTSrContext.model_fields["judge"].annotation)
MODELS = ("embedded", "smollm2", "demo", "huggingface:", "openai:", "anthropic:", "ollama:")
"""How the name of a model may begin, for completion."""

ModelOption = Annotated[
    str | None,
    typer.Option(
        "--model",
        "-m",
        help="embedded, huggingface:ID, or provider:name as in openai:gpt-4o-mini. "
        "By default $MCTSR_MODEL, else embedded.",
        autocompletion=lambda: list(MODELS),
    ),
]
ProfileOption = Annotated[
    str | None,
    typer.Option(
        help=f"The strategy, with its settings: {', '.join(PROFILES)}. "
        f"By default {DEFAULT_PROFILE}.",
        autocompletion=lambda: list(PROFILES),
    ),
]
EffortOption = Annotated[
    str | None,
    typer.Option(
        help=f"A budget of model calls: {', '.join(f'{n} ({c})' for n, c in EFFORTS.items())}.",
        autocompletion=lambda: list(EFFORTS),
    ),
]
JudgeOption = Annotated[
    str | None,
    typer.Option(
        help=f"Who rewards answers: {', '.join(JUDGES)}. `mctsr settings judge` explains them.",
        autocompletion=lambda: list(JUDGES),
    ),
]
FreeTextOption = Annotated[
    bool,
    typer.Option(
        "--free-text",
        help="Ask for a text that states no final answer, such as a letter: the judge decides.",
    ),
]
MaxCallsOption = Annotated[
    int | None, typer.Option(help="Model calls at most, in place of --effort.")
]
MaxCostOption = Annotated[
    float | None,
    typer.Option(help="Money at most, in the currency of the prices (US dollars by default)."),
]
SettingsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Any other setting, as in --set patience=4; `mctsr settings` lists them.",
    ),
]


def own_settings(max_reply_tokens: int | None, settings: list[str] | None) -> dict[str, Any]:
    """What --max-reply-tokens and --set ask for; the latter goes before."""
    limits = {f"{role}_max_tokens": max_reply_tokens for role in ROLES}
    others = dict(parse_setting(text) for text in settings or [])
    return {**(limits if max_reply_tokens is not None else {}), **others}


def given(**settings: Any) -> dict[str, Any]:
    """The settings that an option was given for."""
    return {name: value for name, value in settings.items() if value is not None}
