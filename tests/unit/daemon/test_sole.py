"""One daemon for each store."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lbd.daemon import sole


def test_a_store_is_held_by_one_until_it_lets_go(tmp_path: Path) -> None:
    """The second is told who has it, also where the store's own file was taken away meanwhile."""
    url = f"sqlite://{tmp_path}/new/state.db"
    held = sole.claim(url)
    assert held is not None and not os.get_inheritable(held)
    with pytest.raises(sole.TakenError, match=rf"another lbd \(process {os.getpid()}\) has the store {tmp_path}/new/"):
        sole.claim(url)
    other = sole.claim(f"sqlite://{tmp_path}/new/other.db")
    os.close(held)
    again = sole.claim(url)
    assert other is not None and again is not None
    os.close(other)
    os.close(again)


def test_stores_that_are_called_nearly_alike_are_two(tmp_path: Path) -> None:
    """And one that is called like a lock is not emptied."""
    store = tmp_path / "state.lock"
    store.write_text("what is known")
    held = [sole.claim(f"sqlite://{tmp_path}/state.{end}") for end in ("eu", "us", "lock")]
    assert None not in held and store.read_text() == "what is known"
    for fd in held:
        os.close(fd or -1)


def test_where_nothing_can_be_held_nobody_is_kept_out(tmp_path: Path) -> None:
    """A store in memory; a place that cannot be written, of which the store tells while lbd serves."""
    assert sole.claim("memory:") is None
    (tmp_path / "file").write_text("")
    assert sole.claim(f"sqlite://{tmp_path}/file/state.db") is None


def test_a_file_system_without_locks_keeps_nobody_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is left open."""

    def refuse(_fd: int, _how: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(sole.fcntl, "flock", refuse)
    before = set(os.listdir("/proc/self/fd"))
    assert sole.claim(f"sqlite://{tmp_path}/state.db") is None
    assert set(os.listdir("/proc/self/fd")) == before
