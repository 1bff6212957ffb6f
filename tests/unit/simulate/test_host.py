"""What a simulated provider is like."""

from __future__ import annotations

from lbd.simulate.host import SimHost


def test_its_rate_limit_counts_whole_minutes_and_tells_how_it_stands() -> None:
    host = SimHost("a", per_minute=2)
    assert [host.rate_limit(60.0 + n)[0] for n in range(3)] == [True, True, False]
    assert host.refused == 1
    within, told = host.rate_limit(121.0)
    assert within and told["x-ratelimit-remaining-requests"] == "1"
    assert told["x-ratelimit-reset-requests"] == "59.000s"


def test_without_a_limit_nothing_is_told() -> None:
    assert SimHost("a").rate_limit(0.0) == (True, {})
