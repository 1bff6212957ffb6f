from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

import jsonschema
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd import __version__
from lbd.model.failure import FailureKind
from lbd.model.outcome import Load, QuotaReading, Usage, Verdict
from lbd.model.provider import Deadlines, Price, PromptSpec
from lbd.model.report import SCHEMA, ConfigOut, ProbeSpendOut, ProvidersOut
from lbd.model.secret import Secret
from lbd.model.table import AdminState
from lbd.ports.turns import at_once
from lbd.state.evidence import HASTY
from lbd.state.row import LIVENESS, WATCH_GAP
from lbd.state.scores import take
from lbd.table import report
from lbd.table.owner import Owner
from tests.fakes.env import FakeEnv
from tests.fakes.tables import TIERS, bad, break_open, deployment, good, owned, probe, provider, serve, terms

K = FailureKind
CONFIG = ConfigOut(3, "abc", "2023-11-14T22:13:20.000Z", None)
SPEND = ProbeSpendOut(0.001, 0.05, 0.004)
EVERY = 20.0
KEY = "sk-live-very-secret"
VALIDATOR = jsonschema.Draft202012Validator(msgspec.json.schema(ProvidersOut))


def built(owner: Owner, env: FakeEnv) -> ProvidersOut:
    steps = report.building(
        owner,
        TIERS,
        env.now(),
        env.wall(),
        probe_every_s=EVERY,
        queue=2,
        config=CONFIG,
        probe_spend=SPEND,
        spent={"p/a": 2_500_000},
        deadlines=Deadlines(),
        terms=terms(),
    )
    return at_once(steps)


def document(owner: Owner, env: FakeEnv) -> dict[str, Any]:
    """Return the document as a reader of the endpoint gets it."""
    out: dict[str, Any] = json.loads(msgspec.json.encode(built(owner, env)))
    return out


def row(owner: Owner, env: FakeEnv, at: int = 0) -> dict[str, Any]:
    found = [d for tier in document(owner, env)["tiers"] for d in tier["deployments"]]
    return next(d for d in found if d["id"] == owner.rows[at].spec.id)


def lively() -> tuple[FakeEnv, Owner]:
    """Return a table in which everything that can be shown has been seen."""
    env, owner = owned(
        deployment("p/a", price=Price(2.0, 8.0, 0.5)),
        deployment("p/b", price=None, quality={}),
        deployment("q/c", tier="tertiary"),
        "r/d",
        providers=[
            provider("p", api_key=Secret(KEY), headers=(("x-org", "org-secret"),), region="eu"),
            provider("q", shape="llamacpp", self_hosted=True, base_url="http://127.0.0.1:8000/v1"),
        ],
    )
    for n in range(130):
        serve(owner, env, 0, good(0.2 + n / 200, 1.0 + n / 100, size=n % 2))
        env.advance(1.0)
    serve(owner, env, 0, bad(K.TIMEOUT_IDLE))
    serve(owner, env, 0, bad(K.RATE, retry_after_s=9.0, quota=(QuotaReading("requests", 100, 40, 30.0),)))
    break_open(owner, env, 2, K.CONNECT)
    owner.probed(owner.rows[2], probe("load", Verdict.BUSY, env.now(), load=Load(3, 1, 4)), completion=False)
    owner.probed(
        owner.rows[2], probe(LIVENESS, Verdict.DOWN, env.now(), failure=K.CONNECT, detail="refused"), completion=False
    )
    serve(owner, env, 3, bad(K.AUTH, message="this key was revoked"))
    owner.order(owner.rows[1], AdminState.DRAIN, by="anna", reason="tonight")
    owner.weigh(owner.rows[1], 0.5, by="ben", reason="")
    env.advance(2.0)
    owner.tick()
    return env, owner


# --- the document ----------------------------------------------------------------------------------------


def test_the_document_fits_its_published_schema() -> None:
    """``lbd schema providers`` is what the endpoint gives: with data everywhere, and with none anywhere."""
    VALIDATOR.check_schema(VALIDATOR.schema)
    for env, owner in (lively(), owned("p/a", "q/b")):
        VALIDATOR.validate(document(owner, env))


