from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lbd.registry import Registry

HOME = """
from lbd.registry import Registry
THINGS = Registry("thing", __name__)
LOADED = []
"""
PLUGIN = """
from {package} import LOADED, THINGS
LOADED.append(__name__)

@THINGS.add("{name}")
def it():
    return "{name}"
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Make an importable package with three plugins in it."""
    name = "registry_under_test"
    home = tmp_path / name
    home.mkdir()
    (home / "__init__.py").write_text(HOME)
    for module, plugin in (("zeta", "b"), ("alpha", "c"), ("middle", "a")):
        (home / f"{module}.py").write_text(PLUGIN.format(package=name, name=plugin))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield name
    for module in [m for m in sys.modules if m == name or m.startswith(f"{name}.")]:
        del sys.modules[module]


def registry(package: str) -> Registry[object]:
    module = __import__(package)
    things: Registry[object] = module.THINGS
    return things


def test_load_imports_every_module_in_name_order(package: str) -> None:
    """To add a plugin, add a file: nothing lists them."""
    things = registry(package)
    assert len(things) == 0
    assert things.load() is things
    assert [m.rpartition(".")[2] for m in sys.modules[package].LOADED] == ["alpha", "middle", "zeta"]


def test_a_registry_is_a_mapping_in_name_order(package: str) -> None:
    """Whatever the files are called, lists of plugins come sorted by the plugin's name."""
    things = registry(package).load()
    assert list(things) == ["a", "b", "c"]
    assert len(things) == 3
    assert "a" in things
    assert "zeta" not in things
    assert things["c"]() == "c"  # type: ignore[operator]
    with pytest.raises(KeyError):
        things["zeta"]


def test_loading_twice_adds_nothing(package: str) -> None:
    """Modules are imported once; a registry may be loaded by everyone who needs it."""
    things = registry(package).load().load()
    assert len(things) == 3


def test_the_folder_is_walked_once(package: str) -> None:
    """What is full is not looked for again; what broke on the way is, when it is mended."""
    things = registry(package)
    home = Path(str(sys.modules[package].__file__)).parent
    broken = home / "broken.py"
    broken.write_text("raise OSError('not yet')")
    with pytest.raises(OSError, match="not yet"):
        things.load()
    broken.unlink()
    assert list(things.load()) == ["a", "b", "c"]
    broken.write_text("raise AssertionError('it was walked again')")
    assert list(things.load()) == ["a", "b", "c"]


def test_a_second_plugin_of_a_name_is_an_error(package: str) -> None:
    """Two plugins of one name would make the winner a matter of file order."""
    things = registry(package).load()
    with pytest.raises(ValueError, match="thing 'a' is registered twice"):
        things.add("a")(object())
    assert things["a"]() == "a"  # type: ignore[operator]


def test_add_hands_back_what_it_registers() -> None:
    """As a decorator it leaves the function or class as it is."""
    things: Registry[object] = Registry("thing", "nowhere")
    item = object()
    assert things.add("x")(item) is item
    assert things["x"] is item


def test_a_plugin_that_cannot_be_imported_says_so(package: str, tmp_path: Path) -> None:
    """A broken plugin is an error at start, not a plugin that is missing."""
    (tmp_path / package / "broken.py").write_text("raise RuntimeError('broken plugin')\n")
    with pytest.raises(RuntimeError, match="broken plugin"):
        registry(package).load()
