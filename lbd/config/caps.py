"""Cost caps that no price can keep: whoever sets one learns of it when the configuration is read, not by refusals.

What is said is certain, whatever the size of a request: 1,000 tokens never cost less than 1,000 of the cheaper kind,
and no request is smaller than one token in and one out. A price that is to come counts as well as the one that holds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from lbd.config.schema import Config
from lbd.config.tree import Path_
from lbd.model.provider import DeploymentSpec, Price

Tell = Callable[[Path_, str], None]
Least = Callable[[Price], float]
_REFUSED = "and what is dearer or has no price is never used"


def unmet(config: Config, deployments: Sequence[DeploymentSpec], warn: Tell) -> None:
    """Warn of caps of rules and surfaces that nobody keeps, and of models that a rule names in vain."""
    for name, rule in config.routing_rules.items():
        if rule.max_cost_per_1k is None:
            continue
        path: Path_ = ("routing_rules", name)
        models = list(_entries(rule.primary, (*path, "primary"))) + list(_entries(rule.fallback, (*path, "fallback")))
        offered = [d for d in deployments if d.model in {model for model, _ in models}]
        cap = rule.max_cost_per_1k
        told = _lowest(offered, _per_1k, cap, "for 1,000 tokens")
        if told is not None:
            warn((*path, "max_cost_per_1k"), f"{told}: every request of this rule is refused")
            continue
        for model, at in models:
            told = _lowest([d for d in offered if d.model == model], _per_1k, cap, "for 1,000 tokens")
            if told is not None:
                warn(at, f"{told}: this entry cannot be used")
    for i, surface in enumerate(config.surfaces):
        if surface.max_usd_per_request is not None:
            pin = surface.pin
            may = [d for d in deployments if pin is None or pin in (d.model, d.id)]
            told = _lowest(may, _one, surface.max_usd_per_request, "for the smallest request")
            if told is not None:
                warn(("surfaces", i, "max_usd_per_request"), f"{told}: every request of this surface is refused")


def _entries(named: str | list[str], path: Path_) -> Iterable[tuple[str, Path_]]:
    return [(named, path)] if isinstance(named, str) else [(model, (*path, i)) for i, model in enumerate(named)]


def _per_1k(price: Price) -> float:
    return min(price.input_usd_per_mtok, price.output_usd_per_mtok) / 1000


def _one(price: Price) -> float:
    return (price.input_usd_per_mtok + price.output_usd_per_mtok) / 1e6


def _lowest(deployments: Iterable[DeploymentSpec], least: Least, cap: float, of: str) -> str | None:
    """Return why none of these keeps a cap, with what would help; None where one does, or there is none at all."""
    every = list(deployments)
    known = [(least(price), d.id) for d in every for price in (d.price, *(p for _, p in d.prices)) if price is not None]
    if not every or any(usd <= cap for usd, _ in known):
        return None
    if not known:
        names = ", ".join(sorted(d.id for d in every)[:3])
        return f"no price is known of {names}, {_REFUSED} under this cap. Give a price, or take the cap away"
    usd, cheapest = min(known)
    return f"{cheapest}, the cheapest, costs at least {usd:g} USD {of}, {_REFUSED}. Raise the cap of {cap:g}"