def test_the_document_reads_back_as_what_it_was() -> None:
    """Keys are only ever added, never lost on the way."""
    env, owner = lively()
    made = built(owner, env)
    assert msgspec.json.decode(msgspec.json.encode(made), type=ProvidersOut) == made


def test_the_head_says_when_what_and_of_which_configuration() -> None:
    """Generation, time, age, version, queue, configuration."""
    env, owner = lively()
    env.advance(0.25)
    doc = document(owner, env)
    assert doc["schema"] == SCHEMA
    assert doc["version"] == __version__
    assert doc["generation"] == owner.snapshot.generation
    assert doc["data_age_ms"] == pytest.approx((env.now() - owner.reviewed_at) * 1000)
    assert (doc["queue"], doc["config"]["generation"], doc["config"]["last_error"]) == (2, 3, None)
    assert datetime.fromisoformat(doc["time"]).timestamp() == pytest.approx(env.wall(), abs=0.001)


def test_rows_are_listed_by_tier_best_first_and_empty_tiers_are_left_out() -> None:
    """As the configuration orders them."""
    env, owner = lively()
    doc = document(owner, env)
    assert [(t["name"], [d["id"] for d in t["deployments"]]) for t in doc["tiers"]] == [
        ("primary", ["p/a", "p/b", "r/d"]),
        ("tertiary", ["q/c"]),
    ]
    assert doc["tiers"][0]["slo"] == {"ttft_p95_s": 1.5, "error_rate_max": 0.02}


def test_no_secret_is_shown() -> None:
    """Keys and configured headers stay inside."""
    env, owner = lively()
    text = msgspec.json.encode(built(owner, env)).decode()
    assert KEY not in text
    assert "org-secret" not in text
    assert "x-org" not in text


def test_a_time_of_day_is_rfc_3339_in_utc() -> None:
    """With milliseconds and a Z."""
    assert report.rfc3339(1_700_000_000.0) == "2023-11-14T22:13:20.000Z"
    assert report.rfc3339(0.1239) == "1970-01-01T00:00:00.123Z"
    assert datetime.fromisoformat(report.rfc3339(1.5)).tzinfo == UTC


# --- a row -----------------------------------------------------------------------------------------------


def test_where_there_is_no_data_there_is_null() -> None:
    """Null means no data, never 0."""
    env, owner = owned(deployment("p/a", price=None, quality={}))
    out = row(owner, env)
    for quantity in ("ttft_s", "time_per_output_token_s", "latency_s"):
        for window, width in (("1m", 60), ("5m", 300), ("1h", 3600)):
            assert out[quantity][window] == {"p50": None, "p95": None, "p99": None, "n": 0, "window_s": width}
    assert (out["errors"]["ratio"], out["errors"]["timeout_ratio"], out["errors"]["n"]) == (None, None, 0)
    assert out["uptime"] == {"5m": None, "30m": None, "1d": None}
    for key in ("throughput_tps", "limit", "server_load", "price", "probe_age_s", "region"):
        assert out[key] is None, key
    assert out["breaker"]["retry_at"] is None
    assert out["history"] == {
        "step_s": 60.0,
        "ttft_p95_s": [None] * 60,
        "error_ratio": [None] * 60,
        "requests": [0] * 60,
    }
    assert (out["state"], out["health"]["stale"]) == ("unknown", True)
    assert all(not p["backed_by_samples"] for p in out["predicted"])


def test_every_percentile_comes_with_its_samples() -> None:
    """Windows of 1 minute, 5 minutes and 1 hour, over all prompt sizes."""
    env, owner = lively()
    out = row(owner, env)
    assert out["ttft_s"]["5m"]["n"] == out["latency_s"]["5m"]["n"] == 130
    assert out["ttft_s"]["1h"]["n"] == 130
    assert 55 <= out["ttft_s"]["1m"]["n"] <= 70
    for window in out["ttft_s"].values():
        assert 0.2 <= window["p50"] <= window["p95"] <= window["p99"] <= 0.9
    assert out["ttft_s"]["5m"]["p50"] == pytest.approx(0.2 + 65 / 200, rel=0.03)


