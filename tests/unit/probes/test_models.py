"""Models: is the credential accepted, and what may be asked for?"""

from __future__ import annotations

import dataclasses

import pytest

from lbd.model.failure import FailureKind
from lbd.model.outcome import Verdict
from lbd.shapes.providers import FreeProbes
from probes import models
from tests.fakes.targets import FakeTarget, answer, failing, shape

LIST = b'{"object": "list", "data": [{"id": "gpt-4.1"}, {"id": "gpt-4.1-mini"}]}'


async def test_the_list_is_read() -> None:
    """A 200 says that the key is good and which models there are."""
    result = await models.run(FakeTarget("openai", {"models": answer(200, LIST)}))
    assert result is not None
    assert (result.verdict, result.models) == (Verdict.UP, frozenset({"gpt-4.1", "gpt-4.1-mini"}))
    assert result.detail == "2 models"


async def test_limits_in_the_headers_are_read_on_the_way() -> None:
    """Limit headers count on every answer."""
    told = answer(200, LIST, x_ratelimit_limit_requests="100", x_ratelimit_remaining_requests="7")
    result = await models.run(FakeTarget("openai", {"models": told}))
    assert result is not None
    assert [(r.what, r.remaining) for r in result.quota] == [("requests", 7)]


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b'{"error": {"message": "wrong", "code": "invalid_api_key"}}', FailureKind.AUTH),
        (403, b"{}", FailureKind.AUTH),
        (402, b"{}", FailureKind.MONEY),
        (429, b'{"error": {"message": "pay", "code": "insufficient_quota"}}', FailureKind.MONEY),
    ],
)
async def test_a_refused_key_is_down(status: int, body: bytes, kind: FailureKind) -> None:
    """What waits for a person is said at once."""
    result = await models.run(FakeTarget("openai", {"models": answer(status, body)}))
    assert result is not None
    assert (result.verdict, result.failure) == (Verdict.DOWN, kind)


@pytest.mark.parametrize("status", [301, 400, 404, 405, 429, 500, 503])
async def test_other_troubles_are_nobodys_lock_out(status: int) -> None:
    """A server without a model list still serves; a 5xx is liveness' business."""
    assert await models.run(FakeTarget("openai", {"models": answer(status, b"{}")})) is None


async def test_nobody_there_says_nothing_of_the_key() -> None:
    """Liveness says so."""
    assert await models.run(FakeTarget("openai", {"models": failing(FailureKind.CONNECT)})) is None


async def test_a_list_that_names_anything_is_not_believed() -> None:
    """Some servers answer any model name: their list proves the key and nothing of the model."""
    result = await models.run(FakeTarget("llamacpp", {"models": answer(200, LIST)}))
    assert result is not None
    assert result.models == frozenset()


async def test_a_200_without_a_list_is_up_and_lists_nothing() -> None:
    """An answer that is no list is no evidence against anybody."""
    result = await models.run(FakeTarget("openai", {"models": answer(200, b"<html>")}))
    assert result is not None
    assert (result.verdict, result.models, result.detail) == (Verdict.UP, None, "no list")


async def test_a_shape_without_a_list_is_not_asked() -> None:
    """It does not apply, and asks nothing if it is run all the same."""
    bare = dataclasses.replace(shape("openai"), probes=FreeProbes())
    target = FakeTarget()
    target.shape = bare
    assert not models.applies(bare, target.provider)
    assert models.applies(shape("openai"), target.provider)
    assert await models.run(target) is None
    assert target.asked == []
