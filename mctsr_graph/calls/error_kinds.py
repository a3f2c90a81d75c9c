"""What an error of a model call means, whichever provider's client has raised it.

Errors are known by attributes and class names, so that none has to be imported.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator
from typing import Any, Literal

from mctsr_graph.errors import MCTSrError, bubbles_up

Kind = Literal["transient", "configuration", "context", "refusal", "other"]
Away = Literal["yes", "perhaps", "no"]

# What classes are called, their bases included. An error and its causes can be of several
# kinds; the first of these is what it is. A bare "APIError" is a stream that reports a failure
_NAMED: dict[Kind, re.Pattern[str]] = {
    "context": re.compile("ContextLength|ContextOverflow|ContextWindow"),
    "refusal": re.compile("ContentFilter|ContentPolicy|RefusalError"),
    "configuration": re.compile(
        "AccessDenied|AuthenticationError|ConfigError|CredentialsError|ImportError|InvalidSchema|"
        "InvalidURL|LocalProtocolError|MissingSchema|ModelInvalidRequest|ModelNotFound|"
        "PermissionDenied|SSLCertVerification|UnknownModel|UnsupportedProtocol"
    ),
    "transient": re.compile(
        "APIError|BadStatusLine|ChunkedEncoding|ConnectionError|Decod(e|ing)Error|HTTPClientError|"
        "IncompleteRead|InternalServer|MaxRetry|NetworkError|PayloadError|ProtocolError|"
        "ProxyError|ResponseValidationError|ServiceUnavailable|Throttling|Timeout|URLError"
    ),
}
_BUSY = re.compile("RateLimit|Throttling|TooManyRequests|ResourceExhausted")
_NOT_REACHED = re.compile(
    "ClientConnect|ConnectError|ConnectTimeout|ConnectionError|InternalServer|NetworkError|"
    "ProxyError|ServiceUnavailable|URLError"
)
# Says that a server was reached, though the error may be called a failed connection, too
_REACHED = re.compile("ProtocolError|Decod(e|ing)Error|SSL|(?<!Connect)Timeout")
_TOO_LONG = re.compile(
    "context[_ ]?(length|window|size)|maximum context|(prompt|input) is too long|"
    "input tokens exceed|too many (input )?tokens|reduce the length of"
)
_REFUSED = re.compile("content[_ ](filter|(management )?policy)|responsibleai|data_inspection")
# Not "exceeded your current quota": some servers say so of a limit per minute
_UNPAID = re.compile("insufficient_(quota|balance)|billing_hard_limit")
_NUMBER = re.compile("[45][0-9]{2}")
_NO_KEY = re.compile("api[_ ]?key|credentials")
_MALFORMED = re.compile("choices|nonetype|no generations|unexpected response type|errors? for ai")
# LangChain functions that read a reply, and raise a failure that it tells of as a ValueError
_READS_REPLY = re.compile("chat_result|respons")
_LASTING = re.compile(
    "invalid[_ ]request|authentication|permission|unauthori[sz]ed|forbidden|not[_ ]found|"
    "does not exist|unsupported"
)


def classify(error: BaseException) -> Kind:
    """What an error of a model call means for the search.

    Returns:
        "transient": the same request may succeed later. "configuration": none will until a
        person changes something. "context": this one is too long for the model. "refusal": a
        filter rejected it. "other": not known, and not to be tried again.
    """
    kinds = {_kind(one) for one in causes(error)}
    return next((kind for kind in _NAMED if kind in kinds), "other")


def away(error: BaseException) -> Away:
    """Whether a transient error tells that the server is away, for this request and any other.

    "perhaps": 500, 504, and a connection closed without a reply, with which a server may also
    meet one request always.
    """
    names = " ".join(_names(one) for one in causes(error))
    status = next((s for one in causes(error) if (s := status_of(one)) is not None), None)
    if status is not None:
        gone = status >= 500 and status not in (501, 505)
        return ("perhaps" if status in (500, 504) else "yes") if gone else "no"
    if any("disconnected without sending" in str(one) for one in causes(error)):
        return "perhaps"
    if "ConnectTimeout" not in names and _REACHED.search(names):
        return "no"
    return "yes" if _NOT_REACHED.search(names) else "no"


def is_busy(error: BaseException) -> bool:
    """Whether a server refuses a request only because it has too many."""
    return any(status_of(one) == 429 or _BUSY.search(type(one).__name__) for one in causes(error))


def _names(error: BaseException) -> str:
    return " ".join(cls.__name__ for cls in type(error).__mro__)


def _kind(error: BaseException) -> Kind:
    names = _names(error)
    named: Kind = next((kind for kind, name in _NAMED.items() if name.search(names)), "other")
    status = status_of(error)
    if named in ("context", "refusal") or isinstance(error, MCTSrError) or bubbles_up(error):
        return named
    words = f"{str(error)[:4000]} {getattr(error, 'code', '')}".lower()
    if status is not None:
        return _by_status(status, words)
    if _TOO_LONG.search(words):
        return "context"
    if named == "other" and _NO_KEY.search(words):
        return "configuration"
    if named == "other" and _is_reported(error):
        return _by_words(words)
    retryable = getattr(error, "is_retryable", None) is True or _is_malformed_reply(error, words)
    return "transient" if named == "other" and retryable else named


def _by_words(words: str) -> Kind:
    """What a failure is that a server reports without a status."""
    if _REFUSED.search(words):
        return "refusal"
    lasting = _UNPAID.search(words) or _LASTING.search(words)
    return "configuration" if lasting else "transient"


def _by_status(status: int, words: str) -> Kind:
    if status == 429:
        return "configuration" if _UNPAID.search(words) else "transient"
    if status == 413 or (status in (400, 422, 500) and _TOO_LONG.search(words)):
        return "context"
    if status in (400, 403, 422) and _REFUSED.search(words):
        return "refusal"
    return "transient" if status in (408, 409, 425) or status >= 500 else "configuration"


def status_of(error: BaseException) -> int | None:
    """The HTTP status of a failure, wherever the client keeps it."""
    body = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
    found: list[Any] = [getattr(error, name, None) for name in ("status_code", "status", "code")]
    found += [getattr(getattr(error, "response", None), "status_code", None), body.get("code")]
    numbers = (int(s) for s in found if isinstance(s, int) or _NUMBER.fullmatch(str(s)))
    return next((s for s in numbers if 400 <= s < 600), None)


def _is_malformed_reply(error: BaseException, words: str) -> bool:
    """Whether a LangChain class fell over a reply that is not as it should be."""
    # A TypeError or ValueError may also be a wrong argument, which no retry mends
    telling = isinstance(error, LookupError) or _MALFORMED.search(words) is not None
    return telling and _place(error)[0].startswith(("langchain", "pydantic"))


def _is_reported(error: BaseException) -> bool:
    """Whether a LangChain class hands on a failure that it found in a reply."""
    module, function = _place(error)
    reads = module.startswith("langchain") and _READS_REPLY.search(function) is not None
    return reads and isinstance(error, ValueError)


def _place(error: BaseException) -> tuple[str, str]:
    """The module and the function that raised an error."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    if not frames:
        return "", ""
    return str(frames[-1].f_globals.get("__name__")), frames[-1].f_code.co_name


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error and what it was raised from. Our own errors mean what they say."""
    cause: BaseException | None = error
    for _ in range(8):
        if cause is not None:
            yield cause
            cause = None if isinstance(cause, MCTSrError) else cause.__cause__
