"""A finished request as spans: who called whom, when, what it cost and why it went there; never what was said."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from lbd import plugins
from lbd.ingress.paths import ROUTES
from lbd.model.experiment import Arm
from lbd.model.failure import FailureKind
from lbd.model.judged import Judged
from lbd.model.outcome import Usage
from lbd.model.plan import Decision
from lbd.model.tracing import CLIENT, SERVER, Keep, Span
from lbd.observe.spans import OPERATIONS, PROVIDERS, Seen, spans
from tests.fakes import tables
from tests.fakes.records import attempt, record

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SEEN = {
    "p/a": Seen("openai", "gpt-4.1-2025", "primary", 0.8, lambda told: told.replace("KEY", "***")),
    "q/b": Seen("bedrock", "nova-pro", "secondary", 0.4),
}


def look(decision: Decision) -> Seen:
    return SEEN.get(decision.chosen or "", Seen())


def made(why: Keep = Keep.SHARE, **more: Any) -> list[Span]:
    return list(spans(record(**{"trace": TRACE, "parent": PARENT, "flags": "01", **more}), why, look))


def moved() -> list[Span]:
    tries = (
        replace(attempt("p/a", failure="rate_limited", status=429, span="a" * 16), ended_s=0.25),
        replace(attempt("q/b", span="b" * 16, status=200), started_s=0.25, ended_s=0.8),
    )
    return made(Keep.FALLBACK, attempts=tries, served_by="q/b", moved=1)


def test_a_request_is_a_server_and_each_attempt_a_client_of_its_own() -> None:
    """One trace; the client's span is the parent of ours, ours of the attempts, whose ids providers were told."""
    own, first, second = moved()
    assert {s.trace for s in (own, first, second)} == {TRACE} and {s.flags for s in (own, first)} == {1}
    assert (own.kind, own.parent, own.remote) == (SERVER, PARENT, True)
    assert [(s.kind, s.id, s.parent, s.remote) for s in (first, second)] == [
        (CLIENT, "a" * 16, own.id, False),
        (CLIENT, "b" * 16, own.id, False),
    ]
    assert len(own.id) == 16 and int(own.id, 16) and own.id not in (PARENT, first.id, second.id)


def test_a_trace_that_begins_here_has_no_parent() -> None:
    """Nor a remote one."""
    own, *_ = made(parent="", flags="00")
    assert (own.parent, own.remote, own.flags) == ("", False, 0)


def test_ids_that_were_told_to_nobody_are_always_the_same() -> None:
    """Of one request; two of the same trace differ, and so do two attempts of which nothing was sent."""
    assert made()[0].id == made()[0].id
    assert made()[0].id != made(id="req_2")[0].id
    nothing = (attempt(failure="unsupported_input"), attempt("q/b", failure="unsupported_input"))
    assert len({s.id for s in made(attempts=nothing, outcome="unsupported_input")}) == 3


def test_times_are_counted_from_its_arrival() -> None:
    """Each attempt lies within its request."""
    own, first, second = moved()
    end = tables.WALL * 1e9
    assert (own.start_ns, own.end_ns) == (pytest.approx(end - 0.8e9, abs=1e3), pytest.approx(end, abs=1e3))
    assert own.start_ns == first.start_ns and first.end_ns == second.start_ns and second.end_ns == own.end_ns
    backwards = replace(attempt(), started_s=0.5, ended_s=0.4)
    assert made(attempts=(backwards,))[1].end_ns == made(attempts=(backwards,))[1].start_ns


