"""Verdicts: finite for any text, deterministic, explained, and the same whatever is said around the task."""

from __future__ import annotations

import math
import random  # noqa: TID251 (with a fixed seed)
import subprocess
import sys

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbd.router.judge import Router, Verdict
from lbd.router.score import packaged
from lbd.router.text import read
from tests.unit.router.prompts import FRAMES, prompts, typos

ROUTER = packaged()
PROMPTS = prompts()
# what a deployment cuts difficulty at
THRESHOLDS = (0.3, 0.5, 0.7)


def sound(found: Verdict) -> bool:
    """Tell whether all of a verdict is in range."""
    numbers = (found.gain, found.level, found.excess, *found.levels, *(f.gain for f in found.fired))
    return all(map(math.isfinite, numbers)) and 0 <= found.difficulty <= 1 and 0 <= found.distance <= 1


@settings(deadline=None)
@given(st.text(max_size=2000))
def test_any_text_gives_a_finite_verdict(text: str) -> None:
    """In any script, with any sign."""
    found = ROUTER.judge(text)
    assert sound(found) and found.family and len(found.fired) <= 5
    mean, sd = ROUTER.quality(found, "gpt-4.1")
    assert 0 <= mean <= 1 and sd > 0


@pytest.mark.parametrize(
    "text", ["", " ", "\x00" * 50, "a" * 1_000_000, "word " * 200_000, "\ud800", "1" * 9000, "你好" * 500]
)
def test_odd_texts_are_judged(text: str) -> None:
    """Empty, NULs, a megabyte, lone surrogates, numbers beyond floats, other scripts."""
    assert sound(ROUTER.judge(text))


def test_what_is_like_nothing_seen_is_far_and_pulled_to_the_mean() -> None:
    """No known word: nothing can be told."""
    strange, usual = ROUTER.judge("xqzv wvut ffgh"), ROUTER.judge(PROMPTS[0])
    assert strange.distance == 1.0 > usual.distance
    assert ROUTER.quality(strange, "x-7b")[1] > ROUTER.quality(usual, "x-7b")[1]


def test_the_hash_seed_does_not_matter() -> None:
    """The same verdicts in another process."""
    code = (
        "from lbd.router.score import *; import msgspec, sys; sys.stdout.write(repr([packaged().judge(p) for p in %r]))"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", code % PROMPTS[:20]], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    ]
    assert said[0] == said[1] and len(said[0]) > 1000


def test_difficulty_rises_with_gain() -> None:
    """Strictly: difficulty orders prompts as gain does."""
    found = sorted((ROUTER.judge(p).gain, ROUTER.judge(p).difficulty) for p in PROMPTS)
    assert [d for _, d in found] == sorted(d for _, d in found)
    distinct = {round(g, 12) for g, _ in found}
    assert len({d for _, d in found}) >= 0.99 * len(distinct)


def test_every_verdict_says_what_fired() -> None:
    """Strongest first, by name."""
    for prompt in PROMPTS[:50]:
        sizes = [abs(f.gain) for f in ROUTER.judge(prompt).fired]
        assert sizes == sorted(sizes, reverse=True) and sizes
    assert any(f.name.startswith("'") for p in PROMPTS for f in ROUTER.judge(p).fired)


def test_saying_what_fired_changes_nothing() -> None:
    """To the last bit."""
    for prompt in PROMPTS[:50]:
        assert msgspec.structs.replace(ROUTER.judge(prompt), fired=()) == ROUTER.verdict(read(prompt))


def test_ranks_are_told_from_gains_without_leaning() -> None:
    """What does not lean has the same gain either way."""
    for prompt in PROMPTS:
        found = ROUTER.verdict(read(prompt))
        assert found.leaning or found.gain == ROUTER.plain(read(prompt))


def test_families_are_told_by_cue_or_by_the_nearest() -> None:
    """What exams do not hold is told by the first words."""
    assert (ROUTER.judge("Write a poem about rivers").family, ROUTER.judge("Write a poem about rivers").by) == (
        "writing",
        "cue",
    )
    assert ROUTER.judge("Summarize this text: rain fell").family == "extraction"
    assert ROUTER.judge("Write a function to sort a list of tuples").family == "code"
    assert (
        ROUTER.judge("Mia has 3 apples and buys 14 more apples at 2 dollars each. How many has she?").family == "math"
    )


def flips(changed: list[tuple[str, str]]) -> float:
    """Return the share of threshold decisions that differ."""
    pairs = [(ROUTER.judge(a).difficulty, ROUTER.judge(b).difficulty) for a, b in changed]
    return sum((x >= t) != (y >= t) for x, y in pairs for t in THRESHOLDS) / (len(pairs) * len(THRESHOLDS))


@pytest.mark.parametrize("frame", FRAMES)
def test_a_frame_changes_no_decision(frame: str) -> None:
    """Thanks, greetings, roles, in five languages: under 5 % flip, and the tier is not lowered."""
    changed = [(p, frame.format(p)) for p in PROMPTS]
    assert flips(changed) < 0.05
    lowered = sum(ROUTER.judge(a).difficulty > ROUTER.judge(b).difficulty + 0.1 for a, b in changed)
    assert lowered < 0.05 * len(changed)


@pytest.mark.parametrize("change", [str.upper, str.lower, str.title])
def test_case_changes_no_decision(change: object) -> None:
    """Not one."""
    assert flips([(p, change(p)) for p in PROMPTS if "$" not in p]) == 0  # type: ignore[operator]


def test_typos_change_few_decisions() -> None:
    """A letter swapped in one word of twelve: under 5 % flip."""
    draw = random.Random(11)
    assert flips([(p, typos(p, draw)) for p in PROMPTS]) < 0.05


def test_a_prior_moves_quality_and_unknown_models_are_placed() -> None:
    """Measured quality replaces the guess; strong models gain where the gain is high."""
    hard = max((ROUTER.judge(p) for p in PROMPTS), key=lambda v: v.excess)
    assert ROUTER.quality(hard, "new-model", 0.9)[0] > ROUTER.quality(hard, "new-model", 0.5)[0]
    assert ROUTER.quality(hard, "llama-3.1-405b", 0.7)[0] > ROUTER.quality(hard, "llama-3.2-1b", 0.7)[0]
    assert ROUTER.quality(hard, "claude-opus-4-1")[0] > ROUTER.quality(hard, "llama-3.2-1b")[0]


def test_slack_shrinks_with_the_floor_and_with_distance() -> None:
    """Between the calibrated floors on straight lines; none at a floor above all."""
    found = ROUTER.judge(PROMPTS[20])
    floors = [i / 200 for i in range(100, 201)]
    slacks = [ROUTER.slack(found, f) for f in floors]
    assert slacks == sorted(slacks, reverse=True)
    assert ROUTER.slack(msgspec.structs.replace(found, distance=1.0), 0.95) < ROUTER.slack(found, 0.95)
    assert ROUTER.slack(found, 1.01) == 0.0


def test_a_router_knows_its_weights() -> None:
    """By hash."""
    assert ROUTER.sha256 == ROUTER.weights.sha256
    assert Router(ROUTER.weights).judge("x") == ROUTER.judge("x")
