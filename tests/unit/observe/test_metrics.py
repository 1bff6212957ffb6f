"""The Prometheus page: names by the conventions, values that add up, labels from the configuration only."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from lbd.facts import facts
from lbd.model.alert import Rule
from lbd.model.batch import Fate, Status
from lbd.model.failure import FailureKind
from lbd.model.table import HealthState
from lbd.observe.meter import Meter
from lbd.observe.metrics import (
    OPENMETRICS,
    TEXT,
    AlertFacts,
    BatchFacts,
    BudgetFacts,
    Facts,
    RowFacts,
    TierFacts,
    render,
)
from lbd.state.breaker import Phase
from lbd.table.trials import TrialFacts
from tests.fakes.harness import Sim, SimInbound, SimReply, provider
from tests.fakes.records import attempt, record
from tests.fakes.virtual import VirtualEnv, run
from tests.fakes.world import SimHost

FACTS = Facts(
    rows=[
        RowFacts("p/a", HealthState.UP, Phase.CLOSED, 0, 3, None, 1.0, 4.5, 0.0),
        RowFacts("p/b", HealthState.DOWN, Phase.OPEN, 2, 0, 8.0, 0.25, None, 0.5),
    ],
    generation=12,
    publishes=11,
    queue=1,
    config_generation=2,
    config_hash="abc123",
    reloads={"ok": 1, "refused": 1},
    last_reload_ok=False,
    last_reload_at=1_760_000_000.0,
    loop_lag_s=0.001,
    store_up=True,
    probe_cost_nano=28_000,
    retry_budget_left=10.0,
    events=7,
    log_dropped=0,
    batches=BatchFacts(
        {**dict.fromkeys(Status, 0), Status.IN_PROGRESS: 2}, {**dict.fromkeys(Fate, 0), Fate.FAILED: 3}, 40, 90.5
    ),
)


def counted() -> Meter:
    """Return a meter that has seen one of everything."""
    meter = Meter()
    meter.inflight = 4
    for urgency in ("interactive", "background"):
        meter.add(record(urgency=urgency, slo_missed=True))
    tried = (attempt("p/a", failure="connect"), attempt("p/b"))
    meter.add(record(attempts=tried, served_by="p/b", splices=("went_on",)))
    meter.add(record(outcome=FailureKind.CLIENT_GONE, served_by=None, surface=""))
    return meter


def full_page() -> str:
    """Return a page with one of everything."""
    rows = [row._replace(quality={"all": 0.9}, target_s=1.5, limit=8.0, probe_age_s=4.0) for row in FACTS.rows]
    facts_ = FACTS._replace(
        rows=rows,
        trials=[TrialFacts("x", True, (90, 10), (900, 100))],
        scored={("p/a", "feedback"): 12},
        tiers=[TierFacts("primary", 2, 1)],
        budgets=[BudgetFacts("client/c/day", 50.0, 31.2, 0.4, 3600.0)],
        alerts=AlertFacts({("error_rate", "firing"): 1}, {("webhook", "failed"): 3}),
        traces={"error": 3, "lost": 1},
        spans={"sent": 7, "rejected": 0, "failed": 2},
    )
    return render(counted(), facts_, openmetrics=False).decode()


def told_labels() -> dict[str, set[str]]:
    """Return the labels that each metric has on a page with one of everything; those of scraping go with all."""
    out: dict[str, set[str]] = {}
    for family in parse_text(full_page()):
        for sample in family.samples:
            out.setdefault(sample.name, {"instance", "job"}).update(sample.labels)
    return out


def unknown(expr: str, known: dict[str, set[str]]) -> list[str]:
    """Return what of an expression no page tells: metrics, labels that are matched, labels that are summed by."""
    used = re.findall(r"\b(lbd_\w+)(?:{([^}]*)})?", expr)
    out = [name for name, _ in used if name not in known]
    for name, matchers in used:
        out += [
            f"{name}{{{k}}}" for k in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers) if k not in known.get(name, ())
        ]
    labels = set().union(*(known.get(name, set()) for name, _ in used))
    by = re.findall(r"\b(?:by|on|ignoring|without) \(([^)]*)\)", expr)
    return out + [f"by {k.strip()}" for told in by for k in told.split(",") if k.strip() and k.strip() not in labels]


def test_what_no_page_tells_is_found() -> None:
    """So that the dashboard and the rules cannot ask for it."""
    known = told_labels()
    assert unknown('sum by (breaker) (rate(lbd_requests_total{instance="i",outcome="ok"}[5m]))', known) == [
        "by breaker"
    ]
    assert unknown('lbd_nothing{a="b"} / lbd_store_up{state="x"}', known) == [
        "lbd_nothing",
        "lbd_nothing{a}",
        "lbd_store_up{state}",
    ]
    assert unknown("sum by (surface, instance) (lbd_requests_total)", known) == []


def samples(page: bytes) -> dict[str, float]:
    """Return every sample of a text page by its name with labels."""
    return {
        s.name + json.dumps(s.labels, sort_keys=True): s.value
        for family in parse_text(page.decode())
        for s in family.samples
    }


def test_the_page_tells_of_experiments() -> None:
    """Whether each runs, and how many are in its arms."""
    facts = FACTS._replace(trials=[TrialFacts("x", True, (90, 10), (900, 100)), TrialFacts("y", False, (0, 0), (0, 0))])
    told = samples(render(counted(), facts, openmetrics=False))
    assert told['lbd_experiment_running{"experiment": "x"}'] == 1 > told['lbd_experiment_running{"experiment": "y"}']
    assert told['lbd_experiment_units{"arm": "treatment", "experiment": "x"}'] == 10
    assert told['lbd_experiment_requests{"arm": "control", "experiment": "x"}'] == 900


def test_the_page_tells_of_traces_where_they_are_sent() -> None:
    """Kept by why, or lost; spans by what became of them."""
    told = samples(full_page().encode())
    assert told['lbd_traces_total{"kept": "error"}'] == 3 and told['lbd_traces_total{"kept": "lost"}'] == 1
    assert told['lbd_trace_spans_total{"outcome": "failed"}'] == 2
    assert not any("lbd_trace" in name for name in samples(render(counted(), FACTS, openmetrics=False)))


def test_the_page_tells_of_hedges() -> None:
    """By what became of them."""
    meter = Meter()
    meter.add(record(attempts=(attempt("p/a", failure="hedged"), attempt("p/b", hedge=True))))
    told = samples(render(meter, FACTS, openmetrics=False))
    assert told['lbd_hedges_total{"result": "won"}'] == 1
    assert told['lbd_upstream_requests_total{"deployment": "p/a", "outcome": "hedged"}'] == 1


def test_the_page_tells_what_was_counted() -> None:
    """Spot checks of every kind of metric."""
    told = samples(render(counted(), FACTS, openmetrics=False))
    support = {"class": "interactive", "deployment": "p/a", "outcome": "ok", "surface": "support"}
    assert told["lbd_requests_total" + json.dumps(support)] == 1
    assert told['lbd_upstream_requests_total{"deployment": "p/a", "outcome": "connect"}'] == 1
    assert told['lbd_fallbacks_total{"from": "p/a", "reason": "connect", "to": "p/b"}'] == 1
    assert told['lbd_splices_total{"result": "went_on"}'] == 1
    assert told['lbd_tokens_total{"deployment": "p/b", "direction": "output"}'] == 20
    assert told['lbd_cost_usd_total{"deployment": "p/b"}'] == pytest.approx(140_000 / 1e9)
    assert told['lbd_slo_missed_total{"class": "background", "target": "auto"}'] == 1
    assert told['lbd_request_seconds_count{"class": "interactive"}'] == 2
    assert told['lbd_request_seconds_sum{"class": "interactive"}'] == pytest.approx(1.6)
    assert told['lbd_request_seconds_bucket{"class": "interactive", "le": "0.5"}'] == 0
    assert told['lbd_request_seconds_bucket{"class": "interactive", "le": "1.0"}'] == 2
    assert told['lbd_request_seconds_bucket{"class": "interactive", "le": "+Inf"}'] == 2
    assert told["lbd_overhead_seconds_count{}"] == 3
    assert told["lbd_inflight{}"] == 4
    assert told["lbd_config_last_reload_success{}"] == 0
    assert told['lbd_config_reloads_total{"outcome": "refused"}'] == 1
    assert told['lbd_config_info{"hash": "abc123"}'] == 1
    assert told["lbd_probe_cost_usd_total{}"] == pytest.approx(2.8e-5)
    assert told["lbd_store_up{}"] == 1


def test_scores_are_told_by_family_and_by_source() -> None:
    """A row without scores has no series."""
    rows = [FACTS.rows[0]._replace(quality={"all": 0.85, "code": 0.7}), FACTS.rows[1]]
    told = samples(render(Meter(), FACTS._replace(rows=rows, scored={("p/a", "feedback"): 12}), openmetrics=False))
    assert told['lbd_quality_score{"deployment": "p/a", "family": "code"}'] == 0.7
    assert not any("lbd_quality_score" in name and "p/b" in name for name in told)
    assert told['lbd_quality_samples_total{"deployment": "p/a", "source": "feedback"}'] == 12


def test_a_state_is_one_among_all() -> None:
    """Exactly one of a deployment's states is 1, and every state has its series."""
    told = samples(render(Meter(), FACTS, openmetrics=False))
    for name, states in (("lbd_deployment_state", HealthState), ("lbd_breaker_state", Phase)):
        for row in ("p/a", "p/b"):
            values = [told[name + json.dumps({"deployment": row, "state": str(s)})] for s in states]
            assert sorted(values) == [0.0] * (len(values) - 1) + [1.0]
    assert told['lbd_breaker_state{"deployment": "p/b", "state": "open"}'] == 1
    assert told['lbd_breaker_opened_total{"deployment": "p/b"}'] == 2


