"""Where lbd runs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from lbd import __version__
from lbd.cli import surroundings


def test_versions_and_machine_are_told() -> None:
    """As JSON."""
    told = json.loads(json.dumps(surroundings.about(datetime(2026, 12, 1, tzinfo=UTC))))
    assert (told["lbd"], told["time"]) == (__version__, "2026-12-01T00:00:00+00:00")
    assert told["packages"]["msgspec"] and told["processors"] >= 1


def test_the_unit_is_told_without_its_environment(tmp_path: Path) -> None:
    """Which may hold keys."""
    asked = tmp_path / "asked"
    fake = tmp_path / "systemctl"
    fake.write_text(f'#!/bin/sh\necho "$@" >> {asked}\necho ActiveState=active\necho StatusText=a=b\n')
    fake.chmod(0o755)
    told = surroundings.unit(str(fake))
    assert told == {unit: {"ActiveState": "active", "StatusText": "a=b"} for unit in ("lbd.service", "lbd.socket")}
    assert "Environment" not in asked.read_text()
