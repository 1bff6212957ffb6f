"""Tokens through a deployment over the recent past, and how long a model's answers usually are."""

from __future__ import annotations

from lbd.model.outcome import Usage
from lbd.model.units import Instant, Seconds, Tokens
from lbd.state.window import COARSE, FINE, Rolling

USUAL_OUTPUT: Tokens = 256  # of an answer, until a model's own are known
LENGTH_SAMPLES = 19.0  # so that each further answer moves the mean by a twentieth
LENGTH_HALF_LIFE: Seconds = 1800.0
LONGEST_SAMPLE = 8  # times the mean: what is longer counts as so long
_STEPS = 4  # bits that are told of a length: within 6 %


class Volume:
    """Tokens in and out."""

    __slots__ = ("cached", "completion", "prompt")

    def __init__(self, prompt: Tokens = 0, completion: Tokens = 0, cached: Tokens = 0) -> None:
        self.prompt = prompt
        self.completion = completion
        self.cached = cached  # of the prompt

    def add(self, usage: Usage) -> None:
        """Add the tokens of one answer."""
        self.prompt += usage.prompt
        self.completion += usage.completion
        self.cached += usage.cached

    def merge(self, other: Volume) -> None:
        """Add another slot's tokens."""
        self.prompt += other.prompt
        self.completion += other.completion
        self.cached += other.cached

    def copy(self) -> Volume:
        """Return an independent copy."""
        return Volume(self.prompt, self.completion, self.cached)

    def usage(self) -> Usage:
        """Return the sum as a usage, to be priced."""
        return Usage(self.prompt, self.completion, self.cached)


def volumes() -> Rolling[Volume]:
    """Make the windows of a deployment's tokens: up to an hour."""
    return Rolling(Volume, (FINE, COARSE))


class Length:
    """How many tokens an answer of a model usually has.

    One for all deployments of the model: how long it answers is the model's way, not the host's, and replicas that
    were estimated apart would look dearer or slower than each other for no reason.
    """

    __slots__ = ("at", "known", "usual")

    def __init__(self) -> None:
        self.usual = float(USUAL_OUTPUT)
        self.known = 0.0  # answers that it rests on, at most those that still weigh in it
        self.at: Instant = 0.0  # of the last answer

    def learn(self, completion: Tokens, now: Instant) -> None:
        """Take in the length of one answer.

        The first ones weigh more, as in a plain mean that begins with one usual answer; no single one, whatever a
        provider counts, moves it far.
        """
        if now != self.at:  # answers are taken in by the batch
            self.usual, self.at = self.expected(now), now
        if self.known < LENGTH_SAMPLES:
            self.known += 1
        usual = self.usual
        most = LONGEST_SAMPLE * usual
        self.usual = usual + ((completion if completion < most else most) - usual) / (self.known + 1)

    def restore(self, usual: float, now: Instant, age: Seconds) -> None:
        """Take over what was kept, unless answers have told better."""
        if not self.known and usual > 0:
            self.usual, self.known, self.at = usual, LENGTH_SAMPLES, now - age

    def expected(self, now: Instant) -> float:
        """Return the mean; without answers it drifts to what is usual, as every estimate does."""
        if not self.known:
            return USUAL_OUTPUT
        left: float = 0.5 ** (max(0.0, now - self.at) / LENGTH_HALF_LIFE)
        return USUAL_OUTPUT + (self.usual - USUAL_OUTPUT) * left

    def told(self, now: Instant) -> Tokens:
        """Return it as decisions see it: in coarse steps, so that they are not made anew for every answer."""
        whole = round(self.expected(now))
        step = 1 << max(0, whole.bit_length() - _STEPS)
        return (whole + step // 2) // step * step
