"""How fast an account may be asked survives a restart, aged."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lbd.state import pace as paces
from lbd.state.freely import FREELY, ODD, Free
from lbd.state.pace import EARLY, FORGOTTEN, FULL, MISTRUSTED, Ahead, Pace, Refusal
from lbd.table import saved_pace
from lbd.table.saved_pace import SavedPace

NOW = 1000.0
LATER = 77.0  # the monotonic clock of the next run begins anywhere


def known(rate: float = 5.0, **more: Any) -> Pace:
    """A pace whose rate is known, with two of its requests under way, and as many more sendable at once."""
    early = Ahead(400, NOW - 1.0)
    made = Pace(NOW, NOW - 0.5, early, level=2.0, rate=rate, finding=False, out_at=NOW, count=3, seen=(50.0, 10.0))
    return replace(made, refusals=0, asked=410, sent=(NOW - 0.1, NOW), slowest_s=0.05, wait_s=0.2, **more)


def restarted(pace: Pace, gap: float = 0.0, at: float = NOW) -> Pace | None:
    """Return it as the next run has it, by way of bytes."""
    data = msgspec.msgpack.encode(saved_pace.dump(pace, at))
    return saved_pace.restore(msgspec.msgpack.decode(data, type=SavedPace | None), LATER, gap)


def sendable(pace: Pace, now: float, asked: int = 0) -> int:
    """Count what may be sent at once."""
    n = 0
    while paces.when(pace, now, asked=asked) <= now:
        after = paces.used(pace, now, asked)
        assert after is not None
        n, pace = n + 1, after
    return n


@pytest.mark.parametrize("gap", [0.0, 0.3, 20.0])
def test_the_rate_is_known_after_a_restart(gap: float) -> None:
    """One goes at once, though more could have; then as many a second as before, not as many as come."""
    back = restarted(known(), gap)
    assert back is not None and back.rate == 5.0 and not back.finding and back.seen == (50.0, 10.0)
    back = replace(back, early=replace(back.early, asked=0))  # nobody goes ahead of its time
    assert sendable(back, LATER) == 1
    now, sent, pace = LATER, 0, back
    while now < LATER + 4.0:
        if paces.when(pace, now) <= now:
            after = paces.used(pace, now, 0)
            assert after is not None
            sent, pace = sent + 1, after
        now += 0.01
    assert sent == pytest.approx(21, abs=1)


def test_a_wait_that_is_not_over_goes_on() -> None:
    """The end of it is where it would have been."""
    pace = paces.refused(None, Refusal(NOW - 0.05, NOW + 8.0), NOW)
    back = restarted(pace, 3.0)
    assert back is not None
    assert paces.when(back, LATER) == pytest.approx(LATER + 5.0)
    assert sendable(back, LATER + 5.0) == 1, "one goes first, as without a restart"


def test_what_was_found_out_is_tried_at_the_first_occasion() -> None:
    """The limit may have gone meanwhile: one goes ahead of its time, and is not counted against anybody's."""
    back = restarted(known(), 2.0)
    assert back is not None
    emptied = paces.used(back, LATER, 0)
    assert emptied is not None
    assert paces.when(emptied, LATER, asked=1) == LATER
    early = paces.used(emptied, LATER, 1)
    assert early is not None and not early.early.known
    assert paces.when(early, LATER, asked=1) > LATER
    through = paces.answered(early, LATER, LATER + 0.05)
    assert through.finding


def test_it_is_forgotten_when_it_would_have_been() -> None:
    """A minute after the last use; and nothing is kept of what says nothing."""
    assert restarted(known(), FORGOTTEN - 1) is not None
    assert restarted(known(), FORGOTTEN + 1) is None
    plenty = replace(known(), finding=True, level=FULL)
    assert saved_pace.dump(plenty, NOW) is None and saved_pace.dump(None, NOW) is None
    assert saved_pace.restore(None, LATER, 0.0) is None


def test_an_account_that_was_mistrusted_still_is() -> None:
    """Its waits are not believed: one request goes first, when its time has come."""
    pace = paces.refused(None, Refusal(NOW - 0.05, NOW + 0.1, 0), NOW)
    for n in range(MISTRUSTED):
        at = NOW + 0.1 + n
        pace = paces.refused(pace, Refusal(at, at + 0.1, 4), at + 0.05)
    back = restarted(pace, 0.5, at=NOW + 3.0)
    assert back is not None and back.refusals == pace.refusals >= MISTRUSTED
    assert back.first_at - LATER == pytest.approx(pace.first_at - (NOW + 3.5))


def test_what_is_asked_freely_is_so_until_then() -> None:
    """The time that is left, what was lost and gained, and at which rate before."""
    back = restarted(known(free=Free(1.0, NOW + FREELY, 3.0, 20.0, 9.0)), 5.0)
    assert back is not None
    assert back.free == Free(1.0, pytest.approx(LATER + FREELY - 5.0), 3.0, 20.0, 9.0)  # type: ignore[arg-type]
    assert paces.when(back, LATER) == LATER


@pytest.mark.parametrize(
    "fields",
    [
        {"rate": math.nan},
        {"rate": -1.0},
        {"rate": math.inf},
        {"level": -1.0},
        {"level": FULL + 1},
        {"left": math.inf},
        {"since_age": -1.0},
        {"seen": (1.0, -1.0)},
        {"count": -1},
        {"refusals": 1 << 40},
        {"odd": ODD + 1},
        {"lost": -1.0},
        {"gained": math.inf},
        {"freely_left": math.nan},
    ],
    ids=str,
)
def test_what_is_damaged_is_not_taken(fields: dict[str, Any]) -> None:
    """Nothing that is no number of its kind gets into the table."""
    kept = msgspec.to_builtins(saved_pace.dump(known(), NOW))
    with pytest.raises(msgspec.ValidationError):
        msgspec.msgpack.decode(msgspec.msgpack.encode({**kept, **fields}), type=SavedPace)


def test_no_rate_is_none_to_wait_for() -> None:
    """A file that says that the rate is known and is none would shut it out for a minute."""
    kept = saved_pace.dump(known(), NOW)
    assert kept is not None
    kept.rate = 0.0
    back = saved_pace.restore(kept, LATER, 0.0)
    assert back is not None and back.finding and paces.when(back, LATER) == LATER


paces_of_any_kind = st.builds(
    Pace,
    at=st.floats(NOW - 70, NOW + 70),
    since=st.floats(NOW - 70, NOW),
    early=st.builds(Ahead, asked=st.integers(0, 1000), at=st.floats(NOW - 70, NOW), known=st.booleans()),
    level=st.floats(0, FULL),
    rate=st.just(0.0) | st.floats(0.01, 1000),
    finding=st.booleans(),
    count=st.integers(0, 100),
    refusals=st.integers(0, 20),
    first_at=st.floats(NOW - 70, NOW + 20),
    slowest_s=st.floats(0, 5),
)


@given(pace=paces_of_any_kind, gap=st.floats(0, 120))
def test_whatever_is_kept_somebody_may_be_sent_in_time(pace: Pace, gap: float) -> None:
    """Never later than its wait, a minute, and no more than one at once."""
    back = restarted(pace, gap)
    assert (back is None) == (paces.over(pace, NOW) or paces.over(pace, NOW + gap))
    if back is not None:
        at = paces.when(back, LATER, asked=EARLY)
        until = max(LATER, LATER + pace.at - NOW - gap) + FORGOTTEN + 1
        assert at <= until or paces.over(back, until)
        assert back.level <= 1.0
