"""Numbers on a command line: what they are, or a refusal that says what they would have to be."""

from __future__ import annotations

import argparse

import pytest

from lbd.cli import quantities
from lbd.cli.main import main


@pytest.mark.parametrize("text", ["", "x", "1.5", "-1", "1001", "²", "1e3", "nan", "9" * 5000])
def test_what_is_no_whole_number_within_bounds_is_refused(text: str) -> None:
    """Whatever it is, by its bounds."""
    with pytest.raises(argparse.ArgumentTypeError, match=r"is no number in 0\.\.1000$"):
        quantities.whole(0, 1000)(text)


@pytest.mark.parametrize("text", ["", "x", "0", "-1", "nan", "inf", "-inf"])
def test_what_is_not_above_zero_is_refused(text: str) -> None:
    """Nor is what is no number, or has no end."""
    with pytest.raises(argparse.ArgumentTypeError, match=r"is no number above 0$"):
        quantities.above_zero(text)


def test_numbers_are_read() -> None:
    """At their bounds, too."""
    assert [quantities.whole(0, 1000)(text) for text in ("0", "7", "1000")] == [0, 7, 1000]
    assert [quantities.above_zero(text) for text in ("0.5", "1e3", "7")] == [0.5, 1000.0, 7.0]
    assert quantities.port("65535") == 65535


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["simulate", "--hours", "x"], "argument --hours: 'x' is no number above 0"),
        (["simulate", "--rate", "-1"], "argument --rate: '-1' is no number above 0"),
        (["simulate", "--seed", "x"], "argument --seed: 'x' is no number in"),
        (["demo", "--api-port", "99999"], "argument --api-port: '99999' is no number in 0..65535"),
        (["demo", "--admin-port", "x"], "argument --admin-port: 'x' is no number in 0..65535"),
        (["demo", "--seconds", "-1"], "argument --seconds: '-1' is no number above 0"),
        (["events", "-n", "²"], "argument -n: '²' is no number in 0..1000"),
        (["ctl", "decisions", "-n", "0"], "argument -n: '0' is no number in 1..1000"),
        (["report", "--rows", "x"], "argument --rows: 'x' is no number in"),
    ],
)
def test_every_command_says_what_a_number_would_have_to_be(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the user's words, and none of Python's."""
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2 and told in capsys.readouterr().err
