"""File descriptors: how many the configured limits may need, and a claim to so many at start.

A request holds two, its client's connection and its provider's; one that waits holds the first. The listener keeps half
of what there is for clients (:mod:`lbd.ingress.crowd`), so that each of them finds a second one.
"""

from __future__ import annotations

import resource

from lbd.config.compiled import Compiled
from lbd.ingress.crowd import OTHERS

_UNLIMITED = resource.RLIM_INFINITY


def needed(compiled: Compiled) -> int:
    """Return how many a configuration may need: for the whole queue, and all that may run where that is bounded."""
    of = {p.name: p.max_concurrency for p in compiled.providers}
    rows = [(d.provider, d.max_concurrency) for d in compiled.deployments]
    running = sum(most for most in of.values() if most is not None)
    running += sum(most for provider, most in rows if most is not None and of[provider] is None)
    return OTHERS + 2 * (compiled.config.limits.queue_size + running)


def shortage(compiled: Compiled) -> str | None:
    """Return what is wrong where this process may not open so many, and how to mend it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = needed(compiled)
    if hard == _UNLIMITED or hard >= need:
        return None
    return (
        f"limits.queue_size and max_concurrency may need {need} descriptors, of which this process may open {hard}:"
        f" set LimitNOFILE={need} in the unit (ulimit -n {need}), or lower them"
    )


def claim(compiled: Compiled) -> str | None:
    """Raise this process's limit to what may be needed, as far as it may; return what is wrong where it may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = needed(compiled) if hard == _UNLIMITED else min(hard, needed(compiled))
    if soft != _UNLIMITED and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return shortage(compiled)
