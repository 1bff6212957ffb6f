"""The terminal is taken, and given back whatever happens."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.cli.terminal import Terminal, keys


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    """A pseudo-terminal: the person's end, the program's end."""
    person, program = pty.openpty()
    yield person, program
    os.close(person)
    os.close(program)


def seen(person: int) -> str:
    os.set_blocking(person, False)
    out = b""
    try:
        while chunk := os.read(person, 65536):
            out += chunk
    except BlockingIOError:
        pass
    os.set_blocking(person, True)
    return out.decode()


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b"q", ["q"]),
        (b"jk", ["j", "k"]),
        (b"\x1b[A\x1b[B", ["up", "down"]),
        (b"\x1bOA\x1bOB", ["up", "down"]),
        (b"\x1b[H\x1b[F\x1b[5~\x1b[6~", ["home", "end", "home", "end"]),
        (b"\x1b", ["escape"]),
        (b"\x1b[15~\x1b[1;5Cx", ["x"]),
        (b"\r\n", ["enter", "enter"]),
        (b"\x04", ["q"]),
        ("é".encode(), ["é"]),
        (b"\xff", []),
    ],
)
def test_keys_are_named(data: bytes, names: list[str]) -> None:
    """Arrows come in two forms; what is not known is nothing, and no stray letter."""
    assert keys(data) == names


@given(st.binary(max_size=50))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    """A paste is not a crash."""
    assert all(keys(data))


def test_the_terminal_is_as_before_afterwards(ends: tuple[int, int]) -> None:
    """Mode, screen, cursor and wrapping."""
    person, program = ends
    before = termios.tcgetattr(program)
    with Terminal(program, program):
        assert termios.tcgetattr(program) != before
        assert "\x1b[?1049h" in seen(person)
    assert termios.tcgetattr(program) == before
    given_back = seen(person)
    for code in ("\x1b[?7h", "\x1b[?25h", "\x1b[?1049l"):
        assert code in given_back


def test_an_exception_gives_it_back_too(ends: tuple[int, int]) -> None:
    """A bug must not cost anybody a shell."""
    person, program = ends
    before = termios.tcgetattr(program)
    with pytest.raises(ZeroDivisionError), Terminal(program, program):
        raise ZeroDivisionError
    assert termios.tcgetattr(program) == before
    assert seen(person).endswith("\x1b[?1049l")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_being_told_to_end_gives_it_back_too(ends: tuple[int, int], number: signal.Signals) -> None:
    """And tells the signal in the exit status, as shells do."""
    _, program = ends
    before, handler = termios.tcgetattr(program), signal.getsignal(number)
    with pytest.raises(SystemExit) as caught, Terminal(program, program) as terminal:
        os.kill(os.getpid(), number)
        terminal.wait()
    assert caught.value.code == 128 + number
    assert termios.tcgetattr(program) == before
    assert signal.getsignal(number) is handler


def test_what_is_no_terminal_is_not_taken() -> None:
    """And nothing is left behind."""
    read, write = os.pipe()
    handler = signal.getsignal(signal.SIGTERM)
    with pytest.raises(termios.error), Terminal(read, write):
        pass
    assert signal.getsignal(signal.SIGTERM) is handler
    os.close(read)
    os.close(write)


def test_a_frame_replaces_the_one_before(ends: tuple[int, int]) -> None:
    """No line is left of it, and nothing scrolls."""
    person, program = ends
    with Terminal(program, program) as terminal:
        seen(person)
        terminal.draw(["one", "two"])
        assert seen(person).replace("\r\r\n", "\r\n") == "\x1b[Hone\x1b[K\r\ntwo\x1b[K\x1b[J"


def test_a_key_or_a_wake_up_ends_the_wait(ends: tuple[int, int]) -> None:
    """Another thread's news are shown at once."""
    person, program = ends
    with Terminal(program, program) as terminal:
        os.write(person, b"\x1b[B")
        assert terminal.wait() == ["down"]
        thread = threading.Timer(0.02, terminal.wake)
        thread.start()
        assert terminal.wait() == []
        thread.join()
        os.kill(os.getpid(), signal.SIGWINCH)
        assert terminal.wait() == []
    terminal.wake()  # too late, and harmless


def test_a_terminal_that_is_gone_quits() -> None:
    """The window was closed."""
    person, program = pty.openpty()
    with Terminal(program, program) as terminal:
        os.close(person)
        assert terminal.wait() == ["q"]
    os.close(program)


def test_a_signal_that_comes_before_the_wait_ends_it() -> None:
    """Its handler runs between two steps of the program, and none follows while it waits for a key."""
    person, program = pty.openpty()
    before = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(before)
    try:
        with Terminal(program, program) as terminal:
            signal.signal(signal.SIGWINCH, lambda *_: None)  # as if it had run already
            os.kill(os.getpid(), signal.SIGWINCH)
            assert terminal.wait() == []
        assert signal.set_wakeup_fd(before) == before, "who was woken before is woken again"
    finally:
        os.close(person)
        os.close(program)


def test_suspending_gives_it_back_until_it_goes_on() -> None:
    """^Z leads to a shell that works."""
    code = """
import os, sys
from lbd.cli.terminal import Terminal
with Terminal(0, 1) as terminal:
    terminal.draw(["there"])
    while "q" not in terminal.wait():
        terminal.draw(["again"])
"""
    person, program = pty.openpty()
    before = termios.tcgetattr(program)
    process = subprocess.Popen([sys.executable, "-c", code], stdin=program, stdout=program, start_new_session=True)
    try:
        _until(person, "there")
        # a process whose group nobody watches over cannot be stopped by SIGTSTP: only what it does around it shows
        os.kill(process.pid, signal.SIGTSTP)
        shown = _until(person, "again")
        assert shown.index("\x1b[?1049l") < shown.index("\x1b[?1049h") < shown.index("again")
        os.write(person, b"q")
        assert process.wait(10) == 0
        assert termios.tcgetattr(program) == before
    finally:
        process.kill()
        process.wait()
        os.close(person)
        os.close(program)


def _until(person: int, text: str) -> str:
    out = ""
    while text not in out:
        out += os.read(person, 65536).decode()
    return out
