"""Tells what may be the name of a value: x, x_1, f(x), AB, an angle, Area."""

from __future__ import annotations

import re

NAME = re.compile(
    r"""(?x)\A(?:\\[a-z]{2,8}|[A-Za-z])(?:_\ ?(?:\w|\\[a-z]+|\{[^{}=]{1,20}\}))?\Z  # x, x_1
      | \A\\?[A-Za-z](?:_\ ?\w)?(?:\^\ ?\{?\ ?-1\ ?\}?|')?\ ?\([^()=]{1,20}\)\Z  # f(x), P(A)
      | \A(?:\\(?:angle|triangle|overline|widehat|measuredangle)\ ?)?\{?\|?[A-Z]{1,4}\|?\}?\Z  # AB
      | \A\(\ ?[a-z](?:\ ?,\ ?[a-z]){1,5}\ ?\)\Z  # (x, y)
      | \A(?:\\frac\ ?\{[A-Z]{2}\}\ ?\{[A-Z]{2}\}|[A-Z]{2}/[A-Z]{2})\Z  # AB/CD
      | \A\\(?:vec|hat|bar|overrightarrow)\ ?\{?\ ?[A-Za-z]{1,2}\ ?\}?\Z  # a vector
      | \A(?:\\text\ ?\{[^{}]*\}|[A-Za-z]{4,}(?:\ [a-z]+){0,4})\Z  # Area"""
)
