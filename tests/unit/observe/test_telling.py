"""What the daemon says of itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.house import House
from tests.fakes.relay import row
from tests.fakes.stage import answer, refusal, whole
from tests.fakes.wire import until


@pytest.mark.parametrize(
    ("wanted", "expected"), [("all", ["ok", "bad_request"]), ("failed", ["bad_request"]), ("none", [])]
)
async def test_requests_are_logged_as_configured(wanted: str, expected: list[str], tmp_path: Path) -> None:
    """Never the prompt, never a key; the asked name is cut to a length."""
    async with House(tmp_path, log={"requests": wanted}, models={"x" * 500: "auto"}) as house:
        house.stage.plan(0.001, *answer(whole()), host="a")
        await house.ask("x" * 500)
        house.stage.plan(0.001, *answer(refusal("bad n", None, "invalid_request_error"), 400), host="a")
        await house.ask()
        lines = [line for line in house.logged if line["event"] == "request"]
        assert [line["outcome"] for line in lines] == expected
        for line in lines:
            assert len(line["asked"]) <= 100 and "hello" not in repr(line)
            assert line["level"] == "info" and line["id"].startswith("req_")


async def test_a_failed_request_is_a_warning_where_it_was_not_the_clients_fault(tmp_path: Path) -> None:
    """With what failed on the way."""
    async with House(tmp_path, row("a")) as house:
        house.stage.always(0.001, *answer(refusal("broken"), 500), host="a")
        await house.ask()
        (line,) = [x for x in house.logged if x["event"] == "request"]
        assert line["level"] == "warning" and line["status"] == 502
        assert line["failures"] == ["server_error", "server_error"] and line["attempts"] == 2


async def test_every_event_is_a_log_line_of_its_level(tmp_path: Path) -> None:
    """With subject, reason, before and after, and its evidence; evidence cannot hide what it is about."""
    async with House(tmp_path) as house:
        house.app.owner.emit(
            "test_kind", "s", "why", level="warning", before="x", after="y", evidence={"subject": "?", "n": 5}, by="me"
        )
        line = next(x for x in house.logged if x["event"] == "test_kind")
        assert line["level"] == "warning" and (line["subject"], line["reason"]) == ("s", "why")
        assert (line["before"], line["after"], line["by"], line["n"]) == ("x", "y", "me", 5)


async def test_a_task_that_breaks_is_told_once_in_the_log_and_once_in_the_timeline(tmp_path: Path) -> None:
    """And the daemon goes on."""
    async with House(tmp_path) as house:

        async def broken() -> None:
            raise ZeroDivisionError("by zero")

        house.app.tasks.once("sum", broken())
        await until(lambda: any(e.kind == "task_failed" for e in house.app.timeline.last()))
        (event,) = [e for e in house.app.timeline.last() if e.kind == "task_failed"]
        assert (event.subject, event.reason, event.level) == ("sum", "ZeroDivisionError", "error")
        assert event.evidence == {"error": "by zero"}
        assert [x for x in house.logged if x["event"] == "task_failed" and x.get("task") == "sum"]


async def test_a_request_that_crashes_is_in_the_log_by_its_id(tmp_path: Path) -> None:
    """With the exception; the client was told the same id."""
    async with House(tmp_path) as house:
        error = ZeroDivisionError()
        house.app.telling.request_failed("req_1", error)
        (line,) = [x for x in house.logged if x["event"] == "request_crashed"]
        assert line["id"] == "req_1" and line["exc_info"] is error and line["level"] == "error"
