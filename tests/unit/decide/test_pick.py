from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.decide import explain, pick, route
from lbd.decide.terms.affinity import preference
from lbd.model.plan import Candidate, Choice, Live, Query, Ranking
from lbd.model.provider import Price
from lbd.model.request import Ask, Urgency
from lbd.model.table import Snapshot
from tests.fakes.env import FakeEnv
from tests.fakes.tables import (
    IDLE,
    Dice,
    ask,
    busy,
    cases,
    changed,
    decision,
    deployment,
    idle,
    lives,
    queries,
    seeds,
    shares,
    snapshot,
    terms,
    view,
)

TERMS = terms()
ANY = Query()
FIRST, STANDING, SECOND = 32, 16, 48  # where in the seed
WIDE = 0x8000  # a draw in the middle, which neither explores nor leaves a tier in full standing


def seed(*, explore: int = WIDE, standing: int = 0, first: int = WIDE, second: int = WIDE) -> int:
    return explore | standing << STANDING | first << FIRST | second << SECOND


def fleet(n: int, **more: Any) -> Ranking:
    return route.rank(snapshot([view(f"p{i}/r", **more) for i in range(n)]), ask(), TERMS)


def chosen(ranking: Ranking, query: Query, s: int, live: Any = idle) -> Choice:
    choice = pick.choose(ranking, query, s, live)
    assert choice is not None
    return choice


def all_of(ranking: Ranking) -> list[Candidate]:
    return [c for s in ranking.stages for c in s.candidates]


def random_seeds(n: int, s: int = 1) -> Iterable[int]:
    env = FakeEnv(seed=s)
    return (env.bits() for _ in range(n))


# --- load ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", range(10))
def test_equal_rows_share_a_hundred_requests_evenly(start: int) -> None:
    """Live in-flight counts fed back: 25 +- 2 each over four rows."""
    ranking = fleet(4)
    inflight = Counter[int]()
    for s in random_seeds(100, start):
        inflight[chosen(ranking, ANY, s, busy(inflight)).candidate.row] += 1
    assert all(23 <= inflight[i] <= 27 for i in range(4)), inflight


def test_many_equal_rows_stay_close_by_the_best_of_two() -> None:
    """No scan over eight rows, and yet nobody gets far ahead."""
    ranking = fleet(8)
    inflight = Counter[int]()
    for s in random_seeds(800):
        inflight[chosen(ranking, ANY, s, busy(inflight)).candidate.row] += 1
    assert all(95 <= inflight[i] <= 105 for i in range(8)), inflight


@pytest.mark.parametrize("n", [2, 3, 4, 8])
@given(s=seeds, at=st.integers(0, 7))
def test_a_busy_row_never_beats_equal_idle_ones(n: int, s: int, at: int) -> None:
    """However the draw falls: the busy one is compared with an idle one."""
    ranking = fleet(n)
    assert chosen(ranking, ANY, s, busy({at % n: 1})).candidate.row != at % n


@pytest.mark.parametrize("n", [2, 3, 4])
@given(s=seeds, at=st.integers(0, 7))
def test_an_idle_row_beats_equal_busy_ones(n: int, s: int, at: int) -> None:
    """Up to four rows are all compared."""
    counts = {i: 1 for i in range(n) if i != at % n}
    assert chosen(fleet(n), ANY, s, busy(counts)).candidate.row == at % n


def test_the_only_idle_row_of_eight_is_found_whenever_it_is_compared() -> None:
    """Best of two: a quarter of the draws see it, and all of those take it."""
    ranking = fleet(8)
    counts = {i: 3 for i in range(8) if i != 5}
    seen = taken = 0
    for s in random_seeds(4000):
        choice = chosen(ranking, ANY, s, busy(counts))
        seen += 5 in dict(choice.live)
        taken += choice.candidate.row == 5
    assert seen == taken
    assert 900 < taken < 1100


