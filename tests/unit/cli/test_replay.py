"""``lbd replay`` as it is called."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lbd import __version__
from lbd.cli.main import main
from tests.unit.replay.test_told import on_disk

CONFIG = """
providers:
  - {name: a, shape: openai, base_url: "http://a/v1", api_key: {env: NOT_SET_ANYWHERE}, deployments: [{model: m, upstream_model: m, tier: primary}]}
  - {name: b, shape: openai, base_url: "http://b/v1", deployments: [{model: m, upstream_model: m, tier: primary}]}
"""  # noqa: E501


def test_a_journal_is_executed_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    on_disk(tmp_path, 12)
    assert main(["replay", "--journal", str(tmp_path)]) == 0
    assert "12 of 12 decisions" in capsys.readouterr().out
    assert main(["replay", "--journal", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["same"] == 12


def test_a_difference_is_exit_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    on_disk(tmp_path, 12, chosen="p/else")
    assert main(["replay", "--journal", str(tmp_path)]) == 1
    assert f"this is {__version__}" in capsys.readouterr().out


def test_another_configuration_needs_no_secrets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    on_disk(tmp_path / "j", 60)
    (tmp_path / "new.yaml").write_text(CONFIG)
    assert main(["replay", "--journal", str(tmp_path / "j"), "--config", str(tmp_path / "new.yaml")]) == 0
    assert "60 of 60 requests judged" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--since", "yesterday"], 2, "'yesterday' is no time"),
        (["--config", "nowhere.yaml"], 1, "nowhere.yaml"),
        ([], 1, "no journal in this folder"),
    ],
)
def test_what_cannot_be_is_said(
    words: list[str], status: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", "--journal", str(tmp_path), *words]) == status
    assert said in capsys.readouterr().err


def test_a_period_without_requests_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    on_disk(tmp_path, 3)
    assert main(["replay", "--journal", str(tmp_path), "--since", "2100-01-01"]) == 1
    assert "no request in this period" in capsys.readouterr().err
