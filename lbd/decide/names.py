"""What a name means: pin > the models map > a rule's name > a model's name > ``auto``.

The catalogue of all names is built once per configuration; resolving is a lookup.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

from lbd.model.failure import Failure, FailureKind
from lbd.model.plan import Catalogue, Stage, Target, TargetKind
from lbd.model.provider import DeploymentSpec, RuleSpec, TierSpec

AUTO = "auto"
LONGEST = 512  # characters: a longer one names nothing. A pattern would let it into caches, records and the journal
LONGEST_MISTYPED = 64  # characters; what is longer is no mistyped word, and difflib would take a second over it
SHOWN = 100  # characters of a name that is not known


def build(
    rows: Sequence[DeploymentSpec],
    tiers: Sequence[TierSpec],
    rules: Sequence[RuleSpec],
    aliases: Iterable[tuple[str, str]],
    config_generation: int = 0,
) -> Catalogue:
    """Return the catalogue of a configuration. Rules must have been checked to have usable entries."""
    index = {row.id: i for i, row in enumerate(rows)}
    targets: dict[str, Target] = {}

    def add(target: Target) -> None:
        targets[target.key] = target

    add(Target("auto", TargetKind.AUTO, AUTO, _by_tier(rows, tiers, range(len(rows)))))
    by_model: dict[str, list[int]] = {}
    for i, row in enumerate(rows):
        by_model.setdefault(row.model, []).append(i)
        add(Target(f"pin:{row.id}", TargetKind.PIN, row.id, _by_tier(rows, tiers, [i])))
    for model, members in by_model.items():
        stages = _by_tier(rows, tiers, members)
        add(Target(f"model:{model}", TargetKind.MODEL, model, stages))
        add(Target(f"pin:{model}", TargetKind.PIN, model, stages))
    for rule in rules:
        groups = [tuple(i for m in group for i in by_model.get(m, ())) for group in rule.groups]
        stages = tuple(
            Stage("primary" if n == 0 else f"fallback {n}", group) for n, group in enumerate(groups) if group
        )
        add(Target(f"rule:{rule.name}", TargetKind.RULE, rule.name, stages, rule.max_latency_s, rule.max_cost_per_1k))
    return Catalogue(targets, tuple(aliases), index, config_generation)


def _by_tier(rows: Sequence[DeploymentSpec], tiers: Sequence[TierSpec], members: Iterable[int]) -> tuple[Stage, ...]:
    of_tier: dict[str, list[int]] = {}
    for i in members:
        of_tier.setdefault(rows[i].tier, []).append(i)
    return tuple(Stage(t.name, tuple(of_tier[t.name]), t.ttft_p95_s) for t in tiers if t.name in of_tier)


def resolve(
    catalogue: Catalogue,
    name: str,
    *,
    pin: str | None = None,
    surface_aliases: Iterable[tuple[str, str]] = (),
) -> Target | Failure:
    """Return what ``name`` means, or why it means nothing."""
    if len(name) > LONGEST:
        return _unknown(catalogue, name)
    targets = catalogue.targets
    if pin is not None:
        found = targets.get(f"pin:{pin}")
        return _unknown(catalogue, pin) if found is None else found
    for pattern, meaning in (*surface_aliases, *catalogue.aliases):
        if pattern == name or ("*" in pattern and fnmatchcase(name, pattern)):
            return _plain(catalogue, meaning) or _unknown(catalogue, meaning)
    return _plain(catalogue, name) or _unknown(catalogue, name)


def _plain(catalogue: Catalogue, name: str) -> Target | None:
    targets = catalogue.targets
    return targets.get(f"rule:{name}") or targets.get(f"model:{name}") or (targets["auto"] if name == AUTO else None)


def rows(catalogue: Catalogue, name: str) -> list[int]:
    """Return the rows that may serve a name, those that are asked first before the others; none for an unknown one."""
    target = resolve(catalogue, name)
    stages = () if isinstance(target, Failure) else target.stages
    return list(dict.fromkeys(i for stage in stages for i in stage.rows))


def public_names(catalogue: Catalogue) -> list[str]:
    """Return every name a client may ask for: ``auto``, rules, models, and aliases without a wildcard."""
    names = {AUTO}
    names |= {t.name for t in catalogue.targets.values() if t.kind in (TargetKind.RULE, TargetKind.MODEL)}
    names |= {pattern for pattern, _ in catalogue.aliases if "*" not in pattern}
    return sorted(names)


def _unknown(catalogue: Catalogue, name: str) -> Failure:
    mistyped = len(name) <= LONGEST_MISTYPED
    near = difflib.get_close_matches(name, public_names(catalogue), n=3, cutoff=0.5) if mistyped else []
    hint = f" Did you mean {' or '.join(near)}?" if near else " GET /v1/models lists the names."
    shown = name if len(name) <= SHOWN else f"{name[:SHOWN]}..."
    return Failure(
        FailureKind.UNKNOWN_MODEL,
        f"no deployment, rule or alias is called {shown!r}.{hint}",
        param="model",
        code="model_not_found",
    )


def allowed(name: str, patterns: Sequence[str]) -> bool:
    """Tell whether a client with these model patterns may ask for ``name`` (no patterns: for every name)."""
    return not patterns or any(fnmatchcase(name, p) for p in patterns)
