"""Who asks for what and when: drawn from a scenario, or as a journal has it."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from statistics import median
from typing import NamedTuple

import msgspec

from lbd.model.record import RequestRecord
from lbd.model.request import Urgency
from lbd.model.units import DeploymentId, Seconds, Tokens, WallTime
from lbd.observe.archive import Kept
from lbd.simulate.scenario import Speed, Traffic

HOUR: Seconds = 3600.0
LONGEST: Tokens = 32_000  # of a prompt or an answer that is drawn
ENOUGH = 20  # answers that say how fast a deployment is
HARD = 0.6  # difficulty from which on a recorded prompt is a hard one
LEAST_S: Seconds = 0.001


class Arrival(NamedTuple):
    """One request; ``at_s`` counts from the beginning of the day. Empty names: whatever comes first."""

    at_s: Seconds
    model: str
    input_tokens: Tokens
    output_tokens: Tokens
    stream: bool
    background: bool
    hard: bool = False
    client: str = ""
    surface: str = ""


def drawn(traffic: Traffic, hours: float, rate: float, seed: int) -> Iterator[Arrival]:
    """Yield a day's arrivals, ``rate`` a second on average over a whole day: a Poisson process, thinned."""
    chance = random.Random(seed)
    amplitude = (1 - traffic.trough) / (1 + traffic.trough)
    highest = rate * (1 + amplitude)
    models, model_weights = list(traffic.models), list(traffic.models.values())
    clients, client_weights = list(traffic.clients), list(traffic.clients.values())
    at = 0.0
    while True:
        at += chance.expovariate(highest)
        if at >= hours * HOUR:
            return
        phase = math.cos(2 * math.pi * (at / HOUR - traffic.peak_hour) / 24)
        if chance.random() * highest > rate * (1 + amplitude * phase):
            continue
        yield Arrival(
            at,
            chance.choices(models, model_weights)[0],
            _size(traffic.input_tokens, traffic.spread, chance),
            _size(traffic.output_tokens, traffic.spread, chance),
            chance.random() < traffic.stream,
            chance.random() < traffic.background,
            chance.random() < traffic.hard,
            chance.choices(clients, client_weights)[0] if clients else "",
        )


def _size(middle: Tokens, spread: float, chance: random.Random) -> Tokens:
    return min(LONGEST, max(1, round(middle * chance.lognormvariate(0.0, spread))))


class Recorded(msgspec.Struct):
    """A day as a journal has it: who asked, and how fast who answered."""

    begins: WallTime
    hours: float
    arrivals: list[Arrival]
    speeds: dict[DeploymentId, Speed]


class _Seen(msgspec.Struct):
    """What was seen of one deployment."""

    first_s: list[Seconds] = []
    token_s: list[Seconds] = []
    attempts: int = 0
    failed: int = 0


def recorded(journal: Iterable[Kept]) -> Recorded | None:
    """Return the day of a journal; None where nothing is in it. An hour begins it, on the wall's clock."""
    records, seen = [], defaultdict[DeploymentId, _Seen](_Seen)
    for kept in journal:
        records.append(kept.record)
        _note(seen, kept.record)
    if not records:
        return None
    begins = min(r.time - r.total_s for r in records) // HOUR * HOUR
    arrivals = sorted(_arrival(r, begins) for r in records)
    hours = math.ceil((arrivals[-1].at_s + 1) / HOUR)
    return Recorded(begins, hours, arrivals, {id_: _speed(s) for id_, s in seen.items() if s.attempts >= ENOUGH})


def _arrival(record: RequestRecord, begins: WallTime) -> Arrival:
    ask = record.attempts[0].decision.ask if record.attempts else None
    usage, judged = record.usage, record.judged
    return Arrival(
        max(0.0, record.time - record.total_s - begins),
        record.asked,
        usage.prompt if usage is not None and usage.prompt else ask.input_tokens if ask is not None else 1,
        max(1, usage.completion) if usage is not None else 1,
        record.stream,
        record.urgency == Urgency.BACKGROUND,
        judged is not None and judged.difficulty is not None and judged.difficulty >= HARD,
        record.client,
        record.surface,
    )


def _note(seen: dict[DeploymentId, _Seen], record: RequestRecord) -> None:
    for attempt in record.attempts:
        if attempt.refused is not None or attempt.decision.chosen is None:
            continue
        of = seen[attempt.decision.chosen]
        of.attempts += 1
        of.failed += attempt.failure is not None
        if attempt.failure is not None or attempt.ttft_s is None:
            continue
        first = max(LEAST_S, attempt.ttft_s)  # from when it was sent
        of.first_s.append(first)
        tokens = 0 if attempt.usage is None else attempt.usage.completion
        if tokens > 1:
            of.token_s.append(max(0.0, attempt.ended_s - attempt.started_s - first) / (tokens - 1))


def _speed(seen: _Seen) -> Speed:
    usual = Speed()
    failing = seen.failed / seen.attempts
    if len(seen.first_s) < ENOUGH:
        return Speed(error_share=failing)
    logs = [math.log(s) for s in seen.first_s]
    mean = sum(logs) / len(logs)
    spread = math.sqrt(sum((v - mean) ** 2 for v in logs) / len(logs))
    token_s = median(seen.token_s) if seen.token_s else 0.0
    return Speed(
        ttft_s=median(seen.first_s),
        input_tokens_per_s=1e9,  # what reading takes is in its first content already
        tokens_per_s=1 / token_s if token_s > 0 else usual.tokens_per_s,
        spread=min(2.0, spread),
        error_share=failing,
    )
