"""Decisions in words."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from lbd.cli import explain_text
from lbd.decide import eligible, pick, route
from lbd.display.paint import Paint
from lbd.model import words
from lbd.model.table import AdminState
from lbd.state import health

ASK = {
    "target": "auto",
    "urgency": "interactive",
    "stream": True,
    "input_tokens": 24,
    "output_tokens": None,
    "needs": [],
    "slo_s": None,
    "first_content_s": 10.0,
    "max_usd": None,
    "quality_floor": 0.0,
    "fallback": True,
}


def candidate(name: str, **more: Any) -> dict[str, Any]:
    given = {
        "deployment": name,
        "score": 0.785,
        "terms": {"latency": 0.63, "cost": 0.99},
        "share": 0.52,
        "predicted_ttft_p95_s": 0.896,
        "cutoff_s": 2.25,
        "predicted_total_s": 2.5,
        "predicted_usd": 7.2e-05,
        "estimate": "samples",
        "state": "up",
        "chosen": False,
    }
    return {**given, **more}


def ranking(*candidates: dict[str, Any], **more: Any) -> dict[str, Any]:
    stages = [{"stage": "primary", "manner": "normal", "candidates": list(candidates)}] if candidates else []
    return {"weights": {"latency": 1.0, "cost": 0.5}, "stages": stages, "excluded": [], "panic": False, **more}


def attempt(name: str = "us/big", **more: Any) -> dict[str, Any]:
    given = {
        "deployment": name,
        "stage": "primary",
        "manner": "normal",
        "reason": "weighted",
        "generation": 16,
        "ask": ASK,
        "query": {"out": [], "model": None, "larger_than": None, "affinity": 0},
        "live": {},
        "refused": None,
        "started_s": 0.0,
        "ended_s": 0.2,
        "ttft_s": 0.1,
        "failure": None,
        "message": "",
        "upstream_status": 200,
        "upstream_request_id": None,
        "ranking": ranking(candidate(name, chosen=True)),
        "replays": True,
    }
    return {**given, **more}


def record(*attempts: dict[str, Any], **more: Any) -> str:
    given = {
        "id": "req_1",
        "time": "2026-11-24T09:20:00.000Z",
        "client": "local",
        "surface": None,
        "asked": "auto",
        "outcome": "ok",
        "status": 200,
        "served_by": "us/big",
        "moved": 0,
        "ttft_s": 0.146,
        "total_s": 0.2,
        "waited_s": 0.0,
        "overhead_us": 840.4,
        "slo_missed": False,
        "usage": None,
        "cost_usd": 0.0,
        "attempts": list(attempts),
    }
    return "\n".join(explain_text.record({**given, **more}, Paint(False), None))


def plan(facts: dict[str, Any], room: int | None = None, **ask: Any) -> str:
    return "\n".join(explain_text.plan({"asked": "auto", "ask": {**ASK, **ask}, **facts}, Paint(False), room))


# --- records ---------------------------------------------------------------------------------------------


def test_who_served_it_and_how_long_it_took_comes_first() -> None:
    """With lbd's own share of the time."""
    told = record(attempt()).splitlines()
    assert (
        told[0]
        == "us/big served req_1, status 200. First content after 146 ms, all in 200 ms, of which lbd took 840 us."
    )
    assert told[2] == "Asked for auto: interactive stream, about 24 tokens in, first content within 10 s."


def test_a_move_is_drawn_on_a_time_line() -> None:
    """x failed, = worked, | the first content."""
    failed = attempt("eu/big", ended_s=0.05, ttft_s=None, failure="server_error", message="boom", upstream_status=500)
    told = record(failed, attempt(started_s=0.05), moved=1).splitlines()
    assert "at attempt 2" in told[0]
    assert "moved 1 time" in told[1]
    lines = [line for line in told if line.startswith(("1  ", "2  "))]
    assert lines[0].split() == ["1", "eu/big", "x" * 8 + "·" * 24, "0", "50", "server_error", "(500):", "boom"]
    assert lines[1].split()[2] == "·" * 8 + "=" * 16 + "|" + "=" * 7
    assert lines[1].endswith("served, first content (|) 100 ms after it was sent")


def test_the_model_s_own_prompt_is_told_by_its_version() -> None:
    """With every attempt that it was added to; a daemon without prompts does not tell it at all."""
    told = record(attempt(prompt="0a1b2c3d4e5f", failure="invalid_answer", message="regex: no"), attempt())
    assert "regex: no [with its own prompt 0a1b2c3d4e5f]" in told
    assert told.count("own prompt") == 1


