"""Dependencies point one way."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_import_contracts_hold() -> None:
    """Layers, purity, independence of plugins, the protected registry: see pyproject.toml."""
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-1000:]


def test_every_package_has_a_place_in_the_layers() -> None:
    """A new package is placed on purpose, not by accident."""
    import tomllib

    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(c for c in contracts if c["type"] == "layers")["layers"]
    placed = {name.strip().removeprefix("lbd.") for layer in layers for name in layer.split("|")}
    found = {p.stem for p in (ROOT / "lbd").iterdir() if p.suffix == ".py" or (p / "__init__.py").exists()}
    assert found - {"__init__", "__main__"} <= placed


def test_checking_a_configuration_needs_nothing_of_the_daemon() -> None:
    """Start-up time is user-visible: the light half of the program does not import the heavy one."""
    code = "import sys, lbd.plugins; print(sorted({m.split('.')[0] for m in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    for heavy in ("aiohttp", "asyncio", "uvloop", "structlog", "prometheus_client", "rich"):
        assert f"'{heavy}'" not in done.stdout


def test_the_request_path_imports_no_slow_library() -> None:
    """Metrics, templates and the admin application are not on the way of a request."""
    code = "import sys, lbd.pipeline, lbd.ingress.server; print(sorted({m.split('.')[0] for m in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    for slow in ("prometheus_client", "aiohttp", "yaml", "rich"):
        assert f"'{slow}'" not in done.stdout, slow
