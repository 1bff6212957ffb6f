"""Steady traffic from threads, and what became of each request: for tests of the daemon as a process."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from types import TracebackType
from typing import Any, Self

from tests.fakes.stub_provider import text

TOKENS = 4


def body(*, stream: bool = False, model: str = "m", **more: Any) -> bytes:
    """Return a request."""
    return json.dumps(
        {"model": model, "stream": stream, "messages": [{"role": "user", "content": "hi"}], **more}
    ).encode()


def streamed(raw: bytes) -> tuple[str, dict[str, Any] | None, bool]:
    """Return a stream's text, its error, and whether it has its end mark."""
    words, error = "", None
    for line in raw.split(b"\n\n"):
        if line.startswith(b"data: {"):
            event = json.loads(line[6:])
            error = event.get("error", error)
            words += "".join(c["delta"].get("content") or "" for c in event.get("choices", ()))
    return words, error, b"data: [DONE]" in raw


class Load:
    """Some workers, each with one request at a time: a new connection for each, or one that is kept."""

    def __init__(
        self, address: tuple[str, int], *, workers: int = 4, keep: bool = False, pause_s: float = 0.01
    ) -> None:
        self.address = address
        self.fates: Counter[str] = Counter()
        self.slowest = 0.0
        self.asked_again = 0  # as a kept connection was closed under a request, before a byte of its answer
        self._keep = keep
        self._pause_s = pause_s
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._work, args=(i,), daemon=True) for i in range(workers)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    @property
    def failed(self) -> Counter[str]:
        """Count what did not end as it should, in words."""
        with self._lock:
            return Counter({fate: n for fate, n in self.fates.items() if fate != "ok"})

    def _work(self, number: int) -> None:
        connection: http.client.HTTPConnection | None = None
        while not self._over.wait(self._pause_s):
            number += 1
            began = time.perf_counter()
            connection, fate = self._one(connection, stream=bool(number % 2))
            with self._lock:
                self.fates[fate] += 1
                self.slowest = max(self.slowest, time.perf_counter() - began)
        if connection is not None:
            connection.close()

    def _one(
        self, kept: http.client.HTTPConnection | None, *, stream: bool
    ) -> tuple[http.client.HTTPConnection | None, str]:
        connection = kept or http.client.HTTPConnection(*self.address, timeout=20)
        try:
            headers = {"content-type": "application/json", **({} if self._keep else {"connection": "close"})}
            connection.request("POST", "/v1/chat/completions", body(stream=stream), headers)
            response = connection.getresponse()
            raw = response.read()
        except (ConnectionError, http.client.HTTPException, TimeoutError) as e:
            connection.close()
            if kept is not None and isinstance(e, ConnectionError):
                # a kept connection that was closed before a byte came: most clients ask again on a new one
                with self._lock:
                    self.asked_again += 1
                return self._one(None, stream=stream)
            return None, type(e).__name__
        fate = _judge(response.status, raw, stream=stream)
        if self._keep and not response.will_close:
            return connection, fate
        connection.close()
        return None, fate


def _judge(status: int, raw: bytes, *, stream: bool) -> str:
    if status != 200:
        return f"HTTP {status} {raw[:200]!r}"
    if not stream:
        return "ok" if json.loads(raw)["choices"][0]["message"]["content"] == text(TOKENS) else "other text"
    words, error, done = streamed(raw)
    return "ok" if (words, error, done) == (text(TOKENS), None, True) else f"stream {words!r} {error} {done}"
