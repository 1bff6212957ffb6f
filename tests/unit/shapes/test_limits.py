"""Waits and rate limits as providers write them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.outcome import QuotaReading
from lbd.shapes import limits
from lbd.shapes.limits import LONGEST_WAIT

WALL = 1_700_000_000.0  # 2023-11-14T22:13:20Z
NOW = datetime.fromtimestamp(WALL, UTC)

ahead = st.integers(0, 10_000_000)


@pytest.fixture(params=["UTC", "America/New_York", "Asia/Tokyo"])
def zone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Let the host stand somewhere else."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield request.param
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        ("1.5", 1.5),
        (" 20 ", 20.0),
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("120ms", 0.12),
        ("8.64s", 8.64),
        ("1h2m", 3720.0),
        ("1h12m30.528s", 4350.528),
        ("1d", 86400.0),
        ("250us", 0.00025),
        ("1m30.5s", 90.5),
    ],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    """OpenAI and Groq write them as Go prints them; others as plain seconds."""
    assert limits.duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "soon",
        "-1",
        "-1s",
        "nan",
        "inf",
        "-inf",
        "1e999",
        "1x",
        "s",
        "1s later",
        "x1s",
        "1 s",
        "9" * 400,
        "9" * 400 + "s",
        "1e15",
    ],
)
def test_what_is_no_duration_is_none(text: str) -> None:
    """A wait that is junk must not become a wait: not a negative, not an endless one."""
    assert limits.duration_s(text) is None


@given(st.integers(0, 400), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_a_duration_in_parts_is_their_sum(h: int, m: int, s: int, ms: int) -> None:
    """Whatever units a provider uses together."""
    assert limits.duration_s(f"{h}h{m}m{s}s{ms}ms") == pytest.approx(h * 3600 + m * 60 + s + ms / 1000)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("59", 59.0),
        ("2023-11-14T22:13:50Z", 30.0),
        ("2023-11-14T22:13:50.500Z", 30.5),
        ("2023-11-14T23:13:50+01:00", 30.0),
        (" 2023-11-14T22:13:50Z ", 30.0),
        ("2023-11-14T22:13:10Z", 0.0),
        ("1700000030", 30.0),
        ("1700000030.5", 30.5),
        ("1699999990", 0.0),
        ("1700000030000", 30.0),
        ("1699999990000", 0.0),
    ],
)
def test_a_reset_is_read_in_every_form(text: str, seconds: float) -> None:
    """A duration (OpenAI), RFC 3339 (Anthropic), Unix seconds or milliseconds (others); what is past is now."""
    assert limits.reset_s(text, WALL) == pytest.approx(seconds, abs=1e-3)


@pytest.mark.parametrize("text", ["", "soon", "-1", "nan", "2023-99-99T00:00:00Z", "2023", "9" * 30, "tomorrow at 5"])
def test_a_reset_that_is_junk_is_none_or_a_number(text: str) -> None:
    """Only a year could be taken for seconds."""
    assert limits.reset_s(text, WALL) == (2023.0 if text == "2023" else None)


@given(ahead, st.integers(-12, 14))
def test_all_forms_of_a_time_say_the_same(seconds: int, hours: int) -> None:
    """One instant, written by four providers."""
    then = NOW + timedelta(seconds=seconds)
    zoned = then.astimezone(timezone(timedelta(hours=hours)))
    stamp = int(then.timestamp())
    for text in (zoned.isoformat(), then.isoformat().replace("+00:00", "Z"), str(stamp), str(stamp * 1000)):
        assert limits.reset_s(text, WALL) == pytest.approx(seconds)
    for text in (format_datetime(zoned), format_datetime(then, usegmt=True), str(seconds)):
        assert limits.retry_after_s({"retry-after": text}, WALL) == pytest.approx(min(seconds, LONGEST_WAIT))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(str(int(WALL) + 90), 90.0), (str(int(WALL) - 90), 0.0), ("999999999999", 86400.0), ("1e13", 86400.0)],
)
def test_a_wait_is_no_point_of_time_and_never_without_end(text: str, seconds: float) -> None:
    """Some send when to come back, and a damaged header must not shut an account for years."""
    assert limits.retry_after_s({"retry-after": text}, WALL) == pytest.approx(seconds, abs=1)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "2s"}, 2.0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after-ms": "soon", "retry-after": "1"}, 1.0),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:50 GMT"}, 30.0),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:50 -0000"}, 30.0),
        ({"retry-after": "Tue, 14 Nov 2023 22:13:10 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "99999999999 Jan 2024 00:00:00 GMT"}, None),
        ({"retry-after": "Mon, 1 Jan 99999999999999 00:00:00 GMT"}, None),
        ({}, None),
    ],
)
def test_the_wait_is_read_from_the_headers(headers: dict[str, str], seconds: float | None) -> None:
    """Milliseconds win over seconds; an HTTP date counts from now; junk says nothing."""
    found = limits.retry_after_s(headers, WALL)
    assert found == (None if seconds is None else pytest.approx(seconds))


def test_a_time_without_a_zone_is_utc_wherever_the_host_stands(zone: str) -> None:
    """The host's own zone has nothing to do with the provider's clock."""
    assert limits.reset_s("2023-11-14T22:13:50", WALL) == 30.0
    assert limits.retry_after_s({"retry-after": "Tue, 14 Nov 2023 22:13:50 -0000"}, WALL) == 30.0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Rate limit reached for gpt-4o. Limit: 3 / min. Please try again in 20s. Contact us through", 20.0),
        ("Please try again in 1.5s", 1.5),
        ("Please try again in 6m0s.", 360.0),
        ("Please try again in 7m36.48s. Need more tokens?", 456.48),
        ("Please try again in 1h12m30.5s", 4350.5),
        ("Please try again in 120ms", 0.12),
        ("try again in 30 milliseconds", 0.03),
        ("Please retry after 26 seconds.", 26.0),
        ("Retry after 1 second", 1.0),
        ("please retry after 1 day", 86400.0),
        ("Please retry in 48.2s.", 48.2),
        ("try again in 1 minute 30 seconds", 90.0),
        ("try again in 2 hours", 7200.0),
        ("TRY AGAIN IN 5 MINUTES", 300.0),
        ("retry after 7", 7.0),
        ("try again in 5 more minutes", 5.0),
        ("try again in 20s 5 requests are left", 20.0),
        ('{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "48s"}', 48.0),
        ('"retry_delay":"1.5s"', 1.5),
        ("try again later", None),
        ("it took 20s", None),
        ("", None),
    ],
)
def test_the_wait_is_read_from_the_words(text: str, seconds: float | None) -> None:
    """OpenAI, Groq, Azure and Gemini say it in the message."""
    found = limits.retry_after_s({}, WALL, text)
    assert found == (None if seconds is None else pytest.approx(seconds))


def test_a_header_wins_over_words() -> None:
    """The words are rounded."""
    assert limits.retry_after_s({"retry-after": "3"}, WALL, "try again in 20s") == 3.0
    assert limits.retry_after_s({"retry-after": "soon"}, WALL, "try again in 20s") == 20.0


def test_openai_limits_are_read() -> None:
    """Requests and tokens, each with its own reset."""
    headers = {
        "x-ratelimit-limit-requests": "10000",
        "x-ratelimit-remaining-requests": "9999",
        "x-ratelimit-reset-requests": "6ms",
        "x-ratelimit-limit-tokens": "2000000",
        "x-ratelimit-remaining-tokens": "1999.0",
        "x-ratelimit-reset-tokens": "6m0s",
        "x-request-id": "req_1",
    }
    assert limits.readings(headers, "x-ratelimit", WALL) == (
        QuotaReading("requests", 10_000, 9_999, 0.006),
        QuotaReading("tokens", 2_000_000, 1_999, 360.0),
    )


def test_anthropic_limits_are_read() -> None:
    """There the field comes last, and the kind has two words."""
    headers = {
        "anthropic-ratelimit-requests-limit": "50",
        "anthropic-ratelimit-requests-remaining": "49",
        "anthropic-ratelimit-requests-reset": "2023-11-14T22:13:50Z",
        "anthropic-ratelimit-input-tokens-limit": "40000",
        "anthropic-ratelimit-input-tokens-remaining": "0",
        "anthropic-ratelimit-input-tokens-reset": "2023-11-14T22:14:20Z",
        "anthropic-organization-id": "x",
    }
    assert limits.readings(headers, "anthropic-ratelimit", WALL) == (
        QuotaReading("input_tokens", 40_000, 0, 60.0, fixed=True),
        QuotaReading("requests", 50, 49, 30.0, fixed=True),
    )


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"x-ratelimit-remaining-requests": "5"}, (QuotaReading("requests", None, 5, None),)),
        ({"x-ratelimit-remaining-tokens-minute": "5"}, (QuotaReading("tokens_minute", None, 5, None),)),
        ({"x-ratelimit-limit": "60", "x-ratelimit-remaining": "0"}, (QuotaReading("requests", 60, 0, None),)),
        (
            {"x-ratelimit-remaining": "1", "x-ratelimit-reset": "1700000030000"},
            (QuotaReading("requests", None, 1, 30.0, fixed=True),),
        ),
        ({"x-ratelimit-remaining-tokens": "-1", "x-ratelimit-limit-tokens": "0"}, ()),
        (
            {"x-ratelimit-remaining-tokens": "5", "x-ratelimit-limit-tokens": "-1"},
            (QuotaReading("tokens", None, 5, None),),
        ),
        ({"x-ratelimit-limit-tokens": "100"}, ()),
        ({"x-ratelimit-remaining-tokens": "many"}, ()),
        ({"x-ratelimit-remaining-tokens": "nan"}, ()),
        ({"x-ratelimit-remaining-tokens": "inf"}, ()),
        ({"x-ratelimit-remaining-tokens": "1e300"}, ()),  # what no database takes
        (
            {"x-ratelimit-remaining-tokens": "5", "x-ratelimit-reset-tokens": "soon"},
            (QuotaReading("tokens", None, 5, None),),
        ),
        ({"x-ratelimit-over-limit": "yes"}, ()),
        ({"x-ratelimit": "x"}, ()),
        ({}, ()),
    ],
)
def test_a_limit_is_left_out_where_it_says_nothing(headers: dict[str, str], found: tuple[QuotaReading, ...]) -> None:
    """Azure was seen to send -1: taken for none left it would close the provider."""
    assert limits.readings(headers, "x-ratelimit", WALL) == found


@pytest.mark.parametrize("text", ["999999h", "400d", "9e13", "2199-01-01T00:00:00Z", str(WALL + 1e9)])
def test_no_limit_comes_back_later_than_in_a_day(text: str) -> None:
    """What a header says wrong would shut the deployment for years, also after a restart."""
    headers = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": text}
    (reading,) = limits.readings(headers, "x-ratelimit", WALL)
    assert reading.reset_s == LONGEST_WAIT


fields = st.sampled_from(["limit", "remaining", "reset", "requests", "tokens", "input", "minute", "", "x"])
header_names = st.lists(fields, max_size=4).map(lambda parts: "-".join(["x-ratelimit", *parts]))
header_values = st.one_of(
    st.text(max_size=20),
    st.text("0123456789.eE+-: TZhmsd,GMTJan", max_size=24),
    st.integers().map(str),
    st.floats().map(str),
    st.datetimes().map(lambda d: d.isoformat()),
    st.datetimes().map(format_datetime),
)


@given(st.dictionaries(header_names, header_values, max_size=6), header_values, header_values, st.text(max_size=30))
def test_junk_raises_nothing_and_gives_sane_numbers(headers: dict[str, str], ms: str, after: str, words: str) -> None:
    """Headers are foreign text: a wait is finite and not negative, a count is not negative."""
    for reading in limits.readings(headers, "x-ratelimit", WALL):
        assert reading.remaining >= 0
        assert reading.limit is None or reading.limit >= 0
        assert reading.reset_s is None or 0 <= reading.reset_s <= LONGEST_WAIT
    for wait in (
        limits.retry_after_s({"retry-after-ms": ms, "retry-after": after}, WALL, words),
        limits.retry_after_s({"retry-after": after}, WALL),
        limits.retry_after_s({}, WALL, f"try again in {after}"),
        limits.retry_after_s({}, WALL, words),
    ):
        assert wait is None or 0 <= wait < 1e15


def test_a_long_message_is_searched_once() -> None:
    """An error body may be a quarter of a megabyte of anything."""
    began = time.process_time()
    for part in ("try again in ", "try again in " + " " * 50, "retry after 1 ", "1 m ", "1", "1s"):
        limits.retry_after_s({}, WALL, "try again in " + part * (256_000 // len(part)) + "x")
        limits.retry_after_s({}, WALL, part * (256_000 // len(part)))
    assert time.process_time() - began < 5


@pytest.mark.parametrize("out_by", [-86_400, -600, -6, 6, 3600, 86_400, 400 * 86_400])
def test_points_of_time_count_by_the_clock_of_who_names_them(out_by: int, zone: str) -> None:
    """This host's may be wrong: a wait of 30 s must not become an hour, nor none at all."""
    said = {"date": format_datetime(NOW, usegmt=True)}
    later = NOW + timedelta(seconds=30)
    for text in (format_datetime(later, usegmt=True), str(int(WALL + 30))):
        assert limits.retry_after_s({**said, "retry-after": text}, WALL + out_by) == 30.0
    for text in (later.isoformat(), str(int(WALL + 30) * 1000)):
        headers = {**said, "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": text}
        (reading,) = limits.readings(headers, "x-ratelimit", WALL + out_by)
        assert (reading.reset_s, reading.fixed) == (30.0, True)


@pytest.mark.parametrize("date", ["", "now", "Tue, 14 Nov 2023 22:13:18 GMT", "Tue, 99 Nov 2023 22:13:18 GMT"])
def test_a_date_that_says_nothing_new_changes_nothing(date: str) -> None:
    """It has whole seconds only, and the answer was on its way for a while: the finer clock counts."""
    later = format_datetime(NOW + timedelta(seconds=30), usegmt=True)
    assert limits.retry_after_s({"date": date, "retry-after": later}, WALL + 0.5) == 29.5


def test_durations_do_not_mind_any_clock() -> None:
    """They count from now."""
    said = {"date": format_datetime(NOW - timedelta(days=1), usegmt=True), "retry-after": "7"}
    assert limits.retry_after_s(said, WALL) == 7.0
    headers = {**said, "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}
    assert limits.readings(headers, "x-ratelimit", WALL)[0].reset_s == 360.0
