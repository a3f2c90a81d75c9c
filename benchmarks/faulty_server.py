"""A server with OpenAI's chat API that fails in many ways, for `benchmarks.soak`."""

from __future__ import annotations

import asyncio
import json
import random
import re
import socket
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_DRIP = 0.1  # seconds between the parts of a reply that drips
_USAGE = {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30}


def reply_to(asked: str, rng: random.Random) -> str:
    """What a model would say: the answer to "case number N" is N."""
    if "score" in asked.lower() and "-100" in asked:
        return f"Looks fine. Score: {rng.randint(20, 80)}"
    number = re.findall(r"case number (\d+)", asked)[-1]
    return f"A thought of {rng.randint(0, 10**9)}. The answer is \\boxed{{{number}}}."


def completion(message: Mapping[str, Any], ending: str = "stop", usage: Any = _USAGE) -> bytes:
    """A reply of the API."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": ending}
    told = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "usage": usage}
    return json.dumps({**told, "choices": [choice]}).encode()


def http(status: int, body: bytes, kind: str = "application/json", **headers: str) -> bytes:
    """A reply of the protocol."""
    told = {"Content-Type": kind, "Content-Length": str(len(body)), **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in told.items())
    return f"HTTP/1.1 {status} So\r\n{lines}\r\n".encode() + body


def replies(text: str) -> dict[str, bytes]:
    """What is sent whole, by the name of what is wrong with it."""
    good = completion({"content": text})
    error = b'{"error": {"message": "no", "type": "server_error", "code": null}}'
    page = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
    tool = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    usage = {"prompt_tokens": -5, "completion_tokens": 10**15, "total_tokens": 0}
    return {
        "500": http(500, error),
        "502 with a page": http(502, page, "text/html"),
        "503 with Retry-After": http(503, error, Retry_After="1"),
        "429": http(429, error, Retry_After="1"),
        "408": http(408, error),
        "empty body": http(200, b""),
        "truncated JSON": http(200, good[: len(good) // 2]),
        "wrong content type": http(200, good, "text/plain"),
        "page": http(200, page, "text/html"),
        "error with status 200": http(200, error),
        "huge reply": http(200, completion({"content": "So it is. " * 100_000 + text})),
        "invalid UTF-8": http(200, good.replace(b"answer", b"\xff\xfe\xfa")),
        "no choices": http(200, b'{"id": "1", "object": "chat.completion", "choices": []}'),
        "null choices": http(200, b'{"id": "1", "choices": null}'),
        "null content": http(200, completion({"content": None})),
        "refusal": http(200, completion({"content": None, "refusal": "I cannot help."})),
        "content filter": http(200, completion({"content": ""}, "content_filter")),
        "cut off": http(200, completion({"content": text[: len(text) // 2]}, "length")),
        "tool call": http(200, completion({"content": None, "tool_calls": [tool]}, "tool_calls")),
        "wrong usage": http(200, completion({"content": text}, usage=usage)),
    }


_BROKEN = ("closed at once", "reset in the middle", "ends early", "slow drip")


class FaultyServer:
    """Fails so large a share of its requests, each in a way drawn at random.

    It replies after so many seconds on average, at most after twice as many.
    """

    def __init__(self, share: float, seed: int, log: Path, latency: float = 0.0) -> None:
        self._share, self._rng, self._latency = share, random.Random(seed), latency
        self._log = log.open("a", buffering=1)

    async def serve(self, socket_: socket.socket) -> None:
        """Serve for ever."""
        async with await asyncio.start_server(self._talk, sock=socket_) as server:
            await server.serve_forever()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._answer(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has gone
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; whether the connection lives on."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        length = re.search(r"content-length: *(\d+)", head, re.IGNORECASE)
        body = json.loads(await reader.readexactly(int(length[1]) if length else 0))
        asked = " ".join(str(message["content"]) for message in body["messages"])
        text = reply_to(asked, self._rng)
        good, wrong = http(200, completion({"content": text})), replies(text)
        fault = "none"
        if self._rng.random() < self._share:
            fault = self._rng.choice([*wrong, *_BROKEN])
        self._log.write(f"{fault}\n")
        await asyncio.sleep(self._rng.uniform(0, 2 * self._latency))
        if fault in _BROKEN:
            await self._break(fault, good, writer)
            return False
        writer.write(wrong.get(fault, good))
        await writer.drain()
        return True

    async def _break(self, fault: str, good: bytes, writer: asyncio.StreamWriter) -> None:
        if fault == "slow drip":
            for start in range(0, len(good), 20):
                writer.write(good[start : start + 20])
                await writer.drain()
                await asyncio.sleep(_DRIP)
        elif fault != "closed at once":
            writer.write(good[: len(good) - 20])
            await writer.drain()
        if fault == "reset in the middle":
            given: socket.socket = writer.get_extra_info("socket")
            given.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
