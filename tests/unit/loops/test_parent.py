"""Nothing outlives its parent."""

from __future__ import annotations

import os
import subprocess
import sys

CHILD = "import os, sys; from lbd.loops.parent import end_with; end_with(int(sys.argv[1])); print('alive')"


def test_an_orphan_ends_at_once_and_a_child_lives() -> None:
    """The rest is the kernel's: see the demonstration's tests."""
    for parent, said in ((os.getpid(), "alive\n"), (1, "")):
        done = subprocess.run([sys.executable, "-c", CHILD, str(parent)], capture_output=True, text=True, check=True)
        assert done.stdout == said
