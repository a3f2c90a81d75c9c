"""A server on this machine, for tests of what goes over HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


class LoopbackServer(ThreadingHTTPServer):
    """Answers each POST of a JSON body with what `reply` returns. Serves as a context manager."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})

    def reply_at(self, path: str, body: Any, headers: Mapping[str, str]) -> tuple[int, Any]:
        """As `reply`, for a server with several addresses."""
        return self.reply(body, headers)

    def reply(self, body: Any, headers: Mapping[str, str]) -> tuple[int, Any]:
        """Return the status, and bytes or what is made into JSON."""
        raise NotImplementedError

    def headers_of(self, status: int) -> Mapping[str, str]:
        """Further headers of a reply."""
        return {}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *caught: object) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: LoopbackServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, reply = self.server.reply_at(self.path, body, self.headers)
        data = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
        self.send_response(status)
        for name, value in self.server.headers_of(status).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None:
        """Silence."""


def completion(texts: Sequence[str], sent: int, received: int) -> dict[str, Any]:
    """A reply as OpenAI-compatible servers give it, with these choices and numbers of tokens."""
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [
            {
                "index": i,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": text},
            }
            for i, text in enumerate(texts)
        ],
        "usage": {
            "prompt_tokens": sent,
            "completion_tokens": received,
            "total_tokens": sent + received,
        },
    }
