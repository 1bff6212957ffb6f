"""What tokens cost."""

from __future__ import annotations

import math
from collections.abc import Iterable

from msgspec.structs import replace

from lbd.model.outcome import Usage
from lbd.model.provider import DeploymentSpec, Price
from lbd.model.request import Ask
from lbd.model.units import NANO_PER_TOKEN, NanoUsd, Tokens, WallTime

# Tokens of an answer that nobody has bounded: what is reserved for one, where the context leaves room for it.
LONGEST_ANSWER: Tokens = 16384
# A prompt's tokens are estimated from its bytes: so much more it may have.
MARGIN = 2
LEAST_BYTES_PER_TOKEN = 2  # of a text that is rich in tokens


def priced(spec: DeploymentSpec, wall: WallTime) -> DeploymentSpec:
    """Return a deployment with the price that holds now."""
    now = next((price for since, price in reversed(spec.prices) if since <= wall), spec.price)
    return spec if now == spec.price else replace(spec, price=now)


def next_change(specs: Iterable[DeploymentSpec], wall: WallTime) -> WallTime:
    """Return when the next price changes, infinity where none does."""
    return min((since for spec in specs for since, _ in spec.prices if since > wall), default=math.inf)


def most(spec: DeploymentSpec, ask: Ask) -> NanoUsd | None:
    """Return what a request may cost at most at a deployment, None where its price is not known."""
    price = spec.price
    if price is None:
        return None
    prompt = MARGIN * ask.input_tokens
    if (own := spec.prompt) is not None:  # what lbd adds to it
        prompt += sum(len(text.encode()) for text in (own.system, own.prefix, own.suffix)) // LEAST_BYTES_PER_TOKEN
    longest = LONGEST_ANSWER if ask.output_tokens is None else ask.output_tokens
    answer = (longest if spec.context_tokens is None else min(longest, spec.context_tokens)) * ask.choices
    return max(cost(price, Usage(prompt, answer)), cost(price, Usage(prompt, answer, written=prompt)))


def cost(price: Price | None, usage: Usage | None) -> NanoUsd:
    """Return what an answer cost in nano-USD, 0 where price or usage is not known."""
    if price is None or usage is None:
        return 0
    total = usage.prompt * price.input_usd_per_mtok + usage.completion * price.output_usd_per_mtok
    if usage.cached and price.cached_input_usd_per_mtok is not None:
        total += usage.cached * (price.cached_input_usd_per_mtok - price.input_usd_per_mtok)
    if usage.written and price.cache_write_usd_per_mtok is not None:
        total += usage.written * (price.cache_write_usd_per_mtok - price.input_usd_per_mtok)
    return round(total * NANO_PER_TOKEN)
