"""The log: one JSON line an event, readable on a terminal, never in anybody's way, and never a secret in it."""

from __future__ import annotations

import asyncio
import io
import json
import os
import pty
import select
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from lbd.model.failure import FailureKind
from lbd.model.secret import Secret
from lbd.observe import log
from tests.fakes.harness import Sim, provider
from tests.fakes.virtual import VirtualEnv, run
from tests.fakes.world import SimHost


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Put structlog's configuration back: it is the process' own."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def written(write: Any, level: str = "debug", stream: io.StringIO | None = None) -> list[str]:
    """Return the lines that come of what ``write`` logs."""
    out = stream or io.StringIO()
    writer = log.setup(level, out)
    write(log.get())
    writer.close()
    return out.getvalue().splitlines()


def test_a_line_is_one_json_object_with_time_level_and_event() -> None:
    """Fields as given; the time is UTC."""
    (line,) = written(lambda w: w.warning("state_changed", subject="p/a", before=None, value=0.5, rows=[1, 2]))
    told = json.loads(line)
    assert told.pop("time").endswith("Z")
    assert told == {
        "event": "state_changed",
        "level": "warning",
        "subject": "p/a",
        "before": None,
        "value": 0.5,
        "rows": [1, 2],
    }


@pytest.mark.parametrize("mark", ["\x85", "\x9b31m", "\u2028", "\u202e", "\u2066", "\u200f"])
def test_what_steers_a_terminal_or_ends_a_line_is_escaped(mark: str) -> None:
    """Words of clients and providers stand in lines. A reader of JSON gets them as they were."""
    (line,) = written(lambda w: w.info("x", text=f"a\u00e9{mark}b"))
    assert mark[0] not in line and "\u00e9" in line
    assert json.loads(line)["text"] == f"a\u00e9{mark}b"


def test_lines_below_the_level_are_not_even_rendered() -> None:
    """info hides debug."""

    class Costly:
        def __str__(self) -> str:
            raise AssertionError("rendered")

    lines = written(lambda w: (w.debug("a", x=Costly()), w.info("b"), w.error("c")), "info")
    assert [json.loads(line)["event"] for line in lines] == ["b", "c"]


def test_the_level_can_be_changed_while_it_runs() -> None:
    """Also for whoever got the logger before."""

    def write(w: Any) -> None:
        w.debug("a")
        log.set_level("debug")
        w.debug("b")
        log.set_level("error")
        w.warning("c")
        w.error("d")

    assert [json.loads(line)["event"] for line in written(write, "info")] == ["b", "d"]


def test_newlines_do_not_make_a_second_line() -> None:
    """One event, one line: nobody can forge another."""
    lines = written(lambda w: w.info("request", asked='x"}\n<0>{"event": "forged"}\r\n\x00\x1b[2J'))
    assert len(lines) == 1
    assert json.loads(lines[0])["asked"].startswith('x"}\n')


@pytest.mark.parametrize(
    "value",
    ["\ud800", 2**70, -(2**70), {1: 2}, {None: {("a",): 1}}, object(), b"\xff", float("nan"), {"a": {"\udfff": 1}}],
)
def test_no_value_makes_a_line_fail(value: Any) -> None:
    """Whatever is in a field, a line comes out and nothing is raised."""
    (line,) = written(lambda w: w.info("odd", value=value))
    assert json.loads(line)["event"].strip("'") == "odd"


def test_an_exception_brings_its_traceback_and_no_local_variables() -> None:
    """Where it happened, not what was in the variables there."""

    def broken(w: Any) -> None:
        canary = "sk-" + "canary"
        try:
            raise ZeroDivisionError(len(canary))
        except ZeroDivisionError as e:
            w.error("task_failed", task="probe", exc_info=e)

    (line,) = written(broken)
    assert "ZeroDivisionError" in json.loads(line)["exception"]
    assert "sk-canary" not in line
    on_tty = terminal(broken)
    assert "ZeroDivisionError" in on_tty and "sk-canary" not in on_tty


def test_secrets_refuse_to_be_written() -> None:
    """A Secret that slips into a field shows nothing, nested or not."""
    (line,) = written(lambda w: w.info("oops", key=Secret("sk-canary"), more={"k": [Secret("sk-canary")]}))
    assert "sk-canary" not in line and "***" in line


