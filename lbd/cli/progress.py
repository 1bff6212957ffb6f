"""How far long work is, on one line of a terminal that is gone afterwards; nothing where nobody looks at it."""

from __future__ import annotations

import sys
from time import perf_counter
from typing import IO, Self

from lbd.model.units import Seconds

FIRST_AFTER: Seconds = 1.0  # what is shorter needs no line
EVERY: Seconds = 0.2


class Progress:
    """Shows ``what`` and a share. Use it as a context: at its end the line is wiped away."""

    def __init__(self, what: str, stream: IO[str] | None = None) -> None:
        self._what = what
        self._stream = sys.stderr if stream is None else stream
        self._next = perf_counter() + FIRST_AFTER
        self._shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def __call__(self, done: float, total: float, more: str = "") -> None:
        """Show how much of the work is done, where it takes long."""
        if not self._stream.isatty() or perf_counter() < self._next:
            return
        self._next = perf_counter() + EVERY
        share = done / total if total else 1.0
        self._stream.write(f"\r\x1b[Klbd: {self._what}, {share:4.0%}{more}")
        self._stream.flush()
        self._shown = True
