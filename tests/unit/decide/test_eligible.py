from __future__ import annotations

import math
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.decide import eligible
from lbd.decide.terms import Predicted
from lbd.model.plan import Excluded, Stage, Target, TargetKind
from lbd.model.provider import Price
from lbd.model.request import Ask
from lbd.model.table import ALL, AdminState, DeploymentView, Reason, Snapshot, size_bucket
from tests.fakes.tables import ask, cases, deployment, view

AUTO = Target("auto", TargetKind.AUTO, "auto", (Stage("primary", (0,), 1.5),))


def capped(per_1k: float) -> Target:
    return Target("rule:r", TargetKind.RULE, "r", (Stage("primary", (0,)),), None, per_1k)


def judged(row: DeploymentView, of: Ask, target: Target = AUTO, target_s: float | None = 1.5) -> Excluded | None:
    size = size_bucket(of.input_tokens)
    return eligible.excluded(0, row, of, target, eligible.predict(row, of, size, target_s))


def why(row: DeploymentView, of: Ask, target: Target = AUTO) -> str | None:
    no = judged(row, of, target)
    return None if no is None else no.reason


# --- predictions -----------------------------------------------------------------------------------------


def test_the_prediction_is_the_percentile_of_this_size_and_the_wait() -> None:
    """A 30,000-token prompt is not judged by the percentile of short ones."""
    row = view(ttft_p95_s=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6), wait_s=1.0)
    assert eligible.predict(row, ask(), 0, 1.5).ttft_s == pytest.approx(1.1)
    assert eligible.predict(row, ask(), 5, 1.5).ttft_s == pytest.approx(1.6)


def test_of_a_unary_answer_its_whole_time_is_predicted_from_whole_answers() -> None:
    """Streams keep their first content; an answer that must be shorter takes its share; waits are on top."""
    row = view(ttft=0.5, total_p95_s=4.0, output_tokens=200, wait_s=1.0)
    streamed = eligible.predict(row, ask(stream=True), 0, 1.5)
    assert (streamed.total_s, streamed.whole_target_s) == (pytest.approx(1.5 + 200 * 0.02), None)
    whole = eligible.predict(row, ask(stream=False), 0, 1.5)
    assert (whole.total_s, whole.whole_target_s) == (pytest.approx(5.0), pytest.approx(1.5 + 200 * 0.02))
    assert eligible.predict(row, ask(stream=False, output_tokens=50), 0, 1.5).total_s == pytest.approx(2.0)


def test_a_row_whose_answers_were_never_seen_is_not_held_to_be_late() -> None:
    """Or a bound on the whole would keep every new row out."""
    row = view(ttft=0.5, tpot_fresh=False)
    for stream in (True, False):
        of = ask(stream=stream, total_s=2.0)
        assert eligible.predict(row, of, 0, 1.5).total_s == 0.5
        assert why(row, of) is None
        assert why(view(ttft=0.5), of) == "over_total"


def test_latency_is_held_against_the_tier_then_the_slo_then_the_deadline() -> None:
    """A tier promises its target and no more; rules have none, so the request's own bound counts."""
    row = view()
    assert eligible.predict(row, ask(slo_s=0.5), 0, 1.5).target_s == 1.5
    assert eligible.predict(row, ask(slo_s=0.5), 0, None).target_s == 0.5
    assert eligible.predict(row, ask(first_content_s=7.0), 0, None).target_s == 7.0


def test_the_expected_answer_is_what_the_row_usually_gives_within_the_client_s_limit() -> None:
    """And no more than it usually gives."""
    assert eligible.expected_output(view(output_tokens=300), ask(output_tokens=None)) == 300
    assert eligible.expected_output(view(output_tokens=300), ask(output_tokens=100)) == 100
    assert eligible.expected_output(view(output_tokens=300), ask(output_tokens=1000)) == 300


@given(
    usual=st.integers(0, 5000),
    limit=st.none() | st.integers(1, 5000),
    choices=st.integers(1, 8),
    tokens=st.integers(0, 10**6),
    prices=st.tuples(st.floats(0, 100), st.floats(0, 100)),
)
def test_the_expected_cost_is_price_times_size(
    usual: int, limit: int | None, choices: int, tokens: int, prices: tuple[float, float]
) -> None:
    """USD = (input x price + expected output x price) / 10^6; the two ways of counting the output agree."""
    row = view(deployment(price=Price(*prices)), output_tokens=usual)
    of = ask(input_tokens=tokens, output_tokens=limit, choices=choices)
    usd = eligible.predict(row, of, 0, None).usd
    assert usd is not None
    assert usd == pytest.approx((tokens * prices[0] + eligible.expected_output(row, of) * prices[1]) / 1e6)


def test_without_a_price_the_cost_is_not_known() -> None:
    """Unknown is not free."""
    assert eligible.predict(view(deployment(price=None)), ask(), 0, None).usd is None


