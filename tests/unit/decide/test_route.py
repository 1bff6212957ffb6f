from __future__ import annotations

import math
from collections import Counter
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lbd.decide import eligible, route
from lbd.model.plan import Candidate, Ranking
from lbd.model.provider import Price, RuleSpec
from lbd.model.request import Ask, Urgency
from lbd.model.table import AdminState, DeploymentView, Reason, Snapshot, size_bucket
from lbd.state import outlier
from tests.fakes.tables import ask, cases, changed, deployment, shares, snapshot, terms, view

TERMS = terms()


def ranked(table: Snapshot, of: Ask | None = None) -> Ranking:
    return route.rank(table, of or ask(), TERMS)


def shape(ranking: Ranking) -> list[tuple[str, str, list[str]]]:
    return [(s.name, s.manner, [c.id for c in s.candidates]) for s in ranking.stages]


def reasons(ranking: Ranking) -> dict[str, str]:
    return {e.id: e.reason for e in ranking.excluded}


def candidates(ranking: Ranking, *manners: str) -> list[Candidate]:
    return [c for s in ranking.stages if not manners or s.manner in manners for c in s.candidates]


def rows(*names: str, **more: Any) -> list[DeploymentView]:
    return [view(name, **more) for name in names]


# --- stages ----------------------------------------------------------------------------------------------


def test_tiers_are_stages_best_first_and_candidates_are_by_score() -> None:
    """The target's own stages in order; inside, the better score first."""
    table = snapshot(
        [
            view(deployment("p/c", tier="tertiary")),
            view("p/slow", ttft=1.2),
            view("p/fast", ttft=0.2),
            view(deployment("p/b", tier="secondary")),
        ]
    )
    assert shape(ranked(table)) == [
        ("primary", "normal", ["p/fast", "p/slow"]),
        ("secondary", "normal", ["p/b"]),
        ("tertiary", "normal", ["p/c"]),
    ]
    assert ranked(table).count == 4
    assert ranked(table).excluded == ()


def test_a_rule_s_groups_are_tried_in_order_and_tiers_are_ignored() -> None:
    """``primary``, then ``fallback``: the cheap tertiary model may come first, whatever its standing."""
    table = snapshot(
        [
            view(deployment("p/best", model="m")),
            view(deployment("p/small", model="n", tier="tertiary"), ttft=9.0, standing=0.0),
            view(deployment("q/small", model="n", tier="primary"), ttft=0.2),
        ],
        rules=[RuleSpec("r", (("n",), ("m",)))],
    )
    ranking = ranked(table, ask("rule:r"))
    assert shape(ranking) == [
        ("primary", "normal", ["q/small", "p/small"]),
        ("fallback 1", "normal", ["p/best"]),
    ]
    assert [s.standing for s in ranking.stages] == [1.0, 1.0]


def test_background_work_goes_to_the_cheapest_first_whatever_its_tier_and_standing() -> None:
    """One stage a price level; an unknown price comes last; a tier's target is no promise to background work."""
    table = snapshot(
        [
            view(deployment("p/dear", price=Price(10.0, 30.0))),
            view(deployment("p/unknown", price=None)),
            view(deployment("p/cheap", price=Price(0.1, 0.1), tier="tertiary"), standing=0.0),
            view(deployment("q/cheap", price=Price(0.1, 0.1)), ttft=1.4),
        ]
    )
    ranking = ranked(table, ask(urgency=Urgency.BACKGROUND, first_content_s=86400.0))
    assert [ids for _, _, ids in shape(ranking)] == [["p/cheap", "q/cheap"], ["p/dear"], ["p/unknown"]]
    assert [s.standing for s in ranking.stages] == [1.0, 1.0, 1.0]
    assert ranking.stages[2].name == "price unknown"


def test_what_is_predicted_late_is_closest_first_after_everything_on_time() -> None:
    """None meets it: the closest, marked ``slo_missed``, across tiers."""
    table = snapshot(
        [view("p/late", ttft=5.0), view("p/later", ttft=9.0), view(deployment("q/close", tier="tertiary"), ttft=2.5)]
    )
    ranking = ranked(table, ask(slo_s=2.0))
    assert [(m, i) for _, m, i in shape(ranking)] == [
        ("slo_missed", ["q/close"]),
        ("slo_missed", ["p/late"]),
        ("slo_missed", ["p/later"]),
    ]
    assert reasons(ranking) == dict.fromkeys(("p/late", "p/later", "q/close"), "over_slo")
    on_time = ranked(snapshot([*table.rows, view(deployment("z/ok", tier="tertiary"))]), ask(slo_s=2.0))
    assert [m for _, m, _ in shape(on_time)] == ["normal", "slo_missed", "slo_missed", "slo_missed"]


