"""The sketch: within its bound of the exact percentile, and merging is adding."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from fractions import Fraction

import ddsketch
import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lbd.state import quantile
from lbd.state.quantile import ALPHA, GAMMA, LARGEST, SMALLEST, Sketch, merged

# The stated bound is ALPHA; floats at a bucket's very edge may fall into the next one, which is still twice that.
STATED, PROMISED = ALPHA * (1 + 1e-6), 2 * ALPHA
QS = (0.0, 0.5, 0.9, 0.95, 0.99, 1.0)

values = st.floats(1e-5, 1e5)
latencies = st.one_of(
    st.lists(values, min_size=1, max_size=80),
    st.lists(st.floats(0.05, 3.0), min_size=1, max_size=80),
    st.lists(st.sampled_from((0.2, 0.21, 30.0)), min_size=1, max_size=80),
)
hostile = st.lists(st.floats(allow_nan=True, allow_infinity=True) | st.sampled_from((0.0, -1.0, -0.0)), max_size=30)


def sketch(numbers: Sequence[float]) -> Sketch:
    out = Sketch()
    for v in numbers:
        out.add(v)
    return out


def nearest_rank(numbers: Sequence[float], q: Fraction) -> float:
    """Return the smallest value with at least q*n values at or below it."""
    return sorted(numbers)[max(1, math.ceil(q * len(numbers))) - 1]


@given(latencies, st.integers(0, 1000))
def test_a_quantile_is_within_the_bound_of_the_exact_one(numbers: list[float], permille: int) -> None:
    """Against nearest rank in exact arithmetic: 1 % as stated, 2 % as promised."""
    assume((permille * len(numbers)) % 1000 or permille in (0, 500, 1000))  # else q*n is a whole only without floats
    found = sketch(numbers).quantile(permille / 1000)
    exact = nearest_rank(numbers, Fraction(permille, 1000))
    assert found is not None
    assert abs(found - exact) <= STATED * exact
    assert abs(found - exact) <= PROMISED * exact


@given(latencies, st.data())
def test_it_agrees_with_the_reference_sketch(numbers: list[float], data: st.DataObject) -> None:
    """The published algorithm's own library, asked for the same rank, names the same value within both bounds."""
    rank = data.draw(st.integers(0, len(numbers) - 1))
    ours = sketch(numbers).quantile((rank + 0.5) / len(numbers))
    reference = ddsketch.DDSketch(ALPHA)
    for v in numbers:
        reference.add(v)
    # its rank is q * (n - 1), rounded down
    q = 1.0 if rank == len(numbers) - 1 else (rank + 0.25) / (len(numbers) - 1)
    theirs = reference.get_quantile_value(q)
    exact = sorted(numbers)[rank]
    assert ours is not None
    assert abs(ours - exact) <= PROMISED * exact
    assert abs(ours - theirs) <= PROMISED * exact


@pytest.mark.parametrize("n", [1, 2, 19, 20, 100, 1000])
def test_the_usual_percentiles_take_the_nearest_rank(n: int) -> None:
    """p95 of 100 is the 95th, of 20 the 19th: no rank is lost or gained to rounding."""
    found = sketch([1.1**i for i in range(n)] if n < 100 else [1.0 + i for i in range(n)])
    numbers = [1.1**i for i in range(n)] if n < 100 else [1.0 + i for i in range(n)]
    for q, exact in zip((0.5, 0.95, 0.99), (Fraction(1, 2), Fraction(19, 20), Fraction(99, 100)), strict=True):
        assert found.quantile(q) == pytest.approx(nearest_rank(numbers, exact), rel=STATED)


@given(latencies)
def test_several_quantiles_in_one_pass_equal_single_ones_and_ascend(numbers: list[float]) -> None:
    """One pass over the buckets serves p50, p95 and p99."""
    s = sketch(numbers)
    together = s.quantiles(QS)
    assert together == [s.quantile(q) for q in QS]
    assert together == sorted(together)  # type: ignore[type-var]


def test_of_nothing_nothing_is_known() -> None:
    """None, not 0: an empty window has no percentile and no mean."""
    assert Sketch().quantiles((0.5, 0.95)) == [None, None]
    assert Sketch().mean() is None


