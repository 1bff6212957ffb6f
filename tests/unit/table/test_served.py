"""Who was served what by whom, of the last requests."""

from __future__ import annotations

from lbd.model.experiment import Arm
from lbd.model.judged import Judged
from lbd.model.record import RequestRecord
from lbd.state.trial import CLUSTERS
from lbd.table import served
from lbd.table.served import Served, Serving
from tests.fakes.records import record

RUN, OTHER = "0123456789ab", "ba9876543210"


def named(number: int, run: str = RUN) -> str:
    return f"req_{run}{number:08x}"


def ended(number: int, run: str = RUN, **more: object) -> RequestRecord:
    return record(id=named(number, run), **more)


def test_a_request_that_was_served_is_found() -> None:
    """With its family where the prompt was judged."""
    kept = Served(10)
    kept.note(ended(1))
    kept.note(ended(2, client="bot", judged=Judged(family="code")))
    assert kept.find(named(1)) == Serving("local", "p/a", "", "support")
    assert kept.find(named(2)) == Serving("bot", "p/a", "code", "support")


def test_what_nobody_served_or_nobody_asked_is_not() -> None:
    """And text that is no id of ours."""
    kept = Served(10)
    assert kept.find(named(0)) is None
    kept.note(ended(1, served_by=None))
    kept.note(record(id="req_1"))
    kept.note(ended(3))
    for text in (named(1), named(2), named(0), named(3, OTHER), "", "req_", "req_1", named(3) + "0", "x" * 99):
        assert kept.find(text) is None, text
    assert kept.find(f"req_{RUN}0000000Z") is None
    assert kept.find(named(3).replace("00000003", "000_0003")) is None
    assert kept.rate(named(1), 1.0) is None


def test_the_oldest_make_room() -> None:
    """A number that shares a slot is another request."""
    kept = Served(4)
    for number in range(1, 7):
        kept.note(ended(number))
    assert [number for number in range(1, 7) if kept.find(named(number))] == [3, 4, 5, 6]


def test_the_last_rating_is_kept() -> None:
    """The one before is told; a new request in the same slot has none."""
    kept = Served(4)
    kept.note(ended(1))
    assert kept.rate(named(1), 0.0) is None
    assert kept.rate(named(1), 0.5) == 0.0
    assert kept.rate(named(1), 1.0) == 0.5
    kept.note(ended(5))
    assert kept.rate(named(5), 1.0) is None


def test_another_run_begins_anew() -> None:
    """Its numbers are its own."""
    kept = Served(4)
    kept.note(ended(1))
    kept.note(ended(2, OTHER))
    assert kept.find(named(1)) is None and kept.find(named(1, OTHER)) is None
    assert kept.find(named(2, OTHER)) is not None


def test_servings_that_differ_are_bounded() -> None:
    """Beyond the bound what was kept is forgotten, never mixed up."""
    kept = Served(4)
    for number in range(1, served._SHARED + 2):
        kept.note(ended(number, client=f"c{number}"))
    last = served._SHARED + 1
    assert kept.find(named(last)) == Serving(f"c{last}", "p/a", "", "support")
    assert kept.find(named(last - 1)) is None


def test_it_takes_little_memory() -> None:
    """16 bytes a request, whatever they are."""
    kept = Served()
    assert sum(a.itemsize * len(a) for a in (kept._numbers, kept._which, kept._scores)) == 16 * served.MOST


def test_the_arms_of_a_request_are_found_by_its_id() -> None:
    """Up to five, of each unit the cluster; they stand for a slot as long as its request does."""
    kept = Served(4)
    arms = tuple(Arm(f"x{n}", f"k{n}", n % 2 == 0, 2**64 - 1 - n * 7919) for n in range(6))
    kept.note(ended(1, arms=arms))
    kept.note(ended(2))
    assert kept.arms(named(1)) == tuple(a._replace(unit=a.unit % CLUSTERS) for a in arms[:5])
    assert kept.arms(named(2)) == () == kept.arms(named(3))
    kept.note(ended(5, arms=arms[:1]))
    assert kept.arms(named(1)) == ()
    assert [a.experiment for a in kept.arms(named(5))] == ["x0"]


def test_without_experiments_no_memory_is_taken_for_arms() -> None:
    """It comes with the first one."""
    kept = Served(4)
    kept.note(ended(1))
    assert kept._places is None and kept.arms(named(1)) == ()
