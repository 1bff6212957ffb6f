"""Quota: rate limits read from the headers of a free endpoint, where a provider puts them there."""

from __future__ import annotations

from lbd.model.failure import LbdError
from lbd.model.outcome import ProbeResult, Verdict
from lbd.model.provider import ProviderSpec
from lbd.shapes.providers import Shape
from probes import PROBES, Kind, Target

NAME = "quota"


def applies(shape: Shape, _provider: ProviderSpec) -> bool:
    """Tell whether there is a free endpoint whose headers could tell limits; own servers have none."""
    return shape.probes.models is not None and not shape.self_hosted


async def run(target: Target) -> ProbeResult | None:
    """Read the limit headers of the model list (the same request that the models probe makes)."""
    path = target.shape.probes.models
    if path is None:
        return None
    try:
        answer = await target.get(path)
    except LbdError:
        return None
    readings = target.shape.limits(answer.headers, target.wall())
    if not readings:
        return None
    scarce = any(r.remaining == 0 for r in readings)
    text = ", ".join(f"{r.what} {r.remaining}/{r.limit}" for r in readings)
    return ProbeResult(NAME, Verdict.BUSY if scarce else Verdict.UP, target.now(), answer.took_s, text, quota=readings)


KIND = PROBES.add(NAME)(Kind(NAME, run, applies))
