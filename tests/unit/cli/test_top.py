"""``lbd top``, in a real pseudo-terminal."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lbd.cli import top
from lbd.cli.main import main
from tests.fakes.console_server import Asked, ConsoleServer, down, event, problem, providers, row, serving
from tests.unit.cli.conftest import Daemon
from tests.unit.cli.test_explain_text import ASK, ranking

ROOT = Path(__file__).parents[3]
DONE = {"deployment": "openai-eu/gpt-4.1", "admin": "drain", "weight": None, "state": "up"}
SHOWN = {"GET /v1/providers": providers(row(), down(), status="warn", summary="local-a/smollm2 down")}
PATIENCE_S = 15.0


class Screen:
    """A program in a terminal: what a person sees, and their keys."""

    def __init__(self, person: int, program: int, process: subprocess.Popen[bytes]) -> None:
        self._person = person
        self.program = program
        self.process = process
        self.raw = ""

    def lines(self) -> list[str]:
        """Return the last whole frame, without its colours."""
        frames = self.raw.split("\x1b[H")
        whole = [f for f in frames if "\x1b[J" in f]
        if not whole:
            return []
        text = whole[-1].split("\x1b[J")[0].replace("\x1b[K", "")
        return re.sub(r"\x1b\[[0-9;]*m", "", text).replace("\r", "").split("\n")

    def until(self, seen: Callable[[str], bool] | str) -> str:
        """Wait until the screen shows something."""
        found = (lambda text: seen in text) if isinstance(seen, str) else seen
        while not found(text := "\n".join(self.lines())):
            self._read(f"{seen}, but:\n{text}\n{self.raw[-500:]!r}")
        return text

    def _read(self, waiting_for: str) -> None:
        ready, _, _ = select.select([self._person], [], [], PATIENCE_S)
        assert ready, f"waited in vain for {waiting_for}"
        try:
            self.raw += os.read(self._person, 65536).decode("utf-8", "replace")
        except OSError:
            raise AssertionError(f"ended while waiting for {waiting_for}") from None

    def press(self, keys: str) -> None:
        os.write(self._person, keys.encode())

    def resize(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self._person, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def end(self) -> int:
        """Wait for the end; return the exit status."""
        ended = ready = False
        while not ended or ready:  # what it said last, too
            ended = self.process.poll() is not None
            ready = bool(select.select([self._person], [], [], 0 if ended else 0.05)[0])
            if ready:
                try:
                    self.raw += os.read(self._person, 65536).decode("utf-8", "replace")
                except OSError:
                    break
        return self.process.wait()


@contextlib.contextmanager
def screen(url: str, columns: int = 80, lines: int = 24, *words: str, **environ: str) -> Iterator[Screen]:
    person, program = pty.openpty()
    fcntl.ioctl(person, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    before = termios.tcgetattr(program)
    process = subprocess.Popen(
        [sys.executable, "-m", "lbd", "top", "--admin", url, "--interval", "0.2", *words],
        stdin=program,
        stdout=program,
        stderr=program,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "TERM": "xterm", "LANG": "C.UTF-8", "NO_COLOR": "1", **environ},
        start_new_session=True,
    )
    shown = Screen(person, program, process)
    try:
        yield shown
        assert process.poll() is not None
        assert termios.tcgetattr(program) == before, "the terminal was not given back"
        assert shown.raw.rindex("\x1b[?1049l") > shown.raw.rindex("\x1b[?1049h")
        assert shown.raw.rindex("\x1b[?25h") > shown.raw.rindex("\x1b[?25l")
    finally:
        process.kill()
        process.wait()
        os.close(person)
        os.close(program)


DRAWN = [pytest.param((), id="rich"), pytest.param(("--plain",), id="plain")]


@pytest.mark.parametrize("words", DRAWN)
@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (140, 40)])
def test_it_fills_the_terminal_and_q_gives_it_back(columns: int, lines: int, words: tuple[str, ...]) -> None:
    """Status 0, mode and screen as before."""
    with serving(SHOWN) as console, screen(console.url, columns, lines, *words) as shown:
        shown.until("local-a/smollm2")
        drawn = shown.lines()
        assert len(drawn) == lines
        assert max(map(len, drawn)) <= columns
        assert drawn[0] == "◐ WARN local-a/smollm2 down"
        assert drawn[-1].startswith("q quit")
        assert ("REQ/S" in "\n".join(drawn)) is (columns == 140)
        assert any("▶" in line and "openai-eu/gpt-4.1" in line for line in drawn)
        shown.press("q")
        assert shown.end() == 0


@pytest.mark.parametrize("words", DRAWN)
def test_colours_are_used_where_they_are_wanted(words: tuple[str, ...]) -> None:
    """Not with NO_COLOR."""
    with serving(SHOWN) as console:
        with screen(console.url, 80, 24, *words, NO_COLOR="") as shown:
            shown.until("local-a/smollm2")
            shown.press("q")
            shown.end()
            assert re.search(r"\x1b\[[0-9;]*31m", shown.raw)
        with screen(console.url, 80, 24, *words) as shown:
            shown.until("local-a/smollm2")
            shown.press("q")
            shown.end()
            assert not re.search(r"\x1b\[[0-9;]*m", shown.raw)


@pytest.mark.parametrize(
    ("key", "action"), [("d", "drain"), ("r", "ready"), ("m", "maint"), ("p", "probe-now"), ("b", "reset-breaker")]
)
def test_a_key_and_y_give_the_order_for_the_selected_row(key: str, action: str) -> None:
    """The right one, once, with a reason that tells where it came from."""
    path = f"/v1/deployments/local-a/smollm2/{action}"
    with serving({**SHOWN, f"POST {path}": DONE}) as console, screen(console.url) as shown:
        shown.until("q quit")
        shown.press("\x1b[B" + key)
        shown.until(f"{action} local-a/smollm2? y does it")
        assert not orders(console)
        shown.press("y")
        shown.until(f"{action} done")
        assert [(o.path, o.json) for o in orders(console)] == [(path, {"reason": top.REASON})]
        shown.press("q")
        assert shown.end() == 0


def orders(console: ConsoleServer) -> list[Asked]:
    return [a for a in console.asked if a.method == "POST"]


def test_another_key_than_y_orders_nothing() -> None:
    """The question was one."""
    with serving(SHOWN) as console, screen(console.url) as shown:
        shown.until("q quit")
        shown.press("dn")
        shown.until("not done: drain")
        shown.press("q")
        assert shown.end() == 0
    assert not orders(console)


def test_an_order_that_is_refused_is_told_and_the_view_goes_on() -> None:
    """In the daemon's words."""
    refusal = (401, problem(401, "send the token"))
    answers = {**SHOWN, "POST /v1/deployments/openai-eu/gpt-4.1/drain": refusal}
    with serving(answers) as console, screen(console.url, 120) as shown:
        shown.until("q quit")
        shown.press("dy")
        shown.until("drain failed: an admin token is needed")
        shown.press("q")
        assert shown.end() == 0


