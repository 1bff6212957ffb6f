"""Metrics by name."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from lbd.quality import bleu, chrf, metrics
from lbd.quality.metrics import Measured

TEXT, OTHER = "The capital is Berlin.", "Berlin is the capital."


def shortness(answer: str, _reference: str | None, prompt: str) -> float:
    """An own metric."""
    return len(prompt) / (len(answer) + len(prompt))


def likeness(answer: str, reference: str | None, _prompt: str) -> float:
    """An own metric that compares."""
    return float(answer == reference)


likeness.needs_reference = True  # type: ignore[attr-defined]


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An installed package with metrics of its own, good ones and bad ones."""
    module = ModuleType("acme_metrics")
    brings = {
        "short": shortness,
        "like": likeness,
        "broken": lambda *_: 1 / 0,
        "wild": lambda *_: 17.0,
        "nothing": lambda *_: float("nan"),
        "text": "no function",
        "bleu": shortness,
    }
    for name, value in brings.items():
        setattr(module, name, value)
    monkeypatch.setitem(sys.modules, "acme_metrics", module)
    entries = [EntryPoint(name, f"acme_metrics:{name}", metrics.GROUP) for name in brings]
    entries.append(EntryPoint("gone", "acme_metrics:gone", metrics.GROUP))
    monkeypatch.setattr(metrics, "entries", lambda: entries)
    for memory in (metrics.installed, metrics.find):
        memory.cache_clear()
    yield
    for memory in (metrics.installed, metrics.find):
        memory.cache_clear()


def test_what_is_built_in_is_measured_by_name() -> None:
    """Each with the definition of its own module."""
    found = {m.metric: m.value for m in metrics.measure(["bleu", "chrf", "exact"], TEXT, OTHER, "")}
    assert found == {
        "bleu": pytest.approx(bleu.sentence(TEXT, [OTHER])),
        "chrf": pytest.approx(chrf.sentence(TEXT, [OTHER])),
        "exact": 0.0,
    }
    assert metrics.measure(["exact"], "  the CAPITAL is berlin.", TEXT, "")[0].value == 1.0
    assert all(metrics.needs_reference(name) for name in metrics.BUILT_IN)


@pytest.mark.usefixtures("package")
def test_installed_packages_bring_their_own() -> None:
    """With what each needs; a built-in name stays what it is."""
    assert metrics.measure(["short", "like"], "abc", "abc", "abcdef") == [
        Measured("short", pytest.approx(2 / 3)),
        Measured("like", 1.0),
    ]
    assert not metrics.needs_reference("short") and metrics.needs_reference("like")
    assert metrics.find("bleu") is metrics.BUILT_IN["bleu"]


@pytest.mark.usefixtures("package")
@pytest.mark.parametrize(
    ("name", "why"),
    [("broken", "ZeroDivisionError"), ("wild", "17.0 is no number from 0 to 1"), ("nothing", "nan"), ("gone", "gone")],
)
def test_what_one_gets_wrong_is_its_own_result(name: str, why: str) -> None:
    """The others are measured all the same."""
    bad, good = metrics.measure([name, "exact"], TEXT, TEXT, "")
    assert bad.value is None and why in bad.error
    assert good == Measured("exact", 1.0)


@pytest.mark.usefixtures("package")
def test_a_name_that_nobody_brings_is_refused_with_those_that_there_are() -> None:
    """And what is no function, too."""
    with pytest.raises(LookupError, match=r"no metric is called 'blue'; there are bleu, .*short"):
        metrics.find("blue")
    with pytest.raises(TypeError, match="acme_metrics:text"):
        metrics.find("text")
