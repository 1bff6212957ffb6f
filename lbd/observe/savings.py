"""What was saved, from sums of the ledger: the number, its interval, what it is told against, and lbd's own cost.

``saved = premium - cost`` over the requests that have a baseline with a price, failed and repeated attempts included in
the cost. The interval is what chance alone would move the sum by, were the same kind of traffic to come again:
``saved +- 1.96 sqrt(n) s`` with ``s`` the standard deviation of a single request's saving. It does not speak of the
assumption behind the counterfactual, that the premium model would have used as many tokens: the ledger's own counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from lbd.model.ledger import Kind, Total
from lbd.model.units import NANO_PER_USD, Seconds

Z95 = 1.959964  # of the standard normal distribution, two-sided


def usd(nano: int) -> float:
    """Return nano-USD as USD; the nine decimals that it can have are kept."""
    return round(nano / NANO_PER_USD, 9)


def interval(total: Total) -> tuple[float, float] | None:
    """Return the 95 % interval of what was saved, in USD; None where fewer than two requests are compared."""
    n = total.compared
    if n < 2:
        return None
    saved = total.saved / NANO_PER_USD
    variance = max(0.0, (total.saved_square - saved * saved / n) / (n - 1))
    half = Z95 * math.sqrt(n * variance)
    return saved - half, saved + half


def facts(total: Total) -> dict[str, Any]:
    """Return the sums of clients' requests as they are told."""
    found = interval(total)
    share = total.saved / total.premium if total.premium else None
    return {
        "requests": total.requests,
        "attempts": total.attempts,
        "failed_attempts": total.failed,
        "tokens": {
            "input": total.input,
            "cached": total.cached,
            "cache_write": total.written,
            "output": total.output,
            "reasoning": total.reasoning,
        },
        "cost_usd": usd(total.cost),
        "compared": {
            "requests": total.compared,
            "cost_usd": usd(total.compared_cost),
            "premium_usd": usd(total.premium),
            "cheapest_usd": usd(total.cheapest),
        },
        "saved_usd": usd(total.saved),
        "saved_share": None if share is None else round(share, 6),
        "interval_usd": None if found is None else [round(v, 9) for v in found],
        "estimated_entries": total.estimated,
        "unpriced_entries": total.unpriced,
    }


def overhead(kinds: Iterable[Total], cpu_s: Seconds, cpu_usd_per_hour: float) -> dict[str, Any]:
    """Return what lbd cost itself, from totals by ``kind``: probes, evaluation, attempts that did not serve, and CPU.

    ``share`` is of all that was spent at providers.
    """
    of = {total.of[0]: total for total in kinds}
    client = of.get(Kind.CLIENT, Total())
    probes, evaluation = (of.get(kind, Total()).cost for kind in (Kind.PROBE, Kind.EVALUATION))
    cpu = cpu_s / 3600 * cpu_usd_per_hour
    own = usd(probes + evaluation + client.failed_cost) + cpu
    spent = usd(client.cost + probes + evaluation)
    return {
        "probe_usd": usd(probes),
        "evaluation_usd": usd(evaluation),
        "failed_attempts_usd": usd(client.failed_cost),
        "cpu_usd": round(cpu, 9),
        "cpu_s": round(cpu_s, 3),
        "share": round(own / spent, 6) if spent else None,
    }
