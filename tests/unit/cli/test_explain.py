"""``lbd explain``."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from lbd.cli.main import main
from tests.fakes.console_server import problem, serving
from tests.unit.cli.conftest import Daemon
from tests.unit.cli.test_explain_text import ASK, candidate, ranking

PLAN = {"object": "lbd.plan", "asked": "auto", "ask": ASK, "generation": 1, **ranking(candidate("us/big"))}


def test_a_question_becomes_a_request_that_is_not_sent(capsys: pytest.CaptureFixture[str]) -> None:
    """Model, stream, class and headers as a client would send them."""
    with serving({"POST /v1/explain": PLAN}) as console:
        words = ["--model", "auto", "--stream", "--class", "background", "--header", "max-usd=0.01"]
        assert main(["explain", *words, "--header", "X-Lbd-Session = s 1", "--admin", console.url]) == 0
    asked = console.asked[0]
    assert asked.json == {"model": "auto", "stream": True, "messages": [{"role": "user", "content": "Hello"}]}
    assert {k: v for k, v in asked.headers.items() if k.startswith("x-lbd")} == {
        "x-lbd-class": "background",
        "x-lbd-max-usd": "0.01",
        "x-lbd-session": "s 1",
    }
    assert capsys.readouterr().out.startswith("us/big would be chosen.")


def test_a_whole_body_may_come_from_a_file_or_from_stdin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the options say wins over it."""
    body = {"model": "gpt-4.1", "messages": [], "tools": [{"type": "function"}]}
    (tmp_path / "b.json").write_text(json.dumps(body))
    with serving({"POST /v1/explain": PLAN}) as console:
        assert main(["explain", "--body", str(tmp_path / "b.json"), "--model", "auto", "--admin", console.url]) == 0
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(json.dumps(body).encode())))
        assert main(["explain", "--body", "-", "--json", "--admin", console.url]) == 0
    assert [a.json for a in console.asked] == [{**body, "model": "auto"}, body]
    assert '"object": "lbd.plan"' in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "told"), [("no json", "is no JSON"), ("[]", "must hold an object"), (None, "cannot read")]
)
def test_a_body_that_is_none_is_refused(
    tmp_path: Path, text: str | None, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line."""
    file = tmp_path / "b.json"
    if text is not None:
        file.write_text(text)
    assert main(["explain", "--body", str(file), "--admin", "a:1"]) == 1
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("header", ["max-usd", "=1", "max usd=1", "max-usd=1\n2", "h\u00e9=1"])
def test_a_header_that_is_none_is_refused(header: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With the form that is right."""
    assert main(["explain", "--model", "auto", "--header", header, "--admin", "a:1"]) == 1
    assert "must be like max-usd=0.01" in capsys.readouterr().err


@pytest.mark.parametrize("words", [[], ["req_1", "--model", "auto"]])
def test_either_a_request_or_a_model_is_explained(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong arguments."""
    assert main(["explain", *words]) == 2
    assert "say either a request's id" in capsys.readouterr().err


def test_an_unknown_model_is_told_in_the_daemons_words(capsys: pytest.CaptureFixture[str]) -> None:
    """With what was probably meant."""
    refusal = (422, problem(422, "nothing is called 'nix'. Did you mean mini?", code="model_not_found"))
    with serving({"POST /v1/explain": refusal}) as console:
        assert main(["explain", "--model", "nix", "--admin", console.url]) == 1
    assert capsys.readouterr().err == "lbd: nothing is called 'nix'. Did you mean mini?\n"


def test_a_request_that_is_not_kept_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """An id may hold anything: it cannot reach another path."""
    with serving({}) as console:
        assert main(["explain", "../config", "--admin", console.url]) == 1
    assert console.asked[0].path == "/v1/decisions/..%2Fconfig"
    assert "there is no /v1/decisions" in capsys.readouterr().err


def test_the_last_request_before_any_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """A fresh daemon."""
    with serving({"GET /v1/decisions": {"decisions": []}}) as console:
        assert main(["explain", "last", "--admin", console.url]) == 1
    assert "no request was made yet" in capsys.readouterr().err


def test_a_real_request_is_explained_and_replays(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    """By its id, or as the last one."""
    status, request_id = daemon.ask("big")
    assert status == 200
    assert main(["explain", request_id, *daemon.admin]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"good/big served {request_id}, status 200.")
    assert "Executed again from its record, it comes to the same choice." in told
    assert "✕ gone/big  breaker_open  its breaker is open: opened by connect" in told
    assert main(["explain", "last", "--json", *daemon.admin]) == 0
    assert json.loads(capsys.readouterr().out)["id"] == request_id


def test_a_real_plan_is_explained(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is sent."""
    assert main(["explain", "--model", "auto", "--stream", "--header", "session=s1", *daemon.admin]) == 0
    told = capsys.readouterr().out
    assert told.startswith("good/big would be chosen.")
    assert "Asked for auto: interactive stream" in told
    assert main(["explain", "--model", "auto", "--header", "quality-floor=2", *daemon.admin]) == 1
    assert "x-lbd-quality-floor must be a number in 0..1" in capsys.readouterr().err


def test_a_model_s_name_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """It is whatever a client wrote: a title, a cleared screen, text from right to left."""
    evil = "gpt-\x1b]0;title\x07\x1b[2J\u202e"
    with serving({"POST /v1/explain": {**PLAN, "asked": evil}}) as console:
        assert main(["explain", "--model", "x", "--admin", console.url]) == 0
    told = capsys.readouterr().out
    assert "gpt-" in told and all(c.isprintable() or c == "\n" for c in told)