def test_errors_are_counted_by_kind_over_five_minutes() -> None:
    """Ratio of judged attempts; 429 is listed but is no error."""
    env, owner = lively()
    errors = row(owner, env)["errors"]
    assert errors["by_kind"] == {"timeout_idle": 1, "rate_limited": 1}
    assert errors["n"] == 131
    assert errors["ratio"] == pytest.approx(1 / 131)
    assert errors["timeout_ratio"] == pytest.approx(1 / 131)


@pytest.mark.parametrize("kind", sorted(HASTY))
def test_every_time_out_is_counted_also_where_nobody_is_blamed(kind: FailureKind) -> None:
    """A cut that came early is shown to people, and kept from the ratio that is held against the row."""
    env, owner = owned("p/a")
    for _ in range(3):
        serve(owner, env, 0, good())
    serve(owner, env, 0, bad(kind, exceeded_own_p99=False))
    shown = row(owner, env)
    assert shown["errors"] == {
        "ratio": 0.0,
        "n": 3,
        "by_kind": {kind: 1},
        "timeout_ratio": 0.25,
        "window_s": 300.0,
    }
    assert shown["rps"] == pytest.approx(4 / 60, abs=0.001)
    env.advance(400.0)
    assert row(owner, env)["errors"]["by_kind"] == {}


def ticks(owner: Owner, env: FakeEnv, seconds: int) -> None:
    for _ in range(seconds):
        env.advance(1.0)
        owner.tick()


def test_answers_that_failed_a_check_are_counted_of_those_that_were_checked() -> None:
    """Quality, over an hour: no part of the error ratio, but told beside it; and the prompt's version."""
    env, owner = owned(deployment("p/a", prompt=PromptSpec("s", version="0a1b2c3d4e5f")), "p/b")
    serve(owner, env, 0, good(0.2, 1.0))
    serve(owner, env, 0, good(0.2, 1.0, checked=True))
    serve(owner, env, 0, bad(K.INVALID_ANSWER, checked=True))
    env.advance(1800)
    shown = row(owner, env)
    assert shown["quality_failures"] == {"n": 1, "of": 2} and shown["prompt"] == "0a1b2c3d4e5f"
    assert shown["state"] == "up"
    env.advance(2000)
    assert row(owner, env)["quality_failures"] == {"n": 0, "of": 0}
    assert row(owner, env, 1)["prompt"] is None


def test_uptime_is_time_not_attempts() -> None:
    """A row that is down and gets no requests is not up; one whose attempts fail now and then is."""
    env, owner = owned("p/a", "q/b")
    owner.probed(owner.rows[0], probe(at=env.now()), completion=False)
    ticks(owner, env, 60)
    assert row(owner, env)["uptime"] == {"5m": 1.0, "30m": 1.0, "1d": 1.0}
    for _ in range(3):
        silent = probe(verdict=Verdict.DOWN, at=env.now(), failure=K.CONNECT)
        owner.probed(owner.rows[0], silent, completion=False)
    assert owner.rows[0].state == "down"
    ticks(owner, env, 20)
    assert row(owner, env)["uptime"] == {w: pytest.approx(60 / 80) for w in ("5m", "30m", "1d")}
    assert row(owner, env, 1)["uptime"] == {"5m": None, "30m": None, "1d": None}
    serve(owner, env, 1, good())
    serve(owner, env, 1, bad(K.BROKEN_STREAM))
    ticks(owner, env, 10)
    assert row(owner, env, 1)["uptime"]["5m"] == 1.0


