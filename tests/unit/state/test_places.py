"""Who has a place: each client its share, those that could be late and those that have none something beyond."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.state.places import SOON, Claim, Held, Room, find

ROOM = Room(most=4, of_one=2, spare=2, lent=2, lent_of_one=1)
NOW = 1000.0
LATE = NOW + 86400


def claim(client: str, left: float = 86400.0) -> Claim:
    return Claim(client, NOW + left, NOW + left - 60)


def held(clients: str, *, expires_at: float = LATE, **rests: float) -> list[Held]:
    return [Held(f"{c}{i}", c, expires_at, rests.get(f"{c}{i}")) for i, c in enumerate(clients)]


@pytest.mark.parametrize(
    ("clients", "mine", "has"),
    [("", "a", True), ("a", "a", True), ("aa", "a", False), ("aabb", "c", True), ("aabbcd", "e", False)],
)
def test_a_client_has_its_share_and_finds_a_first_one_beyond(clients: str, mine: str, has: bool) -> None:
    """However long the work of the others runs; but not without end."""
    assert find(claim(mine), held(clients), ROOM, NOW) is has


def test_work_that_waits_gives_up_its_place() -> None:
    """To its own client's where that has its share, else to anybody's; the one first that waits longest."""
    taken = held("aabb", a0=5.0, a1=9.0, b2=7.0)
    assert find(claim("a"), taken, ROOM, NOW) == taken[1]
    assert find(claim("b"), taken, ROOM, NOW) == taken[2]
    assert find(claim("c"), taken, ROOM, NOW) == taken[1]
    assert find(claim("a"), held("aabb", b2=7.0), ROOM, NOW) is False
    assert find(claim("a"), held("a", a0=7.0), ROOM, NOW) is True


def test_what_could_be_late_borrows_a_place() -> None:
    """From what is due later only; the more are lent, the less time it must have left."""
    assert find(claim("a", 600), held("aa"), ROOM, NOW) is True
    assert find(claim("a", SOON + 61), held("aa"), ROOM, NOW) is False
    assert find(claim("a", 600), held("aa", expires_at=NOW + 600), ROOM, NOW) is False
    assert find(claim("a", 600), held("aaa"), ROOM, NOW) is False
    wide = Room(most=4, of_one=2, spare=2, lent=2, lent_of_one=2)
    assert find(claim("a", SOON / 2 + 60), held("aaa"), wide, NOW) is True
    assert find(claim("a", SOON / 2 + 61), held("aaa"), wide, NOW) is False
    assert find(claim("b", 600), held("aacdef" + "b"), wide, NOW) is True
    assert find(claim("b", 600), held("aacdefg" + "b"), wide, NOW) is False


@given(
    st.lists(st.tuples(st.sampled_from("abcdefghij"), st.integers(1, 20_000), st.booleans()), max_size=60),
    st.tuples(st.integers(1, 6), st.integers(1, 4), *[st.integers(0, 4)] * 3),
)
def test_places_are_bounded_and_an_idle_one_is_never_refused_for(
    asked: list[tuple[str, int, bool]], sizes: tuple[int, int, int, int, int]
) -> None:
    """Whoever asks in whatever order: no more than there are, none taken from who uses it."""
    room = Room(*sizes)
    taken: list[Held] = []
    for n, (client, left, rests) in enumerate(asked):
        found = find(claim(client, left), taken, room, NOW)
        mine = sum(h.client == client for h in taken)
        if found is False:
            assert mine >= room.of_one or len(taken) >= room.most
            assert all(h.rests_until is None for h in taken if h.client == client or mine < room.of_one)
            continue
        if isinstance(found, Held):
            assert found.rests_until is not None
            taken.remove(found)
        taken.append(Held(str(n), client, NOW + left, 5.0 if rests else None))
        assert len(taken) <= room.most + room.spare + room.lent
        assert sum(h.client == client for h in taken) <= max(1, room.of_one + room.lent_of_one)
