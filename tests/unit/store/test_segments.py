"""Segments: what was written is read, a torn end costs itself alone, the oldest go."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.store.segments import DAY, MAGIC, SMALLEST, Segments, begun_at, frames, rest, segments

WALL = 1_790_000_000.0


def opened(folder: Path, payloads: list[bytes], **more: int) -> Segments:
    """Return segments that are written to."""
    given_: dict[str, int] = {"keep_days": 7, "max_bytes": 1024**2, **more}
    out = Segments(folder, "run", **given_)
    for payload in payloads:
        out.write(payload, WALL)
    return out


def written(folder: Path, payloads: list[bytes]) -> None:
    opened(folder, payloads).close()


def test_frames_come_back_in_order_and_nothing_is_left_over(tmp_path: Path) -> None:
    written(tmp_path, [b"one", b"", b"three" * 1000])
    (path,) = segments(tmp_path)
    data = path.read_bytes()
    assert list(frames(data)) == [b"one", b"", b"three" * 1000]
    assert rest(data) == 0
    assert begun_at(path) == WALL
    assert path.stat().st_mode & 0o777 == 0o600


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=5), st.data())
def test_a_segment_cut_anywhere_yields_the_frames_before_the_cut(payloads: list[bytes], data: st.DataObject) -> None:
    """What kill -9 leaves at the end is no frame, whatever it is."""
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        written(Path(name), payloads)
        whole = segments(Path(name))[0].read_bytes()
    cut = data.draw(st.integers(len(MAGIC), len(whole)))
    found = list(frames(whole[:cut]))
    assert found == payloads[: len(found)]
    assert len(found) == len(payloads) or rest(whole[:cut]) < 8 + len(payloads[len(found)])
    assert len(MAGIC) + sum(8 + len(p) for p in found) + rest(whole[:cut]) == cut


def test_a_damaged_byte_ends_the_reading_there(tmp_path: Path) -> None:
    written(tmp_path, [b"one", b"two", b"three"])
    (path,) = segments(tmp_path)
    data = bytearray(path.read_bytes())
    data[len(MAGIC) + 8 + 3 + 8] ^= 1  # the first of "two"
    assert list(frames(bytes(data))) == [b"one"]
    assert rest(bytes(data)) == 8 + 3 + 8 + 5
    assert rest(b"something else") == 14


def test_a_full_segment_is_followed_by_another(tmp_path: Path) -> None:
    out = opened(tmp_path, [bytes(SMALLEST), b"next"])
    assert out.begun
    out.close()
    assert [next(frames(p.read_bytes()))[:4] for p in segments(tmp_path)] == [bytes(4), b"next"]


def test_two_begun_at_the_same_time_have_names_of_their_own(tmp_path: Path) -> None:
    out = opened(tmp_path, [bytes(SMALLEST)] * 3)
    assert not out.begun
    assert len({p.name for p in segments(tmp_path)}) == 3


def test_what_is_too_much_goes_the_oldest_first(tmp_path: Path) -> None:
    """What is kept stays under the bound, the segment that is begun next included."""
    most = 8 * SMALLEST
    out = Segments(tmp_path, "run", keep_days=7, max_bytes=most)
    for n in range(20):
        out.write(bytes([n]) * (SMALLEST - 17), WALL + n)
        out.write(b"", WALL + n)
        assert sum(p.stat().st_size for p in segments(tmp_path)) <= most
    out.close()
    left = [next(frames(p.read_bytes()))[0] for p in segments(tmp_path)]
    assert left == list(range(20))[-len(left) :] and len(left) >= 6


def test_what_is_too_old_goes_but_not_what_is_written_to(tmp_path: Path) -> None:
    out = opened(tmp_path, [bytes(SMALLEST), b"now"], keep_days=2)
    old, open_ = segments(tmp_path)
    for path in (old, open_):
        os.utime(path, (WALL - 2 * DAY - 1, WALL - 2 * DAY - 1))
    assert out.forget(WALL) == 1
    out.close()
    assert segments(tmp_path) == [open_]


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        Segments(tmp_path / "file" / "journal", "run", keep_days=1, max_bytes=1024**2).write(b"x", WALL)
    assert segments(tmp_path / "nowhere") == []
