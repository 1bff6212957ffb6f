"""What a reload changes, in words for the log and the timeline; and what it may not change."""

from __future__ import annotations

import msgspec

from lbd.config.compiled import Compiled

# Bound once at start: changing them needs a restart.
FIXED = ("listen", "admin.listen", "admin.socket", "store", "workers")


class Diff(msgspec.Struct, frozen=True):
    """Deployments by id, other parts by their key."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    parts: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Tell whether nothing changes."""
        return not (self.added or self.removed or self.changed or self.parts)


def diff(old: Compiled, new: Compiled) -> Diff:
    """Return what changes from ``old`` to ``new``."""
    before = {d.id: d for d in old.deployments}
    after = {d.id: d for d in new.deployments}
    providers_before = {p.name: p for p in old.providers}
    providers_after = {p.name: p for p in new.providers}
    changed = [
        i
        for i in after
        if i in before
        and (after[i] != before[i] or providers_after[after[i].provider] != providers_before[before[i].provider])
    ]
    parts = [
        name
        for name in (
            "tiers",
            "rules",
            "aliases",
            "surfaces",
            "clients",
            "deadlines",
            "scorer",
            "probe_kinds",
            "alerts",
            "traces",
            "experiments",
        )
        if getattr(old, name) != getattr(new, name)
    ]
    of_config = ("tls", "probes", "limits", "ledger", "log", "allowed_hosts")
    parts += [n for n in of_config if getattr(old.config, n) != getattr(new.config, n)]
    if old.config.admin.tls != new.config.admin.tls:
        parts.append("admin.tls")
    if old.admin_token != new.admin_token:
        parts.append("admin.token")
    return Diff(
        tuple(i for i in after if i not in before),
        tuple(i for i in before if i not in after),
        tuple(changed),
        tuple(parts),
    )


def forbidden(old: Compiled, new: Compiled) -> list[str]:
    """Return the keys that a reload may not change and that differ."""

    def get(compiled: Compiled, key: str) -> object:
        value: object = compiled.config
        for part in key.split("."):
            value = getattr(value, part)
        return value

    return [key for key in FIXED if get(old, key) != get(new, key)]
