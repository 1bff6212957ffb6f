"""Every registry, filled, and a configuration read against them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lbd import plugins
from lbd.model.problem import ConfigError
from lbd.plugins import read_config
from tests.fakes.configs import LOCAL

ROOT = Path(__file__).parents[2]


def test_every_plugin_module_is_loaded() -> None:
    """One file, one plugin of that name or more: nothing is listed by hand."""
    known = plugins.load()
    for registry, folder in (
        (known.shapes, "lbd/shapes/providers"),
        (known.clients, "lbd/shapes/clients"),
        (known.terms, "lbd/decide/terms"),
        (known.probes, "probes"),
    ):
        modules = {p.stem for p in (ROOT / folder).glob("*.py")} - {"__init__"}
        assert len(registry) >= len(modules) > 0, folder


def test_loading_twice_is_loading_once() -> None:
    """A reload loads them again, in another thread."""
    one, two = plugins.load(), plugins.load()
    assert one.shapes is two.shapes
    assert list(one.terms) == list(two.terms)


def test_a_shape_is_registered_under_its_tag() -> None:
    """``shape:`` in the file, the struct's tag and the shape's own name are one word."""
    for name, shape in plugins.load().shapes.items():
        assert shape.name == name == shape.config.__struct_config__.tag


def test_a_configuration_is_read_checked_and_resolved(tmp_path: Path) -> None:
    """With its drop-ins, in one call."""
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "lbd.yaml").write_text(LOCAL)
    (tmp_path / "conf.d" / "a.yaml").write_text("models: {x: m}\n")
    compiled = read_config(tmp_path / "lbd.yaml")
    assert [d.id for d in compiled.deployments] == ["local/m"]
    assert compiled.aliases == (("x", "m"),)


def test_what_is_wrong_in_a_drop_in_is_told_at_its_place_there(tmp_path: Path) -> None:
    """Also what is found only when everything is put together."""
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "lbd.yaml").write_text(LOCAL)
    drop_in = tmp_path / "conf.d" / "a.yaml"
    drop_in.write_text("models:\n  x: m\n  y: gone\n")
    with pytest.raises(ConfigError) as caught:
        read_config(tmp_path / "lbd.yaml")
    assert str(caught.value).startswith(f"{drop_in}:3:3: models.y: 'gone' is neither auto")


def test_reading_a_configuration_imports_nothing_of_the_daemon(tmp_path: Path) -> None:
    """Not even once everything is loaded and checked; a reload in the daemon runs the same code."""
    (tmp_path / "lbd.yaml").write_text(LOCAL)
    code = (
        "import sys, pathlib; from lbd.plugins import read_config;"
        f"read_config(pathlib.Path({str(tmp_path / 'lbd.yaml')!r}));"
        "print(*{m.split('.')[0] for m in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    heavy = {
        "aiohttp",
        "asyncio",
        "cachetools",
        "email",
        "httptools",
        "prometheus_client",
        "rich",
        "sqlite3",
        "ssl",
        "structlog",
        "uvloop",
    }
    assert not heavy & set(done.stdout.split())