def test_a_lock_out_is_no_uptime_and_leaves_the_short_window_first() -> None:
    """Each window forgets for itself."""
    env, owner = owned("p/a")
    serve(owner, env, 0, bad(K.AUTH))
    ticks(owner, env, 30)
    assert row(owner, env)["uptime"]["5m"] == 0.0
    owner.reset(owner.rows[0], by="me", reason="new key")
    ticks(owner, env, 330)
    uptime = row(owner, env)["uptime"]
    assert uptime["5m"] == 1.0
    assert uptime["30m"] == uptime["1d"] == pytest.approx(330 / 360)


def test_time_in_which_nobody_looked_counts_for_a_few_seconds_only() -> None:
    """A process that was stopped knows nothing of the meantime."""
    env, owner = owned("p/a")
    owner.probed(owner.rows[0], probe(at=env.now()), completion=False)
    ticks(owner, env, 5)
    serve(owner, env, 0, bad(K.AUTH))
    env.advance(3600.0)
    owner.tick()
    assert row(owner, env)["uptime"]["1d"] == pytest.approx(5 / (5 + WATCH_GAP))


def test_the_causes_of_bad_health_are_told_apart() -> None:
    """Active probe, passive, outlier, locked, stale, draining, rate limited."""
    env, owner = lively()
    flags = {i: {k for k, v in row(owner, env, i)["health"].items() if v} for i in range(4)}
    assert flags == {
        0: {"rate_limited"},
        1: {"stale", "draining", "rate_limited"},  # the limit is the provider's
        2: {"failed_active_probe", "failed_passive"},
        3: {"locked"},
    }


def test_a_breaker_is_shown_with_its_cause_and_its_deadline() -> None:
    """What opened it, how often, and when a last-resort trial may go."""
    env, owner = lively()
    out = row(owner, env, 2)["breaker"]
    b = owner.rows[2].breaker
    assert (out["state"], out["cause"], out["opened_total"]) == ("open", "connect", 1)
    assert datetime.fromisoformat(out["retry_at"]).timestamp() == pytest.approx(
        env.wall() + b.retry_at - env.now(), abs=0.001
    )
    owner.probed(owner.rows[2], probe(at=env.now()), completion=False)
    serve(owner, env, 2, good())
    assert row(owner, env, 2)["breaker"]["half_open"] == {"done": 1, "need": 3}
    assert row(owner, env, 2)["breaker"]["retry_at"] is None


def test_a_server_s_own_load_and_the_probes_come_with_their_age() -> None:
    """An old reading must not look like a new one."""
    env, owner = lively()
    out = row(owner, env, 2)
    assert out["server_load"] == {"running": 3, "waiting": 1, "slots": 4, "age_s": 2.0}
    assert out["limit"] == 4.0
    assert out["probe_age_s"] == 2.0
    assert [(p["kind"], p["verdict"], p["age_s"], p["detail"]) for p in out["probes"]] == [
        ("liveness", "down", 2.0, "refused"),
        ("load", "busy", 2.0, ""),
    ]
    env.advance(2 * EVERY)
    assert row(owner, env, 2)["health"]["stale"]


def test_scores_are_told_by_family() -> None:
    """With bounds, how many and how old; none before there are any."""
    env, owner = owned("p/a")
    assert row(owner, env)["scores"] == []
    for _ in range(50):
        take(owner.rows[0], "code", 0.9, env.now())
    env.advance(2.0)
    overall, code = row(owner, env)["scores"]
    assert (overall["family"], code["family"]) == ("all", "code")
    assert overall["value"] == pytest.approx(0.85, abs=1e-3) and overall["low"] < overall["value"] < overall["high"]
    assert (overall["count"], overall["age_s"], overall["phase"]) == (50, 2.0, "in_use")
    assert overall["n"] == pytest.approx(50) and overall["reference"] == 0.8


