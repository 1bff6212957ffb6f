"""``lbd simulate`` as it is called."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import structlog

from lbd.cli.main import main
from tests.unit.cli.test_replay import CONFIG
from tests.unit.replay.test_told import on_disk


@pytest.fixture(autouse=True)
def _silent() -> Any:
    yield
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))


@pytest.fixture
def config(tmp_path: Path) -> str:
    (tmp_path / "lbd.yaml").write_text(CONFIG)
    return str(tmp_path / "lbd.yaml")


def test_a_day_is_told_and_drawn(config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "day.html"
    words = ["simulate", "-c", config, "--hours", "0.1", "--outage", "a@0.05h+1m", "--html", str(page)]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert out.startswith("HOUR") and "a: outage at 0.05 h for 1 min" in out
    assert page.read_text().startswith("<!doctype html>")
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["total"]["requests"] > 20


def test_a_journals_day_is_run_again(config: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    on_disk(tmp_path / "j", 40)
    assert main(["simulate", "-c", config, "--day", str(tmp_path / "j"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["total"]["requests"] == 40 and told["begins"].startswith("2023-11-14T22:00:00")


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--outage", "a"], 2, "must be like openai@9.5h+20m"),
        (["--outage", "gone@1h+1m"], 1, "no provider 'gone'"),
        (["--day", "nowhere.yaml"], 1, "nowhere.yaml: cannot be read"),
        (["-c", "nowhere.yaml"], 1, "nowhere.yaml"),
    ],
)
def test_what_cannot_be_is_said(
    words: list[str], status: int, said: str, config: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", "-c", config, *words]) == status
    assert said in capsys.readouterr().err
