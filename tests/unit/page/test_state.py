"""States in a sign and a word; nothing that is not green stands without a reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model import report as out
from lbd.model.table import HealthState
from lbd.page import state
from tests.fakes import console_server as made
from tests.fakes.scenes import NOW, Read, document


def row(**more: object) -> tuple[dict[str, object], dict[str, object]]:
    return next(iter(state.rows(document(made.row(**more)))))


@pytest.mark.parametrize("word", list(HealthState))
def test_every_state_has_a_sign_and_its_word(word: HealthState) -> None:
    """Never a colour alone."""
    read = Read(state.sign(word))
    assert read.text.split()[-1] == word
    assert read.all("span", aria_hidden="true") and state.style(word) in ("good", "dim", "warn", "bad")


def test_signs_differ_from_each_other() -> None:
    """Who cannot tell colours apart can tell states apart."""
    assert len({sign for sign, _ in state.SIGNS.values()}) == len(HealthState)


@given(st.sampled_from(list(HealthState)), st.sampled_from(["ok", "breaker_open", "slo_p95"]))
def test_what_is_not_green_has_a_reason(word: HealthState, code: str) -> None:
    """And since when."""
    tier, told = row(state=word, reason=out.ReasonOut(code, "text", 2.0, 1.0))
    found = state.why(tier, told, NOW)
    if word != "up" or code != "ok":
        assert found is not None
        assert Read(found).text.startswith(f"{word} for ") and code in found and "2 against 1" in found


def test_a_green_row_says_nothing() -> None:
    """Unless something of it is over its limit all the same, or it is silent, or ordered."""
    assert state.why(*row(), NOW) is None
    late = row(ttft_s=made.windows(made.quantiles(0.5, 2.0, 3.0, 9)))
    assert "2.00 s, target 1.5 s" in (state.why(*late, NOW) or "")
    failing = row(errors=out.ErrorsOut(0.5, 4, {"server_error": 2}, 0.0))
    assert "of 4 attempts failed in 5 min (2 server_error)" in (state.why(*failing, NOW) or "")
    silent = row(health=made.health(stale=True))
    assert "no news" in (state.why(*silent, NOW) or "")
    drained = row(admin=out.AdminOut("drain", None, "anna"))
    assert "by order" in (state.why(*drained, NOW) or "")


def test_a_row_that_is_down_says_what_its_probe_saw() -> None:
    """The text that the provider's side gave."""
    tier, told = row(state="down", probes=[out.ProbeOut("liveness", "down", 1.0, 5.0, "connection refused")])
    assert "probe liveness: connection refused" in (state.why(tier, told, NOW) or "")


def test_an_order_shows_who_and_until_when() -> None:
    """State and weight each have an end of their own."""
    _, told = row(admin=out.AdminOut("drain", 0.5, "anna", "2026-11-24T09:50:00.000Z", None))
    shown = Read(state.admin(told, NOW) or "").text
    assert "drain, ends in 30" in shown and "weight 0.5" in shown and shown.endswith("by anna")
    assert state.admin(row()[1], NOW) is None
    assert not state.ordered(row()[1]) and state.ordered(told)


@pytest.mark.parametrize(
    ("breaker", "words"),
    [
        (out.BreakerOut("closed", None, 0, None, out.HalfOpenOut(0, 3)), "closednever opened"),
        (out.BreakerOut("closed", None, 1, None, out.HalfOpenOut(0, 3)), "closedopened once"),
        (out.BreakerOut("closed", None, 2, None, out.HalfOpenOut(0, 3)), "closedopened 2 times"),
        (out.BreakerOut("half_open", "c", 1, None, out.HalfOpenOut(1, 3)), "half-open1 of 3 trials"),
        (out.BreakerOut("open", "c", 1, "2026-11-24T09:20:09.000Z", out.HalfOpenOut(0, 3)), "opentrial in 9 s"),
        (out.BreakerOut("open", "c", 1, None, out.HalfOpenOut(0, 3)), "open"),
    ],
)
def test_the_breaker_says_what_it_waits_for(breaker: out.BreakerOut, words: str) -> None:
    """The next trial, or how many are left."""
    assert Read(state.breaker(row(breaker=breaker)[1], NOW)).text.replace("\u202f", " ") == words


def test_trouble_began_with_the_first_that_should_serve_and_does_not() -> None:
    """What an operator took out is no trouble."""
    up, down = made.row(), made.down()
    assert state.worst_since(document(up, down)) == NOW - 240
    down.admin.state = "maint"  # type: ignore[assignment]
    assert state.worst_since(document(up, down)) is None
