"""A row by itself: what may run there, where it is, and what was seen of it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from lbd.model.outcome import Load, Outcome, Usage
from lbd.model.table import HealthState
from lbd.state.limit import START, Drain, Limit
from lbd.state.moment import Moment
from lbd.state.row import (
    PENALTY_SPAN,
    WATCH_GAP,
    Row,
    adaptive,
    capacity,
    concurrency,
    fold,
    later,
    penalty,
    silent_since,
)
from lbd.state.window import FIVE_MINUTES
from tests.fakes.tables import TIERS, deployment, provider

NOW = 1000.0


def new(*, self_hosted: bool = False, base_url: str = "https://api.p.example/v1", **more: Any) -> Row:
    return Row(deployment(**more), provider(self_hosted=self_hosted, base_url=base_url), TIERS[0], 1.7e9)


def test_capacity_is_the_operator_s_word_then_the_adaptive_limit() -> None:
    """A hosted deployment without a limit of its own has none of lbd's."""
    assert capacity(new()) is None
    assert capacity(new(max_concurrency=3)) == 3.0
    assert capacity(new(self_hosted=True)) == math.floor(START)
    assert capacity(new(self_hosted=True, max_concurrency=3)) == 3.0


def test_a_row_is_silent_until_an_answer_of_its_own_came_also_one_that_is_not_taken_in_yet() -> None:
    """Answers are taken in up to a tenth of a second late: one of just before counts as of before."""
    row = new()
    assert silent_since(row, NOW)
    later(row, Outcome(None, 0, 1.0), 1)
    assert not silent_since(row, NOW)
    fold(row, NOW + 0.05)
    assert silent_since(row, NOW) and not silent_since(row, NOW - 1.0)


def test_only_a_self_hosted_deployment_of_which_nothing_is_told_is_found_out_about() -> None:
    """Not where an operator says it, nor where the server does."""
    assert not adaptive(new())
    assert not adaptive(new(self_hosted=True, max_concurrency=3))
    row = new(self_hosted=True)
    assert adaptive(row)
    row.foreign = Load(1, 0)
    assert adaptive(row)
    row.foreign = Load(1, 0, slots=2)
    assert not adaptive(row)


def test_whole_answers_move_its_limit() -> None:
    """Eight are sent at once to a server that works on two: they come in pairs, and five of them show it."""
    row = new(self_hosted=True)
    row.limit = Limit(8.0)
    moment = Moment(NOW, 0)
    moment.most = 8
    stays = [row.stays.came(moment, NOW) for _ in range(8)]
    busy = [0.0, 0.0]
    for i, stay in enumerate(stays):
        assert stay is not None
        tokens = 60 + 20 * (i % 3)
        busy = sorted(busy)
        busy[0] += tokens * 0.02
        row.stays.ended(stay, NOW + busy[0])
        later(row, Outcome(None, 0, busy[0], None, Usage(20, tokens)), moment.ended(), stay)
        fold(row, NOW + busy[0])
    assert (math.floor(row.limit.value), row.limit.found) == (2, True)


def test_answers_without_tokens_teach_nothing_but_a_search_goes_on() -> None:
    """Background work would be held to the first few for ever."""
    row = new(self_hosted=True)
    for _ in range(3):
        later(row, Outcome(None, 0, 1.0), 1)
    fold(row, NOW)
    assert (row.limit.value, row.limit.sure) == (START, 3.0)


def test_while_it_is_drained_fewer_may_run_but_nobody_waits_for_background_work_to_run_out() -> None:
    """Only what may run now changes, not how many it is held to run at once."""
    row = new(self_hosted=True)
    row.limit = Limit(8.0, drain=Drain(NOW, True))
    assert (capacity(row), concurrency(row)) == (2.0, 8.0)
    row.reserve.background = 3
    assert capacity(row) == 5.0
    row.reserve.background = 8
    assert capacity(row) == 8.0
    set_by_hand = new(self_hosted=True, max_concurrency=3)
    set_by_hand.limit = Limit(8.0)
    assert (capacity(set_by_hand), concurrency(set_by_hand)) == (3.0, 3.0)
    set_by_hand.limit = row.limit  # by a reload, while it was drained
    assert capacity(set_by_hand) == 3.0


def test_a_drain_ends_where_nothing_comes_that_it_could_learn_of() -> None:
    """Answers that come whole have no first token, and failures say nothing: it would be held low for ever."""
    row = new(self_hosted=True)
    row.limit = Limit(8.0, drain=Drain(NOW, True), answer_s=2.0)
    later(row, Outcome(None, 0, 2.0), 2)
    fold(row, NOW + 1.0)
    assert capacity(row) == 2.0
    fold(row, NOW + 20.0)
    assert capacity(row) == 8.0


def test_a_penalty_decays_to_nothing() -> None:
    """From one to zero over its span, and never below."""
    row = new()
    assert penalty(row, NOW) == 0.0
    row.penalty_at = NOW
    assert [penalty(row, NOW + PENALTY_SPAN * f) for f in (0, 0.5, 1, 2)] == pytest.approx([1, 0.5, 0, 0])


def test_time_is_counted_under_the_state_it_was_spent_in() -> None:
    """Unknown time not at all, a long gap for a few seconds, and looking twice at once changes nothing."""
    row, now = new(), NOW
    fold(row, now)
    assert row.watched_from == NOW
    for state, step in (
        (HealthState.UNKNOWN, 3.0),
        (HealthState.UP, 2.0),
        (HealthState.DEGRADED, 1.0),
        (HealthState.RECOVERING, 0.5),
        (HealthState.SUSPECT, 0.5),
        (HealthState.DOWN, 1.0),
        (HealthState.LOCKED, 100.0),
    ):
        row.state = state
        now += step
        fold(row, now)
        fold(row, now)
    seen = row.presence.over(FIVE_MINUTES, now)
    assert (seen.known_s, seen.out_s) == (4.0 + 1.0 + WATCH_GAP, 1.0 + WATCH_GAP)
    assert seen.share() == pytest.approx(4.0 / 10.0)


def test_the_cached_share_of_a_prompt_is_learned_slowly() -> None:
    """Twenty answers move it most of the way; none of them moves it far."""
    row = new()
    for n in range(40):
        later(row, Outcome(None, 0, 1.0, 0.1, Usage(1000, 10, 800)), 0)
        fold(row, float(n))
        if n == 0:
            assert 0 < row.cached_share < 0.05
    assert 0.65 < row.cached_share < 0.8
    before = row.cached_share
    for untold in (Usage(0, 10), Usage(1000, 10, estimated=True)):
        later(row, Outcome(None, 0, 1.0, 0.1, untold), 0)
        fold(row, 99.0)
    assert row.cached_share == before, "an answer whose prompt was not counted says nothing"
