"""A simulated day: the real application, and what befalls its providers."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import structlog

from lbd.simulate.day import Day, simulate
from lbd.simulate.report import Report
from lbd.simulate.scenario import Event, Scenario, Speed, Traffic
from lbd.simulate.traffic import Arrival, drawn
from tests.fakes.harness import compiled
from tests.unit.replay.test_other import row


@pytest.fixture(autouse=True)
def _silent() -> Any:
    yield
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))


def run(scenario: Scenario, *, hours: float = 0.5, rate: float = 0.3, seed: int = 1, **config: Any) -> Report:
    rows = [row("a", "dear", usd=10.0, quality={"default": 0.9}), row("b", "cheap", tier="secondary")]
    given = compiled({"providers": rows, **config})
    return simulate(Day(given, scenario, drawn(scenario.traffic, hours, rate, seed), hours, seed=seed))


CALM = Scenario(deployments={"a/dear": Speed(error_share=0.0), "b/cheap": Speed(error_share=0.0)})


def test_a_calm_half_hour_is_served_by_the_best_tier_in_time() -> None:
    told = run(CALM)
    total = told.total
    assert total.requests > 200 and total.failed == 0
    assert total.in_time == total.judged > 0
    assert total.served["a/dear"] > 0.9 * total.requests
    assert total.cost > 0 and told.breakers == 0


def test_an_outage_moves_requests_and_nobody_fails() -> None:
    event = Event(at_h=0.1, for_min=15, provider="a", what="outage")
    told = run(Scenario(deployments=CALM.deployments, events=(event,)))
    total = told.total
    assert total.failed <= 2 and told.breakers >= 1  # at most who was in the middle of a stream
    assert 0.2 * total.requests < total.served["b/cheap"] < 0.8 * total.requests


@pytest.mark.parametrize("what", ["hang", "brownout", "errors"])
def test_every_kind_of_weather_passes(what: Any) -> None:
    event = Event(at_h=0.1, for_min=5, provider="a", what=what, slow=20.0, share=0.9)
    total = run(Scenario(deployments=CALM.deployments, events=(event,))).total
    assert total.served["b/cheap"] > 0 and total.failed < 0.05 * total.requests


def test_the_same_seed_gives_the_same_day() -> None:
    a, b, c = (run(CALM, hours=0.1, seed=seed).total for seed in (1, 1, 2))
    assert a == b != c


def test_clients_show_their_keys_and_ask_for_what_they_may() -> None:
    """Whoever may not ask for auto asks for what it may; who is over its rate is refused, and that is told."""
    clients = [{"name": "bot", "key": {"env": "NOWHERE"}, "models": ["cheap"], "limit": {"requests_per_min": 6}}]
    given = compiled(
        {
            "providers": [row("b", "cheap")],
            "clients": [{**clients[0], "key": "secret-secret"}],
            "allow_inline_secrets": True,
        }
    )
    arrivals = [Arrival(n * 1.0, "auto", 50, 10, False, n % 2 == 0, client="bot") for n in range(120)]
    total = simulate(Day(given, Scenario(), arrivals, 0.1)).total
    assert total.requests == 120
    assert set(total.codes) <= {"rate_limit_exceeded", "client_rate_limit"} and total.failed > 60
    assert total.served["b/cheap"] > 10


def test_the_daemon_needs_nothing_of_it() -> None:
    """Neither the simulator nor the replay is loaded by ``lbd run`` or ``lbd check``."""
    code = "import sys, lbd.daemon.run, lbd.cli.run, lbd.cli.check; print(sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "'lbd.app'" in done.stdout
    assert "lbd.simulate" not in done.stdout and "lbd.replay" not in done.stdout


def test_background_work_has_no_target_for_its_first_content() -> None:
    given = Scenario(traffic=Traffic(background=1.0), deployments=CALM.deployments)
    assert run(given, hours=0.1).total.judged == 0
