"""How good the answers of one deployment are held to be for one family of prompts, and whether that has fallen.

**Level.** Scores (0..1) are averaged with weights that halve every ``HALF_LIFE``. With ``n`` the sum of the weights,
``m`` the weighted mean and a prior ``p`` (the configured quality) the level is ``p + n / (n + TIGHT) x (m - p)``: few
scores move little. Its bounds lie ``Z x sqrt(v n) / (n + TIGHT)`` around it, the standard error of what was measured;
the prior is taken at its word. ``v`` is the variance, begun with ``VAGUE`` scores' worth of the most that scores of
this level can have. Without a prior nothing is known before ``ENOUGH`` scores.

**Drop.** A betting martingale (Waudby-Smith and Ramdas, 2024) against "the mean is not under the reference r": each
score x multiplies what is at stake by ``1 + b (r - x)``, with ``b = GAP / variance``, the best bet when the mean is
``r - GAP``. As long as the mean is r or better, nobody gets rich by it: what is at stake reaches 100 times the first
money with a chance of at most 1/100 (Ville), whenever one looks. Half of the money is at stake at once, the rest comes
in equal parts over ``HORIZON`` scores, so that a fall after a long good time finds money that is not yet lost
(Shiryaev and Roberts). After ``HORIZON`` scores it begins anew, against the lower bound of the level as it is then.

No test can be as sure of a fall from 0.85 to 0.75 as one might like: of all that give a false alarm once in 100 times,
the most powerful that looks once, after 200 scores of 0 or 1, finds it in 89.8 % of all cases (Neyman and Pearson).

**Back.** What has dropped comes back by shadow scores alone: by the same bet the other way, against "the mean is not
above ``r - GAP``", at a chance of 1/20.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from lbd.model.units import Instant, Ratio, Seconds

HALF_LIFE: Seconds = 14 * 86400.0  # a provider changes a model within weeks
TIGHT = 50.0  # scores that weigh as much as the configured quality
VAGUE = 10.0
ENOUGH = 20.0
Z = 1.2816  # 90 % on one side

GAP: Ratio = 0.1  # the fall that is looked for
HORIZON = 2000
FIRST: Ratio = 0.5  # of the money at stake from the first score on
GOAL = 100.0  # 1 / false alarms in HORIZON scores
GOAL_BACK = 20.0
LEARN = 200  # scores before a deployment without a configured quality has a reference
EDGE: Ratio = 0.05  # a reference nearer to 0 or 1 would make every single score a proof
BOLD: Ratio = 0.5  # no bet may lose more than this share of what is at stake


class Level(msgspec.Struct, frozen=True, gc=False):
    """Scores, summed with weights as of ``at``."""

    n: float = 0.0
    total: float = 0.0
    squares: float = 0.0
    at: Instant = 0.0
    count: int = 0  # of all scores ever


class Held(NamedTuple):
    """The level as it is held to be, with its bounds."""

    value: Ratio
    low: Ratio
    high: Ratio


class Bet(msgspec.Struct, frozen=True, gc=False):
    """What was won so far, from money of 1."""

    stake: float = FIRST
    cash: float = 1.0 - FIRST
    n: int = 0
    deviations: float = 0.0  # squared, summed, from the fair value


class Phase(StrEnum):
    """Whether it may serve where quality matters."""

    IN_USE = "in_use"
    DROPPED = "dropped"
    PROBATION = "probation"  # shadow scores come in


class Sign(StrEnum):
    """What moves a phase."""

    FELL = "fell"  # the bet on a drop is won
    SHADOWED = "shadowed"  # a shadow score came
    PROVEN = "proven"  # the bet on its being back is won
    TOLD = "told"  # a person configured another quality


STEPS: dict[tuple[Phase, Sign], Phase] = {
    (Phase.IN_USE, Sign.FELL): Phase.DROPPED,
    (Phase.DROPPED, Sign.SHADOWED): Phase.PROBATION,
    (Phase.DROPPED, Sign.TOLD): Phase.IN_USE,
    (Phase.PROBATION, Sign.PROVEN): Phase.IN_USE,
    (Phase.PROBATION, Sign.TOLD): Phase.IN_USE,
}


class Standing(msgspec.Struct, frozen=True, gc=False):
    """All that is known of one deployment and one family. ``prior``: the quality that was configured."""

    prior: Ratio | None = None
    reference: Ratio | None = None
    level: Level = Level()
    bet: Bet = Bet()
    phase: Phase = Phase.IN_USE
    scale: str = ""  # what scores mean that are not clients' ratings; "" before there was one


def begun(prior: Ratio | None) -> Standing:
    """Return the standing before any score."""
    return Standing(prior, None if prior is None else _inside(prior))


def _inside(reference: Ratio) -> Ratio:
    return min(1 - EDGE, max(EDGE, reference))


def step(phase: Phase, sign: Sign) -> Phase:
    """Return the phase after a sign; where the table has no step, the same."""
    return STEPS.get((phase, sign), phase)


# --- level -------------------------------------------------------------------------------------------


def aged(level: Level, now: Instant) -> Level:
    """Return the sums with the weights of ``now``."""
    keep = 0.5 ** (max(0.0, now - level.at) / HALF_LIFE)
    return Level(level.n * keep, level.total * keep, level.squares * keep, max(level.at, now), level.count)


def add(level: Level, score: Ratio, now: Instant) -> Level:
    """Return the sums with one more score."""
    old = aged(level, now)
    return Level(old.n + 1, old.total + score, old.squares + score * score, old.at, old.count + 1)


def swapped(level: Level, old: Ratio, new: Ratio) -> Level:
    """Return the sums with a score replaced by another, as if it had come just now: ratings change within minutes."""
    total = min(level.n, max(0.0, level.total + new - old))
    squares = min(total, max(0.0, level.squares + new * new - old * old))
    return replace(level, total=total, squares=squares)


def held(level: Level, prior: Ratio | None, now: Instant) -> Held | None:
    """Return how good it is held to be, None where nothing is known."""
    n, total, squares, _, _ = msgspec.structs.astuple(aged(level, now))
    tight = 0.0 if prior is None else TIGHT
    if prior is None and n < ENOUGH:
        return None
    if n <= 0:
        return None if prior is None else Held(prior, prior, prior)
    mean = total / n
    value = mean if prior is None else prior + n / (n + tight) * (mean - prior)
    spread = max(0.0, squares - n * mean * mean) + VAGUE * value * (1 - value)
    margin = Z * math.sqrt(spread / (n + VAGUE) * n) / (n + tight)
    return Held(value, max(0.0, value - margin), min(1.0, value + margin))


# --- bets --------------------------------------------------------------------------------------------


def bet(before: Bet, score: Ratio, fair: Ratio) -> Bet:
    """Return what is won after a score, betting that the mean is not ``fair`` but ``GAP`` under it."""
    part = (1.0 - FIRST) / HORIZON
    cash = before.cash - part if before.cash > part else 0.0
    stake = before.stake + before.cash - cash
    variance = (before.deviations + VAGUE * fair * (1 - fair)) / (before.n + VAGUE)
    size = min(GAP / variance, BOLD / (1 - fair))
    off = fair - score
    return Bet(stake * (1 + size * off), cash, before.n + 1, before.deviations + off * off)


def won(now: Bet, goal: float) -> bool:
    """Tell whether the bet has reached its goal."""
    return now.stake + now.cash >= goal * (1 - 1e-9)


# --- both --------------------------------------------------------------------------------------------


def scored(before: Standing, score: Ratio, now: Instant, *, shadow: bool = False) -> Standing:
    """Return the standing after a score; ``shadow``: of an answer that nobody was given."""
    after = replace(before, level=add(before.level, score, now))
    if before.reference is None:
        return _learned(after, now)
    if before.phase is Phase.IN_USE:
        return _watched(after, score, before.reference, now)
    return _shadowed(after, score, before.reference) if shadow else after


def _learned(now_: Standing, now: Instant) -> Standing:
    found = held(now_.level, now_.prior, now) if now_.level.count >= LEARN else None
    return now_ if found is None else replace(now_, reference=_inside(found.low), bet=Bet())


def _watched(after: Standing, score: Ratio, reference: Ratio, now: Instant) -> Standing:
    new = bet(after.bet, score, reference)
    if won(new, GOAL):
        return replace(after, bet=Bet(), phase=step(after.phase, Sign.FELL))
    if new.n >= HORIZON:
        return _learned(replace(after, bet=Bet()), now)
    return replace(after, bet=new)


def _shadowed(after: Standing, score: Ratio, reference: Ratio) -> Standing:
    phase = step(after.phase, Sign.SHADOWED)
    new = bet(after.bet, 1 - score, 1 - max(EDGE, reference - GAP))
    if won(new, GOAL_BACK):
        return replace(after, bet=Bet(), phase=step(phase, Sign.PROVEN))
    return replace(after, bet=Bet() if new.n >= HORIZON else new, phase=phase)


def rescaled(before: Standing, scale: str) -> Standing:
    """Return the standing for scores of this scale: those of another one say nothing, what was lost stays lost."""
    if before.scale == scale:
        return before
    if not before.scale:
        return replace(before, scale=scale)
    return replace(begun(before.prior), phase=before.phase, scale=scale)


def told(before: Standing, prior: Ratio | None) -> Standing:
    """Return the standing under a configured quality: another one than before begins anew, the scores stay."""
    if prior == before.prior:
        return before
    return replace(begun(prior), level=before.level, phase=step(before.phase, Sign.TOLD), scale=before.scale)
