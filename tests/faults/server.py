"""An OpenAI-compatible server on loopback that fails in every way its `MODES` names.

Where no fault is planned it answers as a critic, an author and a judge would, so that a whole
search can run against it.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from mctsr_graph.prompts import Prompts

from . import REPLIES, Fault, Reply, completion, json_reply

_WORDS = Prompts()
_ASKS = {  # role -> how what is asked last begins
    "critique": (_WORDS.critique[:24],),
    "refine": (_WORDS.refine[:24],),
    "evaluate": (_WORDS.evaluate[:24], _WORDS.evaluate_again[-40:]),
}


@dataclass(frozen=True)
class Seen:
    """One try of a request, as the server saw it."""

    role: str
    nth: int
    """Number of the request among those of its role, from 1; equal bodies are one request."""
    tries: int
    """Number of this try of it, from 1."""
    mode: str | None
    """The fault it met, or None."""


def _whole(handler: _Handler, reply: Reply) -> None:
    handler.head(reply)
    handler.wfile.write(reply.body)


def _in_part(handler: _Handler, reply: Reply) -> None:
    handler.head(reply)
    handler.wfile.write(reply.body[: len(reply.body) // 2])


def _reset(handler: _Handler) -> None:
    # A socket that does not linger sends RST instead of what it still holds
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    handler.connection.close()


def _reset_after_headers(handler: _Handler, reply: Reply) -> None:
    handler.head(reply)
    _reset(handler)


def _reset_in_body(handler: _Handler, reply: Reply) -> None:
    _in_part(handler, reply)
    _reset(handler)


def _cut_in_headers(handler: _Handler, reply: Reply) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-ty")


def _cut_in_chunks(handler: _Handler, reply: Reply) -> None:
    handler.head(reply, chunked=True)
    handler.chunk(reply.body[:20])


def _hang_in_body(handler: _Handler, reply: Reply) -> None:
    _in_part(handler, reply)
    handler.hang()


def _drip(handler: _Handler, reply: Reply) -> None:
    """A whole reply, late: longer than the client's timeout, each piece sooner than that."""
    handler.head(reply)
    for k in range(0, len(reply.body), 40):
        handler.wfile.write(reply.body[k : k + 40])
        time.sleep(0.05)


def _drip_for_ever(handler: _Handler, reply: Reply) -> None:
    handler.head(reply, chunked=True)
    while not handler.wait_for_the_end(0.02):
        handler.chunk(b" ")  # as valid a beginning of JSON as any


def _not_http(handler: _Handler, reply: Reply) -> None:
    handler.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")


def _bad_gzip(handler: _Handler, reply: Reply) -> None:
    _whole(handler, Reply(200, reply.body, {**reply.headers, "content-encoding": "gzip"}))


def _stream(handler: _Handler, reply: Reply, events: list[str], *, ended: bool = True) -> None:
    handler.head(Reply(200, b"", {"content-type": "text/event-stream"}), chunked=True)
    for event in events:
        handler.chunk(f"data: {event}\n\n".encode())
    if ended:
        handler.chunk(b"")


