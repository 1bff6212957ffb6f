"""Parts of the dashboard's JSON."""

from __future__ import annotations

import msgspec

from lbd.model.service import AttainmentOut, CellsOut, FlowOut, OverheadOut, ServiceOut, StoreOut


def test_windows_have_the_names_that_uptime_has() -> None:
    """``5m``, ``30m``, ``1d``."""
    assert msgspec.to_builtins(CellsOut([1.0], [None], [0.5])) == {"5m": [1.0], "30m": [None], "1d": [0.5]}


def test_windows_are_told_with_the_numbers() -> None:
    """Five minutes of own time, an hour of promises; read back as they were."""
    told = ServiceOut(
        1.0,
        2,
        OverheadOut(1.0, 2.0, 3.0, 4),
        [AttainmentOut("interactive", 9, 10, 0.9, 0.95, -1.0)],
        StoreOut("sqlite", True),
        0.0,
    )
    data = msgspec.json.encode(told)
    assert b'"window_s":300.0' in data and b'"window_s":3600.0' in data
    assert msgspec.json.decode(data, type=ServiceOut) == told


def test_a_way_that_nobody_served_names_none() -> None:
    """And what it came to."""
    told = msgspec.to_builtins(FlowOut(None, "interactive", None, None, 1.0, 0.0, False, False, "reset"))
    assert told["deployment"] is None and told["outcome"] == "reset"
