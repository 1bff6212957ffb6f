"""Training rows: what is good is read in one order, what is bad is told by file and line, with what to do."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from lbd.train import rows
from tests.unit.train.made import written

GOOD = {
    "id": "a",
    "set": "s",
    "family": "f",
    "prompt": "p",
    "quality": {"x": 0, "y": 1.0},
    "cost_usd": {"x": 0.1, "y": 0.2},
}


def test_files_and_folders_are_read_in_one_order(tmp_path: Path) -> None:
    """Plain and compressed; the order of files does not matter."""
    plain = written(tmp_path / "a.jsonl", 40)
    whole = rows.load([plain])
    lines = plain.read_bytes().splitlines(keepends=True)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "z.jsonl").write_bytes(b"\n" + b"".join(lines[:20]))
    (folder / "b.jsonl.gz").write_bytes(gzip.compress(b"".join(lines[20:])))
    assert rows.load([folder]) == whole
    assert len(whole) == 40


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"id": 3}, "'id' must be a text"),
        ({"prompt": None}, "'prompt' must be a text"),
        ({"quality": [1]}, "'quality' must map"),
        ({"quality": {"x": 2, "y": 1}}, "must be a number in 0..1"),
        ({"quality": {"x": True, "y": 1}}, "must be a number"),
        ({"quality": {"x": float("nan"), "y": 1}}, "must be a number"),
        ({"quality": {"x": 1}, "cost_usd": {"x": 1}}, "at least two"),
        ({"cost_usd": {"x": 1, "z": 1}}, "give both"),
        ({"cost_usd": {"x": -1, "y": 1}}, "must be a number in 0..inf"),
    ],
)
def test_a_bad_row_is_told_by_line(tmp_path: Path, change: dict[str, object], told: str) -> None:
    """And the line before it was good."""
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(GOOD) + "\n" + json.dumps({**GOOD, "id": "b", **change}) + "\n")
    with pytest.raises(rows.RowError, match=told) as caught:
        rows.load([path])
    assert str(caught.value).startswith(f"{path}:2: ")


@pytest.mark.parametrize("line", ["{", "[1]", "3"])
def test_what_is_no_object_is_told(tmp_path: Path, line: str) -> None:
    """With an example of one."""
    path = tmp_path / "a.jsonl"
    path.write_text(line)
    with pytest.raises(rows.RowError, match=r":1: .*\"quality\""):
        rows.load([path])


def test_ids_and_models_must_fit_together(tmp_path: Path) -> None:
    """An id twice, and a set with other models."""
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(GOOD) + "\n" + json.dumps(GOOD) + "\n")
    with pytest.raises(rows.RowError, match="was used at"):
        rows.load([path])
    other = {**GOOD, "id": "b", "quality": {"x": 1, "z": 1}, "cost_usd": {"x": 1, "z": 1}}
    path.write_text(json.dumps(GOOD) + "\n" + json.dumps(other) + "\n")
    with pytest.raises(rows.RowError, match="call this another set"):
        rows.load([path])


def test_files_that_are_not_there_or_hold_nothing_are_told(tmp_path: Path) -> None:
    """Each with what to do."""
    empty, broken = tmp_path / "e.jsonl", tmp_path / "b.jsonl.gz"
    empty.write_text("\n")
    broken.write_bytes(b"not gzip")
    (tmp_path / "none").mkdir()
    cases = (
        (empty, "no rows"), (broken, "cannot be read"), (tmp_path / "x.jsonl", "no such file"),
        (tmp_path / "x.csv", "neither"), (tmp_path / "none", "name the files"),
    )  # fmt: skip
    for path, told in cases:
        with pytest.raises(rows.RowError, match=told):
            rows.load([path])
