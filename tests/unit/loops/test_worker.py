"""One other process for work that takes long."""

from __future__ import annotations

import asyncio
import functools
import os
import subprocess
import sys
import tempfile
import time

import pytest

from lbd.loops.worker import Worker, WorkerError
from lbd.quality import metrics
from tests.fakes.processes import gone


async def test_work_is_done_in_another_process_and_it_outlives_what_kills_it() -> None:
    """What is raised comes back; what dies or takes too long is told, and the next work is done all the same."""
    worker = Worker()
    try:
        first = await worker.run(os.getpid, 30)
        assert first != os.getpid() and await worker.run(os.getpid, 30) == first
        with pytest.raises(ZeroDivisionError):
            await worker.run(functools.partial(divmod, 1, 0), 30)
        with pytest.raises(WorkerError, match="died"):
            await worker.run(functools.partial(os._exit, 3), 30)
        second = await worker.run(os.getpid, 30)
        assert second not in (first, os.getpid())
        with pytest.raises(WorkerError, match=r"longer than 0.2 s"):
            await worker.run(functools.partial(time.sleep, 60), 0.2)
        (found,) = await worker.run(functools.partial(metrics.measure, ["exact"], "a", "a", ""), 30)
        assert found.value == 1.0
    finally:
        worker.close()
    with pytest.raises(ProcessLookupError):
        for _ in range(200):
            os.kill(first, 0)
            time.sleep(0.01)


def test_the_process_ends_with_its_parent_however_that_ends() -> None:
    """A parent that is killed tells nobody."""
    script = (
        "import asyncio, os\n"
        "from lbd.loops.worker import Worker\n"
        "async def main():\n"
        "    print(await Worker().run(os.getpid, 30), flush=True)\n"
        "    os.kill(os.getpid(), 9)\n"
        "if __name__ == '__main__':\n"
        "    asyncio.run(main())\n"
    )
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        file.write(script)
        file.flush()
        done = subprocess.run([sys.executable, file.name], stdout=subprocess.PIPE, text=True, check=False)
    child = int(done.stdout)
    for _ in range(200):
        if gone(child):
            break
        time.sleep(0.05)
    assert gone(child), "it is alive"


def test_what_never_ran_is_closed_all_the_same() -> None:
    """Twice, too."""
    worker = Worker()
    worker.close()
    worker.close()


async def test_who_waits_for_a_turn_is_not_harmed_by_who_had_it() -> None:
    """What takes too long, or dies, takes nobody along; time counts from one's own turn."""
    worker = Worker()
    try:
        await worker.run(os.getpid, 30)
        slow = worker.run(functools.partial(time.sleep, 60), 0.3)
        dying = worker.run(functools.partial(os._exit, 3), 30)
        others = [worker.run(functools.partial(divmod, 7, 2), 10) for _ in range(5)]
        got = await asyncio.gather(slow, *others, dying, *(worker.run(os.getpid, 30) for _ in range(2)),
                                   return_exceptions=True)  # fmt: skip
        assert isinstance(got[0], WorkerError) and got[1:6] == [(3, 1)] * 5
        assert isinstance(got[6], WorkerError) and got[7] == got[8] != os.getpid()
    finally:
        worker.close()
