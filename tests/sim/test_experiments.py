"""Experiments from end to end: false alarms and real harm over many runs, and one on the whole daemon."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from random import Random  # noqa: TID251  seeded: the same runs each time
from typing import Any

import pytest

from lbd.model.experiment import ExperimentSpec, Limits
from lbd.state.trial import Tally, Trial, verdict
from lbd.state.trial_bounds import interval, variance
from tests.fakes.harness import Asked
from tests.fakes.house import House
from tests.fakes.relay import row
from tests.fakes.sequences import harmed, serve, told_apart
from tests.fakes.stage import answer

# --- arms that do not differ ------------------------------------------------------------------------------

UNITS, ALPHA = 500, 0.05


@pytest.mark.parametrize(("share", "events"), [(0.5, 0.5), (0.2, 0.05)])
@pytest.mark.parametrize("runs", [250, 1000])
def test_arms_that_do_not_differ_are_told_apart_in_alpha_of_all_runs_at_most(
    runs: int, share: float, events: float
) -> None:
    """Looked at after every unit of so many runs; a unit makes up to four requests that are alike."""
    assert told_apart(runs, UNITS, share, events, ALPHA) <= ALPHA * runs


def test_sessions_that_come_back_for_ever_are_no_false_alarm() -> None:
    """200 of them, some a hundred times as often as others, each with a level of its own; 5,000 requests."""
    random = Random(4)
    false = 0
    runs = 100
    for _ in range(runs):
        treated = [random.random() < 0.5 for _ in range(200)]
        level = [random.gauss(0.5, 0.2) for _ in treated]
        often = [random.paretovariate(1.5) for _ in treated]
        arms = (Tally(), Tally())
        first = None
        for n, unit in enumerate(random.choices(range(200), often, k=5000)):
            arms[treated[unit]].add(unit, float(random.random() < level[unit]))
            if n % 10 or (first is None and (first := variance(arms[0].sums, arms[1].sums)) is None):
                continue
            found = interval(arms[0].sums, arms[1].sums, first, ALPHA)
            if found is not None and (found.low > 0 or found.high < 0):
                false += 1
                break
    assert false <= ALPHA * runs, false


@pytest.mark.parametrize("runs", [250, 1000])
def test_a_whole_experiment_without_a_difference_is_stopped_in_few_runs(runs: int) -> None:
    """Five metrics and the ratio of the arms together, limits of nothing: any harm that is shown would do."""
    spec = ExperimentSpec("x", 0.3, stop_if=Limits(0.0, 0.0, 0.0, 0.0))
    random = Random(5)
    stopped = 0
    for _ in range(runs):
        trial = Trial()
        for unit in range(300):
            serve(trial, random, unit, treated=random.random() < spec.share, quality=0.8, errors=0.05)
            if unit % 5 == 0:
                trial.look()
                if verdict(trial, spec) is not None:
                    stopped += 1
                    break
    # (1 - confidence) / 2 of all, since only one side is harm, and one in 1,000 for the ratio
    assert stopped <= 0.026 * runs, stopped


# --- arms that do -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("share", "quality", "errors", "limits", "metric", "within"),
    [
        (0.5, 0.75, 0.0, Limits(quality_drop=0.03), "quality", 1500),  # 90 % of ratings good -> 75 %
        (0.1, 0.9, 0.3, Limits(error_rise=0.02), "errors", 1500),  # 1 % of requests fail -> 30 %
    ],
)
def test_real_harm_ends_it_within_so_many_requests(
    share: float, quality: float, errors: float, limits: Limits, metric: str, within: int
) -> None:
    """In 18 of 20 runs at least."""
    ends = harmed(20, within, share, quality, errors, limits)
    assert ends.count(None) <= 2, ends
    assert {end[1] for end in ends if end is not None} == {f"{metric} worse"}


# --- the whole daemon -------------------------------------------------------------------------------------

GOOD = {
    "id": "x",
    "object": "chat.completion",
    "model": "up-m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1000, "completion_tokens": 100, "total_tokens": 1100},
}
CHEAP = {"name": "cheap", "share": 0.4, "change": {"models.best": "m-b"}, "stop_if": {"quality_drop": 0.05}}


def house(folder: Path, **more: Any) -> House:
    rows = [row("a", model="m-a"), row("b", model="m-b", tier="secondary")]
    kept = {"store": {"url": f"sqlite://{folder}/state.db"}, "models": {"best": "m-a"}, "experiments": [CHEAP]}
    made = House(folder, *rows, **{**kept, **more})
    for host in "ab":
        made.stage.always(0.001, *answer(json.dumps(GOOD).encode()), host=host)
    return made


async def ask(h: House, session: str, **more: Any) -> Asked:
    return await h.ask("best", headers={"x-lbd-session": session, **more})


def served(heard: Asked) -> str:
    return heard.headers["x-lbd-deployment"]


async def test_the_treated_go_another_way_and_stay_on_it(tmp_path: Path) -> None:
    """Others do not; every decision replays, and says in which arm it counts."""
    async with house(tmp_path) as h:
        first = {f"s{n}": served(await ask(h, f"s{n}")) for n in range(60)}
        again = {f"s{n}": served(await ask(h, f"s{n}")) for n in range(60)}
        assert first == again
        counts = Counter(first.values())
        assert set(counts) == {"a/m-a", "b/m-b"} and 12 <= counts["b/m-b"] <= 36
        for short in h.console.decisions(200):
            told = h.console.decision(short["id"])
            assert told is not None and all(a["replays"] for a in told["attempts"])
            (arm,) = told["arms"]
            treated = told["served_by"] == "b/m-b"
            assert (arm["experiment"], arm["treated"]) == ("cheap", treated)
            assert told["attempts"][0]["ask"]["variant"] == ("cheap" if treated else "")
        units = h.app.trials.facts()[0].units
        assert units == (counts["a/m-a"], counts["b/m-b"])
        body = json.dumps({"model": "best", "messages": []}).encode()
        planned = {h.console.explain(body, {"x-lbd-session": s})["ask"]["variant"] for s in first}
        assert planned == {"", "cheap"}, "a plan is that of the session"


async def test_without_an_experiment_nothing_is_noted(tmp_path: Path) -> None:
    """And a disabled one changes nothing."""
    async with house(tmp_path, experiments=[{**CHEAP, "enabled": False}]) as h:
        assert {served(await ask(h, f"s{n}")) for n in range(20)} == {"a/m-a"}
        assert h.app.pipeline.trying == () and not h.console.decisions(1)[0]["arms"]
        assert h.app.scoring.served._places is None


async def _rate(h: House, sessions: int, score: dict[str, float]) -> None:
    for n in range(sessions):
        heard = await ask(h, f"s{n}")
        assert h.app.scoring.feedback(heard.headers["x-request-id"], "local", score[served(heard)])


async def test_harm_to_quality_ends_it_and_it_stays_ended(tmp_path: Path) -> None:
    """Over a restart and a reload; a changed definition begins anew; the event has the numbers."""
    async with house(tmp_path) as h:
        await _rate(h, 200, {"a/m-a": 1.0, "b/m-b": 0.0})
        h.app.trials.tick()
        event = next(e for e in h.app.timeline.last() if e.kind == "experiment_stopped")
        assert event.reason == "quality worse" and event.evidence["limit"] == 0.05
        assert event.evidence["treatment"] == 0.0 and event.evidence["control"] == 1.0
        assert {served(await ask(h, f"s{n}")) for n in range(30)} == {"a/m-a"}
        await h.app.reload(by="test")
        assert h.app.trials.listed[0].state == "stopped"
    async with house(tmp_path) as h:
        found = h.app.trials.listed[0]
        assert found.state == "stopped" and found.trial.treatment.requests > 50
        assert not [e for e in h.app.timeline.last() if e.kind.startswith("experiment")]
        assert {served(await ask(h, f"s{n}")) for n in range(30)} == {"a/m-a"}
        h.write(experiments=[{**CHEAP, "share": 0.5}])
        assert (await h.app.reload(by="test")).parts == ("experiments",)
        assert h.app.trials.listed[0].state == "running" and h.app.trials.facts()[0].requests == (0, 0)
        assert {served(await ask(h, f"s{n}")) for n in range(30)} == {"a/m-a", "b/m-b"}
        h.write(experiments=[CHEAP])
        await h.app.reload(by="test")
        assert h.app.trials.listed[0].state == "stopped", "what was found of this definition is not forgotten"


async def test_numbers_outlive_a_restart(tmp_path: Path) -> None:
    """Units that were seen are not counted twice."""
    async with house(tmp_path) as h:
        for n in range(40):
            await ask(h, f"s{n}")
        before = h.app.trials.facts()[0]
    async with house(tmp_path) as h:
        assert h.app.trials.facts()[0] == before
        for n in range(40):
            await ask(h, f"s{n}")
        after = h.app.trials.facts()[0]
        assert after.units == before.units and sum(after.requests) == 80


async def test_a_treatment_without_a_price_has_not_won(tmp_path: Path) -> None:
    """What it costs is not known: a price is asked for, and once it is there costs are compared again."""
    rows = [row("a", model="m-a"), row("b", model="m-b", tier="secondary", deployment={"price": None})]
    free = {**CHEAP, "by": "request", "share": 0.5, "stop_if": {"error_rise": None}}
    async with house(tmp_path, providers=rows, experiments=[free]) as h:
        for n in range(100):
            await ask(h, f"s{n}")
        h.app.trials.tick()
        async with h.tcp.get("/v1/experiments/cheap") as response:
            told = await response.json()
        cost = next(m for m in told["metrics"] if m["metric"] == "cost_usd")
        arms = told["arms"]
        assert arms["treatment"]["unpriced"] == arms["treatment"]["requests"] > 20 and not arms["control"]["unpriced"]
        assert cost["shown"] == "unpriced" and cost["treatment"] == {"n": 0, "mean": None} and cost["control"]["n"] > 20
        assert "won" not in told["verdict"] and "have no price" in told["verdict"]


async def test_units_are_counted_while_their_requests_are_under_way(tmp_path: Path) -> None:
    """So a treatment whose answers take long is not missing from the ratio."""
    async with house(tmp_path, experiments=[{**CHEAP, "by": "request"}]) as h:
        h.stage.always(30.0, *answer(json.dumps(GOOD).encode()), host="b")
        asked = [asyncio.ensure_future(ask(h, f"s{n}")) for n in range(60)]
        done, waits = await asyncio.wait(asked, timeout=3.0)
        assert 12 <= len(waits) <= 36
        fact = h.app.trials.facts()[0]
        assert fact.units == (len(done), len(waits)) and fact.requests == (len(done), 0)
        for task in waits:
            task.cancel()
        await asyncio.gather(*waits, return_exceptions=True)


async def test_a_bad_change_of_an_experiment_refuses_the_whole_reload(tmp_path: Path) -> None:
    """By its place; what was in force stays."""
    async with house(tmp_path) as h:
        h.write(experiments=[{**CHEAP, "change": {"models.best": "nobody"}}])
        with pytest.raises(Exception, match=r"experiments\[0\].change.models.best: 'nobody' is neither"):
            await h.app.reload(by="test")
        assert h.app.trials.listed[0].state == "running"


async def test_a_treatment_that_nobody_can_serve_is_stopped_by_its_errors(tmp_path: Path) -> None:
    """Without a word of configuration: errors are guarded by themselves; other surfaces have no part in it."""
    strict = {"name": "strict", "share": 0.5, "surfaces": ["s"], "change": {"surfaces.s.quality_floor": 0.99}}
    more: dict[str, Any] = {"surfaces": [{"name": "s"}, {"name": "other"}], "experiments": [strict]}
    async with house(tmp_path, **more) as h:
        statuses = Counter([(await ask(h, f"s{n}", **{"x-lbd-surface": "s"})).status for n in range(200)])
        assert set(statuses) == {200, 400} and 60 <= statuses[400] <= 140
        assert (await ask(h, "s1", **{"x-lbd-surface": "other"})).status == 200
        assert h.console.decisions(1)[0]["arms"] == []
        h.app.trials.tick()
        (event,) = [e for e in h.app.timeline.last() if e.kind == "experiment_stopped"]
        assert event.reason == "errors worse" and event.evidence["treatment"] == 1.0
        assert {(await ask(h, f"s{n}", **{"x-lbd-surface": "s"})).status for n in range(30)} == {200}