def test_best_of_two_draws_every_other_row_alike() -> None:
    """The second draw spreads over the rest, the first excluded."""
    ranking = fleet(6)
    rivals = Counter[int]()
    for second in range(0, 0x10000, 64):
        choice = chosen(ranking, ANY, seed(first=0, second=second))
        assert len(choice.live) == 2
        rivals[choice.live[1][0]] += 1
    first = choice.live[0][0]
    assert set(rivals) == set(range(6)) - {first}
    assert max(rivals.values()) - min(rivals.values()) <= 1


def test_requests_in_flight_count_by_how_long_they_take_and_by_weight() -> None:
    """Two at a fast row are less than one at a slow one; a row of twice the weight carries twice as much."""
    ranking = fleet(2)
    slow = {0: IDLE._replace(inflight=2, peak_s=0.1), 1: IDLE._replace(inflight=1, peak_s=1.0)}
    for s in random_seeds(50):
        assert chosen(ranking, ANY, s, slow.__getitem__).candidate.id == all_of(ranking)[0].id
    heavy = route.rank(changed(snapshot([view("p/a"), view("q/b")]), 1, weight=3.0), ask(), TERMS)
    for s in random_seeds(50):
        assert chosen(heavy, ANY, s, busy({0: 1, 1: 2})).candidate.id == "q/b"


def test_a_fresh_failure_weighs_like_requests_in_flight() -> None:
    """A single 5xx is a penalty: the row is out of favour while it decays, not out."""
    ranking = fleet(2)
    failed = {0: IDLE._replace(penalty=1.0), 1: IDLE._replace(inflight=3)}
    for s in random_seeds(50):
        assert chosen(ranking, ANY, s, failed.__getitem__).candidate.row == 1
        crowded = {**failed, 1: IDLE._replace(inflight=5)}
        assert chosen(ranking, ANY, s, crowded.__getitem__).candidate.row == 0


def test_a_plainly_worse_row_does_not_win_by_being_idle() -> None:
    """Load decides between rows of like score; 0.1 below the best is not like."""
    table = snapshot([view("p/good", quality=1.0), view("q/bad", quality=0.5)], weights={"quality": 1.0})
    ranking = route.rank(table, ask(), TERMS)
    assert chosen(ranking, ANY, seed(first=0), busy({0: 50})).candidate.id == "p/good"
    alike = route.rank(changed(table, 1, quality=0.95), ask(), TERMS)
    assert chosen(alike, ANY, seed(first=0), busy({0: 50})).candidate.id == "q/bad"


# --- weights ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [2, 3, 4, 7])
def test_an_idle_fleet_is_shared_in_proportion_to_the_weights(n: int) -> None:
    """Over 20,000 draws within what chance allows (chi-square, one in ten thousand)."""
    rows = [view(f"p{i}/r", weight=1.0 + i, ttft=0.3 + 0.1 * (i % 3)) for i in range(n)]
    ranking = route.rank(snapshot(rows), ask(), TERMS)
    total = 20_000
    got = Counter(chosen(ranking, ANY, s).candidate.id for s in random_seeds(total))
    chi = sum((got[i] - total * share) ** 2 / (total * share) for i, share in shares(ranking).items())
    bound = {1: 15.2, 2: 18.5, 3: 21.2, 6: 27.9}[n - 1]
    assert chi < bound, (got, shares(ranking))


def test_every_draw_names_a_row_and_the_edges_are_whole() -> None:
    """The smallest draw is the best row's, the largest the last one's; none falls out of the table."""
    ranking = fleet(3)
    assert chosen(ranking, ANY, seed(first=0)).candidate is all_of(ranking)[0]
    assert chosen(ranking, ANY, seed(first=0xFFFF)).candidate is all_of(ranking)[-1]
    assert chosen(ranking, ANY, seed(first=0)).reason == "weighted"


# --- tiers -----------------------------------------------------------------------------------------------


def tiered(*standings: float, ttft: tuple[float, ...] = (0.4, 0.5, 0.6)) -> Ranking:
    tiers = ("primary", "secondary", "tertiary")
    rows = [
        view(deployment(f"p/{t}", tier=t), standing=s, ttft=x) for t, s, x in zip(tiers, standings, ttft, strict=False)
    ]
    return route.rank(snapshot(rows), ask(), TERMS)