# --- cannot ----------------------------------------------------------------------------------------------


def test_a_capability_that_is_not_listed_keeps_out_and_is_named() -> None:
    """What a provider cannot do makes it ineligible, never silently dropped."""
    row = view(deployment(supports=frozenset({"tools"})))
    no = judged(row, ask(needs=frozenset({"tools", "images", "audio"})))
    assert no is not None
    assert (no.reason, no.detail, no.soft) == ("capability", "audio, images", False)
    assert why(row, ask(needs=frozenset({"tools"}))) is None


def test_a_shape_that_a_row_does_not_serve_keeps_out() -> None:
    """And so does what has no place in the provider's shape, whatever its model can do."""
    row = view(deployment(carries={"openai.chat": frozenset({"tools"})}))
    assert why(row, ask(needs=frozenset({"tools"}))) is None
    assert why(row, ask(needs=frozenset({"images"}))) == "capability"
    no = judged(row, ask(shape="openai.embeddings"))
    assert no is not None and (no.reason, no.soft) == ("shape", False)
    assert "openai.embeddings" in no.detail


WORDS = st.frozensets(st.sampled_from(["tools", "images", "seed"]))


@given(
    needs=WORDS,
    supports=st.none() | WORDS,
    carries=st.none() | st.dictionaries(st.sampled_from(["openai.chat", "anthropic.messages"]), WORDS),
)
def test_the_quick_look_agrees_with_the_full_one(
    needs: frozenset[str], supports: frozenset[str] | None, carries: dict[str, frozenset[str]] | None
) -> None:
    """What can be asked at all is told the same way by both."""
    row, of = view(deployment(supports=supports, carries=carries)), ask(needs=needs)
    assert eligible.can(row.spec, of) is (why(row, of) not in ("shape", "capability"))


def test_of_unknown_capabilities_nothing_is_ruled_out() -> None:
    """No list: nothing is known."""
    assert why(view(deployment(supports=None)), ask(needs=frozenset({"tools", "images"}))) is None


def test_a_prompt_larger_than_the_context_keeps_out() -> None:
    """The estimate was rounded up by at most a quarter: what surely fits is not refused."""
    row = view(deployment(context_tokens=1000))
    assert why(row, ask(input_tokens=1250)) is None
    assert why(row, ask(input_tokens=1280)) == "context"
    assert why(view(deployment(context_tokens=None)), ask(input_tokens=10**7)) is None


# --- may not ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [AdminState.DRAIN, AdminState.MAINT])
def test_an_operator_s_order_keeps_out(state: AdminState) -> None:
    """Drain and maint take no new requests."""
    assert why(view(admin=state), ask()) == f"admin_{state}"


@pytest.mark.parametrize(
    ("refusal", "code"),
    [("breaker_open", "breaker_open"), ("quota_exhausted", "rate_limited"), ("trials_under_way", "half_open")],
)
def test_the_table_s_refusal_is_the_reason(refusal: str, code: str) -> None:
    """Breaker and quota are told with the row's own words, but not where these are about something else."""
    no = judged(view(refusal=refusal, reason=Reason(code, "opened by connect")), ask())
    assert no == Excluded(0, "p/a", refusal, "opened by connect", soft=False)
    no = judged(view(refusal=refusal, reason=Reason("slow_start", "takes its share in steps")), ask())
    assert no == Excluded(0, "p/a", refusal, "", soft=False)


def test_what_locked_a_row_out_is_not_told_to_others() -> None:
    """A provider said it to one client's request, and may have repeated that."""
    no = judged(view(refusal="locked_auth", reason=Reason("locked_auth", "no access to 'a client's words'")), ask())
    assert no == Excluded(0, "p/a", "locked_auth", "", soft=False)


def test_a_weight_of_nothing_keeps_out() -> None:
    """Weight 0 means no requests."""
    assert why(view(weight=0.0), ask()) == "weight_zero"
    assert why(view(weight=0.001), ask()) is None


def test_a_model_that_the_client_may_not_use_keeps_out() -> None:
    """``auto`` reaches only what the client's patterns allow."""
    row = view(deployment(model="meta/llama-3:free"))
    assert why(row, ask(allow=("gpt-*",))) == "not_allowed"
    assert why(row, ask(allow=("gpt-*", "meta/*"))) is None
    assert why(row, ask(allow=())) is None


# --- over a bound ----------------------------------------------------------------------------------------


def test_under_the_quality_floor_is_out_and_so_is_unknown_quality() -> None:
    """A floor is a promise; what is not known does not keep it."""
    assert why(view(quality=0.8), ask(quality_floor=0.8)) is None
    assert why(view(quality=0.79), ask(quality_floor=0.8)) == "under_quality_floor"
    assert why(view(quality=None), ask(quality_floor=0.01)) == "quality_unknown"
    assert why(view(quality=None), ask(quality_floor=0.0)) is None


