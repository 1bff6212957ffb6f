"""One other process for work that takes long and may be somebody else's code: it cannot hold up a request.

It is started when it is first needed, and again when it died or was stopped for taking too long.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from typing import TYPE_CHECKING, TypeVar

from lbd.model.units import Seconds

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

T = TypeVar("T")
_gone = threading.Event()  # never set: to wait without a clock


class WorkerError(Exception):
    """The work was not done: the process died of it, or it took too long."""


def _watch(parent: int) -> None:
    """End when the parent is gone, however it went: the kernel's own way would need ctypes, which MDWE forbids."""
    while os.getppid() == parent:
        _gone.wait(1.0)
    os._exit(0)


def _begin(parent: int) -> None:
    """Be a good child: end with the parent, leave the terminal's signals to it, and let requests come first."""
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(10)


def _pool() -> ProcessPoolExecutor:
    """Return a process. Not forked: a copy of one with threads and sockets is no sound process."""
    import multiprocessing  # the start need not wait for what few configurations use
    from concurrent.futures import ProcessPoolExecutor

    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(1, mp_context=context, initializer=_begin, initargs=(os.getpid(),))


class Worker:
    """See the module. It does one thing at a time; the others wait for their turn, and for nothing else."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self._turn = asyncio.Lock()

    async def run(self, work: Callable[[], T], within_s: Seconds) -> T:
        """Do it over there, within so long from its turn on. Raises WorkerError, or what the work raises."""
        async with self._turn:
            if self._pool is None:
                self._pool = _pool()
            try:
                async with asyncio.timeout(within_s):
                    return await asyncio.get_running_loop().run_in_executor(self._pool, work)
            except TimeoutError:
                self.close()
                raise WorkerError(f"it took longer than {within_s:g} s") from None
            except BrokenExecutor:
                self.close()
                raise WorkerError("its process died") from None

    def close(self) -> None:
        """Stop the process, whatever it does."""
        pool, self._pool = self._pool, None
        if pool is None:
            return
        processes = list((pool._processes or {}).values())  # noqa: SLF001  shutdown alone waits for what runs
        pool.shutdown(wait=False, cancel_futures=True)
        for process in processes:
            process.kill()