def by_standing(ranking: Ranking, query: Query = ANY) -> dict[str, float]:
    got = Counter(chosen(ranking, query, seed(standing=d * 64)).stage for d in range(1024))
    return {stage: n / 1024 for stage, n in got.items()}


def test_the_best_tier_in_full_standing_takes_all() -> None:
    """Tiers are not shared without a reason."""
    assert by_standing(tiered(1.0, 1.0, 1.0)) == {"primary": 1.0}


def test_what_a_tier_lost_goes_to_the_next_that_stands() -> None:
    """A tier's standing is the share that it still gets of the requests that come to it."""
    assert by_standing(tiered(0.75, 1.0)) == pytest.approx({"primary": 0.75, "secondary": 0.25}, abs=0.002)
    assert by_standing(tiered(0.0, 1.0)) == {"secondary": 1.0}
    assert by_standing(tiered(0.5, 0.75, 1.0)) == pytest.approx(
        {"primary": 0.5, "secondary": 0.375, "tertiary": 0.125}, abs=0.002
    )


def test_where_no_tier_stands_the_one_that_answers_soonest_takes_it() -> None:
    """None meets its target: the closest."""
    assert by_standing(tiered(0.0, 0.0, 0.0, ttft=(5.0, 4.0, 9.0))) == {"secondary": 1.0}
    assert by_standing(tiered(0.5, 0.0, ttft=(5.0, 4.0))) == pytest.approx(
        {"primary": 0.5, "secondary": 0.5}, abs=0.002
    )


def test_without_the_tried_rows_the_standing_is_that_of_the_others() -> None:
    """A tier whose good row was tried is worth what its other row is worth."""
    rows = [view("p/good"), view("p/poor", standing=0.25), view(deployment("q/next", tier="secondary"))]
    ranking = route.rank(snapshot(rows), ask(), TERMS)
    assert by_standing(ranking) == {"primary": 1.0}
    assert by_standing(ranking, Query(("p/good",))) == pytest.approx({"primary": 0.25, "secondary": 0.75}, abs=0.002)


def test_background_work_stays_with_the_cheapest_also_after_a_failure() -> None:
    """No tier steers background work: the rest of its price level comes before a dearer one."""
    cheap: dict[str, Any] = {"tier": "tertiary", "price": Price(0.0, 0.0)}
    rows = [
        view(deployment("p/a", **cheap), standing=0.0),
        view(deployment("q/b", **cheap), standing=0.0),
        view("r/dear"),
    ]
    ranking = route.rank(snapshot(rows), ask(urgency=Urgency.BACKGROUND), TERMS)
    for s in random_seeds(200):
        assert chosen(ranking, Query(("p/a",)), s).candidate.id == "q/b"
    assert chosen(ranking, Query(("p/a", "q/b")), 0).candidate.id == "r/dear"


# --- exploration -----------------------------------------------------------------------------------------


def explored(ranking: Ranking) -> float:
    reasons = Counter(chosen(ranking, ANY, seed(explore=e)).reason for e in range(0x10000))
    return reasons["explore"] / 0x10000


def test_one_percent_refreshes_a_stale_estimate() -> None:
    """An estimate that rests on the prior is measured, by about 1 % of the requests."""
    ranking = route.rank(snapshot([view("p/a"), view("q/stale", fresh=False)]), ask(), TERMS)
    assert explored(ranking) == pytest.approx(0.01, abs=0.0005)
    choice = chosen(ranking, ANY, seed(explore=0))
    assert (choice.candidate.id, choice.reason, choice.live) == ("q/stale", "explore", ())


def test_a_tier_that_lost_its_standing_is_explored() -> None:
    """Else it could never show that it is back."""
    choice = chosen(tiered(0.0, 1.0), ANY, seed(explore=0))
    assert (choice.stage, choice.reason) == ("primary", "explore")


