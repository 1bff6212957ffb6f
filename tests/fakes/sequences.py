"""What sequential tests say over many runs: how often they alarm for nothing, and how soon they find what there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from random import Random

from lbd.model.experiment import ExperimentSpec, Limits
from lbd.model.failure import FailureKind
from lbd.state import quality
from lbd.state.trial import Tally, Trial, verdict
from lbd.state.trial_bounds import interval, variance
from lbd.state.trial_values import Spent
from tests.fakes.records import record

Scores = Callable[[Random, float], Iterator[float]]


def told_apart(runs: int, units: int, share: float, events: float, alpha: float) -> int:
    """Return how many runs of arms that do not differ were told apart, looked at after every unit.

    A unit makes up to four requests that are alike.
    """
    random = Random(11)
    false = 0
    for _ in range(runs):
        arms = (Tally(), Tally())
        first = None
        for unit in range(units):
            tally = arms[random.random() < share]
            level = events * 2 * random.random()  # of this unit: its requests have something in common
            for _request in range(random.randrange(1, 5)):
                tally.add(unit, float(random.random() < level))
            control, treatment = arms[0].sums, arms[1].sums
            if first is None and (first := variance(control, treatment)) is None:
                continue
            found = interval(control, treatment, first, alpha)
            if found is not None and (found.low > 0 or found.high < 0):
                false += 1
                break
    return false


def serve(trial: Trial, random: Random, unit: int, *, treated: bool, quality: float, errors: float) -> None:
    """Serve one request of an experiment, and score it."""
    failed = random.random() < errors
    ended = record(
        outcome=str(FailureKind.SERVER) if failed else "ok",
        cost=int(random.lognormvariate(12, 1)),
        ttft_s=random.lognormvariate(-1, 0.7),
        total_s=1.0,
    )
    of = random.getrandbits(64)
    trial.enter(of, treated=treated)
    trial.note(ended, of, treated=treated, spent=Spent(ended.cost))
    trial.score(float(random.random() < quality), unit, treated=treated)


def harmed(
    runs: int, within: int, share: float, quality: float, errors: float, limits: Limits
) -> list[tuple[int, str] | None]:
    """Return after how many requests each run ended and why, None where it did not.

    The control arm has 90 % good ratings, 1 % errors.
    """
    spec = ExperimentSpec("x", share, stop_if=limits)
    random = Random(2)
    out: list[tuple[int, str] | None] = []
    for _ in range(runs):
        trial = Trial()
        ended = None
        for unit in range(within):
            treated = random.random() < share
            level = (quality, errors) if treated else (0.9, 0.01)
            serve(trial, random, unit, treated=treated, quality=level[0], errors=level[1])
            if unit % 20 == 0:
                trial.look()
                ended = verdict(trial, spec)
                if ended is not None:
                    out.append((unit, ended.reason))
                    break
        if ended is None:
            out.append(None)
    return out


def thumbs(random: Random, mean: float) -> Iterator[float]:
    """Yield scores of 0 and 1."""
    while True:
        yield float(random.random() < mean)


def graded(random: Random, mean: float) -> Iterator[float]:
    """Yield scores between 0 and 1, spread 0.2."""
    both = mean * (1 - mean) / 0.04 - 1
    while True:
        yield random.betavariate(mean * both, (1 - mean) * both)


def found_at(scores: Iterator[float], within: int, reference: float = 0.85) -> int | None:
    """Return at which score a fall under the reference is told, None where that is not within so many."""
    bet = quality.Bet()
    for n, score in enumerate(islice(scores, within), 1):
        bet = quality.bet(bet, score, reference)
        if quality.won(bet, quality.GOAL):
            return n
    return None


def falls(runs: int, within: int, scores: Scores, mean: float, reference: float = 0.85) -> int:
    """Return in how many runs a fall is told within so many scores of this mean."""
    random = Random(5)
    return sum(found_at(scores(random, mean), within, reference) is not None for _ in range(runs))
