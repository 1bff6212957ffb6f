"""The way out: several hosts at once, never one, nobody who answers, and any host reached ends it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.failure import COUNTS, TABLE, Blame, FailureKind
from lbd.state.uplink import ANSWERS, BURST, CLEAR, SIGNS, STRANDED, WINDOW, Hosts, Uplink, beyond, doubtful, failed

K = FailureKind


def after(
    *failures: tuple[str, float], kind: FailureKind = K.CONNECT, hosts: int = 3, heard: str = "", busy: str = ""
) -> Uplink:
    """Return it after these failures, of so many hosts ``a``, ``b``, ..."""
    up, known = CLEAR, "abcdefgh"[:hosts]
    for host, at in failures:
        up = failed(up, host, kind, Hosts(known, heard, busy), at)
    return up


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://api.openai.com/v1", "api.openai.com"),
        ("http://10.0.0.7:8000/v1", "10.0.0.7"),
        ("http://127.0.0.1:8000/v1", None),
        ("http://localhost:8000/v1", None),
        ("http://[::1]:8000/v1", None),
        ("http://[2001:db8::1]:8000/v1", "2001:db8::1"),
    ],
)
def test_what_is_beyond_this_host(url: str, host: str | None) -> None:
    """Loopback by name or number is this host."""
    assert beyond(url) == host


def test_one_host_alone_is_its_own_trouble() -> None:
    """However often it fails, also where it is the only one."""
    assert not after(*[("a", float(i)) for i in range(20)]).lost
    assert not after(*[("a", float(i)) for i in range(20)], hosts=1).lost
    assert not after(*[("a", 1.0) for _ in range(20)], kind=K.RESET, busy="a").lost


@pytest.mark.parametrize(("count", "hosts", "lost"), [(2, 2, True), (2, 3, True), (2, 4, False), (3, 5, True)])
def test_more_than_half_of_the_hosts_and_at_least_two(count: int, hosts: int, lost: bool) -> None:
    """Two of four may be a provider's region."""
    up = after(*[("abcdefgh"[i], float(i)) for i in range(count)], hosts=hosts)
    assert up.lost is lost
    assert doubtful(up) is not lost


def test_at_once_those_that_were_at_work_are_enough() -> None:
    """Others have nothing under way that could break."""
    assert after(("a", 1.0), ("b", 0.99 + BURST), kind=K.RESET, hosts=8, busy="abc").lost
    assert not after(("a", 1.0), ("b", 0.99 + BURST), kind=K.RESET, hosts=8, busy="abcd").lost
    assert not after(("a", 1.0), ("b", 1.01 + BURST), kind=K.RESET, hosts=8, busy="abc").lost


def test_who_was_heard_and_has_not_failed_since_shows_that_there_is_a_way() -> None:
    """Two dead providers beside one that answers are two dead providers."""
    assert not after(("a", 1.0), ("b", 1.0), heard="c").lost
    assert after(("a", 1.0), ("b", 1.0), ("c", 1.0), heard="abc").lost


@pytest.mark.parametrize("kind", sorted(STRANDED))
def test_what_breaks_or_is_silent_counts_at_once_only(kind: FailureKind) -> None:
    """Each of them happens to one provider alone, and nobody is asked whether it is so."""
    assert after(("a", 1.0), ("b", 1.0), kind=kind).lost
    assert not after(("a", 1.0), ("b", 1.2), kind=kind).lost


@pytest.mark.parametrize("kind", sorted(SIGNS - STRANDED))
def test_failures_to_connect_count_within_the_window(kind: FailureKind) -> None:
    """An old failure is another story."""
    assert after(("a", 0.0), ("b", WINDOW), kind=kind).lost
    assert not after(("a", 0.0), ("b", WINDOW + 0.1), kind=kind).lost


def test_it_stays_lost_until_somebody_is_reached() -> None:
    """Time alone does not mend it."""
    up = after(("a", 0.0), ("b", 0.0), ("a", 1000.0))
    assert up.lost and not doubtful(up)


def test_what_is_a_sign_is_no_answer_and_all_that_counts_is_one_or_the_other() -> None:
    """Nothing that only an answer shows can speak against the way to it."""
    assert not SIGNS & ANSWERS
    assert COUNTS <= SIGNS | ANSWERS
    assert all(TABLE[k].blame in (Blame.NETWORK, Blame.PROVIDER) for k in SIGNS)


histories = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from(sorted(SIGNS)), st.floats(0, 100)), max_size=40
)


@given(histories, st.sets(st.sampled_from("abcdef")), st.sets(st.sampled_from("abcdef")))
def test_laws_of_any_history(history: list[tuple[str, FailureKind, float]], heard: set[str], busy: set[str]) -> None:
    """One sign a host; lost only by two hosts, with all that were heard among them, and then for good."""
    up = CLEAR
    for host, kind, at in sorted(history, key=lambda f: f[2]):
        before, up = up, failed(up, host, kind, Hosts("abcdef", heard, busy), at)
        assert len(up.signs) == len(set(up.hosts))
        assert up.lost >= before.lost
        assert all(at - sign.at <= WINDOW for sign in up.signs)
        if up.lost and not before.lost:
            assert len(up.signs) >= 2
            assert heard <= set(up.hosts)
