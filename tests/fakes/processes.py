"""Processes as the system sees them."""

from __future__ import annotations

from pathlib import Path


def gone(pid: int) -> bool:
    """Tell whether a process is gone, or a zombie of nobody's concern."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