def test_replicas_that_are_late_alike_share_what_comes() -> None:
    """One stage for those that differ by little; the first in the table is no better than the second."""
    table = snapshot([view("p/a", ttft=5.0), view("p/b", ttft=5.2), view("p/c", ttft=7.0)])
    ranking = ranked(table, ask(slo_s=2.0))
    assert [sorted(i) for _, _, i in shape(ranking)] == [["p/a", "p/b"], ["p/c"]]


def test_suspects_come_after_the_late_and_open_breakers_last() -> None:
    """Out of first choice; an open breaker gets no more than a last-resort trial."""
    table = snapshot(
        [
            view("p/open", refusal="breaker_open"),
            view("p/suspect", suspect=True),
            view("p/late", ttft=5.0),
            view(deployment("p/well", tier="tertiary")),
        ]
    )
    ranking = ranked(table, ask(slo_s=2.0))
    assert shape(ranking) == [
        ("tertiary", "normal", ["p/well"]),
        ("closest", "slo_missed", ["p/late"]),
        ("suspect", "suspect", ["p/suspect"]),
        ("last resort", "trial", ["p/open"]),
    ]
    assert reasons(ranking) == {"p/late": "over_slo", "p/open": "breaker_open"}


def test_a_suspect_that_is_late_as_well_stays_a_suspect() -> None:
    """Being late besides must not bring it before a suspect that is on time."""
    table = snapshot([view("p/late", suspect=True, ttft=5.0), view("p/suspect", suspect=True)])
    ranking = ranked(table, ask(slo_s=2.0))
    assert [(m, i) for _, m, i in shape(ranking)] == [("suspect", ["p/suspect"]), ("suspect", ["p/late"])]
    assert reasons(ranking) == {"p/late": "over_slo"}


@pytest.mark.parametrize("trouble", [{"suspect": True}, {"refusal": "breaker_open"}])
def test_among_suspects_and_trials_the_better_tier_and_then_the_better_score_is_first(trouble: dict[str, Any]) -> None:
    """Where a row stands in the configuration file is no reason."""
    table = snapshot(
        [
            view(deployment("p/third", tier="tertiary"), ttft=0.1, **trouble),
            view("p/bad", error_ratio=0.5, **trouble),
            view("p/good", **trouble),
        ]
    )
    assert [ids for _, _, ids in shape(ranked(table))] == [["p/good"], ["p/bad"], ["p/third"]]


def test_one_candidate_is_chosen_beforehand() -> None:
    """Nothing to draw: the ranking holds the choice."""
    ranking = ranked(snapshot([view("p/a"), view("p/b", refusal="locked_auth")]))
    assert ranking.only is not None
    assert (ranking.only.candidate.id, ranking.only.reason, ranking.only.manner) == ("p/a", "only", "normal")
    assert ranked(snapshot([view("p/a"), view("p/b", suspect=True)])).only is None
    trial = ranked(snapshot([view("p/a", refusal="breaker_open")])).only
    assert trial is not None
    assert trial.manner == "trial"


def test_a_name_that_a_reload_took_away_leads_nowhere() -> None:
    """A request that was under way finds no candidate, and no exception."""
    ranking = ranked(snapshot(rows("p/a")), ask("model:gone"))
    assert (ranking.stages, ranking.excluded, ranking.count) == ((), (), 0)


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ({"admin": AdminState.DRAIN}, "admin_drain"),
        ({"admin": AdminState.MAINT}, "admin_maint"),
        ({"weight": 0.0}, "weight_zero"),
        ({"refusal": "locked_auth"}, "locked_auth"),
        ({"refusal": "quota_exhausted"}, "quota_exhausted"),
        ({"refusal": "trials_under_way"}, "trials_under_way"),
    ],
)
@pytest.mark.parametrize("bounded", [False, True])
def test_what_keeps_a_row_out_keeps_it_out_of_every_stage(trouble: dict[str, Any], reason: str, bounded: bool) -> None:
    """With bounds of the request's own and without any: the short cut for the latter misses nothing."""
    of = ask(max_usd=1.0) if bounded else ask()
    ranking = ranked(snapshot([view("p/a"), view("q/b", **trouble)]), of)
    assert [c.id for c in candidates(ranking)] == ["p/a"]
    assert reasons(ranking) == {"q/b": reason}


