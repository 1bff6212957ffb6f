"""Stream: time to the first content of a small prompt. Kept apart from the figures of real requests."""

from __future__ import annotations

from lbd.model.outcome import ProbeResult
from lbd.model.provider import ProviderSpec
from lbd.shapes.providers import Shape
from probes import PROBES, Kind, Target, ask

NAME = "stream"


def applies(_shape: Shape, _provider: ProviderSpec) -> bool:
    """Every shape streams."""
    return True


async def run(target: Target) -> ProbeResult | None:
    """Ask for a streamed completion."""
    return await ask(target, NAME, stream=True)


KIND = PROBES.add(NAME)(Kind(NAME, run, applies, paid=True))