def test_e_brings_the_last_events_of_the_row() -> None:
    """Asked for only while they are shown."""
    with serving({**SHOWN, "GET /v1/events": {"events": [event(1)]}}) as console, screen(console.url) as shown:
        shown.until("q quit")
        assert not [a for a in console.asked if a.path == "/v1/events"]
        shown.press("je")
        shown.until("state_changed suspect -> down")
        asked = [a.query for a in console.asked if a.path == "/v1/events"]
        assert asked[-1] == {"subject": "local-a/smollm2", "limit": str(top.EVENTS)}
        shown.press("q")
        assert shown.end() == 0


def test_x_says_where_a_request_for_the_row_s_model_would_go() -> None:
    """Asked for only while it is shown."""
    plan = {"asked": "smollm2", "ask": ASK, **ranking()}
    with serving({**SHOWN, "POST /v1/explain": plan}) as console, screen(console.url) as shown:
        shown.until("q quit")
        assert not [a for a in console.asked if a.path == "/v1/explain"]
        shown.press("jx")
        shown.until("Nobody could serve it")
        assert [a.json["model"] for a in console.asked if a.path == "/v1/explain"][-1] == "smollm2"
        shown.press("x")
        shown.until(lambda text: "A request for" not in text)
        shown.press("q")
        assert shown.end() == 0


