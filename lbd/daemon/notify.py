"""Talk to systemd: readiness, reload, watchdog and status, as datagrams (sd_notify(3))."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping

from lbd.model.units import Instant, Seconds


class Notifier:
    """Sends to ``NOTIFY_SOCKET``; without one it does nothing."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        path = environ.get("NOTIFY_SOCKET", "")
        self._address: str | None = None
        if path.startswith(("/", "@")):
            self._address = "\0" + path[1:] if path.startswith("@") else path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if self._address is not None else None
        self.watchdog_s = _watchdog(environ)

    @property
    def enabled(self) -> bool:
        """Tell whether somebody listens."""
        return self._socket is not None

    def _send(self, *lines: str) -> None:
        if self._socket is None or self._address is None:
            return
        with contextlib.suppress(OSError):  # the service manager's trouble must not become ours
            self._socket.sendto("\n".join(lines).encode(), socket.MSG_DONTWAIT, self._address)

    def ready(self, status: str) -> None:
        """Started, or done with a reload."""
        self._send("READY=1", f"STATUS={status}")

    def reloading(self, now: Instant) -> None:
        """Begin a reload. The time goes with it, in the same datagram, as Type=notify-reload demands."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={int(now * 1e6)}")

    def stopping(self, extend_s: Seconds) -> None:
        """Begin to drain, which may take so long."""
        self._send("STOPPING=1", f"EXTEND_TIMEOUT_USEC={int(extend_s * 1e6)}", "STATUS=draining")

    def status(self, text: str) -> None:
        """Say how it goes; shown by ``systemctl status``."""
        self._send(f"STATUS={text}")

    def watchdog(self) -> None:
        """Say that the event loop and the table are alive."""
        self._send("WATCHDOG=1")

    def close(self) -> None:
        """Let go of the socket."""
        if self._socket is not None:
            self._socket.close()


def _watchdog(environ: Mapping[str, str]) -> Seconds | None:
    """Return the watchdog's period, None where it does not watch this process."""
    usec, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID")
    if not usec.isdecimal() or int(usec) <= 0 or (pid is not None and pid != str(os.getpid())):
        return None
    return int(usec) / 1e6
