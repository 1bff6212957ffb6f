"""Models: is the credential accepted, and what may be asked for? A wrong key is found though liveness says 200."""

from __future__ import annotations

from lbd.model.failure import LOCK_OUTS, FailureKind, LbdError
from lbd.model.outcome import ProbeResult, Verdict
from lbd.model.provider import ProviderSpec
from lbd.shapes.providers import Shape
from probes import PROBES, Kind, Target

NAME = "models"


def applies(shape: Shape, _provider: ProviderSpec) -> bool:
    """Tell whether the shape has a model list."""
    return shape.probes.models is not None


async def run(target: Target) -> ProbeResult | None:
    """Ask for the model list with the credential. Only a refusal of it is bad news; the rest is liveness' business."""
    path = target.shape.probes.models
    if path is None:
        return None
    try:
        answer = await target.get(path)
    except LbdError:
        return None
    at = target.now()
    if answer.status == 200:
        models = target.shape.read_models(answer.body)
        count = "no list" if models is None else f"{len(models)} models"
        listed = models if target.shape.lists_models else frozenset[str]()
        quota = target.shape.limits(answer.headers, target.wall())
        return ProbeResult(NAME, Verdict.UP, at, answer.took_s, count, models=listed, quota=quota)
    failure = target.shape.classify(answer.status, answer.headers, answer.body, target.wall())
    if failure.kind in LOCK_OUTS and failure.kind is not FailureKind.NO_MODEL:
        text = f"HTTP {answer.status}: {failure.message}"[:200]
        return ProbeResult(NAME, Verdict.DOWN, at, answer.took_s, text, failure.kind)
    return None


KIND = PROBES.add(NAME)(Kind(NAME, run, applies))
