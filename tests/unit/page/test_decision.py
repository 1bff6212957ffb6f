"""One request: candidates with the terms of their score, refusals with reasons, attempts over time."""

from __future__ import annotations

from typing import Any

import pytest

from lbd.model.words import REASONS
from lbd.page import decision
from tests.fakes.scenes import NOW, TIME, Read

ASK = {
    "target": "auto",
    "urgency": "interactive",
    "stream": True,
    "input_tokens": 120,
    "needs": ["tools"],
    "slo_s": 1.5,
    "first_content_s": 10.0,
    "max_usd": 0.01,
    "quality_floor": 0.8,
}


def candidate(name: str, **more: Any) -> dict[str, Any]:
    return {
        "deployment": name,
        "share": 0.5,
        "score": 0.81,
        "terms": {"latency": 0.9, "cost": 0.4},
        "predicted_ttft_p95_s": 0.4,
        "cutoff_s": 2.25,
        "predicted_total_s": 2.0,
        "predicted_usd": 0.0001,
        "estimate": "samples",
        "chosen": False,
        **more,
    }


def ranking(**more: Any) -> dict[str, Any]:
    stage = {"stage": "primary", "manner": "normal", "candidates": [candidate("p/a", chosen=True), candidate("p/b")]}
    excluded = [{"deployment": "p/c", "reason": "breaker_open", "detail": "for 3 s", "soft": False}]
    excluded.append({"deployment": "p/d", "reason": "locked_auth", "detail": "", "soft": True})
    return {"weights": {"latency": 1.0, "cost": 0.5}, "stages": [stage], "excluded": excluded, "panic": False, **more}


def attempt(name: str | None = "p/a", **more: Any) -> dict[str, Any]:
    return {
        "deployment": name,
        "stage": "primary",
        "manner": "normal",
        "reason": "weighted",
        "generation": 7,
        "ask": ASK,
        "live": {"p/a": {"inflight": 2, "capacity": 64.0}},
        "refused": None,
        "started_s": 0.0,
        "ended_s": 0.5,
        "ttft_s": 0.2,
        "failure": None,
        "message": "",
        "upstream_status": None,
        "ranking": ranking(),
        "replays": True,
        **more,
    }


def request(*attempts: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "id": "req_1",
        "time": TIME,
        "client": "bot",
        "surface": "support",
        "asked": "gpt-4o",
        "outcome": "ok",
        "status": 200,
        "served_by": "p/a",
        "moved": 0,
        "ttft_s": 0.2,
        "total_s": 1.0,
        "waited_s": 0.0,
        "overhead_us": 310.0,
        "slo_missed": False,
        "splices": [],
        "usage": {"prompt": 100, "completion": 20, "estimated": False},
        "cost_usd": 0.0014,
        "judged": None,
        "arms": [],
        "attempts": list(attempts),
        **more,
    }


def page(told: dict[str, Any]) -> Read:
    read = Read("".join(str(p) for p in decision.page(told, NOW + 60) if p is not None))
    read.harmless()
    return read


def words(read: Read) -> str:
    return read.text.replace("\u202f", " ")


def test_it_says_who_served_and_in_what_time() -> None:
    """And what it was asked for, and what that means."""
    told = words(page(request(attempt())))
    assert (
        "p/a served it, outcome ok, status 200. First content after 200 ms, all in 1.00 s, of which lbd took 310 µs."
        in told
    )
    assert "1 min ago; client bot; surface support; 100 tokens in, 20 out; $0.0014" in told
    assert (
        "Asked for gpt-4o, which means auto: interactive stream, about 120 tokens in, needs tools, target 1.5 s" in told
    )


def test_candidates_have_their_terms_and_the_chosen_one_is_marked() -> None:
    """Refusals their reason in words."""
    read = page(request(attempt()))
    told = words(read)
    assert "latency x1cost x0.5" in told and "50 %0.810400 ms2.25 s2.00 ssamples$0.000100.900.40" in told
    assert len(read.all("tr", class_="chosen")) == 1
    assert "p/cbreaker_openits breaker is open: for 3 s" in told
    assert "p/dlocked_authlocked until a person acts (used when nothing better is left)" in told
    assert REASONS["weighted"] in told and "it comes to the same choice" in told


def test_attempts_stand_on_an_axis_of_time() -> None:
    """One that failed, then one that served; widths are times."""
    bad = attempt("p/b", failure="timeout_first", upstream_status=504, ttft_s=None, ended_s=0.25, message="<silent>")
    good = attempt("p/a", started_s=0.25, ended_s=1.0)
    read = page(request(bad, good, moved=1))
    bars = read.all("rect")
    assert [b["class"] for b in bars] == ["bad", "good"]
    assert float(str(bars[1]["width"])) == pytest.approx(3 * float(str(bars[0]["width"])), rel=0.01)
    assert len(read.all("line", class_="first")) == 1
    assert "timeout_first (504)" in words(read) and "<silent>" in read.text and "moved once" in words(read)


def test_an_attempt_beside_another_is_told_apart_from_one_that_failed() -> None:
    """Who was slower was given up, and is nobody's fault."""
    read = page(request(attempt("p/a", failure="hedged"), attempt("p/b", hedge=True)))
    assert [b["class"] for b in read.all("rect")] == ["given-up", "good"]
    assert "asked beside the one before, which was late" in read.text


def test_what_could_not_be_served_is_said() -> None:
    """Nobody left; nothing sent at all; a table that is not kept any more."""
    nobody = attempt(None, ranking=None, replays=None, refused="at_limit", manner="trial")
    told = words(page(request(nobody, served_by=None, outcome="all_deployments_busy", ttft_s=None, moved=2)))
    assert "Nobody served it, outcome all_deployments_busy" in told and "nobody was left to send it to" in told
    assert "is not kept any more" in told and "last resort" in told and "moved 2 times" in told
    assert "Nothing was sent" in words(page(request(served_by=None)))
    assert "does NOT come to the same" in words(page(request(attempt(replays=False))))
    empty = attempt(ranking=ranking(stages=[]))
    assert "every deployment was excluded" in words(page(request(empty)))


def test_what_the_prompt_was_held_to_be_and_whose_treatment_it_had() -> None:
    """Rules and experiments."""
    judged = {"difficulty": 0.7, "family": "code", "rule": "complex", "by": ["difficulty"]}
    arms = [{"experiment": "cheap", "treated": True, "unit": "0"}]
    told = words(page(request(attempt(), judged=judged, arms=arms, slo_missed=True, splices=["went_on"], waited_s=0.2)))
    for part in ("held to be code, difficulty 0.70", "Rule complex was taken: difficulty", "experiment cheap: treated"):
        assert part in told
    assert "The target was missed" in told and "Its stream broke: went_on" in told and "waited 200 ms" in told


def test_the_list_leads_to_each() -> None:
    """Failures and late ones are told apart."""
    shown = [request(), request(served_by=None, outcome="connect", moved=1, slo_missed=True, id="req/2")]
    read = Read("".join(decision.listed(shown, NOW)))
    read.harmless()
    assert [a["href"] for a in read.all("a") if str(a["href"]).startswith("/decisions")] == [
        "/decisions/req_1",
        "/decisions/req%2F2",
    ]
    assert "nobody, moved 1" in read.text
    assert "No request was decided yet" in "".join(decision.listed([], NOW))
