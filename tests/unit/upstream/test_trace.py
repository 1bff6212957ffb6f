"""Trace context: a good one goes on, a bad one is replaced, and each attempt is a span of its own."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.ports import Endpoint, Origin
from lbd.upstream.request_head import head_bytes
from lbd.upstream.trace import LONGEST_STATE, MOST_MEMBERS, Ids, Trace, span_of, state_of, traced

ID, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{ID}-{PARENT}-01"
LINE = re.compile(rb"traceparent: 00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})\r\n(tracestate: [^\r\n]+\r\n)?")


class Came:
    """A request with these headers."""

    def __init__(self, parent: str | None = None, state: str | None = None) -> None:
        self._of = {"traceparent": parent, "tracestate": state}

    def header(self, name: str) -> str | None:
        return self._of[name]


def told(trace: Trace) -> tuple[str, str, str, str | None]:
    """Return id, span, flags and state of an attempt's lines."""
    found = LINE.fullmatch(trace.span())
    assert found is not None
    state = found[4]
    return found[1].decode(), found[2].decode(), found[3].decode(), None if state is None else state[12:-2].decode()


def test_a_clients_trace_goes_on() -> None:
    """Its id, its flags and its state; the span is new."""
    trace = Ids().trace(Came(GOOD, "vendor=1,other=2"))
    assert trace.parent == PARENT
    id_, span, flags, state = told(trace)
    assert (trace.id, id_, flags, state) == (ID, ID, "01", "vendor=1,other=2") and span != PARENT


def test_each_attempt_is_a_span_of_its_own() -> None:
    """Of one trace."""
    trace = Ids().trace(Came(GOOD))
    spans = [told(trace) for _ in range(3)]
    assert len({span for _, span, _, _ in spans}) == 3 and {id_ for id_, *_ in spans} == {ID}


@pytest.mark.parametrize(
    "parent",
    [
        None,
        "",
        "junk",
        GOOD.upper(),
        GOOD + " ",
        f"{GOOD}, {GOOD}",
        f"{GOOD}-more",
        f"ff-{ID}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{ID}-{'0' * 16}-01",
        f"00-{ID[1:]}-{PARENT}-01",
        f"00-{ID}-{PARENT}-1",
        f"00-{ID}-{PARENT}-0g",
        f"00-{ID}-{PARENT}",
        f"00-{ID.replace('4', '٤')}-{PARENT}-01",
        f"0x-{ID}-{PARENT}-01",
    ],
)
def test_what_is_none_is_replaced(parent: str | None) -> None:
    """A new trace is begun, not sampled, and a state without its parent means nothing."""
    trace = Ids().trace(Came(parent, "vendor=1"))
    assert trace.parent == ""
    id_, _, flags, state = told(trace)
    assert id_ == trace.id != ID and (flags, state) == ("00", None)


def test_a_later_version_may_have_more() -> None:
    """It is read as far as this one knows it, and told as version 00."""
    assert told(Ids().trace(Came(f"01-{ID}-{PARENT}-01-what-else")))[0] == ID
    assert told(Ids().trace(Came(f"cc-{ID}-{PARENT}-00")))[2] == "00"
    assert told(Ids().trace(Came(f"cc-{ID}-{PARENT}-01junk")))[0] != ID


def test_flags_that_are_not_known_are_not_passed_on() -> None:
    """Sampled and random are."""
    assert told(Ids().trace(Came(f"00-{ID}-{PARENT}-ff")))[2] == "03"
    assert told(Ids().trace(Came(f"00-{ID}-{PARENT}-f8")))[2] == "00"


@pytest.mark.parametrize(
    "state",
    [
        "",
        " , ,",
        "x" * 513,
        "a=b\x00",
        "a=é",
        "a=b\r\nx-evil: 1",
        "a",
        "=b",
        "a=",
        "A=b",
        "a b=c",
        "a=b=c",
        "good=1,bad",
        "a=1,b=2,a=3",
        f"{'k' * 257}=v",
        f"k={'v' * 257}",
        ",".join(f"k{n}=v" for n in range(33)),
    ],
)
def test_a_state_that_is_none_is_dropped(state: str) -> None:
    """The trace goes on without it: whoever reads a broken one reads nothing of it either."""
    trace = Ids().trace(Came(GOOD, state))
    assert told(trace)[3] is None and trace.id == ID and trace.parent == PARENT
    assert state_of(trace.state) == ""


