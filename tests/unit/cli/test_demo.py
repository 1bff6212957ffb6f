"""``lbd demo``: words to arguments, and troubles to sentences."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from lbd.cli import main as cli
from lbd.demo import run as demo
from lbd.demo.weights import DemoError


def calls(monkeypatch: pytest.MonkeyPatch, answer: int | BaseException = 0) -> list[tuple[str, dict[str, Any]]]:
    """Catch what would be started."""
    seen: list[tuple[str, dict[str, Any]]] = []

    def stand_in(name: str) -> Any:
        def start(_console: object, **more: Any) -> int:
            seen.append((name, more))
            if isinstance(answer, BaseException):
                raise answer
            return answer

        return start

    for name in ("show", "outage"):
        monkeypatch.setattr(demo, name, stand_in(name))
    return seen


def test_one_demonstration_at_a_time(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What would be ignored is an error: the other two end by themselves."""
    seen = calls(monkeypatch)
    for wrong in (["--outage", "--savings"], ["--outage", "--seconds", "5"], ["--savings", "--seconds", "5"]):
        with pytest.raises(SystemExit) as e:
            cli.main(["demo", *wrong])
        assert e.value.code == 2 and "not allowed with argument" in capsys.readouterr().err
    assert not seen


def test_the_words_become_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ports as given, or the usual ones; --outage is another demonstration."""
    seen = calls(monkeypatch)
    assert cli.main(["demo"]) == 0
    assert cli.main(["demo", "--api-port", "1", "--admin-port", "2", "--seconds", "0.5"]) == 0
    assert cli.main(["demo", "--outage"]) == 0
    assert seen == [
        ("show", {"api": 8080, "admin": 8081, "seconds": None}),
        ("show", {"api": 1, "admin": 2, "seconds": 0.5}),
        ("outage", {"api": 8080, "admin": 8081}),
    ]


def test_the_outages_verdict_is_the_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    """1: a request was lost."""
    calls(monkeypatch, 1)
    assert cli.main(["demo", "--outage"]) == 1


def test_what_cannot_be_is_one_line_and_exit_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message says why and what to do."""
    calls(monkeypatch, DemoError("pip cannot download it"))
    assert cli.main(["demo"]) == 1
    assert capsys.readouterr().err == "lbd: pip cannot download it\n"


def test_an_interruption_is_how_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C is no failure."""
    calls(monkeypatch, KeyboardInterrupt())
    assert cli.main(["demo"]) == 0


def test_without_its_extra_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """rich is not a dependency of the daemon."""
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert cli.main(["demo"]) == 1
    assert "pip install 'lbd[demo]'" in capsys.readouterr().err
