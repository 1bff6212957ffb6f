"""The smallest completion through the real adapter: paid, so it is told apart from free kinds."""

from __future__ import annotations

import pytest

from lbd.model.failure import FailureKind
from lbd.model.outcome import Usage, Verdict
from probes import PROBES, Completed, completion
from tests.fakes.targets import TOOK, FakeTarget, failing, shape


async def test_an_answer_is_up_with_its_cost_and_times() -> None:
    """One unary completion is asked for, nothing else."""
    target = FakeTarget(completed=Completed(Usage(20, 4), 28_000, 0.125, 0.5))
    result = await completion.run(target)
    assert target.asked == ["unary"]
    assert result is not None
    assert (result.kind, result.verdict, result.cost, result.ttft_s, result.took_s) == (
        "completion",
        Verdict.UP,
        28_000,
        0.125,
        0.5,
    )


@pytest.mark.parametrize("kind", [FailureKind.RATE, FailureKind.OVERLOADED, FailureKind.CONFLICT])
async def test_not_now_is_busy_and_not_down(kind: FailureKind) -> None:
    """A probe that fails because the model is busy is no evidence of sickness."""
    result = await completion.run(FakeTarget(completed=failing(kind, "wait", retry_after_s=7.0)))
    assert result is not None
    assert (result.verdict, result.failure, result.retry_after_s) == (Verdict.BUSY, None, 7.0)
    assert result.detail == f"{kind}: wait"


@pytest.mark.parametrize(
    "kind", [FailureKind.SERVER, FailureKind.AUTH, FailureKind.MONEY, FailureKind.TIMEOUT_FIRST, FailureKind.BAD_BODY]
)
async def test_a_failure_is_down_with_its_kind(kind: FailureKind) -> None:
    """The text is bounded."""
    result = await completion.run(FakeTarget(completed=failing(kind, "y" * 900)))
    assert result is not None
    assert (result.verdict, result.failure, result.took_s, result.cost) == (Verdict.DOWN, kind, TOOK, 0)
    assert len(result.detail) <= 200


def test_it_is_paid_and_fits_every_shape() -> None:
    """Every shape completes."""
    kind = PROBES.load()["completion"]
    assert kind.paid
    assert kind.applies(shape("openai"), FakeTarget().provider)
