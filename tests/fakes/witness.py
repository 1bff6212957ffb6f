"""Clients that write down what they were told and when, to be compared with what a daemon that was killed has kept."""

from __future__ import annotations

import http.client
import json
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.fakes.load import body


@dataclass(frozen=True)
class Told:
    """What one request came to. ``status`` 0: its connection broke; -1: it was refused."""

    began: float
    ended: float
    status: int
    id: str = ""
    deployment: str = ""


class Witness:
    """Some workers, each with one request at a time on a connection of its own. Times are of ``perf_counter``."""

    def __init__(
        self, address: tuple[str, int], key: str, model: str, *, workers: int = 1, pause_s: float = 0.0
    ) -> None:
        self.address = address
        self.told: list[Told] = []
        self._headers = {"content-type": "application/json", "authorization": f"Bearer {key}", "connection": "close"}
        self._model = model
        self._pause_s = pause_s
        self._over = threading.Event()
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

    def _work(self, number: int) -> None:
        while not self._over.wait(self._pause_s):
            number += 1
            self.told.append(self.ask(stream=bool(number % 2)))

    def ask(self, *, stream: bool = False) -> Told:
        """Make one request."""
        began = time.perf_counter()
        connection = http.client.HTTPConnection(*self.address, timeout=30)
        try:
            connection.request(
                "POST", "/v1/chat/completions", body(model=self._model, stream=stream, max_tokens=4), self._headers
            )
            response = connection.getresponse()
            raw = response.read()
        except ConnectionRefusedError:
            return Told(began, time.perf_counter(), -1)
        except (ConnectionError, http.client.HTTPException):
            return Told(began, time.perf_counter(), 0)
        finally:
            connection.close()
        ended = time.perf_counter()
        whole = raw.endswith(b"data: [DONE]\n\n") if stream and response.status == 200 else bool(json.loads(raw))
        status = response.status if whole else 0
        headers = response.headers
        return Told(began, ended, status, headers["x-request-id"] or "", headers["x-lbd-deployment"] or "")

    @property
    def answered(self) -> list[Told]:
        """What was answered well."""
        return [t for t in self.told if t.status == 200]
