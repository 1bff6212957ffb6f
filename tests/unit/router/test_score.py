"""The entry points: scores one by one and many at once, and picks that follow floor and price."""

from __future__ import annotations

import msgspec

from lbd.router.score import cheapest, packaged, pick, qualities, score, score_batch
from lbd.router.text import Kind
from tests.unit.router.prompts import prompts

PROMPTS = prompts()[::7]
PRICES = {"mixtral-8x7b": 0.00002, "gpt-4-1106": 0.0009}


def test_many_scores_are_those_of_each() -> None:
    """And between 0 and 1."""
    assert score_batch(PROMPTS) == [score(p) for p in PROMPTS]
    assert all(0 <= s <= 1 for s in score_batch(PROMPTS))
    assert packaged() is packaged()


def test_a_lower_floor_never_picks_a_dearer_model() -> None:
    """Every step down saves, or changes nothing."""
    for prompt in PROMPTS:
        usd = [PRICES[pick(prompt, PRICES, floor)] for floor in (1.0, 0.95, 0.9, 0.8, 0.5)]
        assert usd == sorted(usd, reverse=True)


def test_what_costs_nothing_more_is_not_given_up() -> None:
    """Of models at one price the best is picked; of one model, that."""
    same = dict.fromkeys(PRICES, 0.001)
    for prompt in PROMPTS:
        told = qualities(prompt, same)
        assert told[pick(prompt, same, 0.9)] == max(told.values())
    assert pick("x", {"only": 0.0}, 0.9) == "only"


def test_where_nothing_is_sure_the_best_on_the_whole_answers() -> None:
    """Or a cheaper one, where little is to be gained; where it is sure, what each did on such prompts counts."""
    router = packaged()
    means = router.weights.means
    models = router.weights.places[Kind.OPEN].models
    best = max(models, key=lambda model: means[model])
    prices = {model: 1.0 if model == best else 0.1 for model in models}
    verdict = router.judge("who sang the theme song of the show about the lighthouse keeper")
    doubted = msgspec.structs.replace(verdict, likeness=0.0, distance=0.0, gain=1.0)
    assert not router.sure(doubted) and cheapest(router, doubted, prices, 0.95) == best
    easy = msgspec.structs.replace(doubted, gain=0.0)
    assert prices[cheapest(router, easy, prices, 0.5)] < prices[best]
    odd = models[0]
    levels = tuple(0.9 if model == odd else 0.0 for model in models)
    liked = msgspec.structs.replace(doubted, likeness=1.0, levels=levels)
    assert router.sure(liked) and cheapest(router, liked, prices, 1.0) == odd