def test_a_failed_request_says_so() -> None:
    """Nobody served it; with the provider's own id, to ask them about it."""
    bad = attempt(failure="timeout_first", ttft_s=None, upstream_status=None, upstream_request_id="up-7")
    told = record(bad, served_by=None, outcome="timeout_first", status=504, ttft_s=None)
    assert told.startswith("Nobody served req_1: timeout_first, status 504. All in 200 ms")
    assert "timeout_first [their id up-7]" in told


def test_a_request_without_a_decision_points_at_what_holds_now() -> None:
    """It was refused before anybody was looked for."""
    told = record(served_by=None, outcome="unknown_model", status=404, ttft_s=None)
    assert "Nothing was sent, so no decision is recorded. How it stands now: lbd explain --model auto" in told


NOBODY: dict[str, Any] = {"deployment": None, "stage": "", "manner": "", "reason": "nobody", "refused": "nobody"}


def test_why_nobody_was_left_is_told() -> None:
    """Every candidate and every exclusion; nothing was sent, so there is no time line."""
    out = [{"deployment": "us/big", "reason": "locked_auth", "detail": "wrong key", "soft": False}]
    left = attempt(**NOBODY, ttft_s=None, upstream_status=None, ranking=ranking(excluded=out))
    told = record(left, served_by=None, outcome="all_deployments_unavailable", status=503, ttft_s=None)
    assert told.startswith("Nobody served req_1: all_deployments_unavailable, status 503. All in")
    assert "Asked for auto: interactive stream" in told
    assert "Decision 1: nobody was left to send it to.\n" in told
    assert "it comes to the same choice" in told
    assert "✕ us/big    locked_auth  locked until a person acts: wrong key" in told
    assert "ATTEMPT" not in told and "None" not in told


def test_nobody_is_no_attempt_on_the_time_line() -> None:
    """What was tried or refused before is; and those are no candidates any more."""
    query = {"out": ["us/big"], "model": None, "larger_than": None, "affinity": 0}
    refused = attempt(refused="at_limit", ttft_s=None)
    told = record(refused, attempt(**NOBODY, ttft_s=None, query=query, ranking=ranking(candidate("us/big"))))
    assert [line.split()[1] for line in told.splitlines() if line.startswith(("1  ", "2  "))] == ["us/big"]
    assert "Decision 2: nobody was left to send it to.\n  Narrowed: tried or refused before: us/big." in told


def test_a_lease_that_was_refused_was_not_sent() -> None:
    """The live check said no."""
    assert "not sent: at_limit" in record(attempt("eu/big", refused="at_limit", ttft_s=None), attempt())


def test_what_the_choice_was_narrowed_to_is_told() -> None:
    """After a failure: others, the same model first, or more room."""
    query = {"out": ["eu/big"], "model": "big", "larger_than": 8192, "affinity": 0}
    told = record(attempt(reason="only", query=query))
    assert "us/big from primary: the only candidate there." in told
    assert (
        "Narrowed: tried or refused before: eu/big; first another deployment of big; a context of more than 8192"
        in told
    )


def test_live_inputs_are_told() -> None:
    """They decided."""
    live = {"us/big": {"inflight": 3, "capacity": 64.0, "peak_s": 0.1, "penalty": 0.5}}
    assert "Under way at the time: us/big 3 of 64 (penalty 0.50 for a failure just before)." in record(
        attempt(live=live)
    )


@pytest.mark.parametrize(
    ("replays", "told"),
    [
        (True, "it comes to the same choice"),
        (False, "it does NOT come to the same choice"),
        (None, "(generation 16) is not kept any more"),
    ],
)
def test_whether_the_decision_replays_is_told(replays: bool | None, told: str) -> None:
    """An explanation that cannot be executed again is a guess."""
    facts = None if replays is None else ranking(candidate("us/big"))
    assert told in record(attempt(replays=replays, ranking=facts))


def test_the_chosen_candidate_is_marked() -> None:
    """Among all, with its terms and the scorer's weights."""
    both = ranking(
        candidate("eu/big", share=0.48), candidate("us/big", chosen=True, predicted_usd=None, estimate="prior")
    )
    told = record(attempt(ranking=both)).splitlines()
    head = next(i for i, line in enumerate(told) if "CANDIDATE" in line)
    assert told[head].split()[-4:] == ["latency", "x1", "cost", "x0.5"]
    assert told[head + 1].split() == [
        "1",
        "primary",
        "eu/big",
        "48",
        "0.785",
        "896",
        "2250",
        "2500",
        "samples",
        "0.000072",
        "0.63",
        "0.99",
    ]
    assert told[head + 2].split()[:4] == ["▶", "1", "primary", "us/big"]
    assert "·" in told[head + 2]


