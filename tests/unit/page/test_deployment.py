"""One deployment, opened."""

from __future__ import annotations

from typing import Any

from lbd.model import report as out
from lbd.page import deployment, shell, state
from tests.fakes import console_server as made
from tests.fakes.scenes import TIME, Read, document
from tests.unit.page.test_chart import history
from tests.unit.page.test_decision import ranking

ANNA = shell.Visitor("anna", "s", may_sign_in=True)


def failure(**more: Any) -> dict[str, Any]:
    given = {"time": TIME, "request": "req_1", "kind": "timeout_first", "status": None, "message": "silent <x>"}
    return {**given, "after_s": 1.5, "outcome": "ok", "served_by": "p/b", **more}


def opened(row: out.DeploymentOut | None = None, **more: Any) -> deployment.Opened:
    told = document(row or made.row(predicted=[out.PredictedOut(256, 0.4, 0.9, True, 1.0, 0.99)]))
    tier, found = next(iter(state.rows(told)))
    given: dict[str, Any] = {
        "providers": told,
        "tier": tier,
        "row": found,
        "history": history([None] * 358 + [0.4, 0.5]),
        "failures": [failure(), failure(kind="reset", status=502, served_by=None, outcome="reset")],
        "events": [made.event(1, subject=found["id"])],
        "plan": ranking(),
        **more,
    }
    return deployment.Opened(**given)


def page(now: deployment.Opened, **more: Any) -> Read:
    read = Read(
        "".join(str(p) for p in deployment.page(now, visitor=more.pop("visitor", ANNA), **more) if p is not None)
    )
    read.harmless()
    return read


def test_it_shows_the_row_six_hours_failures_what_happened_and_what_would_be_decided() -> None:
    """Each in a part of its own."""
    read = page(opened())
    names = [a["aria-label"] for a in read.all("section")]
    assert names == ["Six hours", "Facts", "Last failures", "What happened to it", "What would be decided now"]
    assert read.all("tbody", id="row-openai-eu/gpt-4.1")
    assert read.all("div", id="chart", data_history="/v1/deployments/openai-eu/gpt-4.1")


def test_failures_are_counted_by_kind_and_lead_to_their_requests() -> None:
    """With what became of the request."""
    read = page(opened())
    assert "1 timeout_first, 1 reset" in read.text and "silent <x>" in read.text
    assert len(read.all("a", href="/decisions/req_1")) == 2 and read.all("a", href="/deployments/p/b")
    assert "no attempt here has failed" in page(opened(failures=[], events=[])).text


def test_facts_come_with_what_is_predicted_for_each_size() -> None:
    """And say where that is only a prior."""
    told = page(opened()).text.replace("\u202f", " ")
    assert "addresshttps://api.example/v1" in told and "≤ 256 tokens400 ms" in told and "99.0 %" in told
    prior = made.row(
        predicted=[out.PredictedOut(None, 1.2, 1.5, False, 1.0, 0.9)], score=out.ScoreOut(None, 0.5), price=None
    )
    told = page(opened(prior, plan=None)).text.replace("\u202f", " ")
    assert "larger1.20 s (prior)" in told and "score, interactiveexcluded" in told


def test_orders_are_offered_to_who_may_and_their_outcome_is_said() -> None:
    """Others see how to sign in."""
    assert page(opened()).all("a", href="/deployments/openai-eu/gpt-4.1/drain")
    assert not page(opened(), visitor=shell.Visitor(may_sign_in=True)).all(
        "a", href="/deployments/openai-eu/gpt-4.1/drain"
    )
    assert page(opened(), told="Drain: done.").all("p", role="status")
