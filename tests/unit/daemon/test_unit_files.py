"""The units for systemd: they verify, they are hardened, and they say what the daemon really does."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from lbd.cli.main import DEFAULT_CONFIG, parser
from lbd.config.schema import Config, LimitsConfig
from lbd.daemon import run

UNITS = Path(__file__).parents[3] / "systemd"
WORST = 1.5  # exposure; what a web server's unit usually has is over 9


def settings(name: str) -> dict[str, list[str]]:
    """Return a unit's settings; a key may be given more than once."""
    out: dict[str, list[str]] = {}
    for line in (UNITS / name).read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            key, _, value = line.partition("=")
            out.setdefault(key, []).append(value)
    return out


SERVICE, SOCKET = settings("lbd.service"), settings("lbd.socket")


def analyze(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run systemd-analyze on copies whose program exists on this machine."""
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed: the units were neither verified nor scored")
    text = (UNITS / "lbd.service").read_text().replace("/usr/bin/lbd", sys.executable)
    (tmp_path / "lbd.service").write_text(text)
    (tmp_path / "lbd.socket").write_text((UNITS / "lbd.socket").read_text())
    return subprocess.run(
        ["systemd-analyze", *words], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )


def test_systemd_has_nothing_to_say_of_the_units(tmp_path: Path) -> None:
    """``systemd-analyze verify`` is silent: no unknown key, no missing program, no cycle."""
    done = analyze(tmp_path, "verify", "--man=no", "./lbd.service", "./lbd.socket")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_service_is_hardly_exposed(tmp_path: Path) -> None:
    """``systemd-analyze security`` scores it 1.5 at most."""
    done = analyze(tmp_path, "security", "--offline=true", "--no-pager", "./lbd.service")
    found = re.search(r"Overall exposure level for lbd.service: ([\d.]+)", done.stdout)
    assert found is not None, done.stdout + done.stderr
    assert float(found[1]) <= WORST, done.stdout


@pytest.mark.parametrize("key", ["ExecStart", "ExecReload"])
def test_every_command_of_the_service_is_one_of_lbds(key: str) -> None:
    """The words are taken by the command line as it is."""
    for line in SERVICE[key]:
        program, *words = shlex.split(line)
        assert program == "/usr/bin/lbd"
        args = parser(words[0]).parse_args(words)
        assert args.command == words[0]
        if words[0] in ("run", "check"):
            assert str(args.config) == DEFAULT_CONFIG


def test_a_reload_checks_first_and_then_waits_for_the_daemons_word() -> None:
    """Two lines: a bad file fails the first, a refusal the second; systemctl reload is told of both."""
    check, ctl = map(shlex.split, SERVICE["ExecReload"])
    assert check[1] == "check"
    assert ctl[1] == "ctl" and ctl[-2:] == ["reload", "--wait"]
    assert ctl[ctl.index("-c") + 1] == DEFAULT_CONFIG


def test_directories_are_where_the_configuration_looks() -> None:
    """Admin socket in the runtime directory, state in the state directory, configuration in /etc/lbd."""
    example = yaml.safe_load((UNITS.parent / "etc" / "lbd.yaml").read_text())
    assert example["admin"]["socket"].startswith(f"/run/{SERVICE['RuntimeDirectory'][0]}/")
    url = Config(providers=[{}]).store.url
    assert url.startswith(f"sqlite:///var/lib/{SERVICE['StateDirectory'][0]}/")
    assert DEFAULT_CONFIG.startswith(f"/etc/{SERVICE['ConfigurationDirectory'][0]}/")


def test_the_drain_is_not_cut_off() -> None:
    """TimeoutStopSec is over the default drain and its slack."""
    assert int(SERVICE["TimeoutStopSec"][0]) > LimitsConfig().drain_timeout_s + run.DRAIN_SLACK
    assert SERVICE["KillMode"] == ["mixed"]


def test_the_daemon_pings_often_enough() -> None:
    """At least twice in a period, and a table that stands still is found within it."""
    period = float(SERVICE["WatchdogSec"][0])
    assert min(run.STATUS_EVERY, period / 3) <= period / 2
    assert period > run.TICK_LATE_S


def test_readiness_comes_from_the_main_process_and_works_on_systemd_252() -> None:
    """notify-reload is refused there."""
    assert (SERVICE["Type"], SERVICE["NotifyAccess"]) == (["notify"], ["main"])


def test_it_is_started_again_but_not_for_ever() -> None:
    """On failure only, with a wait, and given up in the end."""
    assert SERVICE["Restart"] == ["on-failure"]
    assert int(SERVICE["RestartSec"][0]) >= 1
    assert int(SERVICE["StartLimitBurst"][0]) * int(SERVICE["RestartSec"][0]) < int(SERVICE["StartLimitIntervalSec"][0])


def test_the_socket_is_the_apis() -> None:
    """Under the name that the daemon knows, where the configuration would listen by default."""
    assert SOCKET["FileDescriptorName"] == ["api"]
    assert SOCKET["ListenStream"] == [Config(providers=[{}]).listen]


def test_nothing_in_the_daemon_needs_memory_that_is_written_and_executed() -> None:
    """MemoryDenyWriteExecute: ctypes makes such memory when it is imported, so the daemon must not import it."""
    assert SERVICE["MemoryDenyWriteExecute"] == ["yes"]
    code = (
        "import sys, lbd.plugins, lbd.daemon.run, lbd.cli.main, lbd.cli.run, lbd.cli.check, lbd.cli.ctl\n"
        "import lbd.store.sqlite, lbd.upstream.aio\n"
        "lbd.plugins.load()\n"
        "sys.exit('ctypes is imported' if 'ctypes' in sys.modules else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=UNITS.parent, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