def test_an_unchanged_table_is_not_shown_twice() -> None:
    """Two decisions on the same ranking."""
    same = ranking(candidate("us/big"))
    told = record(attempt("eu/big", failure="connect", ranking=same), attempt(ranking=same))
    assert told.count("CANDIDATE") == 1
    assert "The candidates were those of the decision before." in told


def test_circumstances_are_told() -> None:
    """Surface, wait, tokens, money, a missed target."""
    usage = {"prompt": 20, "completion": 8, "estimated": True}
    told = record(attempt(), surface="support", waited_s=0.5, usage=usage, cost_usd=0.000104, slo_missed=True, moved=2)
    for part in ("surface support", "waited 500 ms", "about 20 tokens in, 8 out", "0.000104 USD", "moved 2 times"):
        assert part in told
    assert "The target was missed." in told


# --- plans -----------------------------------------------------------------------------------------------


def test_a_plan_names_the_most_likely_and_its_share() -> None:
    """Not who has the best score: who is drawn most often."""
    told = plan(ranking(candidate("eu/big", share=0.3), candidate("us/big", share=0.7)))
    assert told.startswith("us/big would be chosen most likely, by a share of 70 % of the draw.")


def test_a_plan_with_one_candidate_is_certain() -> None:
    """No share of one."""
    assert plan(ranking(candidate("us/big"))).startswith("us/big would be chosen.\n")


@pytest.mark.parametrize("manner", ["slo_missed", "suspect", "ejected", "trial"])
def test_a_last_choice_is_told_as_one(manner: str) -> None:
    """Why it comes to this."""
    stages = [{"stage": "x", "manner": manner, "candidates": [candidate("us/big", state="down")]}]
    told = plan(ranking(stages=stages))
    assert f"would be chosen. {words.MANNERS[manner].capitalize()}." in told
    assert f"1 x ({manner})" in told
    assert "us/big down" in told


def test_a_plan_without_candidates_says_that_nobody_could() -> None:
    """And why each could not."""
    told = plan(
        ranking(
            excluded=[
                {"deployment": "eu/big", "reason": "admin_drain", "detail": "", "soft": False},
                {"deployment": "us/big", "reason": "over_slo", "detail": "2.10 > 1.5 s", "soft": True},
                {"deployment": "ap/big", "reason": "locked_auth", "detail": "wrong key", "soft": False},
            ]
        )
    )
    assert told.startswith("Nobody could serve it: every deployment is excluded.")
    assert "✕ eu/big    admin_drain  drained by an operator" in told
    assert "predicted to be too slow for the target: 2.10 > 1.5 s (used when nothing better is left)" in told
    assert "locked until a person acts: wrong key" in told


def test_bounds_of_the_request_are_told() -> None:
    """All that narrowed the choice."""
    needs = {"needs": ["tools", "images"], "output_tokens": 48, "stream": False}
    bounds = {"slo_s": 1.5, "max_usd": 0.00001, "quality_floor": 0.8, "fallback": False}
    assert plan(ranking(), target="rule:simple_queries", urgency="background", **needs, **bounds).splitlines()[1] == (
        "Asked for auto, which means rule simple_queries: background request, about 24 tokens in, 48 out,"
        " needs images, tools, target 1.5 s, first content within 10 s, at most 0.000010 USD, quality from 0.8,"
        " no fallback."
    )


def test_the_treatment_of_an_experiment_is_told() -> None:
    """It decided by other rules."""
    assert "treated by experiment cheap-first" in plan(ranking(candidate("us/big")), variant="cheap-first")
    assert "experiment" not in plan(ranking(candidate("us/big")), variant="")


def test_panic_is_told() -> None:
    """Statistics were overridden."""
    assert "this was not held against them" in plan(ranking(candidate("us/big"), panic=True))


def test_a_narrow_terminal_leaves_out_terms_and_says_so() -> None:
    """The choice itself stays."""
    told = plan(ranking(candidate("us/big")), 60).splitlines()
    assert max(map(len, told[3:])) <= 60
    assert "columns more in a wider terminal" in told[-1]


# --- completeness ----------------------------------------------------------------------------------------


def test_the_words_for_reasons_are_those_that_the_scorer_gives() -> None:
    """A code that nobody emits any more has no place here."""
    said = "".join(inspect.getsource(module) for module in (eligible, route, pick, health))
    said += "".join(f"admin_{state}" for state in AdminState) + " again"  # the second try of the same row
    told = [*words.EXCLUSIONS, *words.REASONS, *words.MANNERS]
    assert [word for word in told if word not in said] == []