def test_nothing_is_explored_where_everything_is_fresh_or_no_other_is_left() -> None:
    """1 % exploration where a fallback exists."""
    assert explored(fleet(3)) == 0.0
    assert explored(fleet(1, fresh=False)) == 0.0
    stale = route.rank(snapshot([view("p/a", fresh=False), view("q/b")]), ask(), TERMS)
    assert chosen(stale, Query(("q/b",)), seed(explore=0)).reason == "only"


def test_suspects_late_rows_and_open_breakers_are_not_explored() -> None:
    """They are measured by probes and trials, not by luck."""
    rows = [view("p/a", fresh=False, suspect=True), view("q/b", fresh=False, suspect=True)]
    assert explored(route.rank(snapshot(rows), ask(), TERMS)) == 0.0


# --- who comes next --------------------------------------------------------------------------------------


def test_who_comes_next_is_held_to_begin_as_late_as_the_slowest_of_the_first_stage_that_is_left() -> None:
    """Any of them may be drawn; later stages are not looked at before it is used up."""
    rows = [view("p/a", ttft=0.2), view("q/b", ttft=0.5), view(deployment("r/c", tier="secondary"), ttft=1.0)]
    ranking = route.rank(snapshot(rows), ask(), TERMS)
    told = [pick.following_s(ranking, tried) for tried in ((), ("q/b",), ("p/a", "q/b"), ("p/a", "q/b", "r/c"))]
    assert told == [pytest.approx(0.5), pytest.approx(0.2), pytest.approx(1.0), 0.0]


# --- affinity --------------------------------------------------------------------------------------------


def homes(ranking: Ranking, key: int) -> str:
    return max(all_of(ranking), key=lambda c: preference(key, c.id)).id


@given(key=st.integers(1, 2**64 - 1), s=seeds)
def test_a_session_stays_on_its_home_at_low_load(key: int, s: int) -> None:
    """Whatever the draw: the server that has it in its cache."""
    ranking = fleet(5)
    for live in (idle, busy(dict.fromkeys(range(5), 2)), busy({i: i % 2 for i in range(5)})):
        choice = chosen(ranking, Query(affinity=key), s, live)
        assert (choice.candidate.id, choice.reason) == (homes(ranking, key), "affinity")


def test_many_sessions_spread_evenly() -> None:
    """10,000 keys over five rows, each within 10 %."""
    ranking = fleet(5)
    got = Counter(chosen(ranking, Query(affinity=key), seed()).candidate.id for key in range(1, 10_001))
    assert len(got) == 5
    assert all(1800 < n < 2200 for n in got.values()), got


def test_one_hot_session_is_bounded_by_load() -> None:
    """Consistent hashing with bounded loads: no more than 1.25 times the average and one or two."""
    ranking = fleet(4)
    inflight = Counter[int]()
    for s in random_seeds(400):
        inflight[chosen(ranking, Query(affinity=99), s, busy(inflight)).candidate.row] += 1
        mean = inflight.total() / 4
        assert max(inflight.values()) <= 1.25 * mean + 2.25
    assert min(inflight.values()) > 80


def test_a_session_moves_when_its_home_is_out_and_comes_back() -> None:
    """To one other home, the same for the whole session."""
    ranking = fleet(4)
    for key in range(1, 200):
        home = chosen(ranking, Query(affinity=key), seed()).candidate.id
        second = {chosen(ranking, Query((home,), affinity=key), s).candidate.id for s in random_seeds(5, key)}
        assert len(second) == 1
        assert home not in second
        assert chosen(ranking, Query(affinity=key), seed()).candidate.id == home


@pytest.mark.parametrize(
    "trouble", [{"inflight": 8, "capacity": 8.0}, {"penalty": 0.1}, {"inflight": 9}], ids=["full", "failed", "busier"]
)
def test_a_home_in_trouble_is_left_for_the_least_loaded(trouble: dict[str, Any]) -> None:
    """A cache is not worth a wait or a failure."""
    ranking = fleet(3)
    home = next(c.row for c in all_of(ranking) if c.id == homes(ranking, 7))
    live = {i: IDLE._replace(inflight=1, peak_s=1.0) for i in range(3)}
    live[home] = live[home]._replace(**trouble)
    for s in random_seeds(20):
        choice = chosen(ranking, Query(affinity=7), s, live.__getitem__)
        assert choice.candidate.row != home
        assert choice.reason != "affinity"
        assert {row for row, _ in choice.live} == {0, 1, 2}