@given(st.lists(values, min_size=1, max_size=50))
def test_the_mean_is_exact(numbers: list[float]) -> None:
    """It comes from the sum, not from the buckets."""
    assert sketch(numbers).mean() == pytest.approx(math.fsum(numbers) / len(numbers))


@given(st.lists(st.floats(1e-5, 1e5), min_size=1, max_size=60), st.floats(1e-5, 1e5))
def test_the_share_within_is_right_to_a_bucket(numbers: list[float], value: float) -> None:
    """Never below the true share, and no more of them than lie within the next two hundredths."""
    told = sketch(numbers).share_within(value)
    assert told is not None
    exact = [sum(n <= bound for n in numbers) / len(numbers) for bound in (value, value * GAMMA * (1 + 1e-9))]
    assert exact[0] - 1e-9 <= told <= exact[1] + 1e-9
    assert Sketch().share_within(value) is None


@given(latencies, latencies, latencies)
def test_merging_is_commutative_and_associative(a: list[float], b: list[float], c: list[float]) -> None:
    """And equal to adding everything to one sketch; the merged ones stay as they were."""
    one, two, three = sketch(a), sketch(b), sketch(c)
    forward = merged([merged([one, two]), three])
    backward = merged([three, merged([two, one])])
    whole = sketch([*a, *b, *c])
    for s in (forward, backward):
        assert (s.counts, s.n) == (whole.counts, whole.n)
        assert s.total == pytest.approx(whole.total)
        assert s.quantiles(QS) == whole.quantiles(QS)
    assert one.counts == sketch(a).counts


@given(latencies, latencies)
def test_a_copy_is_independent(a: list[float], b: list[float]) -> None:
    """Adding to it does not reach the original."""
    one = sketch(a)
    other = one.copy()
    assert (other.counts, other.n, other.total) == (one.counts, one.n, one.total)
    other.merge(sketch(b))
    assert one.counts == sketch(a).counts


@given(hostile)
def test_hostile_values_are_clamped_and_break_nothing(numbers: list[float]) -> None:
    """NaN, infinities, zero and negatives count as the nearest value of the range; nan as the smallest."""
    s = sketch(numbers)
    assert s.n == len(numbers)
    for q in s.quantiles(QS):
        assert q is None or SMALLEST * (1 - ALPHA) <= q <= LARGEST * (1 + ALPHA)
    assert not numbers or SMALLEST <= (s.mean() or 0.0) <= LARGEST
    clamped = [SMALLEST if math.isnan(v) else min(LARGEST, max(SMALLEST, v)) for v in numbers]
    assert s.counts == sketch(clamped).counts


def test_the_table_of_buckets_is_bounded() -> None:
    """Whatever comes, some 1,400 buckets at most: twelve decades at 1 %."""
    s = sketch([10.0 ** (i / 200) for i in range(-4000, 4000)])
    assert len(s.counts) < 1400


@given(latencies)
def test_what_was_dumped_loads_to_the_same(numbers: list[float]) -> None:
    """Through the encoding that is stored, too; the same holds for an empty one."""
    for s in (sketch(numbers), Sketch()):
        stored = msgspec.msgpack.encode([s.counts, s.total])
        again = quantile.load(*msgspec.msgpack.decode(stored, type=tuple[dict[int, int], float]))
        assert (again.counts, again.n, again.total) == (s.counts, s.n, s.total)
        assert again.quantiles(QS) == s.quantiles(QS)


@given(hostile)
def test_hostile_values_survive_a_round_trip(numbers: list[float]) -> None:
    """Whatever ``add`` took, ``load`` takes back."""
    s = sketch(numbers)
    assert quantile.load(s.counts, s.total).counts == s.counts


@pytest.mark.parametrize("counts", [{1: -1}, {1: 0}, {1: 1, 2: 0}, {100_000: 1}, {-100_000: 1}], ids=str)
def test_anything_else_is_refused(counts: dict[int, int]) -> None:
    """Damaged state is told apart here, not by a percentile that fails later."""
    with pytest.raises(ValueError, match="not a sketch"):
        quantile.load(counts, 1.0)


