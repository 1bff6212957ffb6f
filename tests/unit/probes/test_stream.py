"""Time to first content of a small prompt; what it shares with the other paid kind is in test_completion.py."""

from __future__ import annotations

from lbd.model.outcome import Usage
from probes import Completed, stream
from tests.fakes.targets import FakeTarget


async def test_one_streamed_completion_is_asked_for() -> None:
    """And nothing else; only a stream has a first content."""
    target = FakeTarget(completed=Completed(Usage(20, 4), 28_000, 0.125, 0.5))
    result = await stream.run(target)
    assert target.asked == ["stream"]
    assert result is not None and result.ttft_s == 0.125