def test_a_row_whose_answers_became_worse_is_out_where_a_floor_is_set() -> None:
    """However good it is held to be; in its family it serves only where nobody is better."""
    row = view(quality=0.9, lost=frozenset({ALL}))
    assert why(row, ask(quality_floor=0.5)) == "quality_dropped"
    assert why(row, ask(quality_floor=0.5, family="code")) == "quality_dropped"
    assert why(row, ask()) is None and why(row, ask(family="code")) is None
    code = view(quality=0.9, lost=frozenset({"code"}))
    assert why(code, ask(quality_floor=0.5, family="code")) == "quality_dropped"
    assert why(code, ask(quality_floor=0.5)) is None and why(code, ask(family="math")) is None
    assert why(code, ask(family="code")) == "quality_dropped"
    predicted = eligible.predict(code, ask(family="code"), 0, None)
    found = eligible.excluded(0, code, ask(family="code"), AUTO, predicted)
    assert found is not None and found.soft
    assert not eligible.plainly(code, ask(family="code"), predicted, 60.0)


def test_over_the_cost_cap_is_out_and_so_is_an_unknown_price() -> None:
    """Unknown price is out under a cap."""
    row = view(deployment(price=Price(10.0, 0.0)))
    assert why(row, ask(input_tokens=1000, max_usd=0.01)) is None
    assert why(row, ask(input_tokens=1000, max_usd=0.009)) == "over_max_usd"
    unknown = view(deployment(price=None))
    assert why(unknown, ask(max_usd=100.0)) == "price_unknown"
    assert why(unknown, ask(), capped(100.0)) == "price_unknown"
    assert why(unknown, ask()) is None


def test_a_cap_of_nothing_lets_free_rows_pass() -> None:
    """0 USD is met by a price of 0."""
    assert why(view(deployment(price=Price(0.0, 0.0))), ask(max_usd=0.0)) is None
    assert why(view(deployment(price=Price(0.0, 0.01))), ask(max_usd=0.0)) == "over_max_usd"


def test_a_rule_s_cap_is_per_thousand_tokens_in_and_out() -> None:
    """max_cost_per_1k = predicted USD / predicted tokens (in and out) x 1000."""
    row = view(deployment(price=Price(1.0, 4.0)), output_tokens=1000)
    of = ask(input_tokens=1000, output_tokens=None)  # 0.005 USD for 2,000 tokens: 0.0025 for a thousand
    assert why(row, of, capped(0.0025)) is None
    assert why(row, of, capped(0.0024)) == "over_max_cost_per_1k"


# --- late ------------------------------------------------------------------------------------------------


def test_a_prediction_over_the_slo_or_the_deadline_is_soft() -> None:
    """Predictions are used when nothing better is left; the SLO is named before the deadline."""
    slow = view(ttft=3.0)
    assert judged(slow, ask(slo_s=2.0)) == Excluded(0, "p/a", "over_slo", "3.00 > 2 s", soft=True)
    late = judged(slow, ask(first_content_s=2.5))
    assert late is not None
    assert (late.reason, late.soft) == ("over_deadline", True)
    assert why(slow, ask(slo_s=2.0, first_content_s=1.0)) == "over_slo"
    assert why(slow, ask(slo_s=3.0, first_content_s=3.0)) is None


def test_a_hard_reason_hides_a_soft_one() -> None:
    """What may never be used must not look usable."""
    no = judged(view(ttft=30.0, admin=AdminState.DRAIN), ask(slo_s=1.0))
    assert no is not None
    assert not no.soft


@pytest.mark.parametrize(
    ("row", "of"),
    [
        (view(refusal="breaker_open", quality=0.1), ask(quality_floor=0.5)),
        (view(refusal="breaker_open"), ask(max_usd=0.0)),
        (view(refusal="breaker_open", weight=0.0), ask()),
        (view(refusal="breaker_open"), ask(allow=("x",))),
        (view(refusal="breaker_open", admin=AdminState.MAINT), ask()),
        (view(deployment(supports=frozenset()), refusal="breaker_open"), ask(needs=frozenset({"tools"}))),
    ],
)
def test_an_open_breaker_is_the_reason_only_where_nothing_else_is(row: DeploymentView, of: Ask) -> None:
    """An open breaker may be tried as a last resort; cost, quality, capability and orders are never overridden."""
    assert why(row, of) not in (None, "breaker_open")


# --- against an oracle -----------------------------------------------------------------------------------


