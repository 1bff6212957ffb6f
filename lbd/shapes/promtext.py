"""Read gauges out of a Prometheus text exposition: just enough for a server's own load signals."""

from __future__ import annotations

from collections.abc import Iterable

# No queue is that long: what is beyond it, and NaN and Inf, is no gauge of requests.
LARGEST = 1e12


def sums(text: bytes, names: Iterable[str]) -> dict[str, float]:
    """Return each named sample, summed over its label sets; names that do not occur are left out."""
    wanted = {name.encode() for name in names}
    out: dict[str, float] = {}
    for line in text.split(b"\n"):  # a CR may stand in a label
        if line.startswith(b"#"):
            continue
        name = line.split(b"{", 1)[0].split(b" ", 1)[0]
        if name not in wanted:
            continue
        value = line.rsplit(b"}", 1)[-1].split() if b"{" in line else line.split()[1:]
        try:
            number = float(value[0])
        except (IndexError, ValueError):
            continue
        if not abs(number) <= LARGEST:
            continue
        key = name.decode()
        out[key] = out.get(key, 0.0) + number
    return out
