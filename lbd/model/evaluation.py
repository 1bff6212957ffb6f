"""How sampled answers are scored, and what is known of one while it is."""

from __future__ import annotations

from typing import Literal

import msgspec

from lbd.model.units import DeploymentId, NanoUsd, Ratio, Tokens

VALIDATORS = "validators"  # an answer that nothing is wrong with scores 1, any other 0
JUDGE = "judge"
EVALUATOR = "lbd/evaluation"  # the client whose requests lbd makes itself; no configured name holds a slash


class JudgeSpec(msgspec.Struct, frozen=True):
    """A deployment that grades answers. ``target`` is a model, or a deployment as provider/name."""

    target: str
    manner: Literal["rubric", "pairwise"] = "rubric"
    criteria: str = ""
    max_tokens: Tokens = 1024
    temperature: float | None = 0.0


class EvaluateSpec(msgspec.Struct, frozen=True):
    """What is sampled and how it is scored.

    ``score`` is what counts as an answer's quality; ``metrics`` are measured beside it and shown. ``pass_from``: from
    this value of a metric on an answer scores 1, else 0; without one the value itself is the score.
    """

    share: Ratio
    budget: NanoUsd  # a day
    score: str = VALIDATORS
    metrics: tuple[str, ...] = ()
    reference: str | None = None  # a model, or a deployment as provider/name
    judge: JudgeSpec | None = None
    shadow: Ratio = 0.0  # of the samples, that are also put to a deployment that did not serve
    pass_from: tuple[tuple[str, Ratio], ...] = ()

    @property
    def outside(self) -> tuple[str, ...]:
        """Return who else than the deployment that served gets to see the requests of samples."""
        return tuple(t for t in (self.reference, self.judge and self.judge.target) if t)

    @property
    def scale(self) -> str:
        """Name what a score means: those of another scale cannot be compared."""
        judge = self.judge if self.score == JUDGE else None
        manner = "" if judge is None else f" {judge.target} {judge.manner} {judge.criteria}"
        reference = self.reference if self.score != VALIDATORS else None
        return f"{self.score} {dict(self.pass_from).get(self.score)} {reference}{manner}"

    def of(self, metric: str, value: Ratio) -> Ratio:
        """Return the score that a value of a metric stands for."""
        least = dict(self.pass_from).get(metric)
        return value if least is None else float(value >= least)


class Sample(msgspec.Struct, frozen=True):
    """A request that was answered: its body and all that was sent for it, in the client's shape."""

    request: str
    shape: str
    raw: bytes
    sent: bytes
    deployment: DeploymentId
    model: str
    family: str
    client: str
    surface: str
    needs: frozenset[str] = frozenset()
    bounded: bool = False  # the client itself limited the answer's length


class Compare(msgspec.Struct, frozen=True):
    """An answer that its client holds beside a reference of its own."""

    request: str
    client: str
    answer: str
    reference: str
    metric: str