def _events(reply: Reply, most: int | None = None) -> list[str]:
    """The events of a healthy stream: the text in two pieces, the reason to stop, the end."""
    whole = json.loads(reply.body)
    choice = whole["choices"][0]
    text, usage = choice["message"]["content"], whole.pop("usage")
    base = {**whole, "object": "chat.completion.chunk"}
    parts: list[tuple[Any, Any]] = [({"content": text[:4]}, None), ({"content": text[4:]}, None)]
    parts.append(({}, choice["finish_reason"]))
    told = [
        json.dumps({**base, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
        for delta, finish in parts
    ]
    told.append(json.dumps({**base, "choices": [], "usage": usage}))
    return [*told, "[DONE]"][:most]


# Faults of the connection: what is done with the reply of a healthy server
CUTS: dict[str, Callable[[_Handler, Reply], None]] = {
    "closed_without_reply": lambda handler, reply: None,
    "reset_before_headers": lambda handler, reply: _reset(handler),
    "reset_after_headers": _reset_after_headers,
    "reset_in_body": _reset_in_body,
    "cut_in_headers": _cut_in_headers,
    "cut_in_body": _in_part,
    "cut_in_chunks": _cut_in_chunks,
    "not_http": _not_http,
    "bad_gzip": _bad_gzip,
    "hang": lambda handler, reply: handler.hang(),
    "hang_in_body": _hang_in_body,
    "drip": _drip,
    "drip_for_ever": _drip_for_ever,
}
# Faults of a reply that comes as a stream of events
STREAMS: dict[str, Callable[[_Handler, Reply], None]] = {
    "stream_cut": lambda handler, reply: _stream(handler, reply, _events(reply, 1), ended=False),
    "stream_not_done": lambda handler, reply: _stream(handler, reply, _events(reply, 3)),
    "stream_bad_json": lambda handler, reply: _stream(
        handler, reply, [*_events(reply, 1), '{"choices": [']
    ),
    "stream_error": lambda handler, reply: _stream(
        handler, reply, [*_events(reply, 1), '{"error": {"message": "engine died"}}']
    ),
    "stream_empty": lambda handler, reply: _stream(handler, reply, ["[DONE]"]),
    "stream_no_choices": lambda handler, reply: _stream(
        handler, reply, [json.dumps({**json.loads(reply.body), "choices": []}), "[DONE]"]
    ),
}
MODES = [*REPLIES, *CUTS, *STREAMS]


class _Handler(BaseHTTPRequestHandler):
    """Answers one request and closes the connection."""

    protocol_version = "HTTP/1.1"
    timeout = 10
    server: _Listener

    def log_message(self, *args: Any) -> None:
        pass

    def do_POST(self) -> None:
        self.close_connection = True  # also where no header says so
        body = self.rfile.read(int(self.headers["content-length"]))
        asked = json.loads(body)
        seen = self.server.owner.note(body, asked)
        healthy = json_reply(completion(_text(seen, asked)))
        if seen.mode in REPLIES:
            _whole(self, REPLIES[seen.mode](_text(seen, asked)))
        elif seen.mode is not None:
            {**CUTS, **STREAMS}[seen.mode](self, healthy)
        elif asked.get("stream"):
            _stream(self, healthy, _events(healthy))
        else:
            _whole(self, healthy)

    def head(self, reply: Reply, *, chunked: bool = False) -> None:
        """Send status and headers."""
        self.send_response(reply.status)
        length = (
            ("transfer-encoding", "chunked")
            if chunked
            else ("content-length", str(len(reply.body)))
        )
        for name, value in [*reply.headers.items(), length, ("connection", "close")]:
            self.send_header(name, value)
        self.end_headers()

    def chunk(self, data: bytes) -> None:
        """Send a chunk; an empty one is the last."""
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def hang(self) -> None:
        """Say nothing more."""
        self.wait_for_the_end()

    def wait_for_the_end(self, seconds: float = 10.0) -> bool:
        """Wait until the client or the server gives up; False if neither did in time."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self.server.owner.closing.is_set():
            readable, _, _ = select.select([self.connection], [], [], 0.01)
            if readable:  # nothing more was to come, so it is the end
                return True
        return self.server.owner.closing.is_set()


class _Listener(ThreadingHTTPServer):
    daemon_threads = False  # so that closing waits for them
    owner: FaultServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exception()
        if not isinstance(error, OSError):  # that is a client that gave up
            super().handle_error(request, client_address)


class FaultServer:
    """The server, its plan of faults, and the requests that it got. A context manager."""

    def __init__(self, *faults: Fault) -> None:
        self.closing = threading.Event()
        self._lock = threading.Lock()
        self.plan(*faults)
        self._listener = _Listener(("127.0.0.1", 0), _Handler)
        self._listener.owner = self
        self._thread = threading.Thread(
            target=self._listener.serve_forever, kwargs={"poll_interval": 0.01}
        )

    @property
    def url(self) -> str:
        """The base URL for a client."""
        return f"http://127.0.0.1:{self._listener.server_port}/v1"

    def plan(self, *faults: Fault) -> None:
        """Replace the faults, and forget the requests."""
        with self._lock:
            self._faults = faults
            self._numbers: dict[bytes, tuple[str, int]] = {}
            self.seen: list[Seen] = []

    def note(self, body: bytes, asked: dict[str, Any]) -> Seen:
        """Number a request, and decide what it meets."""
        role = _role(asked)
        with self._lock:
            known = sum(1 for other, _ in self._numbers.values() if other == role)
            _, nth = self._numbers.setdefault(body, (role, known + 1))
            tries = 1 + sum(1 for s in self.seen if (s.role, s.nth) == (role, nth))
            hit = (f.mode for f in self._faults if _hits(f, role, nth, tries))
            seen = Seen(role, nth, tries, next(hit, None))
            self.seen.append(seen)
            return seen

    def __enter__(self) -> FaultServer:
        self._thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self.closing.set()
        self._listener.shutdown()
        self._listener.server_close()
        self._thread.join()


def _hits(fault: Fault, role: str, nth: int, tries: int) -> bool:
    return (
        fault.role in (None, role)
        and (fault.nth is None or nth in fault.nth)
        and (fault.times is None or tries <= fault.times)
    )


def _role(asked: dict[str, Any]) -> str:
    last = str(asked["messages"][-1]["content"])
    found = (role for role, marks in _ASKS.items() if any(mark in last for mark in marks))
    return next(found, "draft")


def _text(seen: Seen, asked: dict[str, Any]) -> str:
    """What a healthy model says."""
    if seen.role == "evaluate":  # by what is judged, since two judges may come in either order
        return f"Score: {zlib.crc32(json.dumps(asked['messages']).encode()) % 90 - 20}"
    if seen.role == "critique":
        return f"Flaw number {seen.nth}."
    number = seen.nth if seen.role == "refine" else 0
    return f"Answer of rollout {number}: \\boxed{{{number}}}"
