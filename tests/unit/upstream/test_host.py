"""A flight under way is the host of its attempts."""

from __future__ import annotations

import inspect

from lbd.upstream.host import Host
from lbd.upstream.run import Run


def test_a_run_does_what_an_attempt_asks_of_its_host() -> None:
    """Every method, with the same arguments."""
    asked = {name: f for name, f in vars(Host).items() if inspect.isfunction(f) and not name.startswith("_")}
    assert len(asked) >= 6
    for name, method in asked.items():
        assert list(inspect.signature(getattr(Run, name)).parameters) == list(inspect.signature(method).parameters), (
            name
        )