def test_a_prompt_that_does_not_fit_keeps_a_row_out() -> None:
    """Also for a request without bounds of its own."""
    table = snapshot([view("p/a"), view(deployment("q/b", context_tokens=1000))])
    assert reasons(ranked(table, ask(input_tokens=1280))) == {"q/b": "context"}
    assert reasons(ranked(table, ask(input_tokens=1120))) == {}


def test_a_candidate_carries_what_it_was_judged_by() -> None:
    """The record shows it: terms in the order of the weights, prediction, cut, cost, estimate."""
    row = view(
        deployment("p/a", context_tokens=8000, price=Price(1.0, 2.0)),
        ttft_p95_s=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6),
        ttft_p99_s=(1.1, 1.2, 1.3, 1.4, 1.5, 1.6),
        fresh=(True, False, True, True, True, True),
        wait_s=0.5,
        output_tokens=100,
    )
    table = snapshot([row], weights={"latency": 1.0, "quality": 3.0})
    of = ask(input_tokens=1000, output_tokens=None)
    c = ranked(table, of).stages[0].candidates[0]
    assert c.terms == (1.5 / (1.5 + 0.7), 0.8)
    assert c.score == pytest.approx((c.terms[0] + 3 * 0.8) / 4)
    assert c.predicted_s == pytest.approx(0.7)
    assert c.slow_s == pytest.approx(2 * (1.2 + 0.5))
    assert c.cutoff_s == pytest.approx(3.4)
    assert c.usd == pytest.approx(1200 / 1e6)
    assert (c.fresh, c.context, c.row) == (False, 8000, 0)


def test_an_attempt_is_never_cut_before_the_tier_s_target() -> None:
    """cut = max(2 x p99, target)."""
    c = ranked(snapshot([view("p/a", ttft=0.1)])).stages[0].candidates[0]
    assert c.slow_s == pytest.approx(0.3)
    assert c.cutoff_s == 1.5


def test_the_share_of_a_worse_score_falls_by_the_exponent() -> None:
    """A tenth of a point less takes about a third of the share."""
    table = snapshot(rows("p/a", "q/b"), weights={"quality": 1.0})
    table = changed(table, 1, quality=0.7)
    assert shares(ranked(table))["q/b"] / shares(ranked(table))["p/a"] == pytest.approx(math.exp(-1))


def test_the_share_follows_the_operator_s_weight() -> None:
    """Twice the weight, twice the share."""
    table = changed(snapshot(rows("p/a", "q/b", "r/c")), 1, weight=2.0)
    assert shares(ranked(table)) == pytest.approx({"p/a": 0.25, "q/b": 0.5, "r/c": 0.25})


def test_a_row_without_standing_keeps_a_trickle_in_its_tier() -> None:
    """So that it is measured; its whole tier's standing is its best row's."""
    table = changed(snapshot(rows("p/a", "q/b")), 1, standing=(0.0,) * 6)
    ranking = ranked(table)
    assert ranking.stages[0].standing == 1.0
    assert shares(ranking)["q/b"] == pytest.approx(0.05 / 1.05)


def test_affinity_may_cost_as_much_score_as_its_weight() -> None:
    """The bonus is the term's weight over all weights."""
    assert ranked(snapshot(rows("p/a"))).affinity_bonus == pytest.approx(0.3 / 3.8)
    assert ranked(snapshot(rows("p/a"), weights={"latency": 1.0})).affinity_bonus == 0.0
    assert ranked(snapshot(rows("p/a"), weights={})).affinity_bonus == 0.0


# --- ejection and panic ----------------------------------------------------------------------------------


def test_an_ejected_row_is_out_with_its_reason() -> None:
    """A row that stands out from its peers is set aside: better than no answer, and than an open breaker."""
    why = Reason("outlier_errors", "stands out from its peers")
    table = snapshot([*rows("p/a", "q/b"), view("r/c", ejected=True, reason=why)])
    ranking = ranked(table)
    assert shape(ranking) == [("primary", "normal", ["p/a", "q/b"]), ("ejected", "ejected", ["r/c"])]
    assert [(e.id, e.reason, e.detail, e.soft) for e in ranking.excluded] == [("r/c", "ejected", why.text, True)]
    assert not ranking.panic


