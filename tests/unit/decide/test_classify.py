from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.decide import classify, eligible, names
from lbd.model.failure import Failure, FailureKind
from lbd.model.provider import ClientSpec, Deadlines, Permission, RuleSpec, SurfaceSpec
from lbd.model.request import AfterContent, Ask, Head, Urgency, Wishes
from lbd.model.validation import Validation
from tests.fakes.tables import TIERS, deployment, view

ROWS = (
    deployment("p/a", model="gpt-4.1"),
    deployment("p/b", model="gpt-4.1-mini", tier="secondary"),
    deployment("q/c", model="meta/llama:free", tier="tertiary"),
)
CATALOGUE = names.build(ROWS, TIERS, [RuleSpec("quick", (("gpt-4.1",),), None, 2.0)], (("gpt-4o", "auto"),))
DEADLINES = Deadlines(10.0, 600.0, 86400.0)
EVERYTHING = frozenset(Permission)


def made(
    head: Head | str = "auto",
    wish: Wishes = classify.NO_WISHES,
    *,
    client: ClientSpec | None = None,
    surface: SurfaceSpec | None = None,
    deadlines: Deadlines = DEADLINES,
    **more: Any,
) -> Ask | Failure:
    head = Head(head, stream=True) if isinstance(head, str) else head
    return classify.ask(
        head, wish, more.pop("tokens", 112), catalogue=CATALOGUE, client=client, surface=surface, deadlines=deadlines
    )


def asked(*args: Any, **more: Any) -> Ask:
    out = made(*args, **more)
    assert isinstance(out, Ask), out
    return out


def refused(*args: Any, **more: Any) -> Failure:
    out = made(*args, **more)
    assert isinstance(out, Failure), out
    return out


# --- wishes ----------------------------------------------------------------------------------------------

GOOD = {
    "surface": "support",
    "class": "background",
    "max-latency-ms": "1500",
    "max-usd": "0.01",
    "quality-floor": "0.8",
    "session": "s-1",
    "pin": "gpt-4.1",
    "dry-run": "1",
    "validate": "refusal, max_chars=500",
    "after-content": "restart",
}


def test_every_wish_is_read_with_its_unit() -> None:
    """Headers carry milliseconds and words; inside there are seconds and enums."""
    assert classify.wishes(GOOD, EVERYTHING) == Wishes(
        "support",
        Urgency.BACKGROUND,
        1.5,
        0.01,
        0.8,
        "s-1",
        "gpt-4.1",
        dry_run=True,
        validation=Validation(max_chars=500, refusal=True),
        after_content=AfterContent.RESTART,
    )
    assert classify.wishes({}, frozenset()) == classify.NO_WISHES
    assert set(GOOD) == set(classify.WISHES)


@pytest.mark.parametrize("word", sorted(GOOD))
def test_a_wish_that_the_client_may_not_make_is_refused_by_name(word: str) -> None:
    """Refused, not ignored: the header and the lacking word of ``may`` are named, with a 403."""
    permission = classify.WISHES[word]
    failure = classify.wishes(GOOD, EVERYTHING - {permission})
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.FORBIDDEN
    assert failure.row.status == 403
    assert failure.param == f"x-lbd-{word}"
    assert str(permission) in failure.message
    assert isinstance(classify.wishes({word: GOOD[word]}, frozenset({permission})), Wishes)


def test_an_unknown_wish_is_refused_by_name() -> None:
    """A typing error in a header must not pass for consent."""
    failure = classify.wishes({"max-latency": "5"}, EVERYTHING)
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.BAD_REQUEST
    assert failure.param == "x-lbd-max-latency"
    assert "x-lbd-max-latency-ms" in failure.message


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("class", "urgent"),
        ("class", ""),
        ("class", "Interactive"),
        ("max-latency-ms", "soon"),
        ("max-latency-ms", "-1"),
        ("max-latency-ms", "0"),
        ("max-latency-ms", "nan"),
        ("max-latency-ms", "inf"),
        ("max-latency-ms", ""),
        ("max-usd", "-0.1"),
        ("max-usd", "1e999"),
        ("max-usd", "$1"),
        ("quality-floor", "1.01"),
        ("quality-floor", "-0.5"),
        ("quality-floor", "good"),
        ("dry-run", "maybe"),
        ("dry-run", "2"),
        ("validate", ""),
        ("validate", "regex=a"),
    ],
)
def test_a_wish_that_cannot_be_read_is_refused_by_name(word: str, text: str) -> None:
    """What cannot be read is refused, never ignored: a 400 that names the header."""
    failure = classify.wishes({word: text}, EVERYTHING)
    assert isinstance(failure, Failure)
    assert failure.kind is FailureKind.BAD_REQUEST
    assert failure.param == f"x-lbd-{word}"
    assert failure.param in failure.message
    assert failure.code == "invalid_value"