# --- the journal -----------------------------------------------------------------------------------------


def test_lines_to_the_journal_carry_its_priority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """<N> in front where JOURNAL_STREAM names this very descriptor (systemd.exec(5)), as sd-daemon(3) says."""
    path = tmp_path / "journal"
    with path.open("w") as stream:
        stat = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", f"{stat.st_dev}:{stat.st_ino}")
        writer = log.setup("debug", stream)
        w = log.get()
        for level in ("debug", "info", "warning", "error", "critical"):
            getattr(w, level)("told")
        try:
            raise ValueError
        except ValueError:
            w.exception("told")
        writer.close()
    lines = path.read_text().splitlines()
    assert [line[:4] for line in lines] == ["<7>{", "<6>{", "<4>{", "<3>{", "<2>{", "<3>{"]
    assert all(json.loads(line[3:])["event"] == "told" for line in lines)


@pytest.mark.parametrize("told", ["", "1:2", "junk", ":", "{dev}:", "{dev}:{ino} "])
def test_other_streams_carry_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    """A variable that was inherited is not ours; a stream without a descriptor is nobody's."""
    path = tmp_path / "file"
    with path.open("w") as stream:
        stat = os.fstat(stream.fileno())
        monkeypatch.setenv("JOURNAL_STREAM", told.format(dev=stat.st_dev, ino=stat.st_ino))
        writer = log.setup("info", stream)
        log.get().info("told")
        writer.close()
    assert path.read_text().startswith("{")
    assert written(lambda w: w.info("told"))[0].startswith("{")


# --- a terminal ------------------------------------------------------------------------------------------


def terminal(write: Any) -> str:
    """Return what a terminal is shown."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as stream:
        writer = log.setup("debug", stream)
        write(log.get())
        writer.close()
        shown = os.read(ours, 65536).decode()
    os.close(ours)
    return shown


def test_colour_is_for_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readable text with colour on a tty; NO_COLOR is kept to; a pipe gets JSON."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    shown = terminal(lambda w: w.info("listening", pid=7))
    assert "\x1b[" in shown and "listening" in shown and "{" not in shown
    monkeypatch.setenv("NO_COLOR", "1")
    shown = terminal(lambda w: w.info("listening", pid=7))
    assert "\x1b[" not in shown and "pid=7" in shown
    (line,) = written(lambda w: w.info("listening", pid=7))
    assert "\x1b" not in line and json.loads(line)["pid"] == 7


def test_a_clients_word_cannot_steer_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control characters come out quoted."""
    monkeypatch.setenv("NO_COLOR", "1")
    shown = terminal(lambda w: w.info("request", asked="gpt\x1b[2J\x1b]0;owned\x07\nforged"))
    assert "\x1b" not in shown and "\x07" not in shown
    assert "\nforged" not in shown


# --- a reader that does not read -------------------------------------------------------------------------


