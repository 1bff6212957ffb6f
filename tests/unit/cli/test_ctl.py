"""``lbd ctl``."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from lbd.cli.main import main
from tests.fakes.console_server import problem, serving
from tests.unit.cli.conftest import Daemon

DONE = {"deployment": "a/b", "admin": "ready", "weight": None, "state": "up"}
CHANGED = {
    "generation": 4,
    "added": ["c/d"],
    "removed": [],
    "changed": ["a/b"],
    "parts": ["scorer"],
    "warnings": ["careful"],
}
NOTHING = {"added": [], "removed": [], "changed": [], "parts": [], "warnings": [], "needs_restart": []}
BAD = (
    422,
    problem(
        422,
        "x",
        problems=[
            {
                "file": "/etc/lbd/lbd.yaml",
                "line": 4,
                "column": 10,
                "path": "probes.every_s",
                "reason": "expected float",
            },
            {"file": None, "line": None, "column": None, "path": "", "reason": "listen cannot change while lbd runs"},
        ],
    ),
)


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("LBD_ADMIN", raising=False)
    monkeypatch.delenv("LBD_ADMIN_TOKEN", raising=False)
    yield


@pytest.mark.parametrize("action", ["drain", "ready", "maint", "reset-breaker", "probe-now"])
def test_an_order_is_given_with_its_reason(action: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And answered with how the deployment stands now."""
    with serving({f"POST /v1/deployments/a/b/{action}": DONE}) as console:
        assert main(["ctl", action, "a/b", "--reason", "why not", "--admin", console.url]) == 0
    assert console.asked[0].json == {"reason": "why not"}
    assert capsys.readouterr().out.startswith("a/b: ready, weight as configured, up\n")


