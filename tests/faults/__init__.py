"""Things that go wrong, on purpose. Here: the replies of a model server that are no use."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Container
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

HTML = "<!doctype html><html><body><h1>502 Bad Gateway</h1>nginx</body></html>"


@dataclass(frozen=True)
class Fault:
    """What is to go wrong, for whom and how often."""

    mode: str
    role: str | None = None
    """"draft", "critique", "refine" or "evaluate"; None for all."""
    nth: Container[int] | None = None
    """Which requests of that role, from 1; a request that is sent again keeps its number."""
    times: int | None = None
    """How many tries of each such request fail before it is answered; None for all."""


@dataclass(frozen=True)
class Reply:
    """What is sent back if nothing cuts it short."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def completion(content: Any, finish: str = "stop", **message: Any) -> dict[str, Any]:
    """A chat completion."""
    said = {"role": "assistant", "content": content, **message}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "message": said, "finish_reason": finish}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12},
    }


def json_reply(body: Any, kind: str = "application/json") -> Reply:
    """A reply with status 200; a text is sent as it is."""
    text = body if isinstance(body, str) else json.dumps(body)
    return Reply(200, text.encode(), {"content-type": kind})


def _error(status: int, message: str = "no", code: str | None = None, **headers: str) -> Reply:
    body = {"error": {"message": message, "type": "fault", "param": None, "code": code}}
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, json.dumps(body).encode(), {"content-type": "application/json", **sent})


def _reported(message: str, kind: str | None = None, code: str | None = None) -> Reply:
    """A failure that is told with status 200."""
    return json_reply({"error": {"message": message, "type": kind, "code": code}})


def _without(name: str, text: str) -> dict[str, Any]:
    return {key: value for key, value in completion(text).items() if key != name}


_TOO_LONG = "This model's maximum context length is 2048 tokens. However, you requested 9000."
_FILTERED = "The response was filtered due to the prompt triggering the content management policy."
_GARBLED = '{"choices": [], "choices": [{"index": 0, "message": {"role": "assistant", "content": '

# Faults that are a reply: made from the text that a healthy server would have sent
REPLIES: dict[str, Callable[[str], Reply]] = {
    "429_retry_after_seconds": lambda _: _error(429, retry_after="1"),
    "429_retry_after_date": lambda _: _error(
        429, retry_after=formatdate(time.time() + 3, usegmt=True)
    ),
    "429_retry_after_ms": lambda _: _error(429, retry_after_ms="20"),
    "429_plain": lambda _: _error(429, code="rate_limit_exceeded"),
    "429_insufficient_quota": lambda _: _error(429, code="insufficient_quota"),
    "408": lambda _: _error(408),
    "409": lambda _: _error(409),
    "425": lambda _: _error(425),
    "500": lambda _: _error(500),
    "502_html": lambda _: Reply(502, HTML.encode(), {"content-type": "text/html"}),
    "503_retry_after": lambda _: _error(503, retry_after="0"),
    "503_empty": lambda _: Reply(503, b""),
    "504": lambda _: _error(504),
    "529": lambda _: _error(529, "overloaded"),
    "400_context_code": lambda _: _error(400, "no", "context_length_exceeded"),
    "400_context_words": lambda _: _error(400, _TOO_LONG),
    "413_context": lambda _: _error(413, "Request too large"),
    "500_context": lambda _: _error(500, "the request exceeds the available context size"),
    "400_content_filter": lambda _: _error(400, _FILTERED, "content_filter"),
    "400": lambda _: _error(400, "temperature: must be at most 1"),
    "401": lambda _: _error(401, "Incorrect API key provided", "invalid_api_key"),
    "402": lambda _: _error(402, "Insufficient Balance"),
    "403": lambda _: _error(403),
    "404_model": lambda _: _error(404, "The model `m` does not exist", "model_not_found"),
    "404_html": lambda _: Reply(404, HTML.encode(), {"content-type": "text/html"}),
    "405": lambda _: _error(405),
    "422": lambda _: _error(422),
    "200_error_502": lambda _: json_reply({"error": {"message": "upstream", "code": 502}}),
    "200_error_401": lambda _: json_reply({"error": {"message": "no auth", "code": 401}}),
    "200_error_type": lambda _: _reported("no", "server_error"),
    "200_error_text": lambda _: json_reply({"error": "overloaded"}),
    "200_error_429_as_text": lambda _: _reported("too many requests", code="429"),
    "200_error_request": lambda _: _reported("no such setting", "invalid_request_error"),
    "200_error_quota": lambda _: _reported("pay first", code="insufficient_quota"),
    "200_error_context": lambda _: _reported(_TOO_LONG),
    "200_error_filter": lambda _: _reported(_FILTERED, code="content_filter"),
    "choices_empty": lambda text: json_reply({**completion(text), "choices": []}),
    "choices_null": lambda text: json_reply({**completion(text), "choices": None}),
    "choices_missing": lambda text: json_reply(_without("choices", text)),
    "message_null": lambda text: json_reply({**completion(text), "choices": [{"message": None}]}),
    "json_null": lambda _: json_reply("null"),
    "json_list": lambda text: json_reply([completion(text)]),
    "json_bad": lambda _: json_reply('{"choices": ['),
    "usage_nan": lambda text: json_reply(
        {**completion(text), "usage": {"prompt_tokens": math.nan, "completion_tokens": -5}}
    ),
    "usage_words": lambda text: json_reply(
        {**completion(text), "usage": {"prompt_tokens": "many", "completion_tokens": []}}
    ),
    "json_not_utf8": lambda _: Reply(
        200, b'{"id": "\xff\xfe', {"content-type": "application/json"}
    ),
    "body_empty": lambda _: json_reply(""),
    "html_200": lambda _: json_reply(HTML, "text/html"),
    "html_200_as_json": lambda _: json_reply(HTML),
    "type_wrong": lambda text: json_reply(completion(text), "text/plain"),
    "type_missing": lambda text: Reply(200, json_reply(completion(text)).body),
    "content_null": lambda _: json_reply(completion(None)),
    "content_empty": lambda _: json_reply(completion("")),
    "content_blank": lambda _: json_reply(completion(" \n\t")),
    "content_number": lambda _: json_reply(completion(5)),
    "content_missing": lambda _: json_reply(
        {**completion(""), "choices": [{"index": 0, "message": {"role": "assistant"}}]}
    ),
    "refusal_field": lambda _: json_reply(completion(None, refusal="I can't help with that.")),
    "finish_content_filter": lambda _: json_reply(completion("", "content_filter")),
    "finish_length": lambda text: json_reply(completion(text[:6], "length")),
    "finish_null": lambda text: json_reply(json.dumps(completion(text)).replace('"stop"', "null")),
    "reasoning_only": lambda _: json_reply(completion("", "length", reasoning_content="Well, ...")),
    "usage_missing": lambda text: json_reply(_without("usage", text)),
    "usage_null": lambda text: json_reply({**completion(text), "usage": None}),
    "lone_surrogate": lambda text: json_reply(completion(text + "\ud800")),
    "nul": lambda text: json_reply(completion(text + "\x00")),
    "unknown_fields": lambda text: json_reply(
        {**completion(text, annotations=[{"x": 1}], audio=None), "new": {"deep": [1]}}
    ),
    "duplicate_keys": lambda text: json_reply(f"{_GARBLED}{json.dumps(text)}}}}}]}}"),
}