def test_quota_price_quality_and_weight_are_as_configured_and_told() -> None:
    """Units are in the names."""
    env, owner = lively()
    out = row(owner, env)
    assert out["quota"] == [{"what": "requests", "limit": 100, "remaining": 40, "resets_in_s": 28.0}]
    assert out["quota_left"] == 0.0
    assert out["price"] == {"input_usd_per_mtok": 2.0, "output_usd_per_mtok": 8.0, "cached_input_usd_per_mtok": 0.5}
    assert out["quality"] == {"default": 0.8}
    drained = row(owner, env, 1)
    for_ever = {"until": None, "weight_until": None}
    assert drained["admin"] == {"state": "drain", "weight": 0.5, "by": "ben", **for_ever}
    assert drained["weight"] == 0.5
    assert row(owner, env)["admin"] == {"state": "ready", "weight": None, "by": None, **for_ever}


def test_what_decisions_expect_is_shown_for_every_prompt_size() -> None:
    """The same numbers that the snapshot holds."""
    env, owner = lively()
    out = row(owner, env)
    assert [p["up_to_tokens"] for p in out["predicted"]] == [256, 1024, 4096, 16384, 65536, None]
    seen = owner.snapshot.rows[0]
    for p, p95, p99, standing, fresh in zip(
        out["predicted"], seen.ttft_p95_s, seen.ttft_p99_s, seen.standing, seen.fresh, strict=True
    ):
        assert p["ttft_p95_s"] == pytest.approx(p95, abs=1e-3)
        assert p["ttft_p99_s"] == pytest.approx(max(p95, p99), abs=1e-3)
        assert p["standing"] == pytest.approx(standing, abs=1e-4)
        assert p["backed_by_samples"] is fresh


def test_no_prediction_has_its_percentiles_the_wrong_way_round() -> None:
    """The priors of a row that was never measured included."""
    for env, owner in (lively(), owned("p/a")):
        assert all(p["ttft_p99_s"] >= p["ttft_p95_s"] for p in row(owner, env)["predicted"])


def test_the_history_is_the_last_hour_minute_by_minute() -> None:
    """Oldest first; null where there was no traffic; a closed minute does not change any more."""
    env, owner = lively()
    first = row(owner, env)["history"]
    assert len(first["requests"]) == len(first["ttft_p95_s"]) == len(first["error_ratio"]) == 60
    assert sum(first["requests"]) <= 132
    assert sum(n > 0 for n in first["requests"]) in (2, 3)
    env.advance(120.0)
    later = row(owner, env)["history"]
    assert later["requests"][:-2] == first["requests"][2:]
    assert sum(later["requests"]) == 132
    assert all((n == 0) == (p is None) for n, p in zip(later["requests"], later["ttft_p95_s"], strict=True))
    env.advance(3600.0)
    assert sum(row(owner, env)["history"]["requests"]) == 0


def test_answers_that_wait_for_the_next_publish_are_counted() -> None:
    """Who looks sees everything that has happened."""
    env, owner = owned("p/a")
    serve(owner, env, 0, good())
    assert row(owner, env)["latency_s"]["1m"]["n"] == 1
    assert row(owner, env)["rps"] == pytest.approx(1 / 60, abs=0.001)


def test_looking_changes_nothing() -> None:
    """Reading must not mutate: two looks at one time are one document, and the snapshot stays."""
    env, owner = lively()
    generation = owner.snapshot.generation
    assert document(owner, env) == document(owner, env)
    assert owner.snapshot.generation == generation


# --- any history -----------------------------------------------------------------------------------------


def numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [n for v in value.values() for n in numbers(v)]
    if isinstance(value, list):
        return [n for v in value for n in numbers(v)]
    return [value] if isinstance(value, float) else []


