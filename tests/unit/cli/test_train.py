"""``lbd train``: weights and card are written, progress goes to stderr, faults end with 1 and what to do."""

from __future__ import annotations

from importlib import util
from pathlib import Path

import pytest

from lbd.cli.main import main
from lbd.router.judge import Router
from tests.unit.train.made import written


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command binds numpy to one thread by the environment: give it back."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "1")


def test_weights_and_card_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table on stdout, the rest on stderr."""
    out, card = tmp_path / "w.bin", tmp_path / "CARD.md"
    data = written(tmp_path / "a.jsonl")
    assert main(["train", str(data), "--out", str(out), "--card", str(card)]) == 0
    told = capsys.readouterr()
    assert "APGR" in told.out and "fold 1" in told.err
    assert Router.from_bytes(out.read_bytes()).judge("moon").difficulty >= 0
    assert card.read_text().startswith("# Model card")


def test_a_bad_row_is_told_by_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing is written."""
    data = tmp_path / "a.jsonl"
    data.write_text("{}\n")
    assert main(["train", str(data), "--out", str(tmp_path / "w")]) == 1
    assert f"{data}:1: " in capsys.readouterr().err
    assert not (tmp_path / "w").exists()


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With its name, before anything is trained."""
    data = written(tmp_path / "a.jsonl")
    for option in ("--out", "--card"):
        assert main(["train", str(data), option, str(tmp_path / "no" / "w")]) == 1
        told = capsys.readouterr().err
        assert f"{tmp_path}/no/w: cannot be written" in told and "fold 1" not in told


def test_a_place_that_is_lost_while_training_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What could be written when it began need not be when it ends."""
    data, folder = written(tmp_path / "a.jsonl"), tmp_path / "out"
    folder.mkdir()
    monkeypatch.setattr("lbd.train.run.train", lambda _rows, _say: folder.rmdir() or Trained())
    assert main(["train", str(data), "--out", str(folder / "w")]) == 1
    assert f"{folder}/w: cannot be written (No such file" in capsys.readouterr().err


class Trained:
    """What training returns, as far as it is written."""

    weights = b"w"


def test_without_numpy_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """As a command to paste."""
    real = util.find_spec
    monkeypatch.setattr("lbd.cli.train.find_spec", lambda name: None if name == "numpy" else real(name))
    assert main(["train", "x.jsonl"]) == 1
    assert "pip install 'lbd[train]'" in capsys.readouterr().err
