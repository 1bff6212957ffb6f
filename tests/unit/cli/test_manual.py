"""``lbd manual``: current, complete, and good roff."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from lbd.cli.completion import tree
from lbd.cli.main import main
from lbd.cli.manual import PAGES, _wrapped, page
from lbd.cli.schema import configuration
from tests.fakes.configs import ETC


@pytest.mark.parametrize("name", PAGES)
def test_the_shipped_pages_are_up_to_date(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """``lbd manual PAGE > etc/man/PAGE`` after every change of an option or a key."""
    assert main(["manual", name]) == 0
    assert capsys.readouterr().out == page(name) == (ETC / "man" / name).read_text()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_ascii_and_no_text_is_taken_for_an_order(name: str) -> None:
    """A line that begins with a dot is one of man(7)'s."""
    text = page(name)
    assert text.isascii()
    orders = {line.split()[0] for line in text.splitlines() if line.startswith(".")}
    assert orders <= {".TH", ".SH", ".SS", ".TP", ".PP", ".B", ".I", ".nf", ".fi", '.\\"'}


@pytest.mark.parametrize("name", PAGES)
def test_groff_has_nothing_to_say_of_it(name: str) -> None:
    """With every warning on."""
    if shutil.which("groff") is None:
        pytest.skip("no groff here")
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", "-z"], input=page(name), capture_output=True, text=True, check=True
    )
    assert done.stderr == ""


@pytest.mark.parametrize("name", PAGES)
def test_mandoc_has_nothing_to_say_of_it_either(name: str) -> None:
    """Not even of style; and what apropos is made from is found."""
    if shutil.which("mandoc") is None:
        pytest.skip("no mandoc here")
    done = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "all"], input=page(name), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
    if shutil.which("lexgrog") is not None:
        told = subprocess.run(["lexgrog", str(ETC / "man" / name)], capture_output=True, text=True, check=True).stdout
        assert re.search(rf': "{re.escape(name.rpartition(".")[0])} - \w', told)


def test_a_word_that_begins_a_line_is_no_order() -> None:
    """Where a line of input is broken before it."""
    long = " ".join(["word"] * 15)
    assert _wrapped(f"{long} ...or longer {long}").splitlines()[1].startswith("\\&...or longer")
    assert all(len(line) < 80 for name in PAGES for line in page(name).splitlines() if not line.startswith("\\fB"))


def test_every_command_and_option_is_there() -> None:
    """None is only in the program."""
    text = page("lbd.8").replace("\\-", "-").replace("\n", " ")
    for command in list(tree().every())[1:]:
        assert " ".join(command.words) in text
        assert all(max(o.flags, key=len) in text for o in command.options if "--help" not in o.flags)


def test_every_key_is_there() -> None:
    """Of every table of the schema."""
    keys = set(re.findall(r"^\\fB(\w+)\\fR", page("lbd.yaml.5"), re.MULTILINE))
    for name, definition in configuration()["$defs"].items():
        assert set(definition.get("properties", ())) - {"$schema"} <= keys, name