def test_a_stuck_reader_costs_lines_and_nobody_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full pipe: lines beyond the backlog are dropped and counted; writing and closing never wait for it."""
    monkeypatch.setattr(log, "LAST_S", 0.2)
    ours, theirs = os.pipe()
    with os.fdopen(theirs, "w") as stream:
        writer = log.setup("info", stream)
        w = log.get()
        done = threading.Event()

        def work() -> None:
            for i in range(log.BACKLOG + 5000):
                w.info("line", i=i, padding="x" * 50)
            writer.close()
            done.set()

        threading.Thread(target=work, daemon=True).start()
        assert done.wait(20), "the log stopped its writer"
        assert 3000 <= writer.dropped <= 5000
        got = os.read(ours, 1 << 20)
        assert [json.loads(line)["i"] for line in got.decode().splitlines()[:100]] == list(range(100))
        # the thread goes before the descriptor is closed under it
        threading.Thread(target=writer._lines.put, args=(None,), daemon=True).start()
        while writer._thread.is_alive():
            if select.select((ours,), (), (), 0.05)[0]:
                os.read(ours, 1 << 20)
    os.close(ours)


def test_a_reader_that_comes_back_gets_every_line_of_the_backlog() -> None:
    """In order, whole, and across a descriptor that somebody made non-blocking."""
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    with os.fdopen(theirs, "w") as stream:
        writer = log.setup("info", stream)
        for i in range(3000):
            log.get().info("line", i=i, padding="ä" * 40)
        read = bytearray()
        while read.count(b"\n") < 3000:
            read += os.read(ours, 4096)
        writer.close()
    assert [json.loads(line)["i"] for line in read.decode().splitlines()] == list(range(3000))
    assert writer.dropped == 0
    os.close(ours)


def test_a_reader_that_is_gone_costs_lines_only() -> None:
    """A closed pipe is counted, not raised; so is a stream that was closed."""
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "w") as stream:
        writer = log.setup("info", stream)
        for _ in range(5):
            log.get().info("line")
        writer.close()
    assert writer.dropped == 5
    closed = io.StringIO()
    closed.isatty = lambda: False  # type: ignore[method-assign]
    writer = log.setup("info", closed)
    closed.close()
    log.get().info("line")
    writer.close()
    assert writer.dropped == 1


def test_closing_writes_what_is_queued() -> None:
    """The last words of a daemon are its most interesting ones; closing twice is harmless."""
    out = io.StringIO()
    writer = log.setup("info", out)
    for i in range(500):
        log.get().info("line", i=i)
    writer.close()
    writer.close()
    assert len(out.getvalue().splitlines()) == 500


# --- the whole daemon ------------------------------------------------------------------------------------

PROMPT = "canary prompt 5f0c0a"
KEY = "sk-canary-key-77aa"


@pytest.mark.parametrize("trouble", ["none", "refuse", "cut", "500", "400", "401", "402", "404", "429", "frozen"])
def test_neither_keys_nor_prompts_are_in_the_log(trouble: str) -> None:
    """Every request logged, at debug, and a provider whose errors repeat key and prompt.

    What it says when it locks lbd out (key, money) is kept, since a person must read it, but for the key.
    """
    out = io.StringIO()
    writer = log.setup("debug", out)

    async def main(env: VirtualEnv) -> None:
        host = SimHost("a")
        config = {
            "providers": [provider(host, api_key=KEY, headers={"x-secret": KEY})],
            "allow_inline_secrets": True,
            "log": {"level": "debug", "requests": "all"},
        }
        async with Sim(env, [host], config) as sim:
            sim.world.words = f"refused: key {KEY}" + ("" if trouble in ("401", "402") else f", prompt {PROMPT}")
            host.weather.refuse = trouble == "refuse"
            host.weather.frozen = trouble == "frozen"
            host.weather.cut_after = 2 if trouble == "cut" else None
            host.weather.bad_key = trouble == "401"
            host.weather.status = int(trouble) if trouble.isdigit() else 0
            for i in range(8):
                message = [{"role": "user", "content": PROMPT}]
                await sim.ask("m", stream=bool(i % 2), messages=message, headers={"authorization": f"Bearer {KEY}"})
                await env.sleep(10)
            await sim.ask(PROMPT[:7], messages=[{"role": "user", "content": PROMPT}])
            await asyncio.wait_for(sim.app.drain(1), 5)

    run(main)
    writer.close()
    told = out.getvalue()
    assert told.count('"event":"request"') >= 8, "nothing was logged"
    assert KEY not in told
    assert PROMPT not in told


def test_every_kind_of_failure_is_a_plain_word() -> None:
    """Metric label, journal word, log field: one token."""
    assert all(kind.replace("_", "").isalpha() and kind.islower() for kind in FailureKind)


def test_a_traceback_is_written_without_what_is_to_be_hidden() -> None:
    """An exception may quote anything; other lines are of words that were looked at, and cost nothing."""
    stream = io.StringIO()
    writer = log.setup("info", stream)
    writer.hide = lambda line: line.replace("canary", "***")
    try:
        raise ValueError("bad header: canary")
    except ValueError as e:
        log.get().error("broken", exc_info=e)
    log.get().info("canary")
    writer.close()
    first, second = stream.getvalue().splitlines()
    assert "bad header: ***" in first and "canary" not in first
    assert "canary" in second
