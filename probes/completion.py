"""Completion: the smallest one through the real adapter. Costs money; for rows that are suspect, half-open or idle."""

from __future__ import annotations

from lbd.model.outcome import ProbeResult
from lbd.model.provider import ProviderSpec
from lbd.shapes.providers import Shape
from probes import PROBES, Kind, Target, ask

NAME = "completion"


def applies(_shape: Shape, _provider: ProviderSpec) -> bool:
    """Every shape completes."""
    return True


async def run(target: Target) -> ProbeResult | None:
    """Ask for a unary completion."""
    return await ask(target, NAME, stream=False)


KIND = PROBES.add(NAME)(Kind(NAME, run, applies, paid=True))
