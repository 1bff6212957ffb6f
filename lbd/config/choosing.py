"""What a configuration says of choosing: rules with their conditions, and peak hours, as specs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from fnmatch import fnmatchcase

from lbd.config.hint import meant
from lbd.config.routing import PeakConfig, RuleConfig, WhenConfig
from lbd.config.schema import Config
from lbd.config.tree import Path_
from lbd.decide import calendar
from lbd.decide.rules import BUILT_IN
from lbd.model.provider import DeploymentSpec, PeakSpec, RuleSpec, SurfaceSpec, WhenSpec
from lbd.shapes.validate import pattern

Tell = Callable[[Path_, str], None]


def rules(
    config: Config, models: Collection[str], own_name: Callable[[str, Path_, str], None], error: Tell, warn: Tell
) -> tuple[RuleSpec, ...]:
    """Return the rules in order; ``own_name`` refuses a name that means something else."""
    out = []
    for name, rule in config.routing_rules.items():
        path: Path_ = ("routing_rules", name)
        own_name(name, path, "rule")
        groups = (
            *_entries(rule.primary, (*path, "primary"), models, warn),
            *_entries(rule.fallback, (*path, "fallback"), models, warn),
        )
        if not groups:
            error(path, f"no provider offers any model of this rule. Offered: {', '.join(sorted(models))}")
        out.append(_rule(name, rule, groups, path, error))
    return tuple(out)


def unkept(
    rules: Iterable[RuleSpec], surfaces: Iterable[SurfaceSpec], deployments: Iterable[DeploymentSpec], warn: Tell
) -> None:
    """Warn where a rule takes requests of a surface whose quality floor none of its models is configured to keep."""
    best: dict[str, float] = {}
    for d in deployments:
        best[d.model] = max(best.get(d.model, 0.0), *d.quality.values(), 0.0)
    for rule in rules:
        top = max(best[model] for group in rule.groups for model in group)
        for surface in surfaces:
            if rule.when is not None and top < surface.quality_floor and _meets(rule.when, surface):
                floor = f"the quality of surface {surface.name!r}, {surface.quality_floor:g}"
                text = f"no model of it is configured with {floor}: what comes from there is refused"
                warn(("routing_rules", rule.name), f"{text}. Add one to fallback")


def _meets(when: WhenSpec, surface: SurfaceSpec) -> bool:
    """Tell whether a condition may hold for requests of a surface that leave the choice to lbd."""
    if surface.pin is not None or when.urgency not in (None, surface.urgency):
        return False
    return not when.surface or any(fnmatchcase(surface.name, wanted) for wanted in when.surface)


def _rule(name: str, rule: RuleConfig, groups: tuple[tuple[str, ...], ...], path: Path_, error: Tell) -> RuleSpec:
    latency = None if rule.max_latency_ms is None else rule.max_latency_ms / 1000
    when = BUILT_IN.get(name) if rule.when is None else _when(rule.when, (*path, "when"), error)
    return RuleSpec(name, groups, rule.max_cost_per_1k, latency, when)


def _entries(named: str | list[str], path: Path_, models: Collection[str], warn: Tell) -> Iterable[tuple[str, ...]]:
    for i, model in enumerate([named] if isinstance(named, str) else named):
        if model in models:
            yield (model,)
        else:
            at = path if isinstance(named, str) else (*path, i)
            warn(at, f"no provider offers {model!r}{meant(model, models)}: this entry cannot be used")


def _when(given: WhenConfig, path: Path_, error: Tell) -> WhenSpec:
    if given.text is not None:
        try:
            pattern.compiled(given.text)
        except ValueError as e:
            error((*path, "text"), str(e))
    for name in ("input_tokens", "difficulty"):
        least, below = getattr(given, f"{name}_min"), getattr(given, f"{name}_below")
        if least is not None and below is not None and least >= below:
            error((*path, f"{name}_below"), f"is not above {name}_min, which is {least}: it never holds")
    spec = WhenSpec(
        _many(given.model),
        _many(given.surface),
        _many(given.client),
        _many(given.family),
        given.urgency,
        given.peak,
        given.input_tokens_min,
        given.input_tokens_below,
        given.difficulty_min,
        given.difficulty_below,
        frozenset(given.needs),
        tuple((name.lower(), wanted) for name, wanted in given.header.items()),
        given.text,
    )
    if spec == WhenSpec():
        error(path, "names no condition; leave it out for a rule that is asked for by its name")
    return spec


def _many(named: str | list[str]) -> tuple[str, ...]:
    return (named,) if isinstance(named, str) else tuple(named)


def peak(given: PeakConfig | None, error: Tell) -> PeakSpec | None:
    """Return the peak hours, None where there are none."""
    if given is None:
        return None
    texts = _many(given.hours)
    for i, text in enumerate(texts):
        try:
            calendar.read(text)
        except ValueError as e:
            error(("peak", "hours") if isinstance(given.hours, str) else ("peak", "hours", i), str(e))
    try:
        calendar.zone(given.timezone)
    except ValueError as e:
        error(("peak", "timezone"), str(e))
    if not texts and given.load_above is None:
        error(("peak",), "says not when: hours, or load_above")
    return PeakSpec(given.timezone, texts, given.load_above, given.background_waits)
