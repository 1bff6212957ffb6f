"""``lbd status``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lbd.cli import status
from lbd.cli.main import main
from lbd.display.paint import Paint
from tests.fakes.console_server import down, providers, row, serving
from tests.unit.cli.conftest import Daemon

ROOT = Path(__file__).parents[3]


def shown(document: dict[str, Any], room: int | None = None) -> list[str]:
    return status.lines(document, Paint(False), room)


def test_the_verdict_comes_first_then_the_table_then_the_reasons() -> None:
    """What one looks for first stands first."""
    lines = shown(providers(row(), down(), status="warn", summary="local-a/smollm2 down, breaker_open"))
    assert lines[0] == "◐ WARN  local-a/smollm2 down, breaker_open"
    heads = (
        "TIER DEPLOYMENT STATE ADMIN BREAKER TTFT p50 TTFT p95 TTFT p99 SLO ms n ERR % QUALITY IN FLIGHT REQ/S TOK/S"
    )
    assert " ".join(lines[2].split()) == f"{heads} QUOTA % UP 5m % PROBE"
    assert lines[3].startswith("primary  openai-eu/gpt-4.1  ● up")
    assert lines[6].startswith("✕ local-a/smollm2 down for 4m00s: breaker_open")
    assert lines[-1] == "generation 18231, 0s old; 0 waiting; configuration 3 (b7ae31e4) for 12m00s; lbd 0.1.0"


def test_a_table_without_trouble_has_no_reasons() -> None:
    """Verdict, header, row, what it rests on."""
    assert len([line for line in shown(providers()) if line]) == 4


def test_a_refused_reload_is_told() -> None:
    """The configuration in force is not the one in the file."""
    lines = shown(providers(last_error="lbd.yaml:4:10: probes.every_s: expected float"))
    assert "◐ the last reload was refused: lbd.yaml:4:10: probes.every_s: expected float" in lines


def test_a_narrow_terminal_gets_what_matters_most() -> None:
    """And is told that there is more."""
    lines = shown(providers(row(), down()), 80)
    assert all(len(line) <= 80 for line in lines[2:5])
    for head in ("DEPLOYMENT", "STATE", "ADMIN", "TTFT p95", "SLO ms", "ERR %"):
        assert head in lines[2]
    assert lines[-1].endswith("columns more in a wider terminal")


def test_a_providers_words_cannot_command_the_terminal() -> None:
    """Reasons may quote what a provider said."""
    bad = down()
    bad.reason.text = "\x1b[2J\nowned"
    assert not [line for line in shown(providers(bad)) if "\x1b" in line or "\n" in line]


@pytest.mark.parametrize(("verdict", "exit_status"), [("pass", 0), ("warn", 0), ("fail", status.FAIL)])
def test_the_exit_status_says_whether_requests_are_served(
    verdict: str, exit_status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """For scripts; a degraded row is a matter for people."""
    with serving({"GET /v1/providers": providers(status=verdict)}) as console:
        assert main(["status", "--admin", console.url]) == exit_status
    assert capsys.readouterr().out.split()[1] == verdict.upper()


def test_json_is_the_document_itself(capsys: pytest.CaptureFixture[str]) -> None:
    """For programs."""
    document = providers()
    with serving({"GET /v1/providers": document}) as console:
        assert main(["status", "--json", "--admin", console.url]) == 0
    assert json.loads(capsys.readouterr().out) == document


def test_a_daemon_that_is_not_there_is_one_line_and_status_3(capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback."""
    assert main(["status", "--admin", "unix:/nowhere/lbd.sock"]) == 3
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("lbd: no lbd answers at unix:/nowhere/lbd.sock (--admin): there is no such socket.")


def test_the_help_tells_the_exit_statuses(capsys: pytest.CaptureFixture[str]) -> None:
    """All of them."""
    with pytest.raises(SystemExit):
        main(["status", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    assert "0 pass or warn; 2 fail: no deployment can serve; 1 refused or failed" in told


def test_it_starts_without_the_daemons_libraries() -> None:
    """It is asked often, and by impatient people."""
    code = "import sys; from lbd.cli.main import main; main(['status', '--admin', '/nowhere']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(done.stdout.split())
    assert not modules & {"aiohttp", "asyncio", "msgspec", "orjson", "yaml", "rich", "structlog", "uvloop"}


def test_a_terminal_that_knows_only_ascii_gets_the_words() -> None:
    """A question mark instead of a mark, and no traceback."""
    with serving({"GET /v1/providers": providers()}) as console:
        command = [sys.executable, "-m", "lbd", "status", "--admin", console.url]
        environ = {"PYTHONIOENCODING": "ascii"}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environ, cwd=ROOT)
    assert done.stdout.startswith("? PASS  all deployments are well")


def test_a_real_daemon_is_shown_by_its_configuration_file(daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    """One provider answers, the other does not exist."""
    assert main(["status", "-c", str(daemon.config)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("◐ WARN  gone/big down")
    assert [line.split()[:5] for line in lines[3:5]] == [
        ["primary", "good/big", "●", "up", "ready"],
        ["secondary", "gone/big", "✕", "down", "ready"],
    ]
    assert lines[6].startswith("✕ gone/big down for ")


def test_alerts_that_fire_are_told_below_the_table() -> None:
    """With what to do; a daemon that knows no alerts yet has none."""
    document = providers(row())
    fires = {
        "id": "error_rate:openai-eu/gpt-4.1",
        "state": "firing",
        "severity": "critical",
        "changed": document["time"],
        "text": "25 % failed, limit 2 %",
        "remedy": "Take it out.",
        "silenced_until": None,
    }
    lines = shown({**document, "alerts": [fires]})
    at = lines.index("▲ 25 % failed, limit 2 %  error_rate:openai-eu/gpt-4.1 for 0s")
    assert lines[at + 1] == "  Take it out."
    assert not any("▲" in line for line in shown({k: v for k, v in document.items() if k != "alerts"}))
