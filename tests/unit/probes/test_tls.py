"""TLS: until when is the certificate valid?"""

from __future__ import annotations

import pytest

from lbd.model.failure import FailureKind
from lbd.model.outcome import Verdict
from probes import PROBES, tls
from tests.fakes import tables
from tests.fakes.targets import FakeTarget, failing, shape


async def test_the_end_is_read() -> None:
    """The result carries the end and says how many days are left."""
    target = FakeTarget()
    target.certificate = target.wall() + 30 * 86400 + 100
    result = await tls.run(target)
    assert result is not None
    assert (result.verdict, result.expires, result.detail) == (Verdict.UP, target.certificate, "expires in 30 days")


async def test_a_handshake_that_fails_is_down() -> None:
    """An expired or foreign certificate is the provider's trouble."""
    result = await tls.run(FakeTarget(certificate=failing(FailureKind.TLS, "certificate has expired")))
    assert result is not None
    assert (result.verdict, result.failure, result.detail) == (
        Verdict.DOWN,
        FailureKind.TLS,
        "certificate has expired",
    )


@pytest.mark.parametrize("kind", [FailureKind.CONNECT, FailureKind.CONNECT_TIMEOUT, FailureKind.INTERNAL])
async def test_nobody_there_says_nothing_of_the_certificate(kind: FailureKind) -> None:
    """Liveness says so."""
    assert await tls.run(FakeTarget(certificate=failing(kind))) is None


def test_it_is_for_providers_reached_over_tls_directly() -> None:
    """Plain HTTP has no certificate, and behind a proxy it is not ours to see."""
    s = shape("openai")
    assert tls.applies(s, tables.provider(base_url="https://api.test/v1"))
    assert not tls.applies(s, tables.provider(base_url="http://api.test/v1"))
    assert not tls.applies(s, tables.provider(base_url="https://api.test/v1", proxy="http://proxy.test:3128"))


def test_it_is_asked_hourly() -> None:
    """A certificate does not change by the minute."""
    assert PROBES.load()["tls"].period_s == 3600.0
