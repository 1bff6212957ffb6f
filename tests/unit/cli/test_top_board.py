"""What the live view shows, and what its keys mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.cli import top_board
from lbd.cli.top_board import ACTIONS, Board, Order, Quit, spark
from lbd.display.paint import Cell, Column, Paint, Row, width
from lbd.model import report as out
from tests.fakes.console_server import down, event, providers, row
from tests.unit.cli.test_explain_text import ASK, ranking


def plain(columns: Sequence[Column], rows: Sequence[Row], most: int, _selected: int | None) -> list[str]:
    return Paint(False).table(columns, rows, most)


def board(*rows: out.DeploymentOut, **more: Any) -> Board:
    return Board(providers(*(rows or (row(), down())), **more), Paint(False), plain)


def frame(shown: Board, columns: int = 80, lines: int = 24) -> str:
    return "\n".join(shown.frame(columns, lines))


def marked(shown: Board) -> str:
    return next(line for line in shown.frame(80, 40) if line.startswith("▶"))


def many(count: int) -> Board:
    return board(*(row(f"p{i:02d}/m") for i in range(count)))


# --- the screen ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (140, 40), (200, 60), (80, 10), (40, 12)])
@pytest.mark.parametrize("count", [1, 5, 50])
def test_a_frame_fills_the_screen_exactly(columns: int, lines: int, count: int) -> None:
    """Nothing wraps, nothing scrolls, whatever the size."""
    drawn = many(count).frame(columns, lines)
    assert len(drawn) == lines
    assert all(width(line) <= columns for line in drawn)


def test_the_verdict_stands_first_and_the_keys_last() -> None:
    """The rest is between them."""
    drawn = board(status="warn", summary="local-a/smollm2 down").frame(80, 24)
    assert drawn[0] == "◐ WARN local-a/smollm2 down"
    assert drawn[-1] == top_board.KEYS
    assert width(top_board.KEYS) <= 80


def test_a_long_verdict_takes_two_lines_and_no_more() -> None:
    """The end of it is cut."""
    drawn = board(status="warn", summary="word " * 60).frame(80, 24)
    assert drawn[1].startswith("  word")
    assert drawn[1].endswith("…")
    assert drawn[2].startswith("2026-")


def test_what_is_wrong_with_the_selected_row_is_said_in_full() -> None:
    """And where it is, and how it did."""
    shown = board()
    assert "nothing is wrong with it" in frame(shown)
    shown.press("j")
    told = " ".join(frame(shown).split())
    assert "✕ local-a/smollm2 down for 4m00s: breaker_open, opened by connect; a last-resort trial may" in told
    for part in ("smollm2-2025 at https://api.example/v1 (openai)", "2/8 USD per Mtok", "liveness up 7s ago, 41ms"):
        assert part in told


def test_quota_and_history_are_shown_where_there_are_any() -> None:
    """Bars of the last hour, with their largest value."""
    told = frame(board())
    assert "quota left: requests 812 of 1000, new in 21s" in told
    assert "▄█ at most 800 ms" in told
    assert "▂█ at most 40 a minute" in told
    idle = row(quota=[], probes=[], price=None, quality={}, history=out.HistoryOut(60.0, [None], [None], [0]))
    told = frame(board(idle))
    for part in ("quota left", "at most", "probes:", "quality"):
        assert part not in told
    assert "price unknown" in told


def test_answers_that_failed_a_check_are_told_of_the_selected_row() -> None:
    """Of how many; the column has no room for that, nor a narrow terminal for the column."""
    told = frame(board(row(quality_failures=out.QualityOut(3, 40))))
    assert "answers that failed a check in 1 h: 3 of 40" in told
    assert "failed a check" not in frame(board(row(quality_failures=out.QualityOut(0, 40))))


def test_more_rows_than_lines_are_a_window_around_the_selected_one() -> None:
    """And the view says so."""
    shown = many(50)
    assert "rows 1 to " in frame(shown)
    shown.press("end")
    told = frame(shown)
    assert "of 50" in told
    assert "▶  " in told
    assert "p49/m" in told
    assert "p00/m" not in told
    shown.press("home")
    assert "p00/m" in frame(shown)


def test_a_daemon_that_is_lost_is_told_over_the_last_known_table() -> None:
    """Until it is there again."""
    shown = board()
    shown.lost = "no lbd answers at unix:/run/lbd/admin.sock"
    told = frame(shown)
    assert told.startswith("◌ LOST no lbd answers at unix:") and "as of 2026-" in told
    assert told.index("LOST") < told.index("as of") < told.index("PASS" if "PASS" in told else "WARN")
    assert "no lbd answers" in frame(shown)
    shown.take(providers(), [])
    assert "no lbd answers" not in frame(shown)


def test_no_deployments_are_no_crash() -> None:
    """All keys included."""
    shown = board(tiers=[])
    assert "no deployments" in frame(shown)
    for key in ("j", "k", "home", "end", "e", "d", "y"):
        assert shown.press(key) is None
    assert shown.selected is None


def test_nothing_that_a_provider_says_commands_the_terminal() -> None:
    """Reasons, probes and events quote strangers."""
    bad = down()
    bad.reason.text = bad.upstream_model = bad.probes[0].kind = "\x1b[2J"
    shown = board(bad)
    shown.message = Cell("\x1b[2J")
    assert "\x1b" not in frame(shown)
    shown.take(providers(bad), [event(1, reason="\x1b[2J")])
    shown.press("e")
    assert "\x1b" not in frame(shown)


# --- keys ------------------------------------------------------------------------------------------------


def test_the_selection_moves_and_stops_at_the_ends() -> None:
    """Arrows, or as in vi."""
    shown = many(3)
    for key, name in (
        ("up", "p00"),
        ("down", "p01"),
        ("j", "p02"),
        ("j", "p02"),
        ("k", "p01"),
        ("g", "p00"),
        ("G", "p02"),
    ):
        shown.press(key)
        assert shown.selected == f"{name}/m"
        assert f"{name}/m" in marked(shown)


def test_the_selection_stays_with_its_deployment() -> None:
    """Also where a reload moves it; where it is gone, the place stays."""
    shown = many(3)
    shown.press("j")
    shown.take(providers(row("new/m"), row("p00/m"), row("p01/m")), [])
    assert shown.selected == "p01/m"
    shown.take(providers(row("new/m")), [])
    assert shown.selected == "new/m"


@pytest.mark.parametrize(("key", "action"), ACTIONS.items())
def test_an_order_is_given_only_after_y(key: str, action: str) -> None:
    """The question names action and deployment."""
    shown = board()
    assert shown.press(key) is None
    assert f"{action} openai-eu/gpt-4.1? y does it, any other key does not" in frame(shown)
    assert shown.press("y") == Order(action, "openai-eu/gpt-4.1")
    assert "?" not in frame(shown).splitlines()[-2]


@pytest.mark.parametrize("other", ["n", "escape", "q", "d", "j", "enter"])
def test_any_other_key_calls_an_order_off(other: str) -> None:
    """Even q and the same key again; and the key does nothing else."""
    shown = board()
    shown.press("d")
    assert shown.press(other) is None
    assert "not done: drain openai-eu/gpt-4.1" in frame(shown)
    assert shown.selected == "openai-eu/gpt-4.1"
    assert shown.press("y") is None


def test_q_quits() -> None:
    """At once."""
    assert board().press("q") == Quit()


def test_e_shows_the_events_of_the_row_and_takes_them_away() -> None:
    """Youngest first."""
    shown = board()
    shown.press("e")
    assert shown.with_events
    assert "no events of openai-eu/gpt-4.1" in frame(shown)
    shown.take(providers(), [event(1, reason="older"), event(2, reason="younger")])
    told = frame(shown)
    assert told.index("younger") < told.index("older")
    shown.press("e")
    assert "younger" not in frame(shown)


def test_x_explains_a_request_for_the_row_s_model_and_takes_it_away() -> None:
    """In place of the events; asked anew for another row; why it cannot be told is told there."""
    shown = board()
    shown.press("e")
    shown.press("x")
    assert (shown.with_plan, shown.with_events) == (True, False)
    assert "A request for gpt-4.1 now\nasking" in frame(shown)
    plan = {"asked": "gpt-4.1", "ask": ASK, **ranking()}
    shown.take(providers(row(), down()), [], plan)
    assert "Nobody could serve it: every deployment is excluded." in frame(shown)
    assert all(width(line) <= 40 for line in shown.frame(40, 30))
    shown.take(providers(row(), down()), [], "404: no \x1b[2Jsuch model")
    assert "404: no" in frame(shown) and "\x1b" not in frame(shown)
    shown.press("down")
    assert shown.model == "smollm2"
    shown.press("x")
    assert "A request for" not in frame(shown) and "local-a/smollm2 down" in frame(shown)


@given(
    st.lists(st.sampled_from(["j", "k", "up", "down", "home", "end", "e", "d", "r", "m", "p", "b", "n", "x", "escape"]))
)
def test_without_y_nothing_is_ever_ordered(pressed: list[str]) -> None:
    """Whatever is typed."""
    shown = many(4)
    assert all(shown.press(key) is None for key in pressed)
    assert len(shown.frame(80, 24)) == 24


def test_bars_are_scaled_to_the_largest() -> None:
    """The youngest at the right; none is a dot."""
    assert spark([1.0, None, 8.0], 10) == "▁·█"
    assert spark([1.0, 2.0, 4.0], 2) == "▄█"
    assert spark([None], 5) == "·"
    assert spark([], 5) == ""