def test_names_are_those_of_the_conventions() -> None:
    """Operation and model: the one that was asked for, and the one that the provider knows."""
    own, first, second = moved()
    assert [s.name for s in (own, first, second)] == ["chat auto", "chat gpt-4.1-2025", "chat nova-pro"]
    assert own.attributes["gen_ai.operation.name"] == "chat" and own.attributes["gen_ai.request.model"] == "auto"
    assert first.attributes["gen_ai.provider.name"] == "openai" and first.attributes["server.address"] == "p"
    assert second.attributes["gen_ai.provider.name"] == "aws.bedrock" and second.attributes["server.address"] == "q"
    assert second.attributes["gen_ai.request.stream"] is True
    assert second.attributes["gen_ai.response.time_to_first_chunk"] == 0.2
    assert "gen_ai.request.stream" not in made(stream=False)[0].attributes


def test_usage_stands_where_it_was_spent_and_nowhere_else() -> None:
    """Else whoever adds up counts it twice; parts that there are not are left out."""
    own, first, second = moved()
    assert not [key for key in own.attributes if "usage" in key]
    assert not [key for key in first.attributes if "usage" in key], "a failure told none"
    told = {k: v for k, v in second.attributes.items() if "usage" in k}
    assert told == {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 20}
    all_ = Usage(100, 20, cached=60, reasoning=5, estimated=True, written=7)
    told = {k: v for k, v in made(attempts=(attempt(usage=all_),))[1].attributes.items() if "usage" in k}
    assert told == {
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.cache_read.input_tokens": 60,
        "gen_ai.usage.cache_write.input_tokens": 7,
        "gen_ai.usage.reasoning.output_tokens": 5,
        "lbd.usage_estimated": True,
    }


def test_what_lbd_decided_is_told_beside() -> None:
    """Of the request: class, surface, target, why it was kept; of each attempt: tier, score, why it was made."""
    own, first, second = moved()
    expected: dict[str, Any] = {
        "lbd.request.id": "req_1", "lbd.kept": "fallback", "lbd.outcome": "ok", "lbd.client": "local",
        "lbd.surface": "support", "lbd.class": "interactive", "lbd.target": "auto", "lbd.deployment": "q/b",
        "lbd.attempts": 2, "lbd.moved": 1, "lbd.slo_missed": False, "lbd.cost_usd": 0.00014, "lbd.ttft_s": 0.2,
        "http.response.status_code": 200,
    }  # fmt: skip
    assert own.attributes.items() >= expected.items()
    assert first.attributes["lbd.tier"] == "primary" and first.attributes["lbd.score"] == 0.8
    assert first.attributes["lbd.failure"] == "rate_limited" and "lbd.moved_for" not in first.attributes
    assert first.attributes["http.response.status_code"] == 429
    assert second.attributes["lbd.moved_for"] == "rate_limited" and second.attributes["lbd.deployment"] == "q/b"
    assert second.attributes["lbd.reason"] == "weighted" and second.attributes["lbd.manner"] == "normal"


def test_a_judged_prompt_and_experiments_are_told_by_their_names() -> None:
    """And what became of a stream that broke."""
    own = made(
        judged=Judged(difficulty=0.7, family="code", rule="hard"),
        arms=(Arm("cheap", "k", treated=True, unit=1), Arm("late", "k", treated=False, unit=2)),
        splices=("went_on",),
    )[0]
    expected = {
        "lbd.difficulty": 0.7,
        "lbd.family": "code",
        "lbd.rule": "hard",
        "lbd.experiments": ("cheap:treatment", "late:control"),
        "lbd.splices": ("went_on",),
    }
    assert own.attributes.items() >= expected.items()


def test_a_failure_is_one_by_its_kind() -> None:
    """A request's where lbd or a provider is to blame, an attempt's unless it was stopped; in no other words."""
    own, first = made(Keep.ERROR, outcome="server_error", status=502, attempts=(attempt(failure="server_error"),))
    assert own.failed and own.attributes["error.type"] == first.attributes["error.type"] == "server_error"
    own, first = made(Keep.ERROR, outcome="bad_request", status=400, attempts=(attempt(failure="bad_request"),))
    assert not own.failed and "error.type" not in own.attributes and own.attributes["lbd.outcome"] == "bad_request"
    assert first.failed, "for a client of a provider it is"
    own, first = made(outcome="client_gone", status=499, attempts=(attempt(failure="client_gone"),))
    assert not own.failed and not first.failed


