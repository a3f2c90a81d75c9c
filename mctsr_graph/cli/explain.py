"""The command `mctsr settings`: what each setting is, may be, and is by default."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from mctsr_graph.cli.common import ends
from mctsr_graph.cli.options import ProfileOption
from mctsr_graph.cli.streams import raw, stderr, stdout
from mctsr_graph.errors import ConfigError
from mctsr_graph.settings.allowed import unknown_setting
from mctsr_graph.settings.context import MCTSrContext, allowed_values
from mctsr_graph.settings.profiles import DEFAULT_PROFILE


def settings_command(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME...",
            help="Only these settings; a part of a name will do.",
            autocompletion=lambda: list(MCTSrContext.model_fields),
        ),
    ] = None,
    profile: ProfileOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Explain the settings: what each is, what it may be, and its default under a profile.

    `--set NAME=VALUE` gives one to a search; in Python it is MCTSrContext(NAME=VALUE).
    """
    err = stderr()
    with ends(err):
        context = MCTSrContext(profile=profile or DEFAULT_PROFILE)
        told = {name: _told(context, name) for name in _meant(names or [])}
        if as_json:
            raw(json.dumps({"profile": context.profile, "settings": told}) + "\n")
            return
        out = stdout()
        for name, setting in told.items():
            default = json.dumps(setting["default"])
            out.print(f"{name}: {setting['what']}.", markup=False, highlight=False)
            line = f"  allowed {setting['allowed']}; by default {default}\n"
            out.print(line, markup=False, highlight=False)
        err.print(f"note: the defaults are those of profile {context.profile!r}", markup=False)


def _meant(given: Sequence[str]) -> list[str]:
    """The settings that are named, or whose names hold what is given.

    Raises:
        ConfigError: there is none.
    """
    known = MCTSrContext.model_fields
    found: dict[str, None] = dict.fromkeys(() if given else known)
    for word in given:
        text = word.strip().replace("-", "_").lower()
        hits = [text] if text in known else [name for name in known if text and text in name]
        if not hits:
            raise ConfigError(unknown_setting(word, known))
        found |= dict.fromkeys(hits)
    return list(found)


def _told(context: MCTSrContext, name: str) -> dict[str, Any]:
    field = MCTSrContext.model_fields[name]
    return {
        "what": field.description,
        "allowed": allowed_values(name),
        "default": context.model_dump(mode="json")[name],
    }