@pytest.mark.parametrize(
    ("text", "meant"),
    [("1", True), ("true", True), ("True", True), ("yes", True), ("0", False), ("no", False), ("FALSE", False)],
)
def test_a_dry_run_may_be_said_in_words(text: str, meant: bool) -> None:
    """Headers and metadata say it in several ways."""
    wish = classify.wishes({"dry-run": text}, EVERYTHING)
    assert isinstance(wish, Wishes)
    assert wish.dry_run is meant


def test_a_cap_of_nothing_means_free_deployments_only() -> None:
    """0 USD is a cap, not the lack of one."""
    wish = classify.wishes({"max-usd": "0", "quality-floor": "0"}, EVERYTHING)
    assert isinstance(wish, Wishes)
    assert (wish.max_usd, wish.quality_floor) == (0.0, 0.0)
    assert asked("auto", wish).max_usd == 0.0


@given(
    stated=st.dictionaries(
        st.sampled_from([*GOOD, "junk"]), st.text(max_size=8) | st.sampled_from(list(GOOD.values()))
    ),
    may=st.frozensets(st.sampled_from(Permission)),
)
def test_whatever_is_stated_gives_wishes_or_a_failure(stated: dict[str, str], may: frozenset[Permission]) -> None:
    """No text raises, and nothing passes that ``may`` lacks."""
    out = classify.wishes(stated, may)
    if isinstance(out, Failure):
        assert out.param is not None
        assert out.param.removeprefix("x-lbd-") in stated
    else:
        assert {classify.WISHES[w] for w in stated} <= may
        assert out.max_latency_s is None or 0 < out.max_latency_s < float("inf")
        assert out.quality_floor is None or 0 <= out.quality_floor <= 1


# --- sizes -----------------------------------------------------------------------------------------------


def test_token_counts_are_rounded_up_to_coarse_steps() -> None:
    """Like requests share one Ask and one remembered ranking."""
    steps = sorted({classify.round_up(n) for n in range(130)})
    assert steps == [16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160]


@given(st.floats(0, 1e9) | st.integers(0, 10**9))
def test_rounding_up_errs_on_the_safe_side_and_by_at_most_a_quarter(tokens: float) -> None:
    """Never below its input; at most 1.25 times it (small requests share the smallest step)."""
    up = classify.round_up(tokens)
    assert up >= tokens
    assert up <= max(16, 1.25 * tokens) or up - tokens < 1  # a fraction of a token is a token


@given(st.integers(0, 10**7), st.integers(0, 10**7))
def test_rounding_up_is_monotone(a: int, b: int) -> None:
    """More tokens are never rounded to fewer."""
    a, b = sorted((a, b))
    assert classify.round_up(a) <= classify.round_up(b)


@given(st.integers(0, 10**9))
def test_what_was_rounded_up_stays_as_it_is(tokens: int) -> None:
    """A client's limit of 1024 is 1024, not 1280: a cost cap must not see a quarter that is not there."""
    up = classify.round_up(tokens)
    assert classify.round_up(up) == up


def test_the_client_s_own_limit_bounds_the_output() -> None:
    """``max_tokens`` is rounded like every size; without one nothing is assumed here."""
    assert asked(Head("auto", max_output_tokens=1000)).output_tokens == 1024
    assert asked(Head("auto", max_output_tokens=1024)).output_tokens == 1024
    assert asked(Head("auto")).output_tokens is None


# --- names -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "draws", "choices"), [(1, 1, 1), (3, 1, 3), (2, 5, 5), (4, 2, 4)])
def test_every_answer_that_is_written_is_reckoned_with(n: int, draws: int, choices: int) -> None:
    """Those too of which only the best are given: a budget pays for them all."""
    assert asked(Head("auto", n=n, draws=draws)).choices == choices


def test_the_name_becomes_the_target() -> None:
    """The Ask carries what the name means."""
    assert asked("auto").target == "auto"
    assert asked("gpt-4o").target == "auto"
    assert asked("gpt-4.1").target == "model:gpt-4.1"
    assert asked("quick").target == "rule:quick"
    assert refused("gpt-5").kind is FailureKind.UNKNOWN_MODEL


def test_a_pin_of_the_request_goes_before_the_surface_s() -> None:
    """A surface pins; a request that may, pins otherwise."""
    legal = SurfaceSpec("legal", pin="gpt-4.1", fallback=False)
    assert asked("auto", surface=legal).target == "pin:gpt-4.1"
    assert asked("auto", surface=legal).fallback is False
    assert asked("auto", Wishes(pin="q/c"), surface=legal).target == "pin:q/c"
    assert refused("auto", Wishes(pin="nobody")).kind is FailureKind.UNKNOWN_MODEL