def test_with_more_than_half_of_three_or_more_ejected_none_is() -> None:
    """Panic: so many outliers are no outliers; it is counted over the request's eligible rows."""
    table = snapshot([*rows("p/a"), *rows("q/b", "r/c", ejected=True)])
    ranking = ranked(table)
    assert ranking.panic
    assert len(candidates(ranking, "normal")) == 3
    half = snapshot([*rows("p/a", "s/d"), *rows("q/b", "r/c", ejected=True)])
    assert not ranked(half).panic
    assert len(candidates(ranked(half), "normal")) == 2


def test_two_rows_are_too_few_for_panic_but_never_all_out() -> None:
    """Needs at least three eligible; the last one stays in whatever statistics say."""
    one = ranked(snapshot([*rows("p/a"), *rows("q/b", ejected=True)]))
    assert (one.panic, reasons(one)) == (False, {"q/b": "ejected"})
    both = ranked(snapshot(rows("p/a", "q/b", ejected=True)))
    assert len(candidates(both, "normal")) == 2
    assert reasons(both) == {}


def test_panic_is_counted_over_what_this_request_could_use() -> None:
    """A request for one model panics by that model's rows, not by the whole table's."""
    table = snapshot([*rows("p/a", "q/b", "r/c", "s/d"), view(deployment("t/n", model="n"), ejected=True)])
    assert not ranked(table).panic
    assert reasons(ranked(table)) == {"t/n": "ejected"}
    assert len(candidates(ranked(table, ask("model:n")), "normal")) == 1


def test_panic_brings_no_open_breaker_back() -> None:
    """Breakers, lock-outs and quota are never overridden."""
    table = snapshot(
        [
            *rows("p/a", "q/b", "r/c", ejected=True),
            view("s/d", refusal="breaker_open", ejected=True),
            view("t/e", refusal="locked_auth", ejected=True),
        ]
    )
    ranking = ranked(table)
    assert ranking.panic
    assert {c.id for c in candidates(ranking, "normal")} == {"p/a", "q/b", "r/c"}
    assert {c.id for c in candidates(ranking, "trial")} == {"s/d"}
    assert reasons(ranking) == {"s/d": "breaker_open", "t/e": "locked_auth"}


# --- laws over random tables -----------------------------------------------------------------------------


def hard_bounds(row: DeploymentView, of: Ask, cap: float | None) -> bool:
    """Tell whether the row keeps every bound that is never overridden (the breaker apart)."""
    spec = row.spec
    output = min(row.output_tokens, of.output_tokens or 10**9)
    usd = None
    if spec.price is not None:
        usd = (of.input_tokens * spec.price.input_usd_per_mtok + output * spec.price.output_usd_per_mtok) / 1e6
    return (
        row.admin is AdminState.READY
        and row.weight > 0
        and (spec.supports is None or of.needs <= spec.supports)
        and (spec.context_tokens is None or of.input_tokens <= spec.context_tokens * 1.25)
        and (not of.allow or any(fnmatchcase(spec.model, p) for p in of.allow))
        and (of.quality_floor == 0 or (row.quality is not None and row.quality >= of.quality_floor))
        and (of.max_usd is None or (usd is not None and usd <= of.max_usd))
        and (cap is None or (usd is not None and usd / (of.input_tokens + output) * 1000 <= cap * (1 + 1e-12)))
    )


@given(cases())
def test_no_stage_holds_what_breaks_a_bound(case: tuple[Snapshot, Ask]) -> None:
    """Cost, quality, capability, context, orders, weight and the client's models hold in every stage there is."""
    table, of = case
    target = table.catalogue.targets[of.target]
    for c in candidates(ranked(table, of)):
        assert hard_bounds(table.rows[c.row], of, target.max_cost_per_1k), c.id


