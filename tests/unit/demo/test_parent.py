"""Nothing outlives the demonstration: a command ends with whoever started it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

from tests.fakes.processes import gone

PATIENCE = 10.0
COMMAND = [sys.executable, "-c", "import os, signal; print(os.getpid(), flush=True); signal.pause()"]


def start(parent: int) -> subprocess.Popen[str]:
    """Start a command that would wait for ever."""
    line = [sys.executable, "-m", "lbd.demo.parent", str(parent), *COMMAND]
    return subprocess.Popen(line, stdout=subprocess.PIPE, text=True)


def test_the_command_takes_the_place_of_who_started_it() -> None:
    """Its process id is the one that gets the signals."""
    with start(os.getpid()) as process:
        assert process.stdout is not None
        assert int(process.stdout.readline()) == process.pid
        process.terminate()
        assert process.wait(PATIENCE) == -signal.SIGTERM


def test_without_its_parent_the_command_is_not_run() -> None:
    """The parent went away meanwhile: nobody would end it."""
    with start(1) as process:
        assert process.communicate(timeout=PATIENCE) == ("", None)
        assert process.returncode == 0


def test_a_killed_parent_takes_a_frozen_command_along() -> None:
    """A frozen process would keep any other signal for later."""
    script = (
        "import os, subprocess, sys\n"
        "line = [sys.executable, '-m', 'lbd.demo.parent', str(os.getpid()), *sys.argv[1:]]\n"
        "subprocess.Popen(line).wait()\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, *COMMAND], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        os.kill(pid, signal.SIGSTOP)
        parent.kill()
        end = time.perf_counter() + PATIENCE
        while not gone(pid):
            assert time.perf_counter() < end
            time.sleep(0.01)
