"""The task supervisor: the only place that spawns.

A loop is restarted after a failure, with back-off, and its last error is shown on the health page. A one-off
runs once; its failure is told and kept, never lost. Everything is cancelled in reverse order at the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from lbd.model.units import Seconds, WallTime
from lbd.ports import Env

FIRST_BACKOFF: Seconds = 0.5
LONGEST_BACKOFF: Seconds = 30.0


class LoopStatus(msgspec.Struct):
    """How a supervised loop is doing."""

    name: str
    running: bool = False
    restarts: int = 0
    last_error: str | None = None
    last_error_at: WallTime | None = None


class Tasks:
    """Owns every task of the daemon that is not a request's own."""

    def __init__(self, env: Env, tell: Callable[[str, str, BaseException], None]) -> None:
        self._env = env
        self._tell = tell
        self._tasks: dict[asyncio.Task[None], str] = {}
        self.loops: dict[str, LoopStatus] = {}
        self._closing = False

    def loop(self, name: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Keep ``run`` running."""
        status = self.loops.setdefault(name, LoopStatus(name))
        self._start(name, self._supervise(status, run))

    async def stop(self, name: str) -> None:
        """End the loop of this name and wait for it; harmless where there is none."""
        tasks = [task for task, known in self._tasks.items() if known == name]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.loops.pop(name, None)

    def once(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run ``work`` once."""
        task = self._start(name, self._guard(name, work))
        task.add_done_callback(lambda _task: work.close())  # where it was cancelled before it began
        return task

    def _start(self, name: str, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks[task] = name
        task.add_done_callback(lambda t: self._tasks.pop(t, None))
        return task

    async def _guard(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            raise
        except Exception as e:  # noqa: BLE001  the supervisor
            self._tell("task_failed", name, e)

    async def _supervise(self, status: LoopStatus, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        backoff = FIRST_BACKOFF
        while not self._closing:
            status.running = True
            started = self._env.now()
            try:
                await run()
            except asyncio.CancelledError:
                status.running = False
                raise
            except Exception as e:  # noqa: BLE001  the supervisor
                status.running = False
                status.restarts += 1
                status.last_error = f"{type(e).__name__}: {e}"
                status.last_error_at = self._env.wall()
                self._tell("loop_failed", status.name, e)
                task = asyncio.current_task()
                if task is not None and task.cancelling():
                    return  # it failed while it was being stopped
            else:
                status.running = False
                return
            if self._env.now() - started > LONGEST_BACKOFF:
                backoff = FIRST_BACKOFF
            await self._env.sleep(backoff)
            backoff = min(LONGEST_BACKOFF, backoff * 2)

    @property
    def count(self) -> int:
        """Number of tasks alive."""
        return len(self._tasks)

    async def close(self) -> None:
        """Cancel everything, youngest first, and wait for it."""
        self._closing = True
        tasks = list(self._tasks)[::-1]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