@given(cases())
def test_a_normal_stage_holds_only_what_is_well_and_on_time(case: tuple[Snapshot, Ask]) -> None:
    """No breaker, lock, quota, suspicion or late prediction; late ones are closest, suspects suspects, no mixing."""
    table, of = case
    size = size_bucket(of.input_tokens)
    for stage in ranked(table, of).stages:
        for c in stage.candidates:
            row = table.rows[c.row]
            predicted = row.ttft_p95_s[size] + row.wait_s
            late = predicted > of.first_content_s or (of.slo_s is not None and predicted > of.slo_s)
            late = late or predicted + eligible.expected_output(row, of) / of.choices * row.tpot_s > of.total_s
            assert row.refusal == ("breaker_open" if stage.manner == "trial" else None)
            assert stage.manner in ("trial", "suspect") or late is (stage.manner == "slo_missed")
            assert stage.manner == "trial" or row.suspect is (stage.manner == "suspect")


@given(cases())
def test_every_deployment_of_the_target_is_a_candidate_or_excluded_with_a_reason(case: tuple[Snapshot, Ask]) -> None:
    """And only what may still be used (late, or an open breaker) is both."""
    table, of = case
    ranking = ranked(table, of)
    members = Counter(i for s in table.catalogue.targets[of.target].stages for i in s.rows)
    used = Counter(c.row for c in candidates(ranking))
    out = Counter(e.row for e in ranking.excluded)
    both = Counter(e.row for e in ranking.excluded if e.soft or e.reason == "breaker_open")
    assert used + out - both == members
    assert not both - Counter(c.row for c in candidates(ranking, "slo_missed", "suspect", "ejected", "trial"))
    assert not Counter(c.row for c in candidates(ranking, "slo_missed", "ejected", "trial")) - both
    assert all(e.reason and e.id == table.rows[e.row].spec.id for e in ranking.excluded)
    assert ranking.count == len(candidates(ranking))


@given(cases())
def test_the_same_inputs_give_the_same_ranking(case: tuple[Snapshot, Ask]) -> None:
    """A pure function may be remembered, and a decision executed again."""
    table, of = case
    assert ranked(table, of) == ranked(replace(table), replace(of))


@given(cases())
def test_a_ranking_is_sorted_and_its_draw_has_weight(case: tuple[Snapshot, Ask]) -> None:
    """Stages in their order; scores fall; cumulative weights rise from above 0; [0, 1] everywhere."""
    ranking = ranked(*case)
    order = [("normal", "slo_missed", "suspect", "ejected", "trial").index(s.manner) for s in ranking.stages]
    assert order == sorted(order)
    for stage in ranking.stages:
        scores = [c.score for c in stage.candidates]
        assert scores == sorted(scores, reverse=True)
        assert stage.cumulative[0] > 0
        assert list(stage.cumulative) == sorted(stage.cumulative)
        assert all(0 <= s <= 1 for s in scores)
        assert 0 <= stage.standing <= 1
    # the soonest first, by what the client waits for: the first content of a stream, else the whole
    wait = "predicted_s" if case[1].stream else "total_s"
    late = [min(getattr(c, wait) for c in s.candidates) for s in ranking.stages if s.manner == "slo_missed"]
    assert late == sorted(late)
    assert sum(shares(ranking).values()) == pytest.approx(1.0 if ranking.stages else 0.0)


@given(cases())
def test_background_stages_rise_in_price(case: tuple[Snapshot, Ask]) -> None:
    """Cheapest first; equal prices share a stage."""
    table, of = case
    ranking = ranked(table, replace(of, urgency=Urgency.BACKGROUND))
    levels = []
    for stage in ranking.stages:
        if stage.manner == "normal":
            prices = {c.usd for c in stage.candidates}
            assert len(prices) == 1
            levels.append(prices.pop())
            assert stage.standing == 1.0
    known = [usd for usd in levels if usd is not None]
    assert known == sorted(set(known))
    assert None not in levels[:-1]


def told_apart(ranking: Ranking, table: Snapshot) -> Any:
    """Return the ranking with the order of ties taken out."""
    normal = [
        (s.name, sorted((-c.score, c.id) for c in s.candidates), s.standing)
        for s in ranking.stages
        if s.manner == "normal"
    ]
    rest = []
    tiers = [s.name for s in table.catalogue.targets[ranking.ask.target].stages]
    for manner in ("slo_missed", "suspect", "trial"):
        for c in candidates(ranking, manner):
            tier = table.rows[c.row].spec.tier
            place = tiers.index(tier) if tier in tiers else 0
            rest.append((manner, c.predicted_s if manner == "slo_missed" else (place, -c.score)))
    out = sorted((e.id, e.reason, e.detail, e.soft) for e in ranking.excluded)
    return normal, rest, out, ranking.panic, ranking.count