def test_a_hedge_is_no_move_and_who_was_slower_did_not_fail() -> None:
    """Both are told."""
    tries = (attempt("p/a", failure="hedged"), attempt("q/b", hedge=True))
    _, first, second = made(Keep.HEDGE, attempts=tries)
    assert not first.failed and first.attributes["lbd.failure"] == "hedged" and "error.type" not in first.attributes
    assert second.attributes["lbd.hedge"] is True and "lbd.moved_for" not in second.attributes


def test_a_lease_that_was_refused_is_an_event() -> None:
    """Nothing was sent; and so it is where nobody was left."""
    nobody = attempt(refused="nobody")
    nobody = replace(nobody, decision=replace(nobody.decision, chosen=None))
    own, *rest = made(Keep.ERROR, outcome="all_deployments_busy", attempts=(attempt(refused="at_limit"), nobody))
    assert not rest and own.attributes["lbd.attempts"] == 0
    refused, left = own.events
    assert (refused.name, refused.attributes["lbd.refused"]) == ("lbd.lease_refused", "at_limit")
    assert refused.attributes["lbd.deployment"] == "p/a" and refused.at_ns == own.start_ns
    assert left.name == "lbd.nobody_left" and "lbd.deployment" not in left.attributes


def test_a_deployment_that_is_gone_is_told_as_far_as_it_is_known() -> None:
    """By its name."""
    _, one = made(attempts=(attempt("gone/x"),))
    assert one.name == "chat" and one.attributes["gen_ai.provider.name"] == one.attributes["server.address"] == "gone"
    assert not {"gen_ai.request.model", "lbd.tier", "lbd.score"} & one.attributes.keys()


def test_no_word_of_a_provider_is_told() -> None:
    """It may quote a prompt, or a key."""
    told = repr(made(attempts=(attempt(failure="bad_request", message="SECRET of the prompt"),)))
    assert "SECRET" not in told


def test_a_name_that_a_client_chose_is_bounded() -> None:
    """Collectors cut, or refuse the whole."""
    own, *_ = made(asked="x" * 10_000)
    assert len(own.name) < 300 and len(str(own.attributes["gen_ai.request.model"])) <= 200


def test_every_operation_and_every_shape_has_a_word() -> None:
    """Client shapes by the conventions' operations; provider shapes by theirs, or by their own name."""
    assert set(ROUTES.values()) | plugins.load().clients.keys() <= OPERATIONS.keys()
    assert PROVIDERS.keys() <= plugins.load().shapes.keys()
    assert made(operation="new.shape")[0].name == "new.shape auto"


def test_every_kind_of_failure_makes_spans() -> None:
    """None is forgotten by a new one."""
    for kind in FailureKind:
        own, one = made(Keep.ERROR, outcome=str(kind), attempts=(attempt(failure=kind),))
        assert one.failed is (kind not in (FailureKind.HEDGED, FailureKind.CLIENT_GONE)) and own.attributes


def test_a_provider_s_own_ids_are_told_without_its_keys() -> None:
    """Bounded; of a deployment that is gone nobody knows the keys, so nothing is told."""
    ids = {"upstream_id": "req_KEY_" + "1" * 999, "fingerprint": "fp_KEY"}
    _, one, other = made(attempts=(replace(attempt("p/a"), **ids), replace(attempt("q/b"), **ids)))
    assert one.attributes["lbd.upstream_request_id"] == "req_***_" + "1" * 248
    assert one.attributes["lbd.fingerprint"] == "fp_***"
    assert not {"lbd.upstream_request_id", "lbd.fingerprint"} & other.attributes.keys()


def test_the_state_of_a_trace_goes_with_every_span() -> None:
    """As its client told it."""
    assert [s.state for s in made(trace_state="a=1,b=2")] == ["a=1,b=2"] * 2
