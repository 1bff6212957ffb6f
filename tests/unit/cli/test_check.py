"""``lbd check``: exit status, formats, speed by what is not imported, and never a traceback."""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from lbd.cli import check
from lbd.cli.main import main
from lbd.model.problem import Place, Problem
from tests.fakes.configs import ETC, LOCAL, environment, spoiled

ROOT = Path(__file__).parents[3]
BAD = LOCAL + "listne: x\nworkers: 2.5\n"
DOUBTFUL = LOCAL.replace("127.0.0.1:8000", "10.0.0.1")


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Check a text; return exit status, output, errors, with the folder's name taken out."""

    def run(text: str, *words: str, name: str = "lbd.yaml") -> tuple[int, str, str]:
        (tmp_path / name).write_text(text)
        status = main(["check", "-c", str(tmp_path / name), *words])
        got = capsys.readouterr()
        return status, got.out.replace(f"{tmp_path}/", ""), got.err.replace(f"{tmp_path}/", "")

    return run


def test_a_good_configuration_is_0_and_one_line(run: Any) -> None:
    """What was found in it, so that one sees the right file was checked."""
    assert run(LOCAL) == (0, "lbd.yaml: good (1 providers, 1 deployments, 0 warnings)\n", "")


def test_a_bad_configuration_is_1_and_says_where(run: Any) -> None:
    """``file:line:col: path: reason`` on standard error, in the order of the file."""
    status, out, err = run(BAD)
    assert (status, out) == (1, "")
    assert err.splitlines() == [
        "lbd.yaml:6:1: listne: unknown key (did you mean listen?)",
        "lbd.yaml:7:1: workers: expected a whole number, got a number",
    ]


def test_warnings_are_0_and_with_strict_2(run: Any) -> None:
    """A deployment may go on with a doubt, a pipeline may refuse it."""
    status, out, err = run(DOUBTFUL)
    assert (status, out) == (0, "lbd.yaml: good (1 providers, 1 deployments, 1 warnings)\n")
    (line,) = err.splitlines()
    assert line.startswith("lbd.yaml:4:5: warning: providers[0].base_url: plain http to another host: ")
    assert run(DOUBTFUL, "--strict")[0] == 2
    assert run(LOCAL, "--strict")[0] == 0
    assert run(BAD, "--strict")[0] == 1


