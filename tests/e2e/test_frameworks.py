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
from tests.fakes.strict_provider import CALLS, HELLO, OBJECT, StrictProvider

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted((Path(__file__).parent / "frameworks").glob("run_*.py"))
NODE = Path(__file__).parent / "frameworks"
PROVIDERS = ("openai", "openai-compatible", "anthropic")  # of Vercel's ai
PACKAGES = ("openai", "@anthropic-ai/sdk", "zod", "ai", *(f"@ai-sdk/{name}" for name in PROVIDERS))
MODELS = ("m-openai", "m-anthropic", "m-gemini", "m-bedrock")
CITIES = [call["city"] for call in CALLS]
RAN = [f"sunny in {city}" for city in CITIES]


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


def installed(folder: Path, *packages: str) -> None:
    """Install packages of npm's into a folder."""
    if shutil.which("npm") is None:
        pytest.skip("there is no npm on this machine")
    (folder / "package.json").write_text('{"type":"module","private":true}')
    install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefer-offline", *packages]
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


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what clients are written with in JavaScript."""
    folder = tmp_path_factory.mktemp("node")
    installed(folder, *PACKAGES)
    return folder


def told_by(script: str, folder: Path, url: str, *models: str) -> Any:
    """Run a script; returns what it tells."""
    shutil.copy(NODE / script, folder)
    command = ["node", script, url, *models]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.timeout(400)  # the first one installs
def test_openai_s_own_client_for_node(node: Path, url: str, strict_provider: StrictProvider) -> None:
    """Helpers for streams, tools and schemas, files, batches, vectors in base64, ids, classes of errors."""
    told = told_by("node_openai.mjs", node, url, *MODELS)
    for model in MODELS:
        assert told["models"][model] == {
            "texts": [HELLO] * 4,
            "ids": True,
            "usage": [29] * 3,
            "calls": [CITIES] * 2,
            "ran": [RAN] * 2,
            "parsed": OBJECT,
        }, model
    rest = told["rest"]
    assert rest.pop("raised") == [
        ["NotFoundError", 404, "model_not_found"],
        ["NotFoundError", 404, "model_not_found"],
        ["BadRequestError", 400, "bad_request"],
        ["BadRequestError", 400, "unsupported_parameter"],
    ]
    assert rest == {
        "embedded": [1, 2],
        "batch": ["completed", "one", HELLO],
        "counted": True,
        "said": "[a.wav: 4 bytes, 295]",
        "drawn": "png",
        "listed": "m-openai",
    }
    assert [r.split(":")[0] for r in strict_provider.refused] == ["/openai/v1/chat/completions"], "as it should"


@pytest.mark.timeout(400)
def test_anthropic_s_own_client_for_node(node: Path, url: str, strict_provider: StrictProvider) -> None:
    """Helpers for streams, tools and schemas; where a server is to hold the conversation it goes on without."""
    told = told_by("node_anthropic.mjs", node, url, *MODELS)
    for model in MODELS:
        assert told["models"][model] == {
            "texts": [HELLO] * 3,
            "ids": True,
            "stops": ["end_turn", "end_turn", "tool_use", "tool_use"],
            "calls": [CITIES] * 2,
            "ran": [RAN] * 2,
            "parsed": OBJECT,
        }, model
    assert (told["listed"], told["counted"]) == ("m-anthropic", True)
    assert told["raised"] == [
        ["NotFoundError", 404, "not_found_error", True],
        ["BadRequestError", 400, "invalid_request_error", True],
    ]


@pytest.mark.timeout(400)
def test_vercel_s_ai_with_each_of_its_providers(node: Path, url: str, strict_provider: StrictProvider) -> None:
    """Several turns, tools in steps, objects; its default refers to what was said before."""
    told = told_by("node_vercel.mjs", node, url, *MODELS)
    assert told["embedded"] == [1, 2] and len(told["told"]) == 4 * len(MODELS)
    for name, one in told["told"].items():
        parsed = None if name.startswith("anthropic ") else OBJECT
        assert one == {"texts": [HELLO] * 2, "usage": [29] * 2, "ran": [RAN] * 2, "parsed": parsed}, name
    assert not strict_provider.refused
