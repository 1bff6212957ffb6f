"""How many requests a server works on at once, told from answers that come whole.

Nothing shows of a whole answer before its end, but its end tells much. For each number of slots it is known how long
the server worked on each answer (:mod:`lbd.state.stays`), and that has to fit what the answer is: its tokens, those of
its prompt, how many others were worked on beside it. With the right number it does. With fewer, answers that were
worked on at once seem to take next to no time, or none: one that overtakes ``n`` others shows that more than ``n`` were
worked on. With more, time in which they waited is taken for work, however short they are.

So each number of slots is a hypothesis, and its likelihood is that of the times left over by the best fit of

    seconds of work = tokens x (a + b x (others worked on beside it - 1) + ...)

with Student's t, since now and then one takes far longer. The fit needs no request that ran alone, no speed known
before, and says nothing of numbers that were never reached: above the most that were there at once all are alike.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import mul
from typing import NamedTuple

from lbd.model.units import Ratio, Seconds
from lbd.state.stays import Served

READ: Ratio = 0.05  # a token that is read takes about so much of the time of one that is written; the fit corrects it
# how far from 0 what is fitted may well be, as a share of the usual time: what an answer takes however short it is,
# what its prompt takes beyond ``READ``, and what each other one adds that is worked on beside it
WIDE: tuple[Ratio, Ratio, Ratio] = (0.3, 1.0, 0.5)
UNSURE: Ratio = 0.2  # of the usual time is left over, until that is known
UNSURE_BY = 0.7  # the deviation of its logarithm
OVERTAKEN = 5.0  # what it costs a number of slots that an answer is complete which cannot have begun: e to this
NO_TIME: Seconds = 1e-12  # for a token: in so little nothing was worked on
NOISE: Ratio = 0.05  # of the time of an answer at least cannot be explained
FREEDOM = 4.0  # of the t distribution
ROUNDS = 2  # in which what lies far off loses its weight
SETTLED = 4  # rounds in which the scale of what is left over is found
STEP = 4  # numbers of slots are told apart up to this, beyond it by such a part


class _Answers(NamedTuple):
    """Answers as the fit sees them, in columns: what it takes most of its time for are sums over these."""

    served: Sequence[Served]
    works: list[float]
    weights: list[float]
    short: list[float]
    prompt: list[float]


class _Fit(NamedTuple):
    """The usual time per token, what is left over of each answer's, how much each counts, what speaks against it."""

    usual: float
    off: list[float]
    weights: list[float]
    against: float


