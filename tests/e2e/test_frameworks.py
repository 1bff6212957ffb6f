"""Frameworks that people build on, as clients: conversations with nothing but the base URL changed.

They are installed into an environment of their own, since they and the newest SDKs want different versions of one
another; the list is the extra ``clients``.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Daemon
from tests.fakes.strict_provider import CALLS, HELLO, StrictProvider

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((Path(__file__).parent / "frameworks").glob("run_*.py"))
NODE = Path(__file__).parent / "frameworks" / "run_node.mjs"


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the frameworks."""
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["clients"]
    folder = tmp_path_factory.mktemp("clients")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([folder / "bin" / "pip", "install", "-q", *wanted], check=True, capture_output=True)
    return folder / "bin" / "python"


@pytest.fixture
def url(strict_daemon: Daemon, strict_provider: StrictProvider) -> str:
    strict_provider.refused.clear()
    return f"{strict_daemon.url}/v1"


@pytest.mark.timeout(400)  # the first one installs
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda s: s.stem.removeprefix("run_"))
def test_a_framework_talks_as_to_its_usual_provider(
    python: Path, url: str, strict_provider: StrictProvider, script: Path
) -> None:
    """Its script says what; nothing that it sends is refused by a provider of any shape."""
    command = [python, script, url, HELLO, json.dumps(CALLS)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"{done.stderr[-3000:]} {strict_provider.refused}"
    assert not strict_provider.refused


def installed(folder: Path, package: str) -> None:
    """Install a package of npm's into a folder."""
    if shutil.which("npm") is None:
        pytest.skip("there is no npm on this machine")
    (folder / "package.json").write_text('{"type":"module","private":true}')
    install = ["npm", "install", "--silent", "--no-audit", "--no-fund", package]
    subprocess.run(install, cwd=folder, check=True, timeout=200)


@pytest.mark.timeout(400)
def test_claude_code_works_before_every_shape(url: str, strict_provider: StrictProvider, tmp_path: Path) -> None:
    """With all its tools, thinking and betas: it calls one, is answered, and ends; nothing it sends is refused."""
    installed(tmp_path, "@anthropic-ai/claude-code")
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "ANTHROPIC_BASE_URL": url.removesuffix("/v1"),
        "ANTHROPIC_API_KEY": "x",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
    }
    for shape in ("openai", "anthropic", "gemini", "bedrock"):
        strict_provider.asked.clear()
        command = [tmp_path / "node_modules" / ".bin" / "claude", "-p", "Say hello", "--model", f"m-{shape}"]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert done.returncode == 0, f"{shape}: {done.stdout[-2000:]} {done.stderr[-1000:]} {strict_provider.refused}"
        assert (
            "tool_use_error" in done.stdout
        )  # the double calls its first tool without what that needs, and repeats it
        assert len([path for path, _ in strict_provider.asked if shape in path]) >= 2
        assert not strict_provider.refused


@pytest.mark.timeout(400)
def test_openai_s_own_client_for_node(url: str, strict_provider: StrictProvider, tmp_path: Path) -> None:
    """Unary, streamed, responses, tools, and its class of errors."""
    installed(tmp_path, "openai")
    shutil.copy(NODE, tmp_path)
    command = ["node", NODE.name, url]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{done.stderr[-3000:]} {strict_provider.refused}"
    told: dict[str, Any] = json.loads(done.stdout)
    assert told.pop("refused") == "NotFoundError"
    assert told == {f"m-{s}": [HELLO, HELLO, HELLO, list(CALLS)] for s in ("openai", "anthropic", "gemini", "bedrock")}
    assert not strict_provider.refused