@pytest.mark.parametrize(
    ("state", "out"),
    [
        ("vendor=1,other=2", None),
        ("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", None),
        ("fw529a3039@dt=FfAAAAAA,0a/b-c_d*=x y;z:!", None),
        ("a=1 , b=2\t,, c=3,", "a=1,b=2,c=3"),
        (",".join(f"k{n}=v" for n in range(32)), None),
        (f"k={'v' * 256}", None),
        (f"{'k' * 256}={'v' * 255}", None),
    ],
)
def test_a_good_state_goes_on_as_it_is(state: str, out: str | None) -> None:
    """32 members or 512 characters in all; what is between them is not kept."""
    trace = Ids().trace(Came(GOOD, state))
    assert told(trace)[3] == state_of(trace.state) == (out or state)


def test_of_a_state_that_is_too_long_large_members_go_first() -> None:
    """Then the last: those who wrote last stand first."""
    small = [f"k{n}={'v' * 60}" for n in range(10)]
    kept = told(Ids().trace(Came(GOOD, ",".join(small))))[3]
    assert kept == ",".join(small[:8]) and len(kept) <= 512
    large = f"big={'v' * 130}"
    assert told(Ids().trace(Came(GOOD, ",".join([large, *small]))))[3] == ",".join(small[:8])
    assert told(Ids().trace(Came(GOOD, ",".join([small[0], large, small[1]]))))[3] == f"{small[0]},{large},{small[1]}"


@given(parent=st.text(max_size=80), state=st.text(max_size=80))
def test_whatever_comes_what_goes_out_is_well_formed(parent: str, state: str) -> None:
    """Two lines at most, and nothing else in them."""
    told(Ids().trace(Came(parent, state)))


@given(
    st.lists(st.tuples(st.text("abc09_-*/@", min_size=1, max_size=40), st.text(" !+;<>~x", max_size=200)), max_size=40)
)
def test_whatever_state_goes_out_is_one(members: list[tuple[str, str]]) -> None:
    """Within its bounds, no key twice, and a part of what came."""
    came = ",".join(f"{key}={value}" for key, value in members)
    out = told(Ids().trace(Came(GOOD, came)))[3]
    if out is not None:
        kept = out.split(",")
        assert len(out) <= LONGEST_STATE and len(kept) <= MOST_MEMBERS
        assert len({member.partition("=")[0] for member in kept}) == len(kept)
        assert set(kept) <= {part.strip() for part in came.split(",")}


@given(parent=st.sampled_from([None, GOOD]), state=st.sampled_from([None, "vendor=1"]))
def test_the_id_of_a_span_is_read_from_its_lines(parent: str | None, state: str | None) -> None:
    """As it stands there; without lines there is none."""
    lines = Ids().trace(Came(parent, state)).span()
    found = LINE.fullmatch(lines)
    assert found is not None and span_of(lines) == found[2].decode()
    assert span_of(b"") == ""


def test_ids_never_repeat_and_are_never_nothing() -> None:
    """Over a run; two runs begin elsewhere."""
    ids = Ids()
    found = [ids.trace(Came()).id for _ in range(5000)] + [f"{ids.next():016x}" for _ in range(5000)]
    assert len(set(found)) == len(found)
    assert Ids().trace(Came()).id[:16] != Ids().trace(Came()).id[:16]
    at_the_end = Ids(prefix=1, start=-0x9E3779B97F4A7C15 % 2**64)
    assert at_the_end.next() != 0


def test_ids_are_spread_evenly_for_samplers() -> None:
    """Who keeps the tenth whose last 56 bits are smallest keeps about a tenth."""
    ids = Ids()
    low = sum(int(ids.trace(Came()).id[-14:], 16) < 2**56 // 10 for _ in range(10_000))
    assert 900 < low < 1100


def test_an_endpoint_with_a_span_is_the_endpoint_with_two_lines_more() -> None:
    """The head is the same but for them, and the one it was made from is not touched."""
    endpoint = Endpoint(Origin("http", "h", 80), "POST", "/v1/x", (("authorization", "Bearer k"),))
    one = traced(endpoint, Ids().trace(Came(GOOD, "a=b")).span())
    plain, more = head_bytes(endpoint, 12), head_bytes(one, 12)
    assert plain.endswith(b"content-length: 12\r\n\r\n") and more.startswith(plain[:-2])
    assert LINE.fullmatch(more[len(plain) - 2 : -2]) and more.endswith(b"\r\n\r\n")
    assert endpoint.own == b"" and one.lasting is False
