"""Liveness: does the server answer at all? Says nothing of load, credential or model.

Any answer below 500 is life, a refused key included. 503 while loading weights is down, with its reason.
"""

from __future__ import annotations

from lbd.model.failure import FailureKind, LbdError
from lbd.model.outcome import ProbeResult, Verdict
from lbd.model.provider import ProviderSpec
from lbd.shapes.providers import Shape
from probes import PROBES, Kind, Target

NAME = "liveness"


def applies(shape: Shape, _provider: ProviderSpec) -> bool:
    """Tell whether the shape has an endpoint for it."""
    return shape.probes.liveness is not None


async def run(target: Target) -> ProbeResult | None:
    """Ask the liveness endpoint."""
    path = target.shape.probes.liveness
    if path is None:
        return None
    began = target.now()
    try:
        answer = await target.get(path)
    except LbdError as e:
        f = e.failure
        return ProbeResult(NAME, Verdict.DOWN, target.now(), target.now() - began, f.message, f.kind)
    at = target.now()
    if answer.status < 500:
        verdict = Verdict.BUSY if answer.status == 429 else Verdict.UP
        return ProbeResult(NAME, verdict, at, answer.took_s, f"HTTP {answer.status}")
    failure = target.shape.classify(answer.status, answer.headers, answer.body, target.wall())
    kind = FailureKind.LOADING if failure.kind is FailureKind.LOADING else FailureKind.SERVER
    return ProbeResult(NAME, Verdict.DOWN, at, answer.took_s, f"HTTP {answer.status}: {failure.message}"[:200], kind)


KIND = PROBES.add(NAME)(Kind(NAME, run, applies))
