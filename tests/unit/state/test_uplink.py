"""The way out: several hosts at once, never one, and any host reached ends it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.state.uplink import CLEAR, WINDOW, Uplink, unreached


def after(*failures: tuple[str, float], hosts: int = 3) -> Uplink:
    """Return it after these failures, of so many hosts."""
    up = CLEAR
    for host, at in failures:
        up = unreached(up, host, hosts - 1, at)
    return up


def test_one_host_alone_is_its_own_trouble() -> None:
    """However often it fails, also where it is the only one."""
    assert not after(*[("a", float(i)) for i in range(20)]).lost
    assert not after(*[("a", float(i)) for i in range(20)], hosts=1).lost


@pytest.mark.parametrize(("failed", "hosts", "lost"), [(2, 2, True), (2, 3, True), (2, 4, False), (3, 5, True)])
def test_more_than_half_of_the_hosts_and_at_least_two(failed: int, hosts: int, lost: bool) -> None:
    """Two of four may be a provider's region."""
    assert after(*[(f"h{i}", 1.0) for i in range(failed)], hosts=hosts).lost is lost


def test_they_fail_within_the_window() -> None:
    """An old failure is another story."""
    assert after(("a", 0.0), ("b", WINDOW)).lost
    assert not after(("a", 0.0), ("b", WINDOW + 0.1)).lost


def test_it_stays_lost_until_somebody_is_reached() -> None:
    """Time alone does not mend it."""
    assert after(("a", 0.0), ("b", 0.0), ("a", 1000.0)).lost


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 100)), max_size=40))
def test_what_is_kept_is_bounded(failures: list[tuple[str, float]]) -> None:
    """One entry a host."""
    up = after(*sorted(failures, key=lambda f: f[1]), hosts=6)
    assert len(up.failed) == len(dict(up.failed))
