"""What the pages say is so: every snippet is converted, checked, parsed or looked up."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import NamedTuple

import pytest

from lbd import plugins
from lbd.adapt import ADAPTERS, adapt
from lbd.adapt.draft import Choices
from lbd.adapt.write import yaml_text
from lbd.cli.main import COMMANDS, parser
from lbd.ingress import endpoints
from lbd.ingress.api import ROUTES
from tests.fakes.configs import ETC, checked, environment

PAGES = sorted((ETC / "docs").glob("*.md"))
ROOT = ETC.parent
FENCE = re.compile(r"^( *)```(\w*) ?([^\n]*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
OTHERS = frozenset({"curl", "systemctl", "pip"})  # programs of others that a reader has


class Snippet(NamedTuple):
    """A block of code, and the page and line where it begins."""

    page: Path
    line: int
    language: str
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def snippets() -> list[Snippet]:
    out = []
    for page in PAGES:
        text = page.read_text()
        for found in FENCE.finditer(text):
            body = re.sub(rf"^{found[1]}", "", found[4], flags=re.MULTILINE)
            out.append(Snippet(page, text.count("\n", 0, found.start()) + 1, found[2], found[3], body))
    return out


SNIPPETS = snippets()


def of(*languages: str, kind: str = "") -> list[Snippet]:
    return [s for s in SNIPPETS if s.language in languages and s.kind == kind]


def test_every_source_has_a_page_and_every_block_a_test() -> None:
    """A language or a kind that no test knows would never be tried."""
    assert {p.stem for p in PAGES} >= {f"from-{name}" for name in ADAPTERS.load()}
    known = {("sh", ""), ("yaml", ""), ("yaml", "source"), ("json", "source"), ("yaml", "result")}
    assert {(s.language, s.kind) for s in SNIPPETS} <= known


@pytest.mark.parametrize("source", of("yaml", "json", kind="source"), ids=str)
def test_an_example_becomes_what_stands_below_it(source: Snippet) -> None:
    """Word for word, and lbd check takes it."""
    result = next(s for s in SNIPPETS if s.page == source.page and s.line > source.line and s.kind == "result")
    made = adapt(source.text, "x", source.page.stem.removeprefix("from-"), Choices(), {})
    assert yaml_text(made.config) == result.text
    assert checked(result.text, environment(result.text))


@pytest.mark.parametrize("snippet", of("yaml"), ids=str)
def test_a_configuration_passes_the_check(snippet: Snippet) -> None:
    """With a key for every reference."""
    assert checked(snippet.text, environment(snippet.text))


@pytest.mark.parametrize("snippet", of("sh"), ids=str)
def test_commands_are_those_that_there_are(snippet: Snippet) -> None:
    """Ours are parsed by their own parser; paths and headers of what is asked for are known here."""
    for line in snippet.text.splitlines():
        program, *words = shlex.split(line.partition(" > ")[0], comments=True) or [""]
        if program == "lbd":
            command(words)
        else:
            assert program in OTHERS, line
    asked(snippet.text)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_commands_in_the_text_are_parsed_too(page: Path) -> None:
    """Also where they stand in a sentence."""
    plain = FENCE.sub("", page.read_text())
    for found in re.findall(r"`lbd ([^`]+)`", plain):
        command(shlex.split(" ".join(found.split())))
    asked(plain)


def command(words: list[str]) -> None:
    assert words[0] in COMMANDS, words
    if len(words) > 1:
        parser(words[0]).parse_args(words)


def asked(text: str) -> None:
    for path in re.findall(r"localhost:8080(/[\w/.-]+)", text):
        assert path.removeprefix("/api") in ROUTES, path
    for path in re.findall(r"(/api/v1/models/[^\s`]+)", text):
        assert endpoints.named(path), path
    readme = (ROOT / "README.md").read_text()
    for header in re.findall(r"x-lbd-[a-z-]+", text):
        assert header in readme, header


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_shapes_and_keys_that_are_named_exist(page: Path) -> None:
    """A shape in a snippet is registered; links lead somewhere."""
    text = page.read_text()
    assert set(re.findall(r"shape: (\w[\w-]*)", text)) <= set(plugins.load().shapes)
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert link.startswith("https://") or (page.parent / link).exists(), link
