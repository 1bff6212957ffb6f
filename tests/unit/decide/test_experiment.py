"""Who gets which experiment, and the table as the treated see it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lbd.decide import explain, names, pick, route
from lbd.decide.experiment import EASE, NOBODY, REMEMBERED, assigned, place, under, unit
from lbd.model.experiment import By, ExperimentSpec
from lbd.model.plan import Decision, Query
from lbd.model.provider import ScorerSpec
from lbd.model.table import SIZES, Alternative, Snapshot
from tests.fakes.tables import TIERS, deployment, idle, snapshot, terms, view

TEXT = st.text(max_size=20)


def spec(name: str = "x", share: float = 0.1, by: By = By.SESSION, *surfaces: str) -> ExperimentSpec:
    return ExperimentSpec(name, share, by, frozenset(surfaces), key=f"key of {name}")


# --- assignment ---------------------------------------------------------------------------------------


@given(TEXT, TEXT, TEXT, st.text(min_size=1, max_size=9), st.floats(0.01, 0.99), st.sampled_from(By))
def test_a_unit_stays_in_its_arm(name: str, session: str, client: str, request_id: str, share: float, by: By) -> None:
    """Whatever else the request is; and a larger share takes nobody out."""
    running = [spec(f"x{name}", share, by)]
    told = assigned(running, "", session, client, request_id)
    assert told == assigned(running, "any", session, client, request_id)
    (arm,) = told.arms
    assert arm.treated is (told.variant == f"x{name}") and arm.key == running[0].key
    smaller = assigned([spec(f"x{name}", share / 2, by)], "", session, client, request_id)
    assert told.variant or not smaller.variant


def test_what_stays_in_one_arm_is_what_was_asked_for() -> None:
    """A session is its client's own; without one its client stands for it; requests stand for themselves."""
    assert unit(By.SESSION, "s", "a", "1") == unit(By.SESSION, "s", "a", "2") != unit(By.SESSION, "s", "b", "1")
    assert unit(By.SESSION, None, "a", "1") == unit(By.CLIENT, "s", "a", "2")
    assert unit(By.SESSION, "a", "", "1") != unit(By.CLIENT, None, "a", "1")
    assert unit(By.REQUEST, "s", "a", "1") != unit(By.REQUEST, "s", "a", "2")
    assert unit(By.SESSION, "\ud800", "a", "1"), "text that is no UTF-8 is a session as well"


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5])
def test_the_share_is_what_was_asked_for(share: float) -> None:
    """Within five standard errors of 40,000 units; and places are uniform, in the low digits as well."""
    n = 40_000
    places = [place("x", unit(By.SESSION, str(i), "c", "")) for i in range(n)]
    bound = 5 * math.sqrt(share * (1 - share) / n)
    assert abs(sum(p < share for p in places) / n - share) < bound
    assert all(0 <= p < 1 for p in places)
    fine = [p * 4096 % 1 for p in places]
    assert abs(sum(p < share for p in fine) / n - share) < bound


def test_the_arms_of_each_experiment_are_in_its_own_ratio_whatever_else_runs() -> None:
    """Treated to not treated as share to the rest: nobody counts whom another experiment takes."""
    n = 40_000
    one, two, three = spec("a", 0.3), spec("b", 0.2), spec("c", 0.1, By.SESSION, "support")
    for running in ([one], [one, two], [two, one, three]):
        counts = {e.name: [0, 0] for e in running}
        variants = {"": 0, **{e.name: 0 for e in running}}
        for i in range(n):
            told = assigned(running, "support", str(i), "c", "")
            variants[told.variant] += 1
            assert {a.experiment for a in told.arms if a.treated} <= {told.variant}
            for arm in told.arms:
                counts[arm.experiment][arm.treated] += 1
        for e in running:
            control, treated = counts[e.name]
            seen = treated / (control + treated)
            assert abs(seen - e.share) < 5 * math.sqrt(e.share * (1 - e.share) / (control + treated)), e.name
            others = math.prod(1 - o.share for o in running if o is not e)
            assert abs((control + treated) / n - others) < 0.015
        first = running[0]
        assert abs(variants[first.name] / n - first.share) < 0.015, "the first in the list takes all of its share"


def test_of_two_that_take_a_unit_the_first_treats_it_and_nobody_counts_it() -> None:
    """It says nothing about either."""
    both = next(
        str(i) for i in range(1000) if all(place(n, unit(By.SESSION, str(i), "c", "")) < 0.3 for n in ("a", "b"))
    )
    assert assigned([spec("a", 0.3), spec("b", 0.3)], "", both, "c", "") == ("a", ())
    assert assigned([spec("b", 0.3), spec("a", 0.3)], "", both, "c", "") == ("b", ())