def test_a_name_outside_the_client_s_models_is_forbidden() -> None:
    """``models`` of a client: 403 that says which patterns there are."""
    client = ClientSpec("c", b"", models=("gpt-*",))
    assert asked("gpt-4.1", client=client).target == "model:gpt-4.1"
    failure = refused("quick", client=client)
    assert failure.kind is FailureKind.FORBIDDEN
    assert failure.param == "model"
    assert failure.message.endswith("in the configuration are gpt-*")
    assert refused("auto", client=client).kind is FailureKind.FORBIDDEN


def test_auto_is_restricted_to_the_client_s_models() -> None:
    """``auto`` means every deployment that the client may use."""
    client = ClientSpec("c", b"", models=("auto", "gpt-*"))
    assert asked("auto", client=client).allow == ("gpt-*",)
    assert asked("gpt-4o", client=client).allow == ("gpt-*",)  # an alias of auto
    assert asked("gpt-4.1", client=client).allow == ()
    assert asked("auto", client=ClientSpec("c", b"", models=("auto",))).allow == ()
    assert asked("auto").allow == ()


@pytest.mark.parametrize("pin", ["meta/llama:free", "q/c"])
def test_a_pin_does_not_lead_around_the_client_s_models(pin: str) -> None:
    """Who may use gpt-* only does not reach another model by pinning it, by its name or by its deployment."""
    client = ClientSpec("c", b"", models=("auto", "gpt-*"))
    out = made("gpt-4.1", Wishes(pin=pin), client=client)
    if isinstance(out, Ask):
        row = view(ROWS[2])
        target = CATALOGUE.targets[out.target]
        no = eligible.excluded(2, row, out, target, eligible.predict(row, out, 0, None))
        assert no is not None
        assert (no.reason, no.soft) == ("not_allowed", False)
    else:
        assert out.kind is FailureKind.FORBIDDEN
    mine = asked("auto", Wishes(pin="p/b"), client=client)
    row = view(ROWS[1])
    assert eligible.excluded(1, row, mine, CATALOGUE.targets[mine.target], eligible.predict(row, mine, 0, None)) is None


def test_a_pin_of_the_surface_is_the_operator_s_word() -> None:
    """A surface may pin to what its clients cannot name themselves."""
    client = ClientSpec("c", b"", models=("gpt-*",))
    surface = SurfaceSpec("s", pin="meta/llama:free")
    assert asked("gpt-4.1", client=client, surface=surface).allow == ()


# --- class -----------------------------------------------------------------------------------------------


def test_the_urgency_is_the_wish_then_flex_then_the_surface() -> None:
    """The nearest word counts; interactive without any."""
    drafts = SurfaceSpec("drafts", urgency=Urgency.BACKGROUND)
    flex = Head("auto", service_tier="flex")
    assert asked("auto").urgency is Urgency.INTERACTIVE
    assert asked(flex).urgency is Urgency.BACKGROUND
    assert asked(Head("auto", service_tier="default")).urgency is Urgency.INTERACTIVE
    assert asked("auto", surface=drafts).urgency is Urgency.BACKGROUND
    assert asked(flex, Wishes(urgency=Urgency.INTERACTIVE)).urgency is Urgency.INTERACTIVE
    assert asked("auto", Wishes(urgency=Urgency.INTERACTIVE), surface=drafts).urgency is Urgency.INTERACTIVE
    assert asked("auto", Wishes(urgency=Urgency.BACKGROUND)).urgency is Urgency.BACKGROUND


# --- bounds ----------------------------------------------------------------------------------------------


def bounds(ask: Ask) -> tuple[float | None, float, float]:
    return ask.slo_s, ask.first_content_s, ask.total_s


def test_without_wishes_the_deadlines_of_the_configuration_hold() -> None:
    """Interactive: first content and total; background: one long total."""
    assert bounds(asked("auto")) == (None, 10.0, 600.0)
    assert bounds(asked("auto", Wishes(urgency=Urgency.BACKGROUND))) == (None, 86400.0, 86400.0)


def test_a_surface_s_deadline_replaces_the_total() -> None:
    """And the first content cannot be later than the whole."""
    assert bounds(asked("auto", surface=SurfaceSpec("s", deadline_s=5.0))) == (None, 5.0, 5.0)
    slow = SurfaceSpec("s", Urgency.BACKGROUND, deadline_s=3600.0)
    assert bounds(asked("auto", surface=slow)) == (None, 3600.0, 3600.0)


def test_max_latency_bounds_the_first_content_of_a_stream() -> None:
    """max_latency_ms: first content for streams."""
    assert bounds(asked("auto", Wishes(max_latency_s=2.5))) == (2.5, 2.5, 600.0)


