"""Entry points for who judges the router from outside: a score, and a pick, by the weights in the package.

``lbd`` itself builds a ``Router`` from bytes that its composition root read; this module reads the packaged ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources

from lbd.model.units import Ratio
from lbd.router.judge import Router, Verdict
from lbd.router.text import read


@cache
def packaged() -> Router:
    """Return the router of the weights in the package."""
    return Router.from_bytes(resources.files("lbd.router").joinpath("weights.bin").read_bytes())


def score(prompt: str) -> Ratio:
    """Return the difficulty, 0..1."""
    return packaged().verdict(read(prompt)).difficulty


def score_batch(prompts: Sequence[str]) -> list[Ratio]:
    """Return the difficulty of each."""
    return [score(prompt) for prompt in prompts]


def qualities(prompt: str, prices: Mapping[str, float], floor: Ratio = 0.95) -> dict[str, Ratio]:  # noqa: ARG001
    """Return the expected quality of each model that has a price."""
    router = packaged()
    verdict = router.verdict(read(prompt))
    return {model: router.quality(verdict, model)[0] for model in prices}


def pick(prompt: str, prices: Mapping[str, float], floor: Ratio = 0.95) -> str:
    """Return the model to ask so that the floor, a share of the best model's quality, is kept at the least cost."""
    router = packaged()
    return cheapest(router, router.verdict(read(prompt)), prices, floor)


def cheapest(router: Router, verdict: Verdict, prices: Mapping[str, float], floor: Ratio) -> str:
    """Return the model whose predicted quality, less the slack for its price, is best; of equals the cheapest.

    The slack is what may be lost for saving the whole price of the dearest model, and in proportion for less. Where the
    router is not sure what each model does on such prompts, models are what they are on the whole: the best of them
    answers, or by the same slack a cheaper one if little is to be gained.
    """
    slack = max(0.0, router.slack(verdict, floor)) / (max(prices.values()) or 1.0)
    if router.sure(verdict):
        slack *= router.weights.bold if verdict.levels else 1.0
        expected = {model: router.quality(verdict, model)[0] for model in prices}
    else:
        expected = {model: router.mean(model) for model in prices}
        slack = slack if verdict.gain <= router.weights.easy else 0.0
    return min(prices, key=lambda model: (slack * prices[model] - expected[model], prices[model], model))
