"""What README and the pages say is so: every snippet is converted, checked, parsed or looked up.

That commands and clients do what is said of them is tried in ``tests/e2e/test_docs.py``.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
from pathlib import Path

import pytest

from lbd import plugins
from lbd.adapt import ADAPTERS, adapt
from lbd.adapt.draft import Choices
from lbd.adapt.write import yaml_text
from lbd.cli.main import COMMANDS, parser
from lbd.ingress import endpoints
from lbd.ingress.paths import ROUTES
from tests.fakes.configs import checked, environment
from tests.fakes.moved import CREDENTIAL, HOOKS
from tests.fakes.snippets import (
    KINDS,
    PAGES,
    README,
    ROOT,
    SNIPPETS,
    Snippet,
    commands,
    configuration,
    lines,
    of,
    prose,
)

# programs of others that a reader has, or is told how to get
OTHERS = frozenset({"curl", "systemctl", "pip", "pytest", "python3", "cp", "jq", "cyclonedx-py", "apt", "build-deb"})
LONGEST_LINE = 120  # of prose; a table's row, a link or a command cannot be broken


def page_name(page: Path) -> str:
    return page.name


def test_every_source_has_a_page_and_every_block_a_test() -> None:
    """A language or a kind that no test knows would never be tried."""
    assert {p.stem for p in PAGES} >= {f"from-{name}" for name in ADAPTERS.load()}
    assert {(s.language, s.kind) for s in SNIPPETS} == KINDS


@pytest.mark.parametrize("source", of("yaml", "json", kind="source"), ids=str)
def test_an_example_becomes_what_stands_below_it(source: Snippet) -> None:
    """Word for word, and lbd check takes it."""
    result = next(s for s in SNIPPETS if s.page == source.page and s.line > source.line and s.kind == "result")
    made = adapt(source.text, "x", source.page.stem.removeprefix("from-"), Choices(), {})
    assert yaml_text(made.config) == result.text
    assert checked(result.text, environment(result.text))


@pytest.mark.parametrize("snippet", [*of("yaml"), *of("yaml", kind="fragment")], ids=str)
def test_a_configuration_passes_the_check(snippet: Snippet, tmp_path: Path) -> None:
    """With a key for every reference; a fragment, beside a minimal configuration. There is nothing to warn of."""
    text = configuration(snippet)
    for name in CREDENTIAL.findall(text):
        (tmp_path / name).write_text("https://hooks.example.net/x" if name in HOOKS else "key")
    assert checked(text, {**environment(text), "CREDENTIALS_DIRECTORY": str(tmp_path)}).warnings == ()


@pytest.mark.parametrize("snippet", of("python"), ids=str)
def test_a_client_is_python(snippet: Snippet) -> None:
    """It imports what there is, and names an address that lbd has unless it is told otherwise."""
    tree = ast.parse(snippet.text)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert importlib.util.find_spec(str(node.module)), node.module
    assert set(re.findall(r"https?://[^/\"']+", snippet.text)) == {"http://127.0.0.1:8080"}


@pytest.mark.parametrize("snippet", of("sh"), ids=str)
def test_commands_are_those_that_there_are(snippet: Snippet) -> None:
    """Ours are parsed by their own parser; paths and headers of what is asked for are known here."""
    for line in lines(snippet):
        for program, *words in commands(line):
            name = program.rpartition("/")[2]
            if name == "lbd":
                command(words)
            else:
                assert name in OTHERS, line
    asked(snippet.text)


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_commands_in_the_text_are_parsed_too(page: Path) -> None:
    """Also where they stand in a sentence; and a module that is to be run is there."""
    plain = prose(page)
    for found in re.findall(r"`lbd ([^`]+)`", plain):
        command(shlex.split(" ".join(found.split())))
    for module in re.findall(r"`python -m ([\w.]+)", plain):
        assert importlib.util.find_spec(module), module
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
    readme = README.read_text()
    for header in re.findall(r"x-lbd-[a-z-]+", text):
        assert header in readme, header


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_shapes_keys_and_files_that_are_named_exist(page: Path) -> None:
    """A shape in a snippet is registered; links and paths in the tree lead somewhere."""
    text = page.read_text()
    assert set(re.findall(r"shape: (\w[\w-]*)", text)) <= set(plugins.load().shapes)
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert link.startswith("https://") or (page.parent / link).exists(), link
    for path in re.findall(r"`((?:etc|lbd|tests|systemd|probes)/[\w./-]+)`", text):
        assert (ROOT / path).exists() or path == "lbd/evaluation", path  # the last one is a client's name


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_lines_of_prose_fit(page: Path) -> None:
    """Whoever reads it in a terminal or a diff sees whole lines."""
    long = [line for line in prose(page).splitlines() if len(line) > LONGEST_LINE and not line.startswith("| ")]
    assert [line for line in long if "](" not in line and "://" not in line] == []