def test_a_home_may_lack_no_more_score_than_the_bonus() -> None:
    """Affinity is a term: it does not keep a session on a row that is plainly worse."""
    rows = [view(f"p{i}/r", quality=0.9 if i else 0.2) for i in range(3)]
    ranking = route.rank(snapshot(rows), ask(), TERMS)
    got = {chosen(ranking, Query(affinity=key), seed()).candidate.id for key in range(1, 200)}
    assert got == {"p1/r", "p2/r"}


def test_without_a_weight_there_is_no_affinity() -> None:
    """Weight 0 switches the term off."""
    rows = [view("p/a"), view("q/b")]
    ranking = route.rank(snapshot(rows, weights={"latency": 1.0}), ask(), TERMS)
    assert {chosen(ranking, Query(affinity=5), s).reason for s in random_seeds(50)} == {"weighted"}


# --- restricted queries ----------------------------------------------------------------------------------


def allowed(c: Candidate, manner: str, query: Query) -> bool:
    return (
        c.id not in query.out
        and (query.model is None or (c.model == query.model and manner != "trial"))
        and (query.larger_than is None or c.context is None or c.context > query.larger_than)
    )


@given(case=cases(), s=seeds, live=st.lists(lives, min_size=6, max_size=6), data=st.data())
def test_a_pick_honours_its_query_and_left_agrees(
    case: tuple[Snapshot, Ask], s: int, live: list[Live], data: st.DataObject
) -> None:
    """Not what was tried, only this model and no trial, only a larger or unknown context; None when nothing is left."""
    table, of = case
    query = data.draw(queries(table))
    ranking = route.rank(table, of, TERMS)
    fit = [(c, s.manner) for s in ranking.stages for c in s.candidates if allowed(c, s.manner, query)]
    choice = pick.choose(ranking, query, s, live.__getitem__)
    assert pick.left(ranking, query) == len(fit)
    if choice is None:
        assert not fit
        return
    assert (choice.candidate, choice.manner) in fit
    assert choice.others == len(fit) - 1
    best = fit[0][1]  # normal before closest before suspect before trial
    assert choice.manner == best
    assert choice == pick.choose(ranking, query, s, live.__getitem__)
    assert all(now == live[row] for row, now in choice.live)


def test_larger_than_means_larger() -> None:
    """After a context overflow: the next with a larger or unknown context, not one of the same size."""
    rows = [view(deployment(f"p{n}/r", context_tokens=n)) for n in (1000, 4000, 4001)]
    rows.append(view(deployment("p/unknown", context_tokens=None)))
    ranking = route.rank(snapshot(rows), ask(), TERMS)
    query = Query(larger_than=4000)
    assert pick.left(ranking, query) == 2
    assert {chosen(ranking, query, s).candidate.id for s in random_seeds(50)} == {"p4001/r", "p/unknown"}


def test_a_twin_with_an_open_breaker_is_no_twin() -> None:
    """Another deployment of the same model goes before another model, a last-resort trial of it does not."""
    rows = [view("p/a"), view("q/b", refusal="breaker_open"), view(deployment("r/n", model="n"))]
    ranking = route.rank(snapshot(rows), ask(), TERMS)
    assert pick.choose(ranking, Query(("p/a",), model="m"), 0, idle) is None
    assert pick.left(ranking, Query(("p/a",), model="m")) == 0
    assert chosen(ranking, Query(("p/a",)), 0).candidate.id == "r/n"
    assert chosen(ranking, Query(("p/a", "r/n")), 0).manner == "trial"


