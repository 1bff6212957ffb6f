"""A machine that runs systemd: a container over a root folder, whose changes are thrown away in the end.

Under it lies this machine's own root, or a clean one. It has its own processes, network, mounts and host name; what
it writes goes to a folder above the root, which stays as it was.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

BOOTED = 60.0  # seconds until systemd has reached its target
PATIENCE = 120.0  # seconds, for any command in it
# none of the units that this machine's own root may have enabled, and no network to wait for
_TARGET = "systemd.unit=basic.target"


def missing() -> str:
    """Say what this machine lacks to run another one; nothing if it can."""
    if os.geteuid() != 0:
        return "a container needs root"
    for program, package in (("systemd-nspawn", "systemd-container"), ("nsenter", "util-linux"), ("dpkg", "dpkg")):
        if shutil.which(program) is None:
            return f"{program} is missing ({package})"
    return ""


class Machine:
    """One machine; it boots when it is entered."""

    def __init__(self, folder: Path, root: Path = Path("/")) -> None:
        self._folder = folder
        self._root = root
        self._log = folder / "boot.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._leader = 0

    def __enter__(self) -> Self:
        for name in ("upper", "work", "merged"):
            (self._folder / name).mkdir(parents=True)
        below = f"lowerdir={self._root},upperdir={self._folder}/upper,workdir={self._folder}/work"
        boot = (
            f"mount -t overlay overlay -o {below} {self._folder}/merged && exec systemd-nspawn --quiet --boot "
            f"--directory={self._folder}/merged --register=no --keep-unit --private-network "
            f"--machine=lbd-{os.getpid()} {_TARGET}"
        )
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["unshare", "--mount", "sh", "-c", boot], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        end = time.monotonic() + BOOTED
        while not self._booted():
            if self._process.poll() is not None or time.monotonic() > end:
                self.__exit__(None, None, None)
                raise MachineError(f"no machine could be booted here: {self._log.read_text()[-500:]}")
            time.sleep(0.2)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        assert process is not None
        if process.poll() is None and self._leader:
            self.run("systemctl", "--force", "--force", "halt", check=False)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
        if process.poll() is None:
            process.kill()
            process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _booted(self) -> bool:
        assert self._process is not None
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children")
        try:
            self._leader = int((children.read_text().split() or ["0"])[0])
        except OSError:
            return False
        if not self._leader:
            return False
        done = self.run("systemctl", "is-system-running", check=False)
        return done.stdout.strip() in ("running", "degraded")

    def run(
        self, *words: str | Path, check: bool = True, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as root."""
        environ = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "LC_ALL": "C",
        }
        done = subprocess.run(
            [
                "nsenter",
                f"--target={self._leader}",
                *("--mount", "--uts", "--ipc", "--net", "--pid"),
                "--",
                *map(str, words),
            ],
            env=environ | (env or {}),
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        if check and done.returncode != 0:
            raise AssertionError(f"{words} gave {done.returncode}:\n{done.stdout}\n{done.stderr}")
        return done

    def say(self, *words: str | Path) -> str:
        """Run a command as root that must succeed; returns what it printed."""
        return self.run(*words).stdout.strip()

    def path(self, path: str) -> Path:
        """Return where a path of the machine is seen from outside."""
        return Path(f"/proc/{self._leader}/root{path}")

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file, in one step."""
        place = self.path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        fresh = place.with_name(place.name + ".new")
        fresh.write_text(text)
        fresh.chmod(mode)
        fresh.replace(place)


class MachineError(Exception):
    """No machine can be had here; the text says why."""


def clean_root(folder: Path, suite: str, *packages: str) -> Path:
    """Make the smallest Debian there is, with these packages. Raises MachineError."""
    if shutil.which("mmdebstrap") is None:
        raise MachineError("mmdebstrap is missing")
    done = subprocess.run(
        ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(packages)}", suite, str(folder)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=540,
    )
    if done.returncode != 0:
        raise MachineError(f"mmdebstrap: {done.stderr[-500:]}")
    return folder
