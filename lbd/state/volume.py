"""Tokens through a deployment over the recent past, and how long a model's answers usually are."""

from __future__ import annotations

from lbd.model.outcome import Usage
from lbd.model.units import Ratio, Tokens
from lbd.state.window import COARSE, FINE, Rolling

LENGTH_WEIGHT: Ratio = 0.05
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

    __slots__ = ("usual",)

    def __init__(self, usual: float = 0.0) -> None:
        self.usual = usual  # 0: not known

    def learn(self, completion: Tokens) -> None:
        """Take in the length of one answer: an exponential mean of the last twenty or so."""
        usual = self.usual
        self.usual = usual + LENGTH_WEIGHT * (completion - usual) if usual else float(completion)

    def told(self) -> Tokens:
        """Return it as decisions see it: in coarse steps, so that they are not made anew for every answer."""
        whole = round(self.usual)
        step = 1 << max(0, whole.bit_length() - _STEPS)
        return (whole + step // 2) // step * step
