"""Metrics by name: those that are built in, and those that installed packages bring.

A metric is called with an answer, a reference or None, and the prompt, and returns a number from 0 to 1. A package
brings one as an entry point of the group ``lbd.metrics``; its attribute ``needs_reference = True`` says that it makes
no sense without a reference.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

import msgspec

from lbd.model.units import Ratio
from lbd.quality import bleu, chrf, embedding

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "lbd.metrics"
Measure: TypeAlias = Callable[[str, str | None, str], float]


class Measured(msgspec.Struct, frozen=True):
    """What one metric says, or what went wrong with it."""

    metric: str
    value: Ratio | None
    error: str = ""


def _bleu(answer: str, reference: str | None, _prompt: str) -> float:
    return bleu.sentence(answer, [reference or ""])


def _chrf(answer: str, reference: str | None, _prompt: str) -> float:
    return chrf.sentence(answer, [reference or ""])


def _exact(answer: str, reference: str | None, _prompt: str) -> float:
    return float(" ".join(answer.split()).casefold() == " ".join((reference or "").split()).casefold())


def _embedding(answer: str, reference: str | None, _prompt: str) -> float:
    return embedding.similarity(answer, reference or "")


BUILT_IN: Mapping[str, Measure] = {"bleu": _bleu, "chrf": _chrf, "exact": _exact, "embedding": _embedding}


def entries() -> Iterable[EntryPoint]:
    """Return the entry points of installed packages."""
    from importlib.metadata import entry_points  # slow, and seldom needed

    return entry_points(group=GROUP)


@lru_cache
def installed() -> dict[str, EntryPoint]:
    """Return the metrics that installed packages bring, by name; a built-in one cannot be replaced."""
    return {entry.name: entry for entry in entries() if entry.name not in BUILT_IN}


def usable(name: str) -> bool:
    """Tell whether there is a metric of this name; what a package brings is not loaded for that."""
    return embedding.available() if name == "embedding" else name in BUILT_IN or name in installed()


@lru_cache
def find(name: str) -> Measure:
    """Return a metric. Raises LookupError, ImportError, TypeError with the remedy."""
    if name in BUILT_IN:
        return BUILT_IN[name]
    entry = installed().get(name)
    if entry is None:
        raise LookupError(f"no metric is called {name!r}; there are {', '.join(sorted({*BUILT_IN, *installed()}))}")
    found = entry.load()
    if not callable(found):
        raise TypeError(f"the metric {name!r} ({entry.value}) is no function of an answer, a reference and a prompt")
    return found  # type: ignore[no-any-return]


def needs_reference(name: str) -> bool:
    """Tell whether a metric compares with a reference. Raises as ``find`` does."""
    return name in BUILT_IN or bool(getattr(find(name), "needs_reference", False))


def measure(names: Iterable[str], answer: str, reference: str | None, prompt: str) -> list[Measured]:
    """Return what each metric says; what one raises is its own result, and no other's."""
    return [_one(name, answer, reference, prompt) for name in names]


def _one(name: str, answer: str, reference: str | None, prompt: str) -> Measured:
    try:
        value = float(find(name)(answer, reference, prompt))
    except Exception as e:  # noqa: BLE001  somebody else's code
        return Measured(name, None, f"{type(e).__name__}: {e}"[:300])
    if not math.isfinite(value) or not -1e-9 <= value <= 1 + 1e-9:
        return Measured(name, None, f"{value} is no number from 0 to 1")
    return Measured(name, min(1.0, max(0.0, value)))
