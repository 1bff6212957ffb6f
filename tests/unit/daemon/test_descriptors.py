"""Descriptors: counted from the limits, claimed up to the hard limit, and told where that is too low."""

from __future__ import annotations

import resource
from typing import Any

import pytest

from lbd.daemon import descriptors
from lbd.ingress.crowd import OTHERS
from tests.fakes.harness import compiled


def configured(*most: int | None, of: int | None = None, queue: int = 100) -> Any:
    """Return a configuration of one provider with these deployments."""
    rows = [{"model": f"m{i}", **({} if n is None else {"max_concurrency": n})} for i, n in enumerate(most)]
    provider = {"name": "p", "shape": "openai", "base_url": "http://127.0.0.1:1/v1", "deployments": rows}
    if of is not None:
        provider["max_concurrency"] = of
    return compiled({"providers": [provider], "limits": {"queue_size": queue}})


class Limit:
    """What ``resource`` tells of the process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, soft: int, hard: int) -> None:
        self.now = (soft, hard)
        monkeypatch.setattr(resource, "getrlimit", lambda _of: self.now)
        monkeypatch.setattr(resource, "setrlimit", lambda _of, limits: setattr(self, "now", limits))


@pytest.mark.parametrize(
    ("most", "of", "running"),
    [((None,), None, 0), ((10, None), None, 10), ((10, 20), None, 30), ((10, 20), 15, 15)],
)
def test_a_request_needs_two_and_so_does_one_that_waits_for_its_second(
    most: tuple[int | None, ...], of: int | None, running: int
) -> None:
    """What the provider shares is counted once, what nobody bounds not at all."""
    assert descriptors.needed(configured(*most, of=of)) == OTHERS + 2 * (100 + running)


@pytest.mark.parametrize(
    ("soft", "hard", "after"),
    [(64, 4096, 456), (1024, 4096, 1024), (64, -1, 456), (-1, -1, -1)],
)
def test_the_limit_is_raised_to_what_is_needed(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, after: int
) -> None:
    """Never lowered, and nothing is said."""
    limit = Limit(monkeypatch, soft, hard)
    assert descriptors.claim(configured(None)) is None
    assert limit.now == (after, hard)


def test_a_hard_limit_that_is_too_low_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """All there is is taken."""
    limit = Limit(monkeypatch, 64, 300)
    said = descriptors.claim(configured(None))
    assert limit.now == (300, 300)
    assert said is not None and "LimitNOFILE=456" in said and "may open 300" in said
    assert descriptors.shortage(configured(None)) == said
    assert descriptors.shortage(configured(None, queue=22)) is None
