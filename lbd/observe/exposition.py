"""How metrics are written: Prometheus' text format 0.0.4 and OpenMetrics 1.0.0, in pieces of a bounded size.

A page of 50 deployments has some 3,000 lines. A library that builds an object for each takes 20 to 40 ms for them, and
a thread does not help: it holds the interpreter meanwhile. Here a line is one formatted text, and whoever writes a page
lets others have their turn between two pieces.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, NamedTuple, TypeAlias

from lbd.model.units import WallTime

LINES = 100  # in a piece
TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
_END = "# EOF\n"


class Exemplar(NamedTuple):
    """One request that a bucket counts: where to look it up."""

    trace_id: str
    value: float
    at: WallTime


Sample: TypeAlias = tuple[Sequence[str], float]  # the labels' values


class Series(NamedTuple):
    """The buckets of one histogram: counts of each bucket, the last one open, and what they sum up to."""

    labels: Sequence[str]
    bounds: Sequence[float]
    counts: Sequence[int]
    total: float
    exemplars: Sequence[Exemplar | None] = ()


class Family(NamedTuple):
    """Metrics of one name. A counter's is without ``_total``, an info's without ``_info``."""

    name: str
    kind: Literal["counter", "gauge", "info"]
    text: str
    labels: tuple[str, ...]
    samples: Iterable[Sample]


class Histograms(NamedTuple):
    """Histograms of one name."""

    name: str
    text: str
    labels: tuple[str, ...]
    series: Iterable[Series]


_SUFFIX = {"counter": "_total", "gauge": "", "info": "_info"}


def pieces(families: Iterable[Family | Histograms], *, openmetrics: bool) -> Iterator[str]:
    """Yield a page in pieces of at most ``LINES`` lines."""
    lines: list[str] = []
    for family in families:
        written = _histograms(family, openmetrics) if isinstance(family, Histograms) else _family(family, openmetrics)
        for line in written:
            lines.append(line)
            if len(lines) >= LINES:
                yield "".join(lines)
                lines = []
    if openmetrics:
        lines.append(_END)
    yield "".join(lines)


def _family(family: Family, openmetrics: bool) -> Iterator[str]:
    name, kind, text, labels, samples = family
    full = name + _SUFFIX[kind]
    shown, word = (name, kind) if openmetrics else (full, "gauge" if kind == "info" else kind)
    yield f"# HELP {shown} {text}\n# TYPE {shown} {word}\n"
    head = _head(labels)
    for values, value in samples:
        yield f"{full}{_labelled(head, values)} {_number(value)}\n"


def _histograms(family: Histograms, openmetrics: bool) -> Iterator[str]:
    name, text, labels, series = family
    yield f"# HELP {name} {text}\n# TYPE {name} histogram\n"
    head = _head(labels)
    for values, bounds, counts, total, exemplars in series:
        of = _labelled(head, values)
        opened = f"{name}_bucket{of[:-1]}," if of else f"{name}_bucket{{"
        seen = 0
        for i, count in enumerate(counts):
            seen += count
            bound = str(bounds[i]) if i < len(bounds) else "+Inf"
            found = exemplars[i] if openmetrics and exemplars else None
            yield f'{opened}le="{bound}"}} {seen}.0{"" if found is None else _exemplar(found)}\n'
        yield f"{name}_count{of} {seen}.0\n{name}_sum{of} {_number(total)}\n"


def _exemplar(found: Exemplar) -> str:
    return f' # {{trace_id="{found.trace_id}"}} {_number(found.value)} {found.at:.3f}'


def _head(labels: Sequence[str]) -> Sequence[str]:
    """Return what stands before each label's value."""
    return [f'{"," if i else "{"}{label}="' for i, label in enumerate(labels)]


def _labelled(head: Sequence[str], values: Sequence[str]) -> str:
    if not head:
        return ""
    out = ""
    for before, value in zip(head, values, strict=True):
        odd = '"' in value or "\\" in value or "\n" in value
        out += f'{before}{value.translate(_ESCAPES) if odd else value}"'
    return out + "}"


def _number(value: float) -> str:
    if math.isfinite(value):
        return repr(float(value))
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
