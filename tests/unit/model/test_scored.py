"""What the dashboard shows of scored answers."""

from __future__ import annotations

import msgspec

from lbd.model.scored import ScoredOut


def test_it_goes_out_as_json_and_comes_back() -> None:
    """Unknown is null, never a number."""
    told = ScoredOut("all", None, None, None, 3.0, 3, 0.5, "in_use", None)
    assert msgspec.json.decode(msgspec.json.encode(told), type=ScoredOut) == told