@pytest.mark.parametrize(
    ("value", "sent", "told"),
    [
        ("0.5", 0.5, "weight 0.5, up\nBack to the configured one with: lbd ctl weight a/b none"),
        ("none", None, "as configured, up"),
    ],
)
def test_a_weight_is_overridden_or_given_back(
    value: str, sent: float | None, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The way back is told."""
    with serving({"POST /v1/deployments/a/b/weight": {**DONE, "weight": sent}}) as console:
        assert main(["ctl", "weight", "a/b", value, "--admin", console.url]) == 0
    assert console.asked[0].json == {"reason": "", "weight": sent}
    assert capsys.readouterr().out.strip().endswith(told)


@pytest.mark.parametrize(
    ("words", "sent", "told"),
    [
        (["drain", "a/b", "--for", "10m"], {"for_s": 600.0}, "Over by itself in 10m00s.\nRunning requests finish."),
        (["maint", "a/b", "--for", "2h"], {"for_s": 7200.0}, "Over by itself in 2h00m."),
        (["weight", "a/b", "0.1", "--for", "90"], {"for_s": 90.0, "weight": 0.1}, "Over by itself in 1m30s."),
    ],
)
def test_an_order_may_end_by_itself(
    words: list[str], sent: dict[str, float], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The daemon is told for how long, and the person when it is over."""
    with serving({f"POST /v1/deployments/a/b/{words[0]}": {**DONE, "weight": sent.get("weight")}}) as console:
        assert main(["ctl", *words, "--admin", console.url]) == 0
    assert console.asked[0].json == {"reason": "", **sent}
    assert told in capsys.readouterr().out


def test_the_configured_weight_has_no_end(capsys: pytest.CaptureFixture[str]) -> None:
    """To take an override back for a time is an order that nobody could carry out."""
    with serving({}) as console:
        assert main(["ctl", "weight", "a/b", "none", "--for", "1h", "--admin", console.url]) == 2
    assert "leave --for out" in capsys.readouterr().err and console.asked == []


@pytest.mark.parametrize(
    "words",
    [
        ["drain", "a/b", "--for", "0"],
        ["drain", "a/b", "--for", "31d"],
        ["ready", "a/b", "--for", "1h"],
        ["weight", "a/b", "much"],
        ["weight", "a/b", "-1"],
        ["weight", "a/b", "nan"],
        ["drain", "a"],
        ["drain", "a/b/c"],
        [],
    ],
)
def test_wrong_arguments_never_reach_the_daemon(words: list[str]) -> None:
    """Exit status 2."""
    with pytest.raises(SystemExit) as caught:
        main(["ctl", *words])
    assert caught.value.code == 2


def test_json_is_what_the_daemon_answered(capsys: pytest.CaptureFixture[str]) -> None:
    """For scripts."""
    with serving({"POST /v1/deployments/a/b/drain": DONE}) as console:
        assert main(["ctl", "--admin", console.url, "drain", "a/b", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == DONE


# --- reload ----------------------------------------------------------------------------------------------


def test_a_reload_tells_what_changed(capsys: pytest.CaptureFixture[str]) -> None:
    """Warnings go to stderr."""
    with serving({"POST /v1/config/reload": CHANGED}) as console:
        assert main(["ctl", "reload", "--wait", "--admin", console.url]) == 0
    told = capsys.readouterr()
    assert told.out == "configuration reloaded, generation 4: added c/d; changed a/b; also changed scorer\n"
    assert told.err == "warning: careful\n"


@pytest.mark.parametrize("words", [["reload"], ["reload", "--dry-run"]])
def test_a_refused_reload_fails_with_every_place(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """It is a service's ExecReload: what is wrong stands in the service's log."""
    with serving({"POST /v1/config/reload": BAD, "POST /v1/config/check": BAD}) as console:
        assert main(["ctl", *words, "--admin", console.url]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "/etc/lbd/lbd.yaml:4:10: probes.every_s: expected float",
        "listen cannot change while lbd runs",
        "lbd: the configuration is refused; the one before it stays in force",
    ]


def test_a_dry_run_takes_nothing_and_says_what_would_need_a_restart(capsys: pytest.CaptureFixture[str]) -> None:
    """What a reload would be refused for is a failure here too."""
    answers: list[Any] = [NOTHING, {**NOTHING, "needs_restart": ["listen", "store"]}]
    with serving({"POST /v1/config/check": answers}) as console:
        assert main(["ctl", "reload", "--dry-run", "--admin", console.url]) == 0
        assert main(["ctl", "reload", "--dry-run", "--json", "--admin", console.url]) == 1
    told = capsys.readouterr()
    assert told.out.startswith("configuration would be reloaded: nothing changed\n{")
    assert json.loads(told.out.partition("\n")[2])["needs_restart"] == ["listen", "store"]
    assert told.err == "lbd: a reload would be refused: listen, store cannot change while lbd runs; restart it\n"
    assert {a.path for a in console.asked} == {"/v1/config/check"}


def test_a_dry_run_that_would_be_refused_does_not_say_that_it_would_be_taken(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One answer, with a status to match."""
    with serving({"POST /v1/config/check": {**CHANGED, "needs_restart": ["listen"]}}) as console:
        assert main(["ctl", "reload", "--dry-run", "--admin", console.url]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == "lbd: a reload would be refused: listen cannot change while lbd runs; restart it\n"


def test_a_reload_without_permission_is_no_bad_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    """Another remedy."""
    with serving({"POST /v1/config/reload": (401, problem(401, "send the token"))}) as console:
        assert main(["ctl", "reload", "--admin", console.url]) == 1
    assert "an admin token is needed" in capsys.readouterr().err


def test_a_reload_of_a_daemon_that_is_not_there_is_status_3() -> None:
    """Not 1: the configuration may be good."""
    assert main(["ctl", "reload", "--admin", "unix:/nowhere/lbd.sock"]) == 3


# --- configuration and decisions -------------------------------------------------------------------------


def test_the_configuration_is_shown_as_a_file_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    """What is known of it stands in comments."""
    document = {
        "path": "/etc/lbd/lbd.yaml",
        "generation": 3,
        "hash": "abc",
        "loaded_at": "2026-11-24T09:08:00Z",
        "last_error": "line one\nline two",
        "warnings": ["careful"],
        "overrides": [{"deployment": "a/b", "admin": "drain", "weight": 0.5, "by": "ana"}],
        "config": {
            "listen": "127.0.0.1:8080",
            "clients": [],
            "proxy": None,
            "providers": [{"name": "a", "api_key": "***"}],
        },
    }
    with serving({"GET /v1/config": document}) as console:
        assert main(["ctl", "config", "--admin", console.url]) == 0
    told = capsys.readouterr().out
    comments = [line for line in told.splitlines() if line.startswith("#")]
    assert comments == [
        "# /etc/lbd/lbd.yaml, generation 3 (abc), since 2026-11-24T09:08:00Z",
        "# the last reload was refused: line one",
        "# the last reload was refused: line two",
        "# warning: careful",
        "# a/b: drain, weight 0.5 by order of ana",
    ]
    assert yaml.safe_load(told) == {"listen": "127.0.0.1:8080", "providers": [{"name": "a", "api_key": "***"}]}


def test_no_decisions_are_told_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    """A fresh daemon."""
    with serving({"GET /v1/decisions": {"decisions": []}}) as console:
        assert main(["ctl", "decisions", "-n", "5", "--admin", console.url]) == 0
    assert (console.asked[0].query, capsys.readouterr().out) == ({"limit": "5"}, "no request was made yet\n")


# --- the real thing --------------------------------------------------------------------------------------


def told_by(capsys: pytest.CaptureFixture[str], daemon: Daemon, *words: str) -> str:
    assert main(["ctl", *words, *daemon.admin]) == 0
    return capsys.readouterr().out


def test_orders_reach_a_real_daemon_and_leave_events(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    """With who, and why."""
    assert "good/big: drain" in told_by(capsys, daemon, "drain", "good/big", "--reason", "quota moves")
    assert "good/big: maint" in told_by(capsys, daemon, "maint", "good/big")
    assert "good/big: ready" in told_by(capsys, daemon, "ready", "good/big")
    assert "weight 0.25" in told_by(capsys, daemon, "weight", "good/big", "0.25")
    assert "good/big: ready, weight 0.25 by order of" in told_by(capsys, daemon, "config")
    assert "weight as configured" in told_by(capsys, daemon, "weight", "good/big", "none")
    assert "gone/big" in told_by(capsys, daemon, "probe-now", "gone/big")
    assert "Over by itself in 1s." in told_by(capsys, daemon, "drain", "good/big", "--for", "1", "--reason", "a moment")
    main(["status", *daemon.admin])
    assert re.search(r"drained by \S.* for another [01]s", capsys.readouterr().out)
    for _ in range(200):
        if "good/big: drain" not in told_by(capsys, daemon, "config"):
            break
        time.sleep(0.05)
    assert main(["events", "--subject", "good/big", *daemon.admin]) == 0
    told = capsys.readouterr().out
    assert "admin_drain ready -> drain: quota moves by" in told
    assert "admin_weight configured -> 0.25: ordered by" in told
    assert "admin_weight 0.25 -> configured" in told
    assert re.search(r"admin_drain ready -> drain: a moment by .*for_s=1", told)
    assert "admin_ready drain -> ready: its time is over by lbd" in told


def test_an_order_over_tcp_needs_the_token(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Reading does not."""
    listen = yaml.safe_load(daemon.config.read_text())["admin"]["listen"]
    words = ["ctl", "ready", "good/big", "--admin", listen]
    assert main(words) == 1
    assert "an admin token is needed" in capsys.readouterr().err
    monkeypatch.setenv("LBD_ADMIN_TOKEN", "wrong")
    assert main(words) == 1
    assert "was not accepted" in capsys.readouterr().err
    monkeypatch.setenv("LBD_ADMIN_TOKEN", "not-so-secret")
    assert main(words) == 0


def test_an_unknown_deployment_is_answered_with_the_known_ones(
    daemon: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    """A typing mistake costs one look."""
    assert main(["ctl", "drain", "good/bug", *daemon.admin]) == 1
    assert "Known: good/big, gone/big" in capsys.readouterr().err


def test_a_real_reload_takes_a_good_file_and_refuses_a_bad_one(
    daemon: Daemon, capsys: pytest.CaptureFixture[str]
) -> None:
    """Found by the very file that is bad."""
    good = daemon.config.read_text()
    try:
        daemon.config.write_text(good + "scorer: {weights: {cost: 0.9}}\n")
        assert main(["ctl", "reload", "--dry-run", "-c", str(daemon.config)]) == 0
        assert "would be reloaded: also changed scorer" in capsys.readouterr().out
        assert main(["ctl", "reload", "-c", str(daemon.config)]) == 0
        daemon.config.write_text(good + "probes: {every_s: often}\n")
        assert main(["ctl", "reload", "-c", str(daemon.config)]) == 1
        assert f"{daemon.config}:{good.count(chr(10)) + 1}:" in capsys.readouterr().err
        assert main(["status", "-c", str(daemon.config)]) == 0
        assert "the last reload was refused; the configuration before it is in force" in capsys.readouterr().out
        daemon.config.write_text(good.replace(f"listen: 127.0.0.1:{daemon.port}", "listen: 127.0.0.1:1"))
        assert main(["ctl", "reload", "--dry-run", "-c", str(daemon.config)]) == 1
        assert "listen cannot change while lbd runs" in capsys.readouterr().err
    finally:
        daemon.config.write_text(good)
        assert main(["ctl", "reload", "-c", str(daemon.config)]) == 0


def test_real_decisions_are_listed(
    daemon: Daemon, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Youngest first."""
    monkeypatch.setenv("COLUMNS", "200")  # room for every column, whatever runs the tests
    _, request_id = daemon.ask("big")
    lines = told_by(capsys, daemon, "decisions", "-n", "3").splitlines()
    assert lines[0].split()[:4] == ["TIME", "REQUEST", "ASKED", "CLASS"]
    assert lines[1].split()[2:7] == [request_id, "big", "interactive", "ok", "good/big"]


def test_secrets_are_masked(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    """Also those that stand in the file itself."""
    told = told_by(capsys, daemon, "config") + told_by(capsys, daemon, "config", "--json")
    assert "not-so-secret" not in told


# --- alerts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("span", "for_s"), [("30m", 1800.0), ("2h", 7200.0), ("7d", 604800.0), ("90", 90.0), ("0", 0.0)]
)
def test_an_alert_is_silenced_for_a_time(span: str, for_s: float, capsys: pytest.CaptureFixture[str]) -> None:
    """Its id holds a colon and slashes; 0 ends the silence."""
    id_ = "error_rate:a/b"
    silences = [{"id": id_, "until": "2026-11-27T12:00:00Z", "by": "me", "reason": "x"}] if for_s else []
    document = {"id": id_, "silences": silences}
    with serving({"POST /v1/alerts/error_rate%3Aa/b/silence": document}) as console:
        assert main(["ctl", "silence", id_, "--for", span, "--reason", "x", "--admin", console.url]) == 0
    assert console.asked[0].json == {"for_s": for_s, "reason": "x"}
    told = capsys.readouterr().out
    assert told.startswith(f"{id_}: nobody is told before " if for_s else f"{id_}: not silenced")


@pytest.mark.parametrize("span", ["", "h", "-1", "1.5h", "31d", "2w", "٣h"])
def test_a_time_that_is_none_is_refused(span: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With what one is."""
    with pytest.raises(SystemExit):
        main(["ctl", "silence", "x", f"--for={span}"])
    assert "write 30m, 2h or 7d" in capsys.readouterr().err


def test_a_real_daemon_lists_its_alerts_and_takes_a_silence(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    """Of what is watched, whether it fires or not."""
    for _ in range(40):
        if main(["ctl", "silence", "store_down:store", "--for", "1h", *daemon.admin]) == 0:
            break
        time.sleep(0.25)  # until it has looked once
    capsys.readouterr()
    assert main(["ctl", "alerts", *daemon.admin]) == 0
    told = capsys.readouterr().out
    assert "silence of store_down:store until " in told and "nobody is told: alerts names no webhook" in told
    assert main(["ctl", "silence", "store_down:store", "--for", "0", *daemon.admin]) == 0
    assert capsys.readouterr().out == "store_down:store: not silenced\n"
    assert main(["ctl", "silence", "nothing:x", *daemon.admin]) == 1
    assert "nor is such a thing watched" in capsys.readouterr().err