def test_an_explanation_that_is_refused_is_told_in_its_place() -> None:
    """The table above it goes on."""
    answers = {**SHOWN, "POST /v1/explain": (404, problem(404, "no such model"))}
    with serving(answers) as console, screen(console.url) as shown:
        shown.until("q quit")
        shown.press("x")
        assert "WARN local-a/smollm2 down" in shown.until("no such model")
        shown.press("q")
        assert shown.end() == 0


def test_news_are_shown_without_a_key() -> None:
    """That is what it is for."""
    answers: list[Any] = [providers(), providers(summary="something else")]
    with serving({"GET /v1/providers": answers}) as console, screen(console.url) as shown:
        shown.until("something else")
        shown.press("q")
        assert shown.end() == 0


def test_another_size_is_another_frame() -> None:
    """At once."""
    with serving(SHOWN) as console, screen(console.url) as shown:
        shown.until("q quit")
        shown.resize(140, 30)
        os.kill(shown.process.pid, signal.SIGWINCH)  # without a controlling terminal the kernel does not send it
        shown.until(lambda text: len(text.split("\n")) == 30 and "REQ/S" in text)
        shown.press("q")
        assert shown.end() == 0


def test_a_daemon_that_goes_away_is_told_and_quitting_still_works() -> None:
    """The last known table stays, with its time."""
    with contextlib.ExitStack() as stack:
        console = stack.enter_context(serving(SHOWN))
        shown = stack.enter_context(screen(console.url, 100))
        shown.until("q quit")
        console.answers["GET /v1/providers"] = (500, b"oops")
        assert "local-a/smollm2" in shown.until("failed inside (500)")
        console.answers["GET /v1/providers"] = providers(summary="here again")
        shown.until("here again")
        shown.press("q")
        assert shown.end() == 0


def test_a_daemon_that_hangs_does_not_make_the_keys_hang() -> None:
    """It is looked at in a thread of its own."""
    release = threading.Event()

    def hang(_asked: Asked) -> Any:
        release.wait(PATIENCE_S)
        return providers()

    with serving({"GET /v1/providers": [providers(row(), down()), hang]}) as console, screen(console.url) as shown:
        shown.until("q quit")
        shown.press("j")
        shown.until(lambda text: any("▶" in line and "local-a" in line for line in text.split("\n")))
        shown.press("q")
        assert shown.end() == 0
        release.set()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_a_signal_gives_the_terminal_back(number: signal.Signals, status: int) -> None:
    """As the shell expects it."""
    with serving(SHOWN) as console, screen(console.url) as shown:
        shown.until("q quit")
        shown.process.send_signal(number)
        assert shown.end() == status


def test_a_daemon_that_is_not_there_never_takes_the_screen() -> None:
    """One line, status 3."""
    person, program = pty.openpty()
    command = [sys.executable, "-m", "lbd", "top", "--admin", "unix:/nowhere/lbd.sock"]
    done = subprocess.run(
        command, cwd=ROOT, stdin=program, stdout=program, stderr=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == 3
    assert done.stderr.startswith("lbd: no lbd answers at unix:/nowhere/lbd.sock")
    assert not select.select([person], [], [], 0)[0]
    os.close(person)
    os.close(program)


def test_without_a_terminal_it_points_at_status(capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe is no screen."""
    assert main(["top", "--admin", "a:1"]) == 1
    assert "lbd status shows the table once" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["0", "x", "nan", "1e9"])
def test_an_interval_that_helps_nobody_is_refused(text: str) -> None:
    """Wrong arguments."""
    with pytest.raises(SystemExit) as caught:
        main(["top", "--interval", text])
    assert caught.value.code == 2


def test_without_rich_the_table_is_drawn_plainly() -> None:
    """It is an extra."""
    code = """
import sys
sys.modules["rich"] = None
from lbd.cli import top
from lbd.display.paint import Cell, Column, Paint
draw = top.drawing(Paint(False), plain=False)
print(draw([Column("a", "NAME")], [{"a": Cell("x")}], 80, 0))
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['NAME', 'x']"


def test_a_real_daemon_is_drained_and_made_ready_again(daemon: Daemon) -> None:
    """From key to table."""
    with screen(daemon.admin[1]) as shown:
        shown.until("good/big")
        shown.press("dy")
        shown.until(lambda text: any("good/big" in line and "drain" in line for line in text.split("\n")[:8]))
        shown.press("ry")
        shown.until("ready done: good/big is up, ready")
        shown.press("q")
        assert shown.end() == 0