def test_batches_and_their_lines_are_told() -> None:
    """Each state and each end of a line has its series from the start, zeroes too."""
    told = samples(render(Meter(), FACTS, openmetrics=False))
    states = {str(s): told["lbd_batches" + json.dumps({"state": str(s)})] for s in Status}
    assert states == {**dict.fromkeys(map(str, Status), 0), "in_progress": 2}
    ends = {str(f): told["lbd_batch_lines_total" + json.dumps({"outcome": str(f)})] for f in Fate}
    assert ends == {"completed": 0, "failed": 3, "expired": 0, "cancelled": 0}
    assert (told["lbd_batch_lines_waiting{}"], told["lbd_batch_oldest_age_seconds{}"]) == (40, 90.5)


def test_what_is_not_known_has_no_sample() -> None:
    """No limit, no probe yet: no number is made up."""
    told = samples(render(Meter(), FACTS, openmetrics=False))
    assert 'lbd_deployment_limit{"deployment": "p/a"}' not in told
    assert told['lbd_deployment_limit{"deployment": "p/b"}'] == 8
    assert told['lbd_probe_age_seconds{"deployment": "p/a"}'] == 4.5
    assert 'lbd_probe_age_seconds{"deployment": "p/b"}' not in told


def families() -> Iterator[tuple[str, str, str, list[str]]]:
    """Return name, type, help and label names of every family of both pages."""
    for family in parse_openmetrics(render(counted(), FACTS, openmetrics=True).decode()):
        yield family.name, family.type, family.documentation, sorted({k for s in family.samples for k in s.labels})


