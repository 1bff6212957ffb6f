"""The estimator, where the truth is known: its interval covers it as often as it says."""

from __future__ import annotations

import random  # noqa: TID251 (with a fixed seed)

import pytest

from lbd.decide import pick, route
from lbd.model.plan import Query
from lbd.replay.estimate import Sample, Side, difference, doubly_robust, logged, overlap
from tests.fakes import tables

RUNS, REQUESTS = 300, 300
# chance of a good answer, by what kind of request it is and who answers
TRUTH = ({"a/r": 0.97, "b/r": 0.9, "c/r": 0.6}, {"a/r": 0.8, "b/r": 0.85, "c/r": 0.9})
WRONG = {"a/r": 0.7, "b/r": 0.7, "c/r": 0.95}  # what the model has of it: nothing right


def policies() -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """Return the exact chances of the pick under two configurations, for each kind of request."""
    rows = [tables.view(f"{n}/r", ttft=t, quality=q) for n, t, q in (("a", 0.3, 0.9), ("b", 0.5, 0.8), ("c", 0.8, 0.7))]
    out = []
    for weights in ({"latency": 1.0, "quality": 0.3}, {"latency": 0.2, "quality": 1.0}):
        table = tables.snapshot(rows, weights=weights)
        rankings = [route.rank(table, tables.ask(input_tokens=n), tables.terms()) for n in (112, 5000)]
        out.append([pick.chances(r, Query(), tables.idle) for r in rankings])
    return out[0], out[1]


def log(seed: int, *, model: bool, n: int = REQUESTS) -> list[Sample]:
    """Return a log as the first policy made it, with weights for the second; ``model``: the predictions are right."""
    chance = random.Random(seed)
    before, after = policies_once()
    samples = []
    for i in range(n):
        kind = chance.random() < 0.4
        p, pi, good = before[kind], after[kind], TRUTH[kind]
        chosen = chance.choices(list(p), list(p.values()))[0]
        held = good if model else WRONG
        reward = float(chance.random() < good[chosen])
        new, was = (Side(reward, held[chosen], sum(share * held[id_] for id_, share in of.items())) for of in (pi, p))
        samples.append(Sample(pi.get(chosen, 0.0) / p[chosen], new, was, i // 4))
    return samples


_POLICIES = policies()


def policies_once() -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    return _POLICIES


def alike(weight: float, reward: float, modelled: float, expected: float, minute: int = 0) -> Sample:
    side = Side(reward, modelled, expected)
    return Sample(weight, side, side, minute)


def true(policy: list[dict[str, float]]) -> float:
    return sum(
        share * sum(p * TRUTH[kind][id_] for id_, p in policy[kind].items()) for kind, share in ((0, 0.6), (1, 0.4))
    )


@pytest.mark.parametrize("model", [True, False])
def test_intervals_cover_the_truth_in_about_95_percent_of_runs(model: bool) -> None:
    """With a model that is right, and with one that is wrong everywhere: the chances are right all the same."""
    before, after = policies_once()
    covered = changed = measured = 0
    for seed in range(RUNS):
        samples = log(seed, model=model)
        found, change, was = (
            doubly_robust(samples, unit=True),
            difference(samples, unit=True),
            logged(samples, unit=True),
        )
        covered += found.low <= true(after) <= found.high
        changed += change.low <= true(after) - true(before) <= change.high
        measured += was.low <= true(before) <= was.high
    for count in (covered, changed, measured):
        # 3 standard errors of 300 trials are 3.8 points
        assert 0.91 <= count / RUNS <= 0.995, (covered, changed, measured)


def test_a_right_model_makes_the_interval_narrower() -> None:
    """What doubly robust is for."""
    widths = {
        model: sum(e.high - e.low for e in (doubly_robust(log(seed, model=model), unit=True) for seed in range(40)))
        for model in (True, False)
    }
    assert widths[True] < widths[False]


def test_the_same_policy_is_told_as_it_was() -> None:
    """Weights of 1, and the model's words cancel out."""
    samples = [alike(1.0, r, 0.3, 0.3) for r in (0.0, 1.0, 1.0, 1.0)]
    assert doubly_robust(samples, unit=True).value == pytest.approx(0.75)
    assert difference(samples).value == pytest.approx(0.0)
    assert difference(samples).low == pytest.approx(0.0)


def test_without_overlap_the_model_has_the_word_and_it_is_said_that_nothing_is_known() -> None:
    samples = [alike(0.0, 1.0, 0.9, 0.4) for _ in range(200)]
    assert doubly_robust(samples, unit=True).value == pytest.approx(0.4)
    found = overlap([0.0] * 200, [0.0] * 200)
    assert (found.effective, found.enough) == (0.0, False)
    assert overlap([1.0] * 200, [1.0] * 200).enough
    assert not overlap([1.0] * 200, [0.5] * 200).enough  # half of what it does was never done
    assert not overlap([100.0, *[0.01] * 199], [1.0] * 200).enough  # one request speaks for all


def test_no_failures_seen_is_not_no_failures() -> None:
    """The rule of three: of 300 good ones, 1 % may be bad all the same."""
    found = logged([alike(1.0, 1.0, 1.0, 1.0)] * 300, unit=True)
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low == pytest.approx(0.99)


def test_requests_of_one_minute_share_its_weather() -> None:
    """A bad minute is one piece of news, not sixty."""
    bad = [alike(1.0, float(minute % 4 > 0), 0.5, 0.5, minute) for minute in range(40) for _ in range(60)]
    alone = [s._replace(minute=i) for i, s in enumerate(bad)]
    wide, narrow = doubly_robust(bad, unit=True), doubly_robust(alone, unit=True)
    assert wide.high - wide.low > 5 * (narrow.high - narrow.low)


def test_nothing_is_estimated_from_nothing() -> None:
    with pytest.raises(ValueError, match="no requests"):
        doubly_robust([])
