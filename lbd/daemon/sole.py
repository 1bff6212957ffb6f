"""One daemon for each store: two would write over what the other knows, spend a budget twice, do queued work twice.

The lock is a file of its own beside the store's (``/x/state.db.lock``), since that one may be set aside while lbd runs.
The kernel lets go of it when the process ends, however that came.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path


class TakenError(Exception):
    """Another daemon has the store; the message is for the operator."""


def claim(url: str) -> int | None:
    """Return a descriptor that holds the store as long as it is open. Raises TakenError.

    None where there is no file to hold. Nor is it where none can be written: the store will tell of that.
    """
    kind, _, path = url.partition("://")
    if kind != "sqlite":
        return None
    lock = Path(f"{path}.lock")  # whatever it is called: it is emptied, and is no other store's
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(fd, 20, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(fd)
        raise TakenError(f"another lbd (process {holder}) has the store {path}: give each its own") from None
    except OSError:  # a file system without locks
        os.close(fd)
        return None
    with contextlib.suppress(OSError):  # who has it is only told
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
    return fd