def test_names_follow_the_conventions() -> None:
    """Prefix, base units, no colon, no unit but seconds and USD, a help text, counters that end in _total."""
    seen = list(families())
    assert len(seen) > 25
    for name, kind, text, labels in seen:
        assert re.fullmatch(r"lbd(_[a-z]+)+", name), name
        assert not re.search(r"_(ms|millis|us|min|percent|ratio_percent|kb)(_|$)", name), name
        assert not name.endswith(("_total", "_count", "_sum", "_bucket", "_info")), name
        assert text.endswith("."), name
        assert kind in ("counter", "gauge", "histogram", "info"), name
        assert all(re.fullmatch(r"[a-z]+", label) for label in labels), (name, labels)
        if kind == "histogram":
            assert name.endswith("_seconds")
    page = render(counted(), FACTS, openmetrics=False).decode()
    for name, kind in re.findall(r"# TYPE (\S+) (\S+)", page):
        assert (kind == "counter") == name.endswith("_total"), name


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed: its lint was not run")
@pytest.mark.parametrize("meter", [Meter(), counted()], ids=["fresh", "used"])
def test_promtool_has_nothing_to_say(meter: Meter) -> None:
    """``promtool check metrics`` is clean, before the first request too."""
    page = render(meter, FACTS, openmetrics=False)
    done = subprocess.run(["promtool", "check", "metrics"], input=page, capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_the_openmetrics_page_parses_and_says_the_same() -> None:
    """Strict parser, end mark, and the same samples."""
    page = render(counted(), FACTS, openmetrics=True).decode()
    assert page.endswith("# EOF\n")
    told = {s.name + json.dumps(s.labels, sort_keys=True): s.value for f in parse_openmetrics(page) for s in f.samples}
    text = samples(render(counted(), FACTS, openmetrics=False))
    same = {k: v for k, v in told.items() if not re.match(r"\w+_created", k)}
    assert same == {k: v for k, v in text.items() if not re.match(r"\w+_created", k)}
    assert "version=0.0.4" in TEXT and "openmetrics-text" in OPENMETRICS


def test_label_values_cannot_break_the_page() -> None:
    """Quotes, backslashes and newlines of a configured name are escaped."""
    meter = Meter()
    meter.add(record(surface='a"b\\c\nd', served_by='x"} 1\nforged_total 1'))
    for openmetrics in (False, True):
        page = render(meter, FACTS, openmetrics=openmetrics).decode()
        assert "\nforged_total" not in page
    assert any('a\\"b' in k for k in samples(render(meter, FACTS, openmetrics=False)))


# --- the whole daemon ------------------------------------------------------------------------------------


def test_junk_from_clients_adds_no_series() -> None:
    """20,000 requests for names that nobody has, and with every header junk: the page's series stay the same."""

    async def main(env: VirtualEnv) -> None:
        host = SimHost("a")
        async with Sim(env, [host], {"providers": [provider(host)]}) as sim:

            async def page() -> set[str]:
                app = sim.app
                app.meter.inflight = 0
                return set(samples(render(app.meter.copy(), facts(sim.app), openmetrics=False)))

            await sim.ask("m", stream=True)
            await sim.ask("m")
            await sim.ask("nobody-has-this", headers={"x-lbd-surface": "none"})
            before = await page()
            shape = sim.app.plugins.clients["openai.chat"]
            asks = len(sim.app.pipeline.asks.known)
            for i in range(20_000):
                raw = b'{"model": "junk-%d", "messages": [{"role": "user", "content": "x"}]}' % i
                inbound = SimInbound(env.now(), {"x-lbd-session": f"s{i}", "user-agent": f"scan{i}"})
                asked = type(sim.asked[0])(env.now())
                await sim.app.pipeline.handle(inbound, raw, shape, SimReply(env, asked))
                assert asked.status == 404
            for i in range(200):
                await sim.ask("m", headers={"x-lbd-session": f"s{i}"}, user=f"u{i}")
            assert await page() == before
            assert len(sim.app.pipeline.asks.known) <= asks + 10
            assert len(sim.app.journal) <= 300

    run(main)


def test_every_label_value_is_a_configured_name_or_one_of_lbds_words() -> None:
    """After an eventful hour."""

    async def main(env: VirtualEnv) -> None:
        hosts = [SimHost(n) for n in "ab"]
        hosts[0].weather.status, hosts[0].weather.status_share = 500, 0.3
        config = {
            "providers": [provider(h) for h in hosts],
            "surfaces": [{"name": "support"}, {"name": "drafts", "class": "background"}],
        }
        async with Sim(env, hosts, config) as sim:
            for surface in ("support", "drafts", "unknown"):
                task = asyncio.ensure_future(sim.traffic(3, 300, "m", headers={"x-lbd-surface": surface}))
                await env.sleep(100)
                sim.world.kill("b")
                await env.sleep(100)
                sim.world.revive("b")
                await task
            page = render(sim.app.meter.copy(), facts(sim.app), openmetrics=False)
            allowed = {"a/m", "b/m", "support", "drafts", "", "interactive", "background", "ok", "input", "output"}
            allowed |= {*map(str, FailureKind), *map(str, HealthState), *map(str, Phase), "refused"}
            allowed |= {*map(str, Status), *map(str, Fate), "primary", *map(str, Rule), "pending", "firing", "went_on"}
            found: set[str] = set()
            for family in parse_text(page.decode()):
                for s in family.samples:
                    found |= {v for k, v in s.labels.items() if k not in ("le", "version", "hash")}
            assert found <= allowed, found - allowed
            assert {"a/m", "b/m", "support", "drafts"} <= found

    run(main)
