"""``lbd gen``: files for Prometheus and Grafana, by the limits of a configuration."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from lbd.cli import gen
from lbd.cli.main import main
from lbd.model.alert import AlertsSpec
from lbd.observe import grafana, rules
from tests.fakes.configs import ETC

CONFIG = """
providers: [{name: a, shape: openai, base_url: "http://127.0.0.1:9/v1", deployments: [{model: m}]}]
alerts: {error_rate: 0.11, rules: {budget_pace: {enabled: false}}}
"""


def made(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["gen", *words]) == 0
    return capsys.readouterr().out


def test_rules_are_those_of_the_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As YAML, with a head that says what they are."""
    path = tmp_path / "lbd.yaml"
    path.write_text(CONFIG)
    text = made(capsys, "rules", "-c", str(path))
    assert text.startswith("# Alerts and records for Prometheus, made by lbd gen rules")
    expressions = [rule["expr"] for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    assert any("> 0.11 " in e for e in expressions) and not any("deriv(" in e for e in expressions)
    board = json.loads(made(capsys, "grafana", "--config", str(path)))
    assert "0.11" in json.dumps(board) and board["uid"] == grafana.UID


def test_without_a_configuration_it_is_the_defaults(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Of /etc, where there is one."""
    monkeypatch.setattr(gen, "DEFAULT_CONFIG", str(tmp_path / "none.yaml"))
    assert yaml.safe_load(made(capsys, "rules")) == rules.document(AlertsSpec())
    (tmp_path / "none.yaml").write_text(CONFIG)
    assert "> 0.11 " in made(capsys, "rules")


def test_the_files_that_are_shipped_are_those_of_the_defaults(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``lbd gen rules > etc/prometheus/lbd.rules.yml`` and ``lbd gen grafana > etc/grafana/lbd.json``."""
    monkeypatch.setattr(gen, "DEFAULT_CONFIG", "/nowhere")
    assert made(capsys, "rules") == (ETC / "prometheus" / "lbd.rules.yml").read_text()
    assert made(capsys, "grafana") == (ETC / "grafana" / "lbd.json").read_text()


def test_a_bad_configuration_is_told_with_its_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And nothing is written."""
    path = tmp_path / "lbd.yaml"
    path.write_text(CONFIG.replace("0.11", "eleven"))
    assert main(["gen", "rules", "-c", str(path)]) == 1
    heard = capsys.readouterr()
    assert not heard.out and f"{path}:3:10: " in heard.err and "alerts.error_rate" in heard.err