@given(
    st.lists(
        st.tuples(
            st.sampled_from(("good", "bad", "wait", "probe", "order")),
            st.sampled_from(sorted(FailureKind)),
            st.floats(0.0, 90.0),
        ),
        max_size=20,
    )
)
def test_whatever_has_happened_fits_the_schema(history: list[tuple[str, FailureKind, float]]) -> None:
    """Finite numbers, ratios within 0..1, and the same keys always."""
    env, owner = owned("p/a", deployment("q/b", tier="secondary"), providers=[provider("q", self_hosted=True)])
    for n, (what, kind, seconds) in enumerate(history):
        i = n % 2
        if what == "wait":
            env.advance(seconds)
            owner.tick()
        elif what == "probe":
            verdict = Verdict.DOWN if kind is K.CONNECT else Verdict.UP
            failure = kind if kind is K.CONNECT else None
            owner.probed(owner.rows[i], probe(LIVENESS, verdict, env.now(), failure=failure), completion=False)
        elif what == "order":
            owner.order(owner.rows[i], AdminState.DRAIN if seconds > 45 else AdminState.READY, by="a", reason="")
        elif not isinstance(lease := owner.lease(i, env.now()), str):
            lease.settle(bad(kind, retry_after_s=seconds) if what == "bad" else good(seconds, seconds * 2))
    doc = document(owner, env)
    VALIDATOR.validate(doc)
    assert all(math.isfinite(n) for n in numbers(doc))
    for tier in doc["tiers"]:
        for out in tier["deployments"]:
            for ratio in (out["errors"]["ratio"], out["errors"]["timeout_ratio"], *out["uptime"].values()):
                assert ratio is None or 0 <= ratio <= 1


def test_what_a_row_cost_is_told_beside_its_price() -> None:
    """In US dollars; nothing for who has answered nothing."""
    env, owner = lively()
    assert (row(owner, env, 0)["spent_usd"], row(owner, env, 1)["spent_usd"]) == (0.0025, 0.0)


def test_what_goes_through_a_row_is_priced() -> None:
    """By the hour at the pace of five minutes, and per 1,000 tokens; a failed attempt that was billed counts too."""
    env, owner = owned(deployment("p/a", price=Price(2.0, 8.0, 0.5)), deployment("p/b", price=None))
    told = row(owner, env, 0)
    for _ in range(5):
        env.advance(60.0)
        owner.tick()
    assert told["cost"] == {"usd_per_h": 0.0, "usd_per_1k_effective": None}
    assert row(owner, env, 1)["cost"] == {"usd_per_h": None, "usd_per_1k_effective": None}
    serve(owner, env, 0, good(usage=Usage(900, 100, cached=400)))
    serve(owner, env, 0, bad(K.BROKEN_STREAM, usage=Usage(900, 100, cached=400)))
    told = row(owner, env, 0)
    one = (500 * 2.0 + 400 * 0.5 + 100 * 8.0) / 1e6
    assert told["cost"]["usd_per_h"] == pytest.approx(2 * one * 12)
    assert told["cost"]["usd_per_1k_effective"] == pytest.approx(one)


def test_a_young_row_s_pace_is_of_the_time_it_was_there() -> None:
    """A minute of traffic is not five of it."""
    env, owner = owned(deployment("p/a", price=Price(2.0, 8.0)))
    row(owner, env, 0)
    env.advance(60.0)
    serve(owner, env, 0, good(usage=Usage(1000, 0)))
    assert row(owner, env, 0)["cost"]["usd_per_h"] == pytest.approx(0.002 * 60)


def test_scores_and_shares_are_told() -> None:
    """What the scorer means for a row beside what it got; a row that is out has neither score nor share."""
    env, owner = owned("p/a", "p/b", deployment("q/c", tier="secondary"))
    told = [row(owner, env, i) for i in range(3)]
    assert [r["share"] for r in told] == [
        {"target": 0.5, "actual": None},
        {"target": 0.5, "actual": None},
        {"target": 0.0, "actual": None},
    ]
    assert all(0 < r["score"][c] <= 1 for r in told for c in ("interactive", "background"))
    owner.order(owner.rows[1], AdminState.DRAIN, by="ops", reason="")
    for i in (0, 0, 0, 2):
        serve(owner, env, i, good())
    told = [row(owner, env, i) for i in range(3)]
    assert told[1]["score"] == {"interactive": None, "background": None}
    assert [r["share"]["target"] for r in told] == [1.0, 0.0, 0.0]
    assert [r["share"]["actual"] for r in told] == [0.75, 0.0, 0.25]
