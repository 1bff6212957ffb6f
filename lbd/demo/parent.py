"""A command that ends with the demonstration, however that ends.

python -m lbd.demo.parent PARENT COMMAND...  runs a command that knows nothing of this; its process id stays the same.
"""

from __future__ import annotations

import os
import sys

from lbd.loops.parent import end_with


def main(parent: str, *command: str) -> None:
    """Become the command; what the kernel was asked for survives that."""
    end_with(int(parent))
    os.execv(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