def hypotheses(most: int) -> list[int]:
    """Return the numbers of slots up to ``most`` that are told apart."""
    slots, found = 1, []
    while slots < most:
        found.append(slots)
        slots += max(1, slots // STEP)
    return [*found, most]


def likelihood(answers: Sequence[Served], memory: float) -> dict[int, float]:
    """Return the logarithm of the likelihood of each number of slots, up to as many as were there at once.

    Older answers count less, together as much as ``memory`` young ones.
    """
    columns = _columns(answers, memory)
    most = max(answer.before for answer in answers) + 1
    fits = {slots: _fit(columns, slots) for slots in hypotheses(most)}
    floor = NOISE * min((fit.usual for fit in fits.values() if fit is not None), default=0.0)
    if floor <= 0:  # none of them took any time
        return dict.fromkeys(fits, 0.0)
    return {slots: -math.inf if fit is None else _score(fit, floor) for slots, fit in fits.items()}


def _columns(answers: Sequence[Served], memory: float) -> _Answers:
    kept, last = 1.0 - 1.0 / memory, len(answers) - 1
    works = [max(1.0, answer.written + READ * answer.read) for answer in answers]
    short = [1 / work for work in works]
    prompt = [READ * answer.read / work for answer, work in zip(answers, works, strict=True)]
    short_mean, prompt_mean = sum(short) / len(works), sum(prompt) / len(works)
    weights = [kept ** (last - i) for i in range(len(works))]
    return _Answers(
        answers, works, weights, [part / short_mean - 1.0 for part in short], [part - prompt_mean for part in prompt]
    )


def _fit(answers: _Answers, slots: int) -> _Fit | None:
    """Return the best fit, None where no answer can have begun."""
    times = [served.worked_s(slots) / work for served, work in zip(answers.served, answers.works, strict=True)]
    others = [(min(served.before + 1, slots) + min(served.beside, slots)) / 2 - 1.0 for served in answers.served]
    base, short, prompt, against = answers.weights, answers.short, answers.prompt, 0.0
    if min(times) <= NO_TIME:
        held = [i for i, time in enumerate(times) if time > NO_TIME]
        against = OVERTAKEN * (sum(base) - sum(base[i] for i in held))
        if not held:
            return None
        base, short, prompt, others, times = ([of[i] for i in held] for of in (base, short, prompt, others, times))
    whole, weights = sum(base), base
    usual = _dot(base, times) / whole
    scale, found, off = (UNSURE * usual) ** 2, [usual], times
    for _ in range(ROUNDS):
        found = _fitted((short, prompt, others), times, weights, [scale / (wide * usual) ** 2 for wide in WIDE])
        a, b, c, d = found
        off = [y - a - b * s - c * p - d * o for y, s, p, o in zip(times, short, prompt, others, strict=True)]
        squares = list(map(mul, off, off))
        scale = _dot(weights, squares) / sum(weights) + (NOISE * usual) ** 2
        weights = [w / (1 + square / (FREEDOM * scale)) for w, square in zip(base, squares, strict=True)]
    strain = sum((f / (wide * usual)) ** 2 for wide, f in zip(WIDE, found[1:], strict=True))
    return _Fit(usual, off, base, against + 0.5 * strain)


def _dot(left: list[float], right: list[float]) -> float:
    total: float = sum(map(mul, left, right))
    return total


def _fitted(
    columns: tuple[list[float], ...], times: list[float], weights: list[float], tight: list[float]
) -> list[float]:
    """Return the weighted least squares; others that are worked on beside an answer never make it faster."""
    size = 1 + len(columns)
    square = [[0.0] * size for _ in range(size)]
    square[0][0], right = sum(weights), [_dot(weights, times)]
    for i, column in enumerate(columns, 1):
        weighted = list(map(mul, weights, column))
        right.append(_dot(weighted, times))
        square[0][i] = square[i][0] = sum(weighted)
        for k in range(1, i + 1):
            square[i][k] = square[k][i] = _dot(weighted, columns[k - 1])
        square[i][i] += tight[i - 1]
    found = _solved(square, right)
    if found[-1] < 0:
        found = [*_solved([row[:-1] for row in square[:-1]], right[:-1]), 0.0]
    return found


def _solved(square: list[list[float]], right: list[float]) -> list[float]:
    """Solve the equations, by elimination: they are positive definite."""
    rows = [[*row, value] for row, value in zip(square, right, strict=True)]
    size = len(rows)
    for i, pivot in enumerate(rows):
        for row in rows[i + 1 :]:
            share = row[i] / pivot[i]
            for k in range(i, size + 1):
                row[k] -= share * pivot[k]
    found = [0.0] * size
    for i in reversed(range(size)):
        found[i] = (rows[i][size] - sum(rows[i][k] * found[k] for k in range(i + 1, size))) / rows[i][i]
    return found


def _score(fit: _Fit, floor: float) -> float:
    weights, squares = fit.weights, list(map(mul, fit.off, fit.off))
    whole, least = sum(weights), floor * floor
    square = _dot(weights, squares) / whole
    for _ in range(SETTLED):  # the t distribution's own scale
        scale = FREEDOM * max(square, least)
        parts = [r / (1 + r / scale) for r in squares]
        square = _dot(weights, parts) * (FREEDOM + 1) / FREEDOM / whole
    scale = square + least
    far = [math.log1p(r / (FREEDOM * scale)) for r in squares]
    likely = 0.5 * (math.log(scale) * whole + (FREEDOM + 1) * _dot(weights, far))
    odd = math.log(math.sqrt(scale) / (UNSURE * fit.usual)) / UNSURE_BY
    return -likely - fit.against - 0.5 * max(0.0, odd) ** 2
