"""A sign of life on a terminal while something takes longer than a second; nothing at all anywhere else."""

from __future__ import annotations

import sys
import threading
from types import TracebackType
from typing import IO, Self

AFTER_S = 1.0  # nobody wonders before
CLEAR = "\r\x1b[K"


class Waiting:
    """A context: says what is waited for, and for how long, until it is over."""

    def __init__(self, what: str, stream: IO[str] | None = None, after_s: float = AFTER_S) -> None:
        self._what = what
        self._stream = sys.stderr if stream is None else stream
        self._after_s = after_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="waiting", daemon=True)
        self._shown = False

    def __enter__(self) -> Self:
        if self._stream.isatty():
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._shown:
            self._write(CLEAR)

    def _run(self) -> None:
        seconds = 0.0
        while not self._over.wait(self._after_s):
            seconds += self._after_s
            self._shown = True
            self._write(f"{CLEAR}lbd: {self._what} ({seconds:.0f} s)")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()
