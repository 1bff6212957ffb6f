"""The timeline: the last events in order, and followers that cannot hold anybody up."""

from __future__ import annotations

import asyncio

from lbd.model.event import Event
from lbd.observe.timeline import BEHIND, KEPT, Timeline


def event(i: int, subject: str = "p/a") -> Event:
    """Return event number ``i``."""
    return Event(i, float(i), "state_changed", subject, "why")


def ids(events: list[Event]) -> list[int]:
    """Return their numbers."""
    return [e.id for e in events]


def test_the_last_events_come_oldest_first() -> None:
    """As many as were asked for, above an id, of a subject."""
    timeline = Timeline()
    for i in range(1, 11):
        timeline.add(event(i, "p/a" if i % 2 else "q/b"))
    assert ids(timeline.last()) == list(range(1, 11))
    assert ids(timeline.last(3)) == [8, 9, 10]
    assert ids(timeline.last(after=8)) == [9, 10]
    assert ids(timeline.last(subject="q/b")) == [2, 4, 6, 8, 10]
    assert ids(timeline.last(2, after=3, subject="p/a")) == [7, 9]
    assert timeline.last(0) == []
    assert timeline.last(after=10) == []
    assert timeline.last(subject="nobody") == []


def test_it_keeps_a_bounded_number() -> None:
    """The oldest go first."""
    timeline = Timeline()
    for i in range(KEPT + 100):
        timeline.add(event(i))
    assert ids(timeline.last(KEPT * 2)) == list(range(100, KEPT + 100))
    small = Timeline(kept=2)
    for i in range(5):
        small.add(event(i))
    assert ids(small.last()) == [3, 4]


async def test_followers_get_every_event_from_now_on() -> None:
    """In order, each follower its own copy of the stream."""
    timeline = Timeline()
    timeline.add(event(1))
    one, two = timeline.follow(), timeline.follow()
    timeline.add(event(2))
    timeline.leave(two)
    timeline.add(event(3))
    assert [one.get_nowait(), one.get_nowait()] == [event(2), event(3)]
    assert [two.get_nowait(), two.get_nowait()] == [event(2), None]
    assert one.empty() and two.empty()


async def test_a_follower_that_does_not_read_is_let_go() -> None:
    """Memory is bounded; the follower learns of its end, and the others go on."""
    timeline = Timeline()
    slow, quick = timeline.follow(), timeline.follow()
    got: list[Event | None] = []
    for i in range(BEHIND * 3):
        timeline.add(event(i))
        got.append(quick.get_nowait())
    assert len(got) == BEHIND * 3
    assert slow.qsize() == BEHIND
    told = [slow.get_nowait() for _ in range(BEHIND)]
    assert told[-1] is None and None not in told[:-1]


async def test_closing_lets_every_follower_go() -> None:
    """Whoever waits wakes up; leaving afterwards is harmless."""
    timeline = Timeline()
    followers = [timeline.follow() for _ in range(3)]
    waiting = [asyncio.ensure_future(f.get()) for f in followers]
    await asyncio.wait(waiting, timeout=0)
    timeline.close()
    assert await asyncio.gather(*waiting) == [None, None, None]
    timeline.leave(followers[0])
    timeline.close()
    timeline.add(event(1))
    assert followers[1].empty()
