"""What README and the pages tell one to type works: commands and clients, against the configurations beside them.

Each page has a daemon that runs the page's own configuration, moved to this machine. Its lines are typed into a shell
as they stand, but for addresses, paths and the id of a request. A line that is not typed here is in ``ELSEWHERE``, with
the reason; nothing is left out in silence.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.moved import ROOT, Moved, models
from tests.fakes.snippets import PAGES, README, SNIPPETS, Snippet, commands, lines, of
from tests.fakes.strict_provider import HELLO, StrictProvider

REQUEST_ID = "req_5f0c0a1b2c3d00000042"  # in README; the test puts one of its own there
# lines that are not typed here, by how they begin
ELSEWHERE = {
    "python3 -m venv .venv && .venv/bin/pip install -q '.[demo]'": "asks the package index; the demo: tests/unit/demo",
    ".venv/bin/lbd demo": "starts real model servers: tests/unit/demo, tests/e2e/test_real_faults.py",
    "python3 -m venv .venv && .venv/bin/pip install -q -e '.[test]'": "asks the package index, and is this very run",
    "pip install lbd": "asks the package index; what a wheel brings: tests/contract/test_supply_chain.py",
    "cp etc/examples/medium.yaml": "writes to /etc; started in tests/e2e/test_examples.py",
    "systemd/build-deb": "installs a package into this system; into one of its own: tests/e2e/test_package.py",
    "systemctl": "needs systemd; its side of it: tests/e2e/test_service.py, tests/unit/daemon/test_unit_files.py",
    "python3 -m venv --without-pip .closure": "asks the package index; its result: tests/contract/test_supply_chain.py",
    "cyclonedx-py": "needs the environment of the line before; its result: tests/contract/test_supply_chain.py",
}
# a simulated day takes minutes: here it is half an hour, with the same events
BRIEFER = {
    "new.yaml --hours 1": "new.yaml --hours 0.1",
    "openai-eu@9.5h+20m": "openai-eu@0.1h+2m",
    "house@14h+60mx5": "house@0.2h+5mx5 --hours 0.5",
}
# what a line prints, or writes to the file that it names, by how it begins
PRINTS = {
    "lbd adapt": r"^providers:",
    "lbd check": r": good \(\d+ providers, \d+ deployments, \d+ warnings\)",
    "curl localhost:8081/health": r'"status":"pass"',
    "lbd status": r"openai-eu/gpt-4\.1 .*\bup\b",
    "lbd report --html": r"<!doctype html>",
    "lbd dump": r"lbd-dump-.*\.tar\.gz: \d+ parts",
    "lbd ctl drain": r"openai-eu/gpt-4\.1: drain, ",
    "lbd ctl reload": r"configuration reloaded, generation \d+",
    "lbd explain req_": r"^openai-(eu|us)/gpt-4\.1 served req_\w+, status 200",
    "lbd explain --model": r"(?i)would",
    "curl -s localhost:8080": r'"(plan|chosen|attempts|first)"',
    "lbd replay": r"bit for bit|95 %",
    "lbd simulate": r"^HOUR +REQUESTS +FAILED",
}


def page_name(page: Path) -> str:
    return page.stem


def configured(page: Path) -> str:
    """Return a page's configuration: its result, or README's longest."""
    own = of("yaml") if page == README else of("yaml", kind="result")
    return max((s.text for s in own if s.page == page), key=len)


class Page:
    """A page's configuration, running, and a shell in which its commands are typed."""

    def __init__(self, page: Path, folder: Path, provider: StrictProvider) -> None:
        self.page = page
        self.house = Moved(configured(page), folder, provider, name="installed")
        self.request_id = ""

    def type(self, line: str) -> str:
        """Type one line of the page; returns what it printed, and wrote to the file that it names."""
        house = self.house
        for there, here in (
            ("/etc/lbd/lbd.yaml", str(house.path)),
            ("localhost:8081", f"127.0.0.1:{house.admin}"),
            ("localhost:8080", f"127.0.0.1:{house.port}"),
            ("/var/lib/lbd", str(house.folder)),
            (REQUEST_ID, self.request_id),
            *BRIEFER.items(),
        ):
            line = line.replace(there, here)
        environ = {
            **os.environ,
            **house.environ,
            "PATH": f"{house.folder}/bin:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "LBD_CLIENT_KEY": next((f"key-of-{name}" for name in house.clients), "none"),
            "COLUMNS": "200",
        }
        done = subprocess.run(
            ["sh", "-ec", line], cwd=house.folder, env=environ, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, (self.page.name, line, done.stdout, done.stderr)
        into = re.search(r"(?:> |--html )([\w.-]+)", line)
        written = "" if into is None else (house.folder / into[1]).read_text()
        return done.stdout + done.stderr + written

    def furnish(self) -> None:
        """Put into the folder what a reader has: the command, a request, another gateway's configuration."""
        house = self.house
        (house.folder / "bin").mkdir()
        installed = (
            f"import sys; from lbd.cli import main as m; m.DEFAULT_CONFIG = {str(house.path)!r}; sys.exit(m.main())"
        )
        (house.folder / "bin" / "lbd").write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{installed}" "$@"\n')
        (house.folder / "bin" / "lbd").chmod(0o755)
        body = {"model": house.config["providers"][0]["deployments"][0]["model"], "messages": []}
        body["messages"] = [{"role": "user", "content": "hello"}]
        (house.folder / "request.json").write_text(json.dumps(body))
        (house.folder / "new.yaml").write_text(house.path.read_text())
        for source in (s for s in SNIPPETS if s.page == self.page and s.kind == "source"):
            for name in ("config.yaml", "config.json", "requests.yaml"):
                (house.folder / name).write_text(source.text)


@pytest.fixture(scope="module")
def provider() -> Iterator[StrictProvider]:
    """Every house of the pages."""
    with StrictProvider(*models(configured(page) for page in PAGES)) as running:
        yield running


@pytest.fixture(scope="module", params=PAGES, ids=page_name)
def page(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, provider: StrictProvider
) -> Iterator[Page]:
    """Each of them, with a daemon that has answered a request."""
    made = Page(request.param, tmp_path_factory.mktemp(request.param.stem), provider)
    with made.house as house:
        made.furnish()
        key = next((f"key-of-{name}" for name in house.clients), None)
        status, headers, body = house.ask(key, "gpt-4.1" if made.page == README else "auto")
        made.request_id = headers["x-request-id"]
        assert status == 200 or made.page != README, body
        yield made


def typed(snippet: Snippet) -> list[str]:
    return [line for line in lines(snippet) if not any(line.startswith(begin) for begin in ELSEWHERE)]


def test_what_is_not_typed_is_still_there() -> None:
    """A reason without a line is a reason too many; and so is an expectation."""
    every = [line for snippet in of("sh") for line in lines(snippet)]
    for begin in (*ELSEWHERE, *PRINTS):
        assert any(line.startswith(begin) for line in every), begin
    assert all(any(long in line for line in every) for long in BRIEFER)


def test_every_line_is_typed_or_named() -> None:
    """What is typed are programs that are here: ours, and curl."""
    typed_here = [words[0] for snippet in of("sh") for line in typed(snippet) for words in commands(line)]
    assert set(typed_here) == {"lbd", "curl"} and len(typed_here) > 20


def test_a_page_keeps_its_word(page: Page) -> None:
    """Commands in the order of the page: each ends well and prints what it is there for. Clients get an answer."""
    for snippet in (s for s in SNIPPETS if s.page == page.page):
        if snippet.language == "sh":
            for line in typed(snippet):
                told = page.type(line)
                expected = next(text for begin, text in PRINTS.items() if line.startswith(begin))
                assert re.search(expected, told, re.MULTILINE), (str(snippet), line, told)
        elif snippet.language == "python":
            program = snippet.text.replace("127.0.0.1:8080", f"127.0.0.1:{page.house.port}")
            done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
            assert done.returncode == 0 and HELLO in done.stdout, (str(snippet), done.stdout, done.stderr)
