"""The table of failures: complete, and true to the rules that the rest relies on."""

from __future__ import annotations

import re

import pytest

from lbd.model.failure import (
    CLIENT_FAULTS,
    COUNTS,
    LOCK_OUTS,
    SUSPECT_AT_ONCE,
    TABLE,
    TIMEOUTS,
    Blame,
    Failure,
    FailureKind,
    LbdError,
    Retry,
    Scope,
)

kinds = pytest.mark.parametrize("kind", sorted(FailureKind))


def test_there_is_one_row_for_each_kind() -> None:
    """A kind without a row could not be answered, one with two would be judged by chance."""
    assert set(TABLE) == set(FailureKind)
    words = [str(k) for k in FailureKind]
    assert len(set(words)) == len(words)


@kinds
def test_the_word_is_a_label(kind: FailureKind) -> None:
    """Metric label, journal word and error code at once: constant snake_case."""
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", kind)


@kinds
def test_client_faults_never_count(kind: FailureKind) -> None:
    """What a client did says nothing about a provider: not its breaker, its service level, its neighbours."""
    row = TABLE[kind]
    assert (kind in CLIENT_FAULTS) == (row.blame is Blame.CLIENT)
    if row.blame is Blame.CLIENT:
        assert not row.counts
        assert not row.slo
        assert row.scope is Scope.REQUEST
        assert 400 <= row.status < 500
        assert row.retry is not Retry.SAME_ONCE


@kinds
def test_only_providers_and_the_network_can_count(kind: FailureKind) -> None:
    """lbd's own faults open nobody's breaker; whatever counts is a miss the user felt, and worth another try."""
    row = TABLE[kind]
    assert (kind in COUNTS) == row.counts
    if row.counts:
        assert row.blame in (Blame.PROVIDER, Blame.NETWORK)
        assert row.scope in (Scope.DEPLOYMENT, Scope.HOST)
        assert row.slo
        assert row.retry in (Retry.ELSEWHERE, Retry.SAME_ONCE)
        assert row.status >= 500


@kinds
def test_the_status_and_the_type_agree(kind: FailureKind) -> None:
    """As OpenAI's own clients read them: 429 is a rate limit, 5xx the server's, other 4xx the request's."""
    row = TABLE[kind]
    assert 400 <= row.status < 600
    if row.status == 429:
        assert row.type == ("insufficient_quota" if kind is FailureKind.BUDGET else "rate_limit_error")
    elif row.status >= 500:
        assert row.type == "server_error"
    else:
        assert row.type in {"invalid_request_error", "authentication_error", "permission_error", "client_error"}


def test_rate_limits_are_pressure_and_lock_outs_wait_for_a_person() -> None:
    """Neither is sickness: they close by their own means, not by the breaker."""
    assert not TABLE[FailureKind.RATE].counts
    assert not LOCK_OUTS & COUNTS
    assert {k for k in LOCK_OUTS if TABLE[k].scope is Scope.KEY} == {FailureKind.MONEY, FailureKind.AUTH}


def test_a_stale_connection_is_no_news() -> None:
    """A reset on a reused connection before any byte does not count."""
    assert not TABLE[FailureKind.STALE].counts
    assert TABLE[FailureKind.RESET].counts


def test_a_row_that_was_silent_is_not_asked_again() -> None:
    """Time-outs go elsewhere; whatever makes a row suspect at once speaks against it."""
    assert all(TABLE[k].retry is Retry.ELSEWHERE and TABLE[k].counts for k in TIMEOUTS)
    assert SUSPECT_AT_ONCE <= COUNTS


def test_failures_of_the_host_speak_for_all_behind_it() -> None:
    """Its name, connection and TLS, and nothing that an answer has shown."""
    hosts = {k for k, row in TABLE.items() if row.scope is Scope.HOST}
    assert hosts == {FailureKind.DNS, FailureKind.CONNECT, FailureKind.CONNECT_TIMEOUT, FailureKind.TLS}


def test_what_this_host_is_short_of_is_held_against_nobody() -> None:
    """And a connection that stands elsewhere may serve the request."""
    (row,) = (row for row in TABLE.values() if row.scope is Scope.HERE)
    assert row is TABLE[FailureKind.LOCAL]
    assert (row.blame, row.counts, row.retry, row.status) == (Blame.US, False, Retry.ELSEWHERE, 503)


def test_a_failure_finds_its_row_and_is_carried_by_the_error() -> None:
    """The value is what matters; the exception only brings it up."""
    failure = Failure(FailureKind.SERVER, "HTTP 500", status=500)
    assert failure.row is TABLE[FailureKind.SERVER]
    error = LbdError(failure)
    assert error.failure is failure
    assert str(error) == "HTTP 500"
