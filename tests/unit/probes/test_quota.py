"""Quota: limits read from the headers of the free model list."""

from __future__ import annotations

import dataclasses

from lbd.model.failure import FailureKind
from lbd.model.outcome import Verdict
from lbd.shapes.providers import FreeProbes
from probes import quota
from tests.fakes.targets import FakeTarget, answer, failing, shape


async def test_limits_are_read_and_a_used_up_one_is_busy() -> None:
    """Nothing left is busy, with the figures in words."""
    told = {"x_ratelimit_limit_requests": "100", "x_ratelimit_remaining_requests": "7"}
    result = await quota.run(FakeTarget("openai", {"models": answer(200, b"{}", **told)}))
    assert result is not None
    assert (result.verdict, result.detail) == (Verdict.UP, "requests 7/100")
    told["x_ratelimit_remaining_requests"] = "0"
    result = await quota.run(FakeTarget("openai", {"models": answer(429, b"{}", **told)}))
    assert result is not None
    assert result.verdict is Verdict.BUSY
    assert [(r.what, r.limit, r.remaining) for r in result.quota] == [("requests", 100, 0)]


async def test_a_provider_that_tells_none_is_no_news() -> None:
    """So is one that does not answer."""
    assert await quota.run(FakeTarget("openai", {"models": answer(200, b"{}")})) is None
    assert await quota.run(FakeTarget("openai", {"models": failing(FailureKind.CONNECT)})) is None


async def test_own_servers_are_not_asked() -> None:
    """They have no quota; a shape without a model list has nowhere to ask."""
    target = FakeTarget("openai")
    assert quota.applies(shape("openai"), target.provider)
    assert not quota.applies(shape("llamacpp"), target.provider)
    bare = dataclasses.replace(shape("openai"), probes=FreeProbes())
    assert not quota.applies(bare, target.provider)
    target.shape = bare
    assert await quota.run(target) is None
    assert target.asked == []