def test_max_latency_bounds_the_whole_of_a_unary_answer() -> None:
    """max_latency_ms: whole answer for unary."""
    assert bounds(asked(Head("auto"), Wishes(max_latency_s=2.5))) == (2.5, 2.5, 2.5)


def test_max_latency_never_loosens_a_deadline() -> None:
    """A wish for more time than the configuration gives changes no bound."""
    slo, first, total = bounds(asked(Head("auto"), Wishes(max_latency_s=9999.0)))
    assert (slo, first, total) == (9999.0, 10.0, 600.0)


def test_a_rule_brings_its_latency_and_a_wish_goes_before_it() -> None:
    """The rule's max_latency_ms holds where the request states none."""
    assert bounds(asked("quick")) == (2.0, 2.0, 600.0)
    assert bounds(asked("quick", Wishes(max_latency_s=5.0))) == (5.0, 5.0, 600.0)


def test_the_stricter_slo_holds() -> None:
    """Surface and request combine to the stricter."""
    surface = SurfaceSpec("s", ttft_p95_s=1.5)
    assert asked("auto", surface=surface).slo_s == 1.5
    assert asked("auto", Wishes(max_latency_s=0.5), surface=surface).slo_s == 0.5
    assert asked("auto", Wishes(max_latency_s=5.0), surface=surface).slo_s == 1.5
    assert asked("quick", surface=surface).slo_s == 1.5


def test_the_stricter_floor_and_cap_hold() -> None:
    """Surface and request combine to the higher floor and the lower cap."""
    surface = SurfaceSpec("s", quality_floor=0.6, max_usd_per_request=0.01)
    assert (asked("auto", surface=surface).quality_floor, asked("auto", surface=surface).max_usd) == (0.6, 0.01)
    lower = asked("auto", Wishes(quality_floor=0.2, max_usd=1.0), surface=surface)
    assert (lower.quality_floor, lower.max_usd) == (0.6, 0.01)
    higher = asked("auto", Wishes(quality_floor=0.9, max_usd=0.001), surface=surface)
    assert (higher.quality_floor, higher.max_usd) == (0.9, 0.001)
    assert (asked("auto").quality_floor, asked("auto").max_usd) == (0.0, None)


_maybe_seconds = st.none() | st.floats(0.01, 1e5)


@given(
    stream=st.booleans(),
    urgency=st.none() | st.sampled_from(Urgency),
    latency=_maybe_seconds,
    surface=st.none()
    | st.builds(
        SurfaceSpec,
        name=st.just("s"),
        urgency=st.sampled_from(Urgency),
        ttft_p95_s=_maybe_seconds,
        deadline_s=_maybe_seconds,
        quality_floor=st.floats(0, 1),
        max_usd_per_request=st.none() | st.floats(0, 1),
    ),
    floor=st.none() | st.floats(0, 1),
    cap=st.none() | st.floats(0, 1),
    name=st.sampled_from(("auto", "quick", "gpt-4.1")),
)
def test_no_combination_loosens_a_bound(
    stream: bool,
    urgency: Urgency | None,
    latency: float | None,
    surface: SurfaceSpec | None,
    floor: float | None,
    cap: float | None,
    name: str,
) -> None:
    """Every stated bound is kept by the Ask, and the first content lies within the whole."""
    out = asked(
        Head(name, stream=stream),
        Wishes(urgency=urgency, max_latency_s=latency, quality_floor=floor, max_usd=cap),
        surface=surface,
    )
    assert 0 < out.first_content_s <= out.total_s
    if latency is not None:
        assert out.slo_s is not None
        assert out.slo_s <= latency
        assert out.first_content_s <= latency
        assert stream or out.total_s <= latency
    if floor is not None:
        assert out.quality_floor >= floor
    if cap is not None:
        assert out.max_usd is not None
        assert out.max_usd <= cap
    if surface is not None:
        assert out.quality_floor >= surface.quality_floor
        assert surface.ttft_p95_s is None or (out.slo_s is not None and out.slo_s <= surface.ttft_p95_s)
        assert surface.deadline_s is None or out.total_s <= surface.deadline_s
        assert surface.max_usd_per_request is None or (
            out.max_usd is not None and out.max_usd <= surface.max_usd_per_request
        )
        assert out.surface == "s"


def test_what_the_request_needs_is_handed_on() -> None:
    """Capabilities, size and streaming decide who is eligible."""
    out = asked(Head("auto", stream=True, needs=frozenset({"tools"})), tokens=5120)
    assert (out.needs, out.input_tokens, out.stream) == (frozenset({"tools"}), 5120, True)
