"""What tokens cost."""

from __future__ import annotations

from lbd.model.outcome import Usage
from lbd.model.provider import Price
from lbd.model.units import NANO_PER_TOKEN, NanoUsd


def cost(price: Price | None, usage: Usage | None) -> NanoUsd:
    """Return what an answer cost in nano-USD, 0 where price or usage is not known."""
    if price is None or usage is None:
        return 0
    total = usage.prompt * price.input_usd_per_mtok + usage.completion * price.output_usd_per_mtok
    if usage.cached and price.cached_input_usd_per_mtok is not None:
        total += usage.cached * (price.cached_input_usd_per_mtok - price.input_usd_per_mtok)
    return round(total * NANO_PER_TOKEN)
