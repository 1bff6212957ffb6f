"""A fast OpenAI-shaped provider for benchmarks: answers every POST at once, streams with a gap between chunks.

python -m tests.bench.provider --port 18000 --chunks 30 --gap-ms 5
"""

from __future__ import annotations

import argparse
import asyncio
import json


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _event(delta: dict[str, str], finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    body = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "bench", "choices": [choice]}
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def unary() -> bytes:
    """Return a whole answer of about 700 bytes."""
    body = json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "bench",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": "All is well here. " * 25},
                    "finish_reason": "stop",
                }
            ],
            "usage": {"prompt_tokens": 400, "completion_tokens": 100, "total_tokens": 500},
        }
    ).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def events(count: int) -> list[bytes]:
    """Return the chunks of a stream: a role frame, content, a finish with the end mark."""
    out = [_chunk(_event({"role": "assistant", "content": ""}))]
    out += [_chunk(_event({"content": f" word{i}"})) for i in range(count - 2)]
    return [*out, _chunk(_event({}, "stop")) + _chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"]


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
_LIST = b'{"object": "list", "data": [{"id": "bench", "object": "model"}]}'
MODELS = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(_LIST), _LIST)


class Provider(asyncio.Protocol):
    """One connection, one request at a time, Content-Length bodies."""

    answer = unary()
    chunks: list[bytes] = []
    gap = 0.005

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.buffer = b""
        self.timer: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        if self.timer is not None:
            self.timer.cancel()

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        head, blank, body = self.buffer.partition(b"\r\n\r\n")
        if not blank:
            return
        lower = head.lower()
        at = lower.find(b"content-length:")
        if at >= 0 and len(body) < int(lower[at + 15 :].split(b"\r\n", 1)[0]):
            return
        self.buffer = b""
        if head.startswith(b"GET"):
            self.transport.write(MODELS)  # type: ignore[attr-defined]
        elif b'"stream": true' in body or b'"stream":true' in body:
            self.transport.write(HEAD)  # type: ignore[attr-defined]
            self.send(0)
        else:
            self.transport.write(self.answer)  # type: ignore[attr-defined]

    def send(self, number: int) -> None:
        if self.transport.is_closing():
            return
        self.transport.write(self.chunks[number])  # type: ignore[attr-defined]
        if number + 1 < len(self.chunks):
            self.timer = asyncio.get_running_loop().call_later(self.gap, self.send, number + 1)


async def main(port: int, chunks: int, gap_s: float) -> None:
    """Serve for ever."""
    Provider.chunks, Provider.gap = events(chunks), gap_s
    server = await asyncio.get_running_loop().create_server(Provider, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    import uvloop

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=18000)
    parser.add_argument("--chunks", type=int, default=30)
    parser.add_argument("--gap-ms", type=float, default=5.0)
    told = parser.parse_args()
    uvloop.run(main(told.port, told.chunks, told.gap_ms / 1000))
