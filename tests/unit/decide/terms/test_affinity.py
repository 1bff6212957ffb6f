from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from lbd.decide.terms import Predicted
from lbd.decide.terms.affinity import affinity, preference
from tests.fakes.tables import ask, view

ROWS = [f"p{i}/llama" for i in range(8)]


def home(key: int, rows: list[str]) -> str:
    return max(rows, key=lambda r: preference(key, r))


def test_the_score_is_neutral() -> None:
    """A ranking is shared by all sessions: no row gains a point in it."""
    assert affinity(ask(), view(), Predicted(0.3, 1.5, None)) == affinity(
        ask(), view("q/z", ttft=9.0), Predicted(9.0, 1.5, 1.0)
    )


@given(st.integers(0, 2**64), st.sampled_from(ROWS))
def test_a_preference_is_64_bits_and_always_the_same(key: int, row: str) -> None:
    """A session finds its home again, in every process."""
    assert 0 <= preference(key, row) < 2**64
    assert preference(key, row) == preference(key, row)


def test_preferences_are_fixed_for_ever() -> None:
    """A restart or an upgrade does not move every session."""
    assert preference(12345, "openai/gpt-4.1") == 1907167388742174256


def test_homes_are_spread_evenly() -> None:
    """No row is favoured by the hash: 16,000 keys over 8 rows, each within 5 %."""
    found = Counter(home(key, ROWS) for key in range(16_000))
    assert set(found) == set(ROWS)
    assert all(1900 < n < 2100 for n in found.values()), found


def test_two_rows_with_like_names_share_the_keys() -> None:
    """Names that differ in one letter are as good as others; so are keys that differ in one bit."""
    found = Counter(home(1 << bit ^ key, ["p/a", "p/b"]) for bit in range(32) for key in range(64))
    assert 800 < found["p/a"] < 1248


def test_when_a_row_goes_only_its_own_sessions_move() -> None:
    """Rendezvous hashing."""
    left = ROWS[:-1]
    for key in range(2000):
        before = home(key, ROWS)
        assert before == ROWS[-1] or home(key, left) == before


def test_the_sessions_of_a_row_that_went_are_spread_over_the_others() -> None:
    """They do not all move to one neighbour."""
    moved = Counter(home(key, ROWS[:-1]) for key in range(16_000) if home(key, ROWS) == ROWS[-1])
    assert len(moved) == 7
    assert max(moved.values()) < 1.4 * min(moved.values())
