"""Where lbd runs: versions, machine, and the unit that runs it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from lbd import __version__

PACKAGES = (
    "aiohappyeyeballs", "aiohttp", "cachetools", "httptools", "msgspec", "orjson", "PyYAML",
    "structlog", "uvloop", "rich", "numpy", "jsonschema", "opentelemetry-proto",
)  # fmt: skip
# Of the unit: no Environment, which may hold keys.
UNIT = (
    "Id", "LoadState", "ActiveState", "SubState", "Result", "MainPID", "NRestarts", "ExecMainStatus", "MemoryCurrent",
    "TasksCurrent", "CPUUsageNSec", "ActiveEnterTimestamp", "StatusText", "FragmentPath", "DropInPaths", "LimitNOFILE",
)  # fmt: skip


def about(now: datetime) -> dict[str, Any]:
    """Return versions, machine, and what is free of it."""
    found = {d.metadata["Name"].lower(): d.version for d in metadata.distributions() if d.metadata["Name"]}
    disk = shutil.disk_usage("/var/lib/lbd" if Path("/var/lib/lbd").is_dir() else "/")
    return {
        "lbd": __version__,
        "time": now.isoformat(timespec="seconds"),
        "python": sys.version,
        "platform": platform.platform(),
        "machine": platform.machine(),
        "processors": os.cpu_count(),
        "load": os.getloadavg(),
        "memory": _memory(),
        "disk_free_bytes": disk.free,
        "packages": {name: found.get(name.lower()) for name in PACKAGES},
    }


def _memory() -> dict[str, str]:
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
    except OSError:
        return {}
    return dict(line.split(":", 1) for line in lines if line.startswith(("MemTotal", "MemAvailable", "SwapFree")))


def unit(systemctl: str) -> dict[str, dict[str, str]]:
    """Return what systemd says of the service and its socket. Raises SubprocessError, OSError."""
    found = {}
    for unit in ("lbd.service", "lbd.socket"):
        done = subprocess.run(  # noqa: S603  the system's own, with words of ours
            [systemctl, "show", unit, f"--property={','.join(UNIT)}"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
        found[unit] = dict(line.partition("=")[::2] for line in done.stdout.splitlines() if "=" in line)
    return found
