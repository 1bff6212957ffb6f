"""One model server: the parameters it gets, and that it never outlives whoever started it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lbd.demo.model_server import configure
from tests.fakes.xllamacpp import environment

PATIENCE = 10.0


def parameters(**told: Any) -> Any:
    """Return llama.cpp's parameters for what was told."""

    def params() -> Any:
        cpu = SimpleNamespace(n_threads=0)
        return SimpleNamespace(model=SimpleNamespace(path=""), cpuparams=cpu, cpuparams_batch=SimpleNamespace())

    return configure(SimpleNamespace(CommonParams=params), {"name": "a", "port": 1, "weights": "/w.gguf", **told})


def test_the_usual_parameters() -> None:
    """Loopback only, one thread, gauges and slots told."""
    p = parameters()
    assert (p.model.path, p.model_alias, p.hostnames, p.port) == ("/w.gguf", {"a"}, ["127.0.0.1"], 1)
    assert (p.n_parallel, p.n_ctx) == (2, 4096)
    assert p.cpuparams.n_threads == p.cpuparams_batch.n_threads == 1
    assert p.endpoint_metrics and p.endpoint_slots and not p.ui
    assert not hasattr(p, "api_keys")


def test_slots_context_and_key_as_told() -> None:
    """The context is each slot's own."""
    p = parameters(slots=4, context=1024, key="k")
    assert (p.n_parallel, p.n_ctx, p.api_keys) == (4, 4096, ["k"])


def start(folder: Path, **told: Any) -> subprocess.Popen[str]:
    """Start one."""
    whole = {"name": "a", "port": 0, "weights": "w", "parent": os.getpid(), **told}
    return subprocess.Popen(
        [sys.executable, "-m", "lbd.demo.model_server", json.dumps(whole)],
        env=environment(folder),
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Wait for its end; returns exit status and what it said."""
    _, told = process.communicate(timeout=PATIENCE)
    return process.returncode, told


def wait_for(path: Path) -> None:
    """Wait until it serves."""
    end = time.perf_counter() + PATIENCE
    while not path.exists():
        assert time.perf_counter() < end
        time.sleep(0.01)


def test_without_its_parent_it_does_not_even_start(tmp_path: Path) -> None:
    """The parent went away meanwhile: nobody would end it."""
    assert ended(start(tmp_path, parent=1)) == (0, "")


def test_another_port_than_asked_for_is_an_error(tmp_path: Path) -> None:
    """Somebody took it: traffic would go to a stranger."""
    code, told = ended(start(tmp_path, port=7))
    assert code == 1
    assert told.startswith("asked for port 7, got http://127.0.0.1:")


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once(tmp_path: Path, signum: signal.Signals) -> None:
    """In whatever thread it arrives; no words."""
    process = start(tmp_path)
    wait_for(tmp_path / "serving")
    process.send_signal(signum)
    assert ended(process) == (-signum, "")


def test_a_signal_right_after_it_was_woken_ends_it_too(tmp_path: Path) -> None:
    """The kernel gives it to any thread then."""
    for _ in range(5):
        process = start(tmp_path)
        wait_for(tmp_path / "serving")
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.02)
        process.send_signal(signal.SIGCONT)
        process.send_signal(signal.SIGTERM)
        assert process.wait(2) == -signal.SIGTERM
        process.communicate()
        (tmp_path / "serving").unlink()


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    """Even where the parent is killed and can say nothing."""
    code = (
        "import json, os, subprocess, sys, time\n"
        "told = {'name': 'a', 'port': 0, 'weights': 'w', 'parent': os.getpid()}\n"
        "p = subprocess.Popen([sys.executable, '-m', 'lbd.demo.model_server', json.dumps(told)])\n"
        "print(p.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", code], env=environment(tmp_path), stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    wait_for(tmp_path / "serving")
    parent.kill()
    parent.communicate()
    end = time.perf_counter() + PATIENCE
    while _alive(child):
        assert time.perf_counter() < end, "it outlived its parent"
        time.sleep(0.01)


def _alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"
