"""What systemd is told: datagrams exactly as sd_notify(3) describes them."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lbd.app import RealEnv
from lbd.daemon.notify import Notifier
from tests.fakes.service_manager import said


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """The service manager's socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(1)
        yield sock


def notifier(sock: socket.socket, **more: str) -> Notifier:
    """Return a notifier that talks to ``sock``."""
    name = sock.getsockname()
    path = "@" + name[1:].decode() if isinstance(name, bytes) else name
    return Notifier({"NOTIFY_SOCKET": path, **more})


@pytest.mark.parametrize(
    ("say", "told"),
    [
        (lambda n: n.ready("3/3 serve"), "READY=1\nSTATUS=3/3 serve"),
        (lambda n: n.reloading(12.345678), "RELOADING=1\nMONOTONIC_USEC=12345678"),
        (lambda n: n.stopping(65.0), "STOPPING=1\nEXTEND_TIMEOUT_USEC=65000000\nSTATUS=draining"),
        (lambda n: n.status("fine"), "STATUS=fine"),
        (lambda n: n.watchdog(), "WATCHDOG=1"),
    ],
    ids=["ready", "reloading", "stopping", "status", "watchdog"],
)
def test_each_message_is_one_datagram_of_assignments(
    manager: socket.socket, say: Callable[[Notifier], None], told: str
) -> None:
    """Lines of KEY=VALUE; what belongs together is in the same datagram, or Type=notify-reload would hang."""
    speaker = notifier(manager)
    assert speaker.enabled
    say(speaker)
    speaker.close()
    assert said(manager) == [told]


async def test_the_time_of_a_reload_is_the_clock_that_systemd_compares_with(manager: socket.socket) -> None:
    """CLOCK_MONOTONIC in microseconds, neither before the reload nor after its end."""
    before = RealEnv().now()
    speaker = notifier(manager)
    speaker.reloading(before)
    speaker.close()
    usec = int(said(manager)[0].rpartition("=")[2])
    assert before * 1e6 - 1 <= usec <= before * 1e6
    assert abs(usec - int(float(Path("/proc/uptime").read_text().split()[0]) * 1e6)) < 60e6


def test_an_abstract_socket_is_reached() -> None:
    """NOTIFY_SOCKET=@name: the @ stands for a null byte."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(f"\0lbd-test-{os.getpid()}")
        speaker = notifier(sock)
        speaker.ready("x")
        speaker.close()
        assert said(sock) == ["READY=1\nSTATUS=x"]


@pytest.mark.parametrize("path", ["", "relative/path", "vsock:2:1234", "notify"])
def test_without_a_socket_nothing_is_said(path: str) -> None:
    """Not run by systemd, or an address of another kind: every word is a no-op."""
    speaker = Notifier({"NOTIFY_SOCKET": path} if path else {})
    assert not speaker.enabled
    speaker.ready("x")
    speaker.reloading(1.0)
    speaker.stopping(1.0)
    speaker.status("x")
    speaker.watchdog()
    speaker.close()


def test_a_manager_that_is_gone_is_its_own_trouble(tmp_path: Path) -> None:
    """No such socket: nothing is raised."""
    speaker = Notifier({"NOTIFY_SOCKET": str(tmp_path / "gone")})
    speaker.ready("x")
    speaker.watchdog()
    speaker.close()


def test_a_manager_that_does_not_read_blocks_nobody(manager: socket.socket) -> None:
    """A full socket drops words instead of stopping the event loop."""
    speaker = notifier(manager)
    for _ in range(5000):
        speaker.status("x" * 200)
    speaker.close()
    assert 0 < len(said(manager)) < 5000


def test_a_long_status_is_one_datagram_in_utf_8(manager: socket.socket) -> None:
    """Any text."""
    speaker = notifier(manager)
    speaker.status("ä" * 3000)
    speaker.close()
    assert said(manager) == ["STATUS=" + "ä" * 3000]


@pytest.mark.parametrize(
    ("environ", "period"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "1500000", "WATCHDOG_PID": str(os.getpid())}, 1.5),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": ""}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-5"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({"WATCHDOG_USEC": ""}, None),
        ({"WATCHDOG_PID": str(os.getpid())}, None),
        ({}, None),
    ],
)
def test_the_watchdog_watches_the_process_it_names(environ: dict[str, str], period: float | None) -> None:
    """sd_watchdog_enabled(3): the period in microseconds, for WATCHDOG_PID only where that is set."""
    assert Notifier(environ).watchdog_s == period
