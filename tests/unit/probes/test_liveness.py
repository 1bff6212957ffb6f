"""Liveness: any answer below 500 is life."""

from __future__ import annotations

import dataclasses

import pytest

from lbd.model.failure import FailureKind
from lbd.model.outcome import Verdict
from lbd.shapes.providers import FreeProbes
from probes import liveness
from tests.fakes.targets import TOOK, FakeTarget, answer, failing, shape


@pytest.mark.parametrize("status", [200, 204, 301, 400, 401, 403, 404, 405, 422])
async def test_any_answer_below_500_is_life(status: int) -> None:
    """A refused key or an unknown path is an answer of somebody who lives."""
    result = await liveness.run(FakeTarget("llamacpp", {"/health": answer(status)}))
    assert result is not None
    assert (result.verdict, result.failure, result.kind) == (Verdict.UP, None, "liveness")
    assert result.detail == f"HTTP {status}"
    assert result.took_s == TOOK


async def test_a_rate_limited_liveness_endpoint_is_busy_and_not_down() -> None:
    """429 is pressure."""
    result = await liveness.run(FakeTarget("openai", {"models": answer(429, retry_after="7")}))
    assert result is not None
    assert (result.verdict, result.failure) == (Verdict.BUSY, None)


async def test_a_server_that_loads_its_weights_is_down_with_that_reason() -> None:
    """503 while loading is down: no request could be served."""
    body = b'{"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}'
    result = await liveness.run(FakeTarget("llamacpp", {"/health": answer(503, body)}))
    assert result is not None
    assert (result.verdict, result.failure) == (Verdict.DOWN, FailureKind.LOADING)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 529, 599])
async def test_every_other_5xx_is_down_as_a_server_error(status: int) -> None:
    """The kind is one word whatever the body claims, and the text is bounded."""
    body = b'{"error": {"message": "' + b"x" * 5000 + b'", "code": "insufficient_quota"}}'
    result = await liveness.run(FakeTarget("openai", {"models": answer(status, body)}))
    assert result is not None
    assert (result.verdict, result.failure) == (Verdict.DOWN, FailureKind.SERVER)
    assert result.detail.startswith(f"HTTP {status}")
    assert len(result.detail) <= 200


@pytest.mark.parametrize("kind", [FailureKind.CONNECT, FailureKind.TLS, FailureKind.TIMEOUT_FIRST, FailureKind.RESET])
async def test_nobody_there_is_down_with_the_reason(kind: FailureKind) -> None:
    """The failure's own kind is kept: it decides what proves recovery."""
    target = FakeTarget("vllm", {"/health": failing(kind, "no connection")})
    result = await liveness.run(target)
    assert result is not None
    assert (result.verdict, result.failure, result.detail) == (Verdict.DOWN, kind, "no connection")
    assert result.took_s == TOOK
    assert result.at == target.now()


async def test_a_shape_without_such_an_endpoint_is_not_asked() -> None:
    """It does not apply, and asks nothing if it is run all the same."""
    bare = dataclasses.replace(shape("openai"), probes=FreeProbes())
    target = FakeTarget()
    target.shape = bare
    assert not liveness.applies(bare, target.provider)
    assert liveness.applies(shape("openai"), target.provider)
    assert await liveness.run(target) is None
    assert target.asked == []
