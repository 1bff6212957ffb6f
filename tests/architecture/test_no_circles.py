"""No two modules need each other, not even for the names of types: each can be read after those it imports."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

import grimp
import pytest


def circle(package: str) -> list[str]:
    """Return a circle of imports in a package, empty if there is none."""
    graph = grimp.build_graph(package)
    needs = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as e:
        found: list[str] = e.args[1]
        return found
    return []


@pytest.mark.parametrize("package", ["lbd", "probes"])
def test_imports_go_one_way(package: str) -> None:
    assert circle(package) == []
