"""Alerts over time: fire once, end once, tell each once, whatever the condition does in between."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from lbd.model.alert import Rule, RulePlan, Severity
from lbd.state.alerts import (
    KEPT,
    Alert,
    Board,
    Change,
    Phase,
    Reading,
    Silence,
    due,
    look,
    note,
    shifted,
    silence,
    step,
)

PLAN = RulePlan(Severity.WARNING, 60.0, 120.0)
RULES = {Rule.ERROR_RATE: PLAN}
ID = "error_rate:a/m"


def reading(broken: bool, value: float | None = 0.1, subject: str = "a/m", rule: Rule = Rule.ERROR_RATE) -> Reading:
    return Reading(rule, subject, broken, value, 0.02, f"{value} of {subject}")


class Story:
    """A board that is looked at every 10 seconds."""

    def __init__(self, rules: dict[Rule, RulePlan] = RULES) -> None:
        self.board = Board()
        self.now = 0.0
        self.rules = rules
        self.changes: list[tuple[float, Change]] = []

    def goes(self, *broken: bool | None, value: float = 0.1) -> Phase | None:
        """Look so often; None: the subject is not watched."""
        for one in broken:
            self.now += 10
            found = [] if one is None else [reading(one, value)]
            self.board, changes = look(self.board, found, self.rules, self.now)
            self.changes += [(self.now, change) for change in changes]
        alert = self.board.alerts.get(ID)
        return None if alert is None else alert.phase

    @property
    def told(self) -> list[tuple[Phase | None, Phase]]:
        return [(c.before, c.alert.phase) for _, c in self.changes]


def test_it_fires_when_it_has_held_for_long_enough() -> None:
    """Not one look sooner; nothing is told of what is pending."""
    story = Story()
    assert story.goes(*[True] * 6) is Phase.PENDING and not story.changes
    assert story.goes(True) is Phase.FIRING
    assert story.told == [(Phase.PENDING, Phase.FIRING)]
    alert = story.board.alerts[ID]
    assert (alert.since, alert.changed, alert.value, alert.limit) == (10.0, 70.0, 0.1, 0.02)


def test_a_condition_that_comes_and_goes_does_not_fire() -> None:
    """Each break begins anew."""
    story = Story()
    for _ in range(20):
        assert story.goes(*[True] * 6, False) is None
    assert not story.changes


def test_what_need_not_hold_fires_at_once() -> None:
    """A refused reload is a fact."""
    story = Story({Rule.ERROR_RATE: RulePlan(Severity.CRITICAL, 0.0, 0.0)})
    assert story.goes(True) is Phase.FIRING
    assert story.goes(False) is Phase.RESOLVED
    assert story.told == [(None, Phase.FIRING), (Phase.FIRING, Phase.RESOLVED)]


def test_it_is_over_when_it_has_been_clear_for_long_enough() -> None:
    """A short good time in between is none: one alert, told once."""
    story = Story()
    story.goes(*[True] * 7)
    for _ in range(5):
        assert story.goes(*[False] * 12, True) is Phase.FIRING
    assert story.told == [(Phase.PENDING, Phase.FIRING)]
    assert story.goes(*[False] * 12) is Phase.FIRING
    assert story.goes(False) is Phase.RESOLVED
    assert story.told[-1] == (Phase.FIRING, Phase.RESOLVED)
    assert story.goes(*[False] * int(KEPT / 10 - 1)) is Phase.RESOLVED
    assert story.goes(False) is None


def test_what_comes_back_is_a_new_alert() -> None:
    """Which must hold again."""
    story = Story()
    story.goes(*[True] * 7, *[False] * 13)
    assert story.goes(True) is Phase.PENDING
    assert story.goes(*[True] * 6) is Phase.FIRING
    assert len(story.told) == 3


def test_a_firing_alert_shows_the_last_number_that_was_broken() -> None:
    """What is clear for a moment does not overwrite the evidence."""
    story = Story()
    story.goes(*[True] * 7)
    story.goes(True, value=0.4)
    story.goes(False, value=0.001)
    assert story.board.alerts[ID].value == 0.4


def test_a_subject_that_is_gone_is_clear() -> None:
    """After a restart it may be back soon, and is the same alert then; what was pending is forgotten."""
    story = Story()
    story.goes(*[True] * 7)
    assert story.goes(*[None] * 12, True) is Phase.FIRING and len(story.told) == 1
    assert story.goes(*[None] * 12) is Phase.FIRING
    assert story.goes(None) is Phase.RESOLVED and "not watched any more" in story.board.alerts[ID].text
    assert story.goes(*[None] * int(KEPT / 10)) is None
    assert Story().goes(True, None) is None


def test_a_rule_that_is_switched_off_is_not_looked_at() -> None:
    """What it had found is over."""
    story = Story()
    story.goes(*[True] * 7)
    story.rules = {}
    assert story.goes(True) is Phase.RESOLVED
    assert Story({}).goes(*[True] * 20) is None


def test_a_severity_that_is_changed_holds_for_what_fires() -> None:
    """It stands in what is told next."""
    story = Story()
    story.goes(*[True] * 7)
    story.rules = {Rule.ERROR_RATE: PLAN._replace(severity=Severity.CRITICAL)}
    story.goes(True)
    assert story.board.alerts[ID].severity is Severity.CRITICAL


def test_a_silence_ends_by_itself_or_when_it_is_taken_back() -> None:
    """It is of an id, whether there is an alert of it or not."""
    board = silence(Board(), ID, Silence(100.0, "me", "lunch"))
    assert look(board, [], RULES, 99.9)[0].silences and not look(board, [], RULES, 100.0)[0].silences
    assert not silence(board, ID, None).silences and not silence(Board(), ID, None).silences


# --- who is told -----------------------------------------------------------------------------------------


def fired(now: float = 70.0) -> Board:
    story = Story()
    story.goes(*[True] * 7)
    assert story.now == now
    return story.board


def test_each_begin_and_end_is_told_once() -> None:
    """And what goes on, every so often."""
    board = fired()
    told = note(board, {}, due(board, {}, 70.0, 3600.0), 70.0)
    assert told and not due(board, told, 3600.0, 3600.0)
    assert due(board, told, 70.0 + 3600.0, 3600.0)
    over, _ = look(board, [], {}, 80.0)
    (alert,) = due(over, told, 80.0, 3600.0)
    assert alert.phase is Phase.RESOLVED
    told = note(over, told, [alert], 80.0)
    assert not due(over, told, 9999.0, 1.0)
    assert not note(Board(), told, [], 90.0), "what is gone is forgotten"


def test_what_was_over_before_it_could_be_told_is_not_told() -> None:
    """The receiver was away, and need not know."""
    over, _ = look(fired(), [], {}, 80.0)
    assert not due(over, {}, 80.0, 3600.0)


def test_what_came_back_before_its_end_was_told_is_told_as_new() -> None:
    """The receiver still has the old one."""
    story = Story()
    story.goes(*[True] * 7)
    told = note(story.board, {}, due(story.board, {}, story.now, 3600.0), story.now)
    story.goes(*[False] * 13, *[True] * 7)
    (alert,) = due(story.board, told, story.now, 3600.0)
    assert alert.phase is Phase.FIRING and alert.changed > told[ID].at


def test_what_is_silenced_is_not_told_but_its_end_is() -> None:
    """Whoever was told of the begin waits for the end."""
    board = silence(fired(), ID, Silence(500.0, "me"))
    assert not due(board, {}, 80.0, 3600.0)
    told = note(board, {}, due(fired(), {}, 70.0, 3600.0), 70.0)
    assert not due(board, told, 70.0 + 3600.0, 3600.0)
    over, _ = look(board, [], {}, 90.0)
    assert [a.phase for a in due(over, told, 90.0, 3600.0)] == [Phase.RESOLVED]


def test_a_board_can_be_moved_in_time() -> None:
    """As a restart does: nothing but instants is different, and back again is as before."""
    board = silence(fired(), ID, Silence(500.0, "me"))
    board, _ = look(board, [reading(False)], RULES, 80.0)
    moved = shifted(board, 1000.0)
    assert moved.silences[ID].until == 1500.0 and moved.alerts[ID].clear_since == 1080.0
    assert shifted(moved, -1000.0) == board


# --- whatever happens ------------------------------------------------------------------------------------

LOOKS = st.lists(st.tuples(st.floats(0.1, 200.0), st.sampled_from([True, False, None])), max_size=80)


@given(looks=LOOKS)
def test_begins_and_ends_alternate(looks: list[tuple[float, bool | None]]) -> None:
    """A firing is followed by its end and an end by a firing, and each firing has held for its time."""
    board, now, changes = Board(), 0.0, []
    begun: float | None = None
    for step_s, broken in looks:
        now += step_s
        found = [] if broken is None else [reading(broken)]
        board, new = look(board, found, RULES, now)
        begun = (now if begun is None else begun) if broken else None if ID not in board.alerts else begun
        for change in new:
            changes.append(change.alert.phase)
            if change.alert.phase is Phase.FIRING:
                assert now - change.alert.since >= PLAN.for_s
            else:
                assert change.alert.clear_since is not None and now - change.alert.clear_since >= PLAN.clear_s
    assert changes == [Phase.FIRING, Phase.RESOLVED] * (len(changes) // 2) + [Phase.FIRING] * (len(changes) % 2)


@given(looks=LOOKS, refusals=st.lists(st.booleans(), max_size=80))
def test_a_receiver_hears_of_each_alert_at_most_once_each_way(
    looks: list[tuple[float, bool | None]], refusals: list[bool]
) -> None:
    """However often it takes nothing; and never of an end without its begin."""
    board, told, now = Board(), {}, 0.0
    heard: Counter[tuple[float, Phase]] = Counter()
    open_ = False
    for i, (step_s, broken) in enumerate(looks):
        now += step_s
        board, _ = look(board, [] if broken is None else [reading(broken)], RULES, now)
        sent = due(board, told, now, 1e9)
        if sent and not (i < len(refusals) and refusals[i]):
            told = note(board, told, sent, now)
            for alert in sent:
                heard[alert.changed, alert.phase] += 1
                assert open_ or alert.phase is Phase.FIRING
                open_ = alert.phase is Phase.FIRING
    assert not heard or max(heard.values()) == 1


@given(looks=LOOKS)
def test_time_that_stands_still_changes_nothing(looks: list[tuple[float, bool | None]]) -> None:
    """Looking twice at one instant is looking once."""
    board, now = Board(), 0.0
    for step_s, broken in looks:
        now += step_s
        found = [] if broken is None else [reading(broken)]
        board, _ = look(board, found, RULES, now)
        again, changes = look(board, found, RULES, now)
        assert again == board and not changes


def test_a_step_from_nothing_by_nothing_is_nothing() -> None:
    """The table's first line."""
    assert step(None, reading(False), PLAN, 0.0) is None
    alert = step(None, reading(True), PLAN, 5.0)
    assert isinstance(alert, Alert) and alert.id == reading(True).id == ID
