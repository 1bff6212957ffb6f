"""``lbd events``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lbd.cli import events
from lbd.cli.admin_address import Where
from lbd.cli.admin_client import Client
from lbd.cli.events import line
from lbd.cli.main import main
from tests.fakes.console_server import Asked, event, problem, serving
from tests.unit.cli.conftest import Daemon, running


def text(told: dict[str, Any], **more: Any) -> str:
    return "".join(cell.text for cell in line(told, **more))


def test_an_event_is_one_line_with_its_evidence() -> None:
    """When, how bad, who, what, why, in numbers."""
    assert text(event(1))[19:] == (
        "  warning  local-a/smollm2  state_changed suspect -> down: breaker_open, opened by connect  openings=1"
    )


def test_an_order_is_told_with_who_gave_it() -> None:
    """And with the reason given."""
    told = event(2, kind="admin_drain", reason="quota moves", by="ana (unix socket)", evidence={}, level="info")
    assert text(told).endswith("admin_drain suspect -> down: quota moves by ana (unix socket)")


def test_an_event_without_a_change_shows_no_arrow() -> None:
    """Lists and ratios are written short; what is empty is left out."""
    evidence = {"added": ["a/b", "c/d"], "removed": [], "ratio": 0.123456}
    told = event(3, kind="config_reloaded", before=None, after=None, evidence=evidence)
    assert text(told).endswith("config_reloaded: breaker_open  added=a/b,c/d ratio=0.1235")


def test_under_its_subjects_name_an_event_is_shorter() -> None:
    """As in the pane of lbd top."""
    assert text(event(1), about="local-a/smollm2")[8:].startswith("  warning  state_changed")


def test_the_last_events_are_shown_of_one_subject_if_asked(capsys: pytest.CaptureFixture[str]) -> None:
    """The daemon selects."""
    with serving({"GET /v1/events": {"events": [event(1), event(2)]}}) as console:
        assert main(["events", "-n", "2", "--subject", "local-a/smollm2", "--admin", console.url]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert console.asked[0].query == {"limit": "2", "subject": "local-a/smollm2"}


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """For jq."""
    with serving({"GET /v1/events": {"events": [event(1), event(2)]}}) as console:
        assert main(["events", "--json", "--admin", console.url]) == 0
    assert [json.loads(row)["id"] for row in capsys.readouterr().out.splitlines()] == [1, 2]


def test_no_events_are_told_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr: the output stays empty."""
    with serving({"GET /v1/events": {"events": []}}) as console:
        assert main(["events", "--subject", "a/b", "--admin", console.url]) == 0
    told = capsys.readouterr()
    assert (told.out, told.err) == ("", "no events of a/b\n")


@pytest.mark.parametrize("number", ["-1", "1001", "x"])
def test_a_number_of_events_that_the_daemon_does_not_keep_is_refused(number: str) -> None:
    """Wrong arguments."""
    with pytest.raises(SystemExit) as caught:
        main(["events", "-n", number])
    assert caught.value.code == 2


class Daemons:
    """One daemon, then another one after a restart: ids begin again."""

    def __init__(self, *, restarts: bool) -> None:
        self.restarts = restarts
        self.streams = 0

    def events(self, asked: Asked) -> Any:
        after = int(asked.query.get("after", "0"))
        first = [event(1), event(2)]
        second = [event(1, time=1795549999.0), event(2, time=1795550000.0)] if self.restarts else [*first, event(3)]
        if "follow" not in asked.query:
            kept = first if self.streams == 0 else second
            return {"events": [e for e in kept if e["id"] > after]}
        self.streams += 1
        kept = first if self.streams == 1 else second
        if self.streams == 3:
            return (403, problem(403, "enough"))
        told = [e for e in kept if e["id"] > after]
        return (
            200,
            iter([b": still here\n\n", *(b"id: 1\nevent: x\ndata: %b\n\n" % json.dumps(e).encode() for e in told)]),
        )


@pytest.mark.parametrize(("restarts", "ids"), [(False, [1, 2, 3]), (True, [1, 2, 1, 2])])
def test_following_goes_on_over_a_lost_connection(
    restarts: bool, ids: list[int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is shown twice and nothing is left out, also where a restarted daemon counts from 1 again."""
    monkeypatch.setattr(events, "AGAIN_S", 0.01)
    daemons = Daemons(restarts=restarts)
    with serving({"GET /v1/events": daemons.events}) as console:
        assert main(["events", "-f", "--json", "--admin", console.url]) == 1  # ended by the refusal
    told = capsys.readouterr()
    assert [json.loads(row)["id"] for row in told.out.splitlines()] == ids
    assert "lbd: the daemon ended the stream. Trying again" in told.err
    assert "lbd: there again" in told.err
    assert told.err.endswith("lbd: enough\n")


def test_following_may_begin_with_nothing_old(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """-n 0: only what happens from now on."""
    monkeypatch.setattr(events, "AGAIN_S", 0.01)
    with serving({"GET /v1/events": Daemons(restarts=False).events}) as console:
        assert main(["events", "-f", "-n", "0", "--json", "--admin", console.url]) == 1
    assert [json.loads(row)["id"] for row in capsys.readouterr().out.splitlines()] == [3]


def test_following_a_daemon_that_never_was_there_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Waiting for a typing mistake helps nobody."""
    assert main(["events", "-f", "--admin", "unix:/nowhere/lbd.sock"]) == 3


def test_a_real_daemon_tells_what_happened(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    """From start to the first broken provider."""
    assert main(["events", "--subject", "gone/big", *daemon.admin]) == 0
    assert "state_changed suspect -> down: breaker_open, opened by connect" in capsys.readouterr().out


def test_following_does_not_keep_a_daemon_from_ending(tmp_path: Path) -> None:
    """Its last words are shown; then it is gone at once, however many look on."""
    with running(tmp_path) as daemon:
        client = Client(Where(path=str(daemon.socket)))
        # a busy machine may let it stand still at any time
        told = (e["kind"] for e in events.stream(client, None, 0) if e["kind"] != "loop_stalled")
        assert next(told) == "state_changed"
        daemon.process.terminate()
        assert list(told)[-1] == "draining"
        assert daemon.process.wait(10) == 0
