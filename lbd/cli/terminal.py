"""The terminal while a full-screen command has it; whatever ends the command, the terminal is given back.

take   alternate screen, no cursor, no line wrap, keys one by one
wait   until a key, a wake-up from another thread, or another size
give   everything as it was: at the end, on an exception, on SIGTERM and SIGHUP, and while suspended (^Z)
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import termios
import tty
from collections.abc import Callable, Sequence
from types import FrameType, TracebackType
from typing import Any, Self

_TAKE = "\x1b[?1049h\x1b[?25l\x1b[?7l"
_GIVE = "\x1b[?7h\x1b[?25h\x1b[?1049l"
_KEY = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z~]|O[A-Za-z])|.", re.DOTALL)
_NAMES = {"\x1b": "escape", "\r": "enter", "\n": "enter", "\x04": "q"}
_NAMES |= {f"\x1b{form}{code}": name for form in "[O" for code, name in (("A", "up"), ("B", "down"))}
_NAMES |= {"\x1b[H": "home", "\x1b[F": "end", "\x1b[1~": "home", "\x1b[4~": "end", "\x1b[5~": "home", "\x1b[6~": "end"}


def keys(data: bytes) -> list[str]:
    """Return the keys in what a terminal sent; what is not known is left out."""
    found = _KEY.findall(data.decode("utf-8", "ignore"))
    return [name for key in found if (name := _NAMES.get(key, key if len(key) == 1 else ""))]


class Terminal:
    """A terminal to draw on; a context. Only in the main thread, which gets the signals."""

    def __init__(self, keyboard: int = 0, screen: int = 1) -> None:
        self._keyboard = keyboard
        self._screen = screen
        self._before: list[Any] = []
        self._handlers: dict[signal.Signals, Any] = {}
        self._woken, self._waker = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(self._waker, False)
        self._others = -1  # whom a signal woke before

    def __enter__(self) -> Self:
        signals: dict[signal.Signals, Callable[[int, FrameType | None], Any]] = {
            signal.SIGWINCH: lambda *_: self.wake(),
            signal.SIGTSTP: lambda *_: self._suspend(),
            signal.SIGTERM: _end,
            signal.SIGHUP: _end,
            signal.SIGINT: signal.default_int_handler,  # also where whoever started it ignores it
        }
        # one that comes just before there is something to wait for would be handled only when that has come
        self._others = signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        self._handlers = {number: signal.signal(number, handler) for number, handler in signals.items()}
        try:
            self._take()
        except BaseException:
            self._let_go()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._let_go()

    def size(self) -> tuple[int, int]:
        """Return columns and lines."""
        size = os.get_terminal_size(self._screen)
        return size.columns or 80, size.lines or 24

    def draw(self, lines: Sequence[str]) -> None:
        """Show these lines and nothing else."""
        self._write("\x1b[H" + "\x1b[K\r\n".join(lines) + "\x1b[K\x1b[J")

    def wait(self) -> list[str]:
        """Wait; return the keys that were pressed, none for a wake-up. A terminal that is gone presses q."""
        ready, _, _ = select.select([self._keyboard, self._woken], [], [])
        if self._woken in ready:
            os.read(self._woken, 4096)
        if self._keyboard not in ready:
            return []
        try:
            data = os.read(self._keyboard, 4096)
        except OSError:
            data = b""
        return keys(data) if data else ["q"]

    def wake(self) -> None:
        """Make :meth:`wait` return; from any thread."""
        with contextlib.suppress(OSError):  # full: it wakes up anyway; closed: nobody waits
            os.write(self._waker, b".")

    # --- taking and giving back --------------------------------------------------------------------------

    def _take(self) -> None:
        self._before = termios.tcgetattr(self._keyboard)
        tty.setcbreak(self._keyboard)
        self._write(_TAKE)

    def _let_go(self) -> None:
        self._give()
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._others, warn_on_full_buffer=False)
        woken, waker, self._woken, self._waker = self._woken, self._waker, -1, -1
        os.close(waker)
        os.close(woken)

    def _give(self) -> None:
        with contextlib.suppress(OSError, termios.error):  # it may be gone
            self._write(_GIVE)
        if self._before:
            with contextlib.suppress(termios.error):
                termios.tcsetattr(self._keyboard, termios.TCSADRAIN, self._before)

    def _suspend(self) -> None:
        self._give()
        mine = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)  # returns when the shell says so
        signal.signal(signal.SIGTSTP, mine)
        self._take()
        self.wake()

    def _write(self, text: str) -> None:
        data = memoryview(text.encode("utf-8", "replace"))
        while data:
            data = data[os.write(self._screen, data) :]


def _end(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)
