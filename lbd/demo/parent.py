"""A command that ends with the demonstration, however that ends.

python -m lbd.demo.parent PARENT COMMAND...  runs a command that knows nothing of this; its process id stays the same.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def end_with(parent: int) -> None:
    """Let the kernel end this process when the thread that started it ends. A frozen one too, so it is SIGKILL."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before we asked
        os._exit(0)


def main(parent: str, *command: str) -> None:
    """Become the command; what the kernel was asked for survives that."""
    end_with(int(parent))
    os.execv(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
