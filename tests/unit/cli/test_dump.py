"""``lbd dump``: everything that helps, nothing that must not leave."""

from __future__ import annotations

import io
import json
import re
import sqlite3
import tarfile
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from lbd.cli.dump import ROOT, _quiet
from lbd.cli.main import main
from tests.fakes.console_server import free_port

CANARY = "canary-0123456789"


def members(raw: bytes) -> dict[str, str]:
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        return {m.name.removeprefix(f"{ROOT}/"): tar.extractfile(m).read().decode() for m in tar}  # type: ignore[union-attr]


def test_a_running_daemon_tells_everything_but_prompts_and_secrets(daemon: Any, tmp_path: Path) -> None:
    """By its socket; what was asked and the token are nowhere in it."""
    body = json.dumps({"model": "no-such-model", "messages": [{"role": "user", "content": CANARY}]})
    for model in ("big", "no-such-model"):
        connection = HTTPConnection("127.0.0.1", daemon.port, timeout=20)
        connection.request(
            "POST", "/v1/chat/completions", body.replace("no-such-model", model), {"content-type": "application/json"}
        )
        connection.getresponse().read()
        connection.close()
    out = tmp_path / "d.tar.gz"
    assert main(["dump", *daemon.admin, "-c", str(daemon.config), "-o", str(out)]) == 0
    assert out.stat().st_mode & 0o777 == 0o600
    found = members(out.read_bytes())
    names = "about health providers events decisions config savings experiments queue budgets evaluation"
    assert {*(f"{name}.json" for name in names.split()), "metrics.txt"} <= set(found)
    everything = "".join(found.values())
    assert CANARY not in everything and "not-so-secret" not in everything
    assert json.loads(found["config.json"])["config"]["providers"][0]["name"] == "good"
    assert "lbd_" in found["metrics.txt"] and "big" in found["decisions.json"]


def config(folder: Path, **more: str) -> Path:
    path = folder / "lbd.yaml"
    path.write_text(
        f"admin: {{listen: '127.0.0.1:{free_port()}', token: {CANARY}-token}}\nallow_inline_secrets: true\n"
        f"store: {{url: 'sqlite://{folder}/state.db'}}\n"
        f"providers: [{{name: p, shape: vllm, base_url: 'http://127.0.0.1:1/v1', api_key: {{env: DUMPED_KEY}},"
        f" headers: {{X-A: {CANARY}-header}}, deployments: [{{model: m}}]}}]\n" + "".join(more.values())
    )
    with sqlite3.connect(folder / "state.db") as db:
        db.execute("CREATE TABLE files (body)")
        db.execute("INSERT INTO files VALUES (?)", (f"{CANARY}-row",))
    db.close()
    return path


def test_one_that_is_down_is_known_by_its_files(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Configuration with references, the check's words, the store's tables and none of its rows."""
    monkeypatch.setenv("DUMPED_KEY", f"{CANARY}-env")
    assert main(["dump", "-c", str(config(tmp_path)), "-o", "-"]) == 0
    found = members(capsysbinary.readouterr().out)
    assert json.loads(found["store.json"])["rows"] == {"files": 1}
    assert json.loads(found["config.json"])["config"]["providers"][0]["api_key"] == {"env": "DUMPED_KEY"}
    assert "no lbd answers" in json.loads(found["errors.json"])["daemon"]
    assert CANARY not in "".join(found.values())


def test_a_broken_configuration_is_why_one_dumps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is wrong is in it; the document says which parts there are."""
    path = tmp_path / "lbd.yaml"
    path.write_text(f"providers: [\n# {CANARY}")
    out = tmp_path / "x.tar.gz"
    assert main(["dump", "--offline", "-c", str(path), "-o", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["file"] == str(out) and "check" in told["parts"] and "configuration file" in told["errors"]
    assert json.loads(members(out.read_bytes())["check.json"])["problems"]
    assert told["errors"]["configuration file"].count(str(path)) == 1, "said once where it is"
    assert main(["dump", "--offline", "-c", str(path), "-o", str(out)]) == 0
    assert re.search(r"; (1 part|[2-9] parts) could not be had", capsys.readouterr().out)


def test_nothing_to_go_by_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And so is a place that cannot be written."""
    none = str(tmp_path / "none.yaml")
    assert main(["dump", "--admin", f"unix:{tmp_path}/s", "-c", none]) == 3
    assert main(["dump", "--offline", "-c", str(config(tmp_path)), "-o", str(tmp_path / "no" / "x")]) == 1
    assert "Name another place" in capsys.readouterr().err


def test_a_provider_s_own_words_stay_here() -> None:
    """Some repeat what they were sent; what lbd says of itself goes on."""
    attempt = {"upstream_status": 500, "message": f"cannot answer {CANARY}", "failure": "http_5xx"}
    told = _quiet({"attempts": [attempt], "message": "lbd's own"})
    assert told["attempts"][0]["message"] == "***" and told["attempts"][0]["failure"] == "http_5xx"
    assert told["message"] == "lbd's own"