@given(latencies, latencies, st.floats(1e-5, 1e5))
def test_a_closed_sketch_tells_what_the_open_one_told(a: list[float], b: list[float], value: float) -> None:
    """Every quantile, share and sum; it can be merged into another, and copied to go on."""
    one, closed = sketch(a), sketch(a).closed()
    assert closed.counts == one.counts and (closed.n, closed.total) == (one.n, one.total)
    assert closed.quantiles(QS) == one.quantiles(QS) and closed.mean() == one.mean()
    assert closed.share_within(value) == one.share_within(value)
    assert closed.closed() is closed
    for into in (Sketch(), sketch(b)):
        other = into.copy()
        into.merge(closed)
        other.merge(one)
        assert (into.counts, into.n, into.total) == (other.counts, other.n, other.total)
    copy = closed.copy()
    copy.add(1.0)
    assert copy.n == len(a) + 1 and closed.counts == one.counts


def test_a_closed_sketch_takes_no_more() -> None:
    """What was counted into it would be lost, or told twice."""
    closed = sketch([1.0]).closed()
    with pytest.raises(TypeError):
        closed.add(1.0)
    with pytest.raises(TypeError):
        closed.merge(sketch([1.0]))


def test_a_closed_sketch_holds_any_count() -> None:
    """Also what a damaged file claims."""
    huge = quantile.load({3: quantile.MOST, 4: 1}, 5.0)
    assert huge.closed().counts == huge.counts
    with pytest.raises(ValueError, match="not a sketch"):
        quantile.load({3: quantile.MOST + 1}, 5.0)


@given(hostile)
def test_what_was_packed_is_unpacked_as_it_was(numbers: list[float]) -> None:
    """Open or closed, in few bytes."""
    s = sketch(numbers)
    packed = quantile.pack(s)
    assert packed == quantile.pack(s.closed()) and (again := quantile.unpack(packed, s.total)).counts == s.counts
    assert (again.n, again.total) == (s.n, s.total)
    assert len(packed) == 1 + 3 * len(s.counts)


@pytest.mark.parametrize("most", [1, 2**8 - 1, 2**8, 2**16 - 1, 2**16, 2**32 - 1, 2**32, quantile.MOST])
def test_tallies_of_any_size_are_packed(most: int) -> None:
    """As wide as the greatest needs."""
    counts = {-3: 1, 600: most}
    assert quantile.unpack(quantile.pack(quantile.load(counts, 1.0)), 1.0).counts == counts


def test_packed_bytes_are_the_same_on_every_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little-endian: a state may be carried to another machine."""
    wide = quantile.load({258: 2**20}, 1.0)
    assert quantile.pack(wide) == b"I" + b"\x02\x01" + b"\x00\x00\x10\x00"
    monkeypatch.setattr(quantile.sys, "byteorder", "big")  # type: ignore[attr-defined]
    assert quantile.pack(wide) == b"I" + b"\x01\x02" + b"\x00\x10\x00\x00", "its memory was turned"
    assert quantile.unpack(quantile.pack(wide), 1.0).counts == wide.counts


OTHER = [
    *(b"", b"X", b"B\x01", b"B\x01\x00", b"I\x01\x00\x01", b"\xff\x00\x00\x01"),
    *(b"B\xff\x7f\x01", b"B\x00\x80\x01", b"B\x01\x00\x00", b"Q\x01\x00" + b"\xff" * 8, b"B\x01\x00\x01\x00\x01\x01"),
]


@pytest.mark.parametrize("data", OTHER, ids=repr)
def test_other_bytes_are_not_unpacked(data: bytes) -> None:
    """Cut off, of another kind, with what no sketch has, or a bucket twice."""
    with pytest.raises(ValueError, match="sketch"):
        quantile.unpack(data, 1.0)


def test_a_closed_sketch_is_small() -> None:
    """A busy deployment has hundreds of them."""
    wide = sketch([0.001 * 1.02**i for i in range(300)])
    closed = wide.closed()
    size = sum(sys.getsizeof(part) for part in (closed, closed._keys, closed._tallies))  # type: ignore[attr-defined]
    assert size < sys.getsizeof(wide.counts) / 6 and size < 5 * len(wide.counts)
