"""The smallest completions through the real adapter: paid, so they are told apart from free kinds.

Both paid kinds read what became of one in the same way; how each asks is in its own file.
"""

from __future__ import annotations

from types import ModuleType

import pytest

from lbd.model.failure import FailureKind
from lbd.model.outcome import Usage, Verdict
from probes import PROBES, Completed, completion, stream
from tests.fakes.targets import TOOK, FakeTarget, failing, shape

paid_kinds = pytest.mark.parametrize("module", [completion, stream], ids=["completion", "stream"])


async def test_one_unary_completion_is_asked_for() -> None:
    """And nothing else."""
    target = FakeTarget(completed=Completed(Usage(20, 4), 28_000, None, 0.5))
    await completion.run(target)
    assert target.asked == ["unary"]


@paid_kinds
async def test_an_answer_is_up_with_its_cost_and_times(module: ModuleType) -> None:
    """Under its own name."""
    result = await module.run(FakeTarget(completed=Completed(Usage(20, 4), 28_000, 0.125, 0.5)))
    assert (result.verdict, result.cost, result.ttft_s, result.took_s) == (Verdict.UP, 28_000, 0.125, 0.5)
    assert module.__name__.endswith(result.kind)


@paid_kinds
@pytest.mark.parametrize("kind", [FailureKind.RATE, FailureKind.OVERLOADED, FailureKind.CONFLICT])
async def test_not_now_is_busy_and_not_down(module: ModuleType, kind: FailureKind) -> None:
    """A probe that fails because the model is busy is no evidence of sickness."""
    result = await module.run(FakeTarget(completed=failing(kind, "wait", retry_after_s=7.0)))
    assert (result.verdict, result.failure, result.retry_after_s) == (Verdict.BUSY, None, 7.0)
    assert result.detail == f"{kind}: wait"


@paid_kinds
@pytest.mark.parametrize(
    "kind", [FailureKind.SERVER, FailureKind.AUTH, FailureKind.MONEY, FailureKind.TIMEOUT_FIRST, FailureKind.BAD_BODY]
)
async def test_a_failure_is_down_with_its_kind(module: ModuleType, kind: FailureKind) -> None:
    """The text is bounded."""
    result = await module.run(FakeTarget(completed=failing(kind, "y" * 900)))
    assert (result.verdict, result.failure, result.took_s, result.cost) == (Verdict.DOWN, kind, TOOK, 0)
    assert len(result.detail) <= 200


@paid_kinds
def test_it_is_paid_and_fits_every_shape(module: ModuleType) -> None:
    """Every shape completes."""
    kind = PROBES.load()[module.__name__.rpartition(".")[2]]
    assert kind.paid
    assert kind.applies(shape("openai"), FakeTarget().provider)
