"""Load: how many requests run and wait inside the server, other gateways' traffic included."""

from __future__ import annotations

from msgspec.structs import replace

from lbd.model.failure import LbdError
from lbd.model.outcome import ProbeResult, Verdict
from lbd.model.provider import ProviderSpec
from lbd.shapes.providers import Shape
from probes import PROBES, Kind, Target

NAME = "load"


def applies(shape: Shape, _provider: ProviderSpec) -> bool:
    """Tell whether the shape tells its load."""
    return shape.probes.load is not None


async def run(target: Target) -> ProbeResult | None:
    """Scrape the gauges, and the number of slots where the server tells it. A queue is busy, never down."""
    shape = target.shape
    if shape.probes.load is None:
        return None
    try:
        answer = await target.get(shape.probes.load)
        load = shape.read_load(answer.body) if answer.status == 200 else None
        if load is None:
            return None
        if shape.probes.slots is not None:
            told = await target.get(shape.probes.slots)
            if told.status == 200:
                load = replace(load, slots=shape.read_slots(told.body))
    except LbdError:
        return None
    full = load.slots is not None and load.running >= load.slots
    verdict = Verdict.BUSY if load.waiting > 0 or full else Verdict.UP
    text = f"{load.running} running, {load.waiting} waiting"
    return ProbeResult(NAME, verdict, target.now(), answer.took_s, text, load=load)


KIND = PROBES.add(NAME)(Kind(NAME, run, applies))
