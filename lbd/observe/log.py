"""The log: one JSON line an event with journald's priority in front, or readable text on a terminal.

Lines are rendered by structlog and written by a thread, so that a slow pipe never stops the event loop. The
thread writes to the file descriptor itself: whoever is stuck inside Python's own buffer holds a lock that the
interpreter wants at its end.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import queue
import re
import select
import sys
import threading
from collections.abc import Callable
from typing import Any, TextIO

import orjson

from lbd.model.units import Seconds

# Where colorama is installed structlog imports it, and it imports ctypes, which makes memory that is written and
# executed: under the unit's MemoryDenyWriteExecute that is the daemon's end. It is for Windows' terminals only.
# Rich is for tracebacks on terminals, and a sixth of the time that a restart takes.
_SPARED = [name for name in ("colorama", "rich") if name not in sys.modules]
sys.modules.update(dict.fromkeys(_SPARED))  # type: ignore[arg-type]
try:
    import structlog
finally:
    for _name in _SPARED:
        del sys.modules[_name]

_PRIORITY = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
BACKLOG = 10_000  # lines; beyond it lines are dropped and counted
# What steers a terminal (C1 controls, the direction of text) or ends a line for some readers of logs; JSON allows it.
_STEERS = re.compile("[\x80-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
LAST_S: Seconds = 2.0  # at the end, for the reader to take what is queued


class Writer:
    """Writes lines in a thread of its own.

    ``hide`` takes secrets out of lines with a traceback: what anybody's exception quotes, nobody has looked at before.
    """

    hide: Callable[[str], str] = staticmethod(str)

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._fd = _descriptor(stream)
        self._lines: queue.Queue[str | None] = queue.Queue(BACKLOG)
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="lbd-log", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def msg(self, line: str) -> None:
        """Queue one line."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self.dropped += 1

    debug = info = warning = error = critical = msg

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                self._write((self.hide(line) if "Traceback" in line else line) + "\n")
            except (OSError, ValueError):
                self.dropped += 1

    def _write(self, text: str) -> None:
        if self._fd is None:
            self._stream.write(text)
            return
        data = text.encode("utf-8", "backslashreplace")
        while data:
            try:
                data = data[os.write(self._fd, data) :]
            except BlockingIOError:  # somebody who shares the descriptor made it non-blocking
                select.select((), (self._fd,), ())

    def close(self) -> None:
        """Write what is queued and stop; lines that nobody takes within ``LAST_S`` are lost."""
        atexit.unregister(self.close)
        try:
            self._lines.put(None, timeout=LAST_S)
        except queue.Full:
            return
        self._thread.join(LAST_S)


def _descriptor(stream: TextIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, ValueError):
        return None


def _priority(stream: TextIO) -> bool:
    """Tell whether ``stream`` is the journal's: then lines carry ``<N>`` (sd-daemon(3), systemd.exec(5))."""
    told = os.environ.get("JOURNAL_STREAM", "")
    fd = _descriptor(stream)
    if fd is None:
        return False
    stat = os.fstat(fd)
    return told == f"{stat.st_dev}:{stat.st_ino}"


def _dumps(event: structlog.typing.EventDict) -> str:
    try:
        line = orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
        return line if line.isascii() else _STEERS.sub(lambda m: f"\\u{ord(m[0]):04x}", line)
    except TypeError:  # a lone surrogate, a huge integer: a line must never fail
        return json.dumps({str(k): repr(v) for k, v in event.items()})


def _render_json(prefixed: bool) -> structlog.typing.Processor:
    def render(_logger: Any, method: str, event: structlog.typing.EventDict) -> str:
        line = _dumps(event)
        return f"<{_PRIORITY.get(method, 6)}>{line}" if prefixed else line

    return render


def setup(level: str, stream: TextIO | None = None) -> Writer:
    """Configure structlog for the process and return the writer."""
    out = stream if stream is not None else sys.stderr
    writer = Writer(out)
    processors: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.format_exc_info,
    ]
    if out.isatty():
        # values quoted, so that no client's word can steer the terminal; tracebacks without local variables
        processors.append(
            structlog.dev.ConsoleRenderer(
                colors=not os.environ.get("NO_COLOR"),
                timestamp_key="time",
                repr_native_str=True,
                exception_formatter=structlog.dev.plain_traceback,
            )
        )
    else:
        processors.append(_render_json(_priority(out)))
    structlog.configure(
        processors=processors,
        wrapper_class=_filtering(level),
        logger_factory=lambda *_: writer,
        cache_logger_on_first_use=False,
    )
    return writer


def _filtering(level: str) -> type[structlog.typing.FilteringBoundLogger]:
    return structlog.make_filtering_bound_logger(getattr(logging, level.upper()))


def set_level(level: str) -> None:
    """Hide what is below ``level`` from now on, also in loggers that were handed out: they ask at every line."""
    structlog.configure(wrapper_class=_filtering(level))


def get() -> structlog.typing.FilteringBoundLogger:
    """Return the logger."""
    return structlog.get_logger()  # type: ignore[no-any-return]
