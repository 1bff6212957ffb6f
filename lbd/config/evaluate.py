"""The keys that say how answers are sampled and scored, and what they become."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Annotated, Literal, TypeAlias

import msgspec

from lbd.config.hint import meant, unknown
from lbd.config.strict import Strict
from lbd.config.tree import Path_
from lbd.model.evaluation import JUDGE, VALIDATORS, EvaluateSpec, JudgeSpec
from lbd.model.units import NANO_PER_USD
from lbd.quality import embedding, metrics
from lbd.shapes.providers import Count, NonNegative, Ratio01

Tell: TypeAlias = Callable[[Path_, str], None]


class JudgeConfig(Strict, frozen=True):
    """A model that grades answers.

    model: the model, or the deployment as provider/name.
    manner: rubric: a grade from 1 to 10. pairwise: which is better, the answer or the reference's, asked both ways.
    criteria: what the judge goes by, in words; not given: correct, complete, clear, no longer than needed.
    max_tokens: of what it says.
    temperature: that it is asked at; null where it takes none.
    """

    model: str
    manner: Literal["rubric", "pairwise"] = "rubric"
    criteria: str = ""
    max_tokens: Count = 1024
    temperature: NonNegative | None = 0.0


class EvaluateConfig(Strict, frozen=True):
    """How answers are sampled and scored, off the request path.

    share: of all answers that are sampled.
    budget_usd_per_day: what references, judges and shadows may cost; never more.
    score: what counts as an answer's quality: validators, judge, or a metric (bleu, chrf, exact, embedding, or one that
        an installed package brings).
    metrics: measured beside it, shown, and not counted.
    reference: the model, or the deployment as provider/name, whose answer to the same request others are compared with.
    judge: the model that grades, where the score is judge.
    shadow: share of the samples that are also put to a deployment that did not serve: one that lost a surface, else the
        one with the fewest scores. Nobody is given its answer.
    pass_from: by metric, or judge: from this value on an answer scores 1, else 0.
    """

    share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.02
    budget_usd_per_day: NonNegative = 0.0
    score: str = VALIDATORS
    metrics: list[str] = []
    reference: str | None = None
    judge: JudgeConfig | None = None
    shadow: Ratio01 = 0.0
    pass_from: dict[str, Ratio01] = {}


def spec(given: EvaluateConfig | None, known: Collection[str], error: Tell, warn: Tell) -> EvaluateSpec | None:
    """Return what is to be sampled; ``known`` are the models and deployments that are offered."""
    if given is None:
        return None
    named = [given.score, *given.metrics]
    for i, name in enumerate(named):
        _metric(name, ("evaluate", "metrics", i - 1) if i else ("evaluate", "score"), error, counts=not i)
    graded_by = None if given.judge is None else given.judge.model
    for path, target in (("reference",), given.reference), (("judge", "model"), graded_by):
        if target is not None and target not in known:
            text = f"{target!r} is neither a model nor a deployment that is offered{meant(target, known)}"
            error(("evaluate", *path), text)
    if given.score == JUDGE and given.judge is None:
        error(("evaluate", "score"), "a judge's score needs evaluate.judge")
    compared = [name for name in named if name not in (VALIDATORS, JUDGE) and _compares(name)]
    pairs = given.score == JUDGE and given.judge is not None and given.judge.manner == "pairwise"
    if given.reference is None and (compared or pairs):
        what = compared[0] if compared else "a pairwise judge"
        error(("evaluate",), f"{what} compares with a reference: name the model in evaluate.reference")
    for name in given.pass_from:
        if name not in named:
            error(("evaluate", "pass_from", name), f"it is not measured{unknown(name, named)}")
    judge = given.judge
    if not given.budget_usd_per_day and (judge is not None or given.reference is not None or given.shadow):
        warn(
            ("evaluate",),
            "budget_usd_per_day is 0: only models whose price is 0 are asked for references and judgements",
        )
    return EvaluateSpec(
        given.share,
        round(given.budget_usd_per_day * NANO_PER_USD),
        given.score,
        tuple(given.metrics),
        given.reference,
        None
        if judge is None
        else JudgeSpec(judge.model, judge.manner, judge.criteria, judge.max_tokens, judge.temperature),
        given.shadow,
        tuple(given.pass_from.items()),
    )


def _metric(name: str, path: Path_, error: Tell, *, counts: bool) -> None:
    if counts and name in (VALIDATORS, JUDGE):
        return
    if name == "embedding" and not embedding.available():
        error(path, embedding.MISSING)
        return
    try:
        metrics.find(name)
    except Exception as e:  # noqa: BLE001  what an installed package raises when it is loaded
        error(path, str(e) or type(e).__name__)


def _compares(name: str) -> bool:
    try:
        return metrics.needs_reference(name)
    except Exception:  # noqa: BLE001  told above
        return False