@given(cases(), st.randoms(use_true_random=False))
def test_permuting_the_table_changes_nothing_but_ties(case: tuple[Snapshot, Ask], random: Any) -> None:
    """The order of the configuration file is no input."""
    table, of = case
    if of.target.startswith("rule:"):
        return  # a rule may list one row twice, in different groups; its groups have their own order
    mixed = list(table.rows)
    random.shuffle(mixed)
    other = snapshot(mixed)
    a, b = ranked(table, of), ranked(other, of)
    assert told_apart(a, table) == told_apart(b, other)
    assert {c.id for c in candidates(a)} == {c.id for c in candidates(b)}
    # which of two suspects that score alike is first is a tie, too
    if any(s.manner == "normal" for s in a.stages) and not tie_in_price(a):
        assert shares(a) == pytest.approx(shares(b))


def tie_in_price(ranking: Ranking) -> bool:
    """Tell whether two stages are predicted to answer equally soon: which of them takes the rest is a tie."""
    soonest = [min(c.predicted_s for c in s.candidates) for s in ranking.stages if s.manner == "normal"]
    return len(set(soonest)) < len(soonest)


WORSE: dict[str, Any] = {
    "latency": lambda r: {"ttft_p95_s": tuple(s * 1.7 for s in r.ttft_p95_s)},
    "wait": lambda r: {"wait_s": r.wait_s + 0.6},
    "errors": lambda r: {"error_ratio": min(1.0, r.error_ratio + 0.15)},
    "load": lambda r: {"load": min(1.0, r.load + 0.3)},
    "quota": lambda r: {"quota_left": r.quota_left / 2},
    "cost": lambda r: {
        "spec": replace(
            r.spec,
            price=None
            if r.spec.price is None
            else Price(r.spec.price.input_usd_per_mtok * 2 + 0.1, r.spec.price.output_usd_per_mtok * 2 + 0.1),
        )
    },
    "no price": lambda r: {"spec": replace(r.spec, price=None)},
    "quality": lambda r: {"quality": None if r.quality is None else r.quality * 0.6},
    "standing": lambda r: {"standing": tuple(s * 0.5 for s in r.standing)},
    "weight": lambda r: {"weight": r.weight * 0.5},
    "suspicion": lambda r: {"suspect": True},
    "breaker": lambda r: {"refusal": r.refusal or "breaker_open"},
}


@pytest.mark.parametrize("what", sorted(WORSE))
@given(case=cases(min_rows=2))
def test_worse_in_one_input_never_earns_a_larger_share(what: str, case: tuple[Snapshot, Ask]) -> None:
    """Metamorphic, over everything else that a table may hold: the share of first draws does not rise."""
    table, of = case
    before = shares(ranked(table, of))
    for i, row in enumerate(table.rows):
        worse = ranked(changed(table, i, **WORSE[what](row)), of)
        name = row.spec.id
        assert shares(worse).get(name, 0.0) <= before.get(name, 0.0) + 1e-9, (name, what)


@given(cases(min_rows=2))
def test_statistics_alone_never_take_everything_out(case: tuple[Snapshot, Ask]) -> None:
    """Ejection leaves a normal candidate wherever there was one, and is obeyed or ignored as a whole."""
    table, of = case
    without = ranked(replace(table, rows=tuple(replace(r, ejected=False) for r in table.rows)), of)
    ranking = ranked(table, of)
    eligible = candidates(without, "normal")
    ejected = [c for c in eligible if table.rows[c.row].ejected]
    left = candidates(ranking, "normal")
    assert bool(left) is bool(eligible)
    if outlier.obeyed(len(eligible), len(ejected)):
        assert {c.id for c in left} == {c.id for c in eligible} - {c.id for c in ejected}
        assert not ranking.panic
    else:
        assert {c.id for c in left} == {c.id for c in eligible}
        assert ranking.panic is bool(ejected)
    if len(eligible) >= 3 and len(ejected) * 2 > len(eligible):
        assert len(left) == len(eligible)
    assert [c.id for c in candidates(ranking, "trial")] == [c.id for c in candidates(without, "trial")]