def test_an_experiment_of_other_surfaces_is_none() -> None:
    """Nor does it take anybody away from one that is of this surface."""
    running = [spec("a", 0.999, By.SESSION, "drafts"), spec("b", 0.001)]
    told = assigned(running, "support", "s", "c", "")
    assert told.variant == "" and [a.experiment for a in told.arms] == ["b"]
    assert assigned(running, "drafts", "s", "c", "").variant == "a"
    assert assigned([], "support", "s", "c", "") == NOBODY
    assert assigned([spec(by=By.REQUEST)], "", "s", "c", "") == NOBODY, "a request that is only thought of is no unit"


# --- the table of the treated -------------------------------------------------------------------------


def tried(**weights: float) -> Snapshot:
    """Return a table of a cheap and a fast row, with an experiment that weighs them otherwise."""
    rows = [view("p/a", ttft=0.2), view(deployment("p/b", model="n", tier="secondary"), ttft=1.2)]
    base = snapshot(rows, weights={"latency": 1.0, "cost": 0.0})
    specs = [r.spec for r in rows]
    other = Alternative(
        names.build(specs, TIERS, (), [("auto", "n")]), ScorerSpec(tuple(sorted(weights.items()))), {"primary": 0.18}
    )
    return replace(base, variants={"x": other})


def test_the_treated_see_other_names_weights_and_targets() -> None:
    """Everybody else, and the treated of what is no more, sees the table's own."""
    table = tried(latency=0.0, cost=1.0)
    seen = under(table, "x")
    assert under(table, "") is table and under(table, "gone") is table
    assert seen.catalogue.aliases and seen.scorer.weights == (("cost", 1.0), ("latency", 0.0))
    assert [r.tier_target_s for r in seen.rows] == [0.18, 3.0]
    assert seen.generation == table.generation and seen.rows[1] is table.rows[1]


def test_what_the_treated_see_of_a_snapshot_is_made_once() -> None:
    """However many requests there are; of another snapshot, equal or not, anew; and a few are kept."""
    table = tried(latency=0.0, cost=1.0)
    table = replace(table, variants={"x": table.variants["x"], "y": replace(table.variants["x"], targets={})})
    first, second = under(table, "x"), under(table, "y")
    assert under(table, "x") is first and under(table, "y") is second and first != second
    other = replace(table)
    assert under(other, "x") is not first and under(other, "x") == first
    changed = replace(table, rows=(view("p/a", ttft=0.9), table.rows[1]))
    assert under(changed, "x").rows[0].standing != first.rows[0].standing
    for generation in range(2 * REMEMBERED):
        under(replace(table, generation=generation), "x")
    assert under(table, "x") is not first and under(table, "x") == first


@pytest.mark.parametrize(
    ("p95", "fresh", "standing"), [(0.1, True, 1.0), (0.18, True, 1.0), (0.2025, True, 0.5), (1.0, True, 0.0)]
)
def test_a_standing_follows_the_other_target(p95: float, fresh: bool, standing: float) -> None:
    """From all to nothing between the target and a quarter above it."""
    table = tried()
    row = view("p/a", ttft=p95, fresh=fresh)
    seen = under(replace(table, rows=(row, table.rows[1])), "x").rows[0]
    assert seen.standing == pytest.approx((standing,) * SIZES) and EASE == 1.25


def test_what_rests_on_the_prior_goes_with_the_target() -> None:
    """A row that nobody has measured is not held to be late."""
    table = tried()
    row = view("p/a", ttft=1.2, fresh=False)
    seen = under(replace(table, rows=(row, table.rows[1])), "x").rows[0]
    assert seen.ttft_p95_s == pytest.approx((1.2 * 0.18 / 1.5,) * SIZES) and seen.standing == row.standing


def test_decisions_of_the_treated_replay() -> None:
    """From the snapshot alone: it keeps what each arm saw."""
    table = tried(latency=0.0, cost=1.0)
    for variant in ("", "x"):
        ask = route.Ask("auto", stream=True, input_tokens=112, variant=variant)
        ranking = route.rank(table, ask, terms())
        choice = pick.choose(ranking, Query(), 7, idle)
        assert choice is not None
        decision = Decision(
            1, 0.0, ask, Query(), 7, choice.live, choice.candidate.id, choice.stage, choice.manner, choice.reason
        )
        assert explain.replays(table, decision, terms())
        facts = explain.ranking_facts(ranking, table)
        assert facts["weights"]["cost"] == (1.0 if variant else 0.0)
