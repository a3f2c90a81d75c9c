"""What tokens cost: prices by name of the model, from a dated table that a user may replace."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mctsr_graph.errors import ConfigError

PerMillion = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
_PROVIDER = re.compile(r"\A[a-z][a-z0-9_]*:(?=[a-z])|\A(?:.*/)")
_DATE = re.compile(r"[-@](?:\d{8}|\d{4}-\d{2}-\d{2}|latest)\Z")


class Price(BaseModel):
    """Prices of a million tokens of one model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: PerMillion
    output: PerMillion
    cached_input: PerMillion | None = None
    """Of input tokens that the server had in its cache; None: as `input`."""
    cache_write: PerMillion | None = None
    """Of input tokens that the server has put into its cache; None: as `input`."""

    def of(self, sent: int, received: int, cached: int = 0, written: int = 0) -> float:
        """Price of so many tokens; `cached` and `written` are among those `sent`."""
        of_cache = self.input if self.cached_input is None else self.cached_input
        of_write = self.input if self.cache_write is None else self.cache_write
        plain = sent - cached - written
        of_input = plain * self.input + cached * of_cache + written * of_write
        return (of_input + received * self.output) / 1_000_000


class Prices(BaseModel):
    """Prices by name of the model. A dict of names and prices alone will do, too."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    date: str = ""
    """When they were right."""
    currency: str = "USD"
    models: Mapping[str, Price]

    @model_validator(mode="before")
    @classmethod
    def _names_alone(cls, data: Any) -> Any:
        is_whole = not isinstance(data, Mapping) or "models" in data
        return data if is_whole else {"models": data}


def read_prices(path: str | Path) -> Prices:
    """Read prices from a JSON or TOML file: `{"models": {"gpt-5": {"input": 1.25, ...}}}`.

    Raises:
        ConfigError: it cannot be read, or holds something else.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
        data = tomllib.loads(text) if str(path).endswith(".toml") else json.loads(text)
        return Prices.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "prices"
        why = f"{where} is {first['input']!r}: {first['msg']}"
    except (OSError, ValueError, RecursionError) as error:
        why = str(error)
    raise ConfigError(f"prices are {str(path)!r}, allowed a JSON or TOML file of prices; {why}")


@cache
def usual_prices() -> Prices:
    """The prices that come with this package."""
    text = files(__package__).joinpath("prices.toml").read_text(encoding="utf-8")
    return Prices.model_validate(tomllib.loads(text))


def price_of(names: Iterable[str], own: Prices | None = None) -> Price | None:
    """The price of a model by the names that it goes by, or None where none is known.

    A name is also known without its provider and without a date at its end.

    Args:
        names: The likeliest first.
        own: Prices that go before those of this package.
    """
    tables = [table for table in (own, usual_prices()) if table is not None]
    for name in names:
        bare = _PROVIDER.sub("", name.lower())
        for known in (name, bare, _DATE.sub("", bare)):
            for table in tables:
                if known in table.models:
                    return table.models[known]
    return None