def test_too_few_descriptors_for_the_limits_are_a_warning(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the number that is needed."""
    monkeypatch.setattr(resource, "getrlimit", lambda _of: (256, 1024))
    status, out, err = run(LOCAL)
    assert (status, out) == (0, "lbd.yaml: good (1 providers, 1 deployments, 1 warnings)\n")
    assert err.startswith("warning: limits: ") and "LimitNOFILE=2256" in err
    assert run(LOCAL, "--strict")[0] == 2


def test_json_is_one_document_for_programs(run: Any) -> None:
    """On standard output, whatever the outcome."""
    status, out, err = run(BAD, "--format", "json")
    assert (status, err) == (1, "")
    assert json.loads(out)["problems"][0] == {
        "file": "lbd.yaml",
        "line": 6,
        "column": 1,
        "path": "listne",
        "level": "error",
        "reason": "unknown key (did you mean listen?)",
    }
    status, out, _ = run(DOUBTFUL, "--format", "json", "--strict")
    assert (status, [p["level"] for p in json.loads(out)["problems"]]) == (2, ["warning"])
    assert json.loads(run(LOCAL, "--format", "json")[1]) == {"problems": []}


def test_github_gets_workflow_commands(run: Any) -> None:
    """One line a problem, shown at the line of a pull request."""
    assert run(BAD, "--format", "github")[1].splitlines() == [
        "::error file=lbd.yaml,line=6,col=1::listne: unknown key (did you mean listen?)",
        "::error file=lbd.yaml,line=7,col=1::workers: expected a whole number, got a number",
    ]
    assert run(DOUBTFUL, "--format", "github")[1].startswith(
        "::warning file=lbd.yaml,line=4,col=5::providers[0].base_url: "
    )
    assert run(LOCAL, "--format", "github") == (0, "", "")


def test_github_reads_no_command_out_of_a_value(capsys: pytest.CaptureFixture[str]) -> None:
    """Line ends, percent signs, and separators in a file's name are escaped."""
    check.show(
        [Problem(Place("a,b:c%.yaml", 1, 2), "x\n::error::y", "100%\r\nz"), Problem(None, "", "no file")], "github"
    )
    assert capsys.readouterr().out.splitlines() == [
        "::error::no file",
        "::error file=a%2Cb%3Ac%25.yaml,line=1,col=2::x%0A::error::y: 100%25%0D%0Az",
    ]


@pytest.mark.parametrize("form", ["text", "json", "github"])
def test_a_file_that_is_not_there_is_1_in_every_format(
    form: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It has no line, but a name."""
    assert main(["check", "-c", str(tmp_path / "gone.yaml"), "--format", form]) == 1
    got = capsys.readouterr()
    assert f"{tmp_path / 'gone.yaml'}: there is no such file" in got.out + got.err
    if form == "json":
        assert json.loads(got.out)["problems"][0]["file"] is None


def test_problems_are_shown_in_the_order_of_the_files(capsys: pytest.CaptureFixture[str]) -> None:
    """However they were found; those without a place first."""
    places = [Place("b", 1, 1), Place("a", 10, 1), None, Place("a", 9, 2), Place("a", 9, 1)]
    check.show([Problem(place, "p", "r") for place in places], "text")
    assert capsys.readouterr().err.splitlines() == ["p: r", "a:9:1: p: r", "a:9:2: p: r", "a:10:1: p: r", "b:1:1: p: r"]


@pytest.mark.parametrize("name", ["lbd.yaml", "minimal.yaml", "routing-guide.json"])
def test_every_example_is_good_without_a_warning(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given its keys, as its head says."""
    for key, value in environment((ETC / name).read_text()).items():
        monkeypatch.setenv(key, value)
    assert main(["check", "--strict", "-c", str(ETC / name)]) == 0
    assert capsys.readouterr().err == ""


def test_the_example_lists_the_variables_that_it_needs() -> None:
    """The command in its head can be pasted."""
    head, _, body = (ETC / "lbd.yaml").read_text().partition("\n\n")
    needed = set(environment(body))
    assert needed and needed == set(re.findall(r"([A-Z_]+)=\w", head))


@pytest.mark.parametrize("block", range(4))
@pytest.mark.parametrize("form", ["text", "json", "github"])
def test_no_file_brings_a_traceback(form: str, block: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever stands in it: 0 or 1, and something to read. Seeds are the numbers shown."""
    text = (ETC / "lbd.yaml").read_text()
    path = tmp_path / "lbd.yaml"
    with mock.patch.dict(os.environ, environment(text)):
        for seed in range(5000 + block * 10, 5000 + block * 10 + 10):
            path.write_bytes(spoiled(text, seed).encode("utf-8", "replace"))
            status = main(["check", "-c", str(path), "--format", form])
            got = capsys.readouterr()
            assert status in (0, 1), seed
            assert "Traceback" not in got.err, seed
            if form == "json":
                assert all(p["file"] and p["line"] for p in json.loads(got.out)["problems"]), seed
            elif status == 1:
                lines = (got.out if form == "github" else got.err).splitlines()
                assert all(str(path) in line for line in lines if line.startswith(("::", str(tmp_path)))), seed
                assert lines, seed


def test_the_process_says_the_same(tmp_path: Path) -> None:
    """The command as it is started by systemd before a reload."""
    path = tmp_path / "lbd.yaml"
    path.write_text(BAD)
    command = [sys.executable, "-m", "lbd", "check", "-c", str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[0] == f"{path}:6:1: listne: unknown key (did you mean listen?)"


def test_checking_imports_nothing_of_the_daemon(tmp_path: Path) -> None:
    """It runs before every reload and start: what it does not need it does not wait for."""
    (tmp_path / "lbd.yaml").write_text(LOCAL)
    code = (
        "import sys; from lbd.cli.main import main;"
        f"assert main(['check', '-c', {str(tmp_path / 'lbd.yaml')!r}]) == 0;"
        "print(*{m.split('.')[0] for m in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "yaml" in loaded
    heavy = {"aiohttp", "asyncio", "prometheus_client", "structlog", "uvloop"}
    slow = {"difflib", "email", "shutil", "socket", "ssl", "logging"}
    assert not (heavy | slow) & loaded