@given(case=cases(), data=st.data())
def test_everything_that_is_left_is_found_before_nothing_is(case: tuple[Snapshot, Ask], data: st.DataObject) -> None:
    """Picking on, with each choice excluded, visits every candidate, stage manner by stage manner."""
    table, of = case
    ranking = route.rank(table, of, TERMS)
    query, visited = Query(), []
    while (choice := pick.choose(ranking, query, data.draw(seeds), idle)) is not None:
        visited.append((choice.manner, choice.candidate.id))
        query = Query((*query.out, choice.candidate.id))
    order = [("normal", "slo_missed", "suspect", "ejected", "trial").index(m) for m, _ in visited]
    assert order == sorted(order)
    assert {i for _, i in visited} == {c.id for c in all_of(ranking)}
    assert pick.left(ranking, query) == 0


def test_an_empty_ranking_chooses_nobody() -> None:
    """Everything excluded: the caller waits or says why."""
    ranking = route.rank(snapshot([view("p/a", refusal="locked_auth")]), ask(), TERMS)
    assert pick.choose(ranking, ANY, 1, idle) is None
    assert pick.left(ranking, ANY) == 0


def test_the_live_inputs_that_were_read_are_recorded() -> None:
    """All of up to four, two of more; none where there is nothing to compare."""
    assert len(chosen(fleet(4), ANY, seed()).live) == 4
    assert len(chosen(fleet(5), ANY, seed()).live) == 2
    assert len(chosen(fleet(5), Query(affinity=3), seed()).live) == 5
    assert chosen(fleet(1), ANY, seed()).live == ()


# --- never an open breaker -------------------------------------------------------------------------------

DECISIONS = 1_000_000 if os.environ.get("LBD_HYPOTHESIS") == "thorough" else 100_000


def test_no_open_breaker_is_chosen_outside_a_trial() -> None:
    """Over 10^5 random decisions (10^6 when thorough), restricted or not; each tenth is executed again as well."""
    dice = Dice(20240607)
    made = open_chosen = generation = 0
    while made < DECISIONS:
        generation += 1
        table = dice.table(generation)
        for _ in range(12):
            ranking = route.rank(table, dice.ask(table), TERMS)
            for _ in range(40):
                query, s = dice.query(table), dice.seed()
                live = [dice.live() for _ in table.rows] if made % 7 == 0 else [IDLE] * len(table.rows)
                choice = pick.choose(ranking, query, s, live.__getitem__)
                made += 1
                if choice is None:
                    continue
                row = table.rows[choice.candidate.row]
                assert row.refusal == ("breaker_open" if choice.manner == "trial" else None)
                open_chosen += choice.manner == "trial"
                if made % 10 == 0:
                    assert explain.replays(table, decision(choice, ranking, query, s), TERMS)
    assert open_chosen > made / 100  # the law was put to the test


@pytest.mark.parametrize("number", range(30))
def test_chances_are_the_shares_of_all_seeds(number: int) -> None:
    """Compared with what a few thousand seeds choose: within five standard errors, and nobody else is chosen."""
    dice = Dice(number)
    table = dice.table()
    query, asked = dice.query(table), dice.ask(table)
    ranking = route.rank(table, asked, TERMS)
    found = {row: dice.live() for row in range(len(table.rows))}
    told = pick.chances(ranking, query, found.__getitem__)
    n = 4000
    counted: Counter[str] = Counter()
    for _ in range(n):
        choice = pick.choose(ranking, query, dice.seed(), found.__getitem__)
        if choice is not None:
            counted[choice.candidate.id] += 1
    assert not counted or abs(sum(told.values()) - 1) < 1e-9
    assert set(counted) <= set(told)
    for id_, chance in told.items():
        assert abs(counted[id_] / n - chance) <= 5 * (chance * (1 - chance) / n) ** 0.5 + 1 / n, (id_, chance)


def test_of_a_wide_fleet_chances_are_exact_as_well() -> None:
    """Two of many are compared: every pair counts by its chance."""
    ranking = fleet(9)
    told = pick.chances(ranking, ANY, busy({0: 5, 1: 1}))
    assert abs(sum(told.values()) - 1) < 1e-9
    assert not told.get("p0/r")
    # the busiest never wins a comparison; the next only against it
    assert told["p1/r"] < 0.05 < told["p2/r"]