def oracle(row: DeploymentView, of: Ask, target: Target) -> tuple[set[str], set[str]]:
    """Every hard and every soft reason that holds, each looked at on its own."""
    spec, hard, soft = row.spec, set(), set()
    if spec.supports is not None and of.needs - spec.supports:
        hard.add("capability")
    if spec.context_tokens is not None and of.input_tokens > 1.25 * spec.context_tokens:
        hard.add("context")
    if row.admin != "ready":
        hard.add(f"admin_{row.admin}")
    if of.allow and all(not fnmatchcase(spec.model, p) for p in of.allow):
        hard.add("not_allowed")
    if row.refusal:
        hard.add(row.refusal)
    if row.weight <= 0:
        hard.add("weight_zero")
    if of.quality_floor and row.quality is None:
        hard.add("quality_unknown")
    if row.quality is not None and row.quality < of.quality_floor:
        hard.add("under_quality_floor")
    output = min(row.output_tokens or 256, of.output_tokens or 10**9)
    for cap, per, word in (
        (of.max_usd, 1e6, "over_max_usd"),
        (target.max_cost_per_1k, (of.input_tokens + output) * 1e3, "over_max_cost_per_1k"),
    ):
        if cap is None:
            continue
        if spec.price is None:
            hard.add("price_unknown")
        elif (of.input_tokens * spec.price.input_usd_per_mtok + output * spec.price.output_usd_per_mtok) / per > cap * (
            1 + 1e-12
        ):
            hard.add(word)
    predicted = row.ttft_p95_s[size_bucket(of.input_tokens)] + row.wait_s
    if of.slo_s is not None and predicted > of.slo_s:
        soft.add("over_slo")
    if predicted > of.first_content_s:
        soft.add("over_deadline")
    return hard, soft


@given(cases(max_rows=3))
def test_eligibility_agrees_with_a_brute_force_oracle(case: tuple[Snapshot, Ask]) -> None:
    """A row is out exactly where some bound says so, hard exactly where a hard one does, and the reason holds."""
    table, of = case
    target = table.catalogue.targets[of.target]
    for i, row in enumerate(table.rows):
        predicted = eligible.predict(row, of, size_bucket(of.input_tokens), None)
        no = eligible.excluded(i, row, of, target, predicted)
        hard, soft = oracle(row, of, target)
        if no is None:
            assert not hard | soft
        else:
            assert no.reason in (soft if no.soft else hard)
            assert no.soft is not bool(hard)
            assert (no.row, no.id) == (i, row.spec.id)
            if no.reason == "breaker_open":
                assert hard == {"breaker_open"}


@given(cases(max_rows=3))
def test_the_glance_never_passes_what_the_full_look_excludes(case: tuple[Snapshot, Ask]) -> None:
    """``plainly`` is a short cut: for an Ask without bounds it lets only eligible rows pass."""
    table, of = case
    target = table.catalogue.targets[of.target]
    within = min(of.first_content_s, math.inf if of.slo_s is None else of.slo_s)
    if eligible.bounded(of, target):
        return
    for i, row in enumerate(table.rows):
        predicted = eligible.predict(row, of, size_bucket(of.input_tokens), None)
        if eligible.plainly(row, of, predicted, within):
            assert eligible.excluded(i, row, of, target, predicted) is None


@pytest.mark.parametrize(
    "more",
    [
        {"allow": ("m",)},
        {"quality_floor": 0.1},
        {"max_usd": 0.0},
    ],
)
def test_every_bound_of_a_request_asks_for_the_full_look(more: dict[str, object]) -> None:
    """A cap of 0 is a bound, too."""
    assert eligible.bounded(ask(**more), AUTO)
    assert not eligible.bounded(ask(), AUTO)
    assert eligible.bounded(ask(), capped(0.0))


def test_predictions_are_handed_to_the_terms_as_they_are() -> None:
    """One prediction serves eligibility and scoring."""
    row = view(deployment(price=Price(1.0, 1.0)), output_tokens=100, tpot_s=0.01)
    of = ask(input_tokens=100, output_tokens=None)
    assert eligible.predict(row, of, 0, 1.5) == Predicted(0.4, 1.5, 200 / 1e6, 0.4 + 100 * 0.01)


def test_several_answers_take_the_time_of_one() -> None:
    """They are made side by side, and cost each."""
    row = view(deployment(price=Price(0.0, 1.0)), output_tokens=100, tpot_s=0.01)
    one, three = (eligible.predict(row, ask(choices=n), 0, 1.5) for n in (1, 3))
    assert three.total_s == one.total_s
    assert three.usd == pytest.approx(3 * (one.usd or 0))


def test_what_cannot_finish_in_time_is_late() -> None:
    """The whole answer has a bound too: a soft one, since a prediction is no certainty."""
    row = view(deployment(), output_tokens=100, tpot_s=0.1)
    no = judged(row, ask(total_s=5.0))
    assert no is not None
    assert (no.reason, no.soft, no.detail) == ("over_total", True, "10.40 > 5 s")
    assert judged(row, ask(total_s=5.0, output_tokens=20)) is None
