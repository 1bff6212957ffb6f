"""Who gets which experiment, and the table as those who are treated see it.

A unit (a session, a client, a request) is treated where a hash of the experiment's name and the unit, uniform in
[0, 1), is below the share: so it stays in its arm, over restarts and on every host, and a larger share only adds units.

Of several experiments the first in the list that takes a unit treats it. Nobody is compared while being treated by
another one: a request counts in the arms of an experiment only where no other running one takes its unit, whichever
arm it is in. Both arms lose alike by that, so treated and not treated units are as ``share : 1 - share`` at any time,
whatever others begin or end, and no arm has more of its requests in one hour than the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b

from msgspec.structs import replace

from lbd.model.experiment import Arm, Assigned, By, ExperimentSpec
from lbd.model.table import DeploymentView, Snapshot
from lbd.model.units import Ratio, Seconds

NOBODY = Assigned()
_BITS = 53  # of a float between 0 and 1
EASE = 1.25  # how far above its target an arm's tier has lost all its standing
# Snapshots as the treated see them: of five experiments for the current one, and some that decisions are explained by.
REMEMBERED = 16


def unit(by: By, session: str | None, client: str, request_id: str) -> int:
    """Return the hash of what stays in one arm, 64 bits. A session is its client's own: others may use its name."""
    if by is By.REQUEST:
        text = f"request\0{request_id}"
    elif by is By.SESSION and session is not None:
        text = f"session\0{client}\0{session}"
    else:
        text = f"client\0{client}"
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def place(name: str, of: int) -> Ratio:
    """Return where an experiment puts a unit, uniform in [0, 1). Some 1 us, so it is not worth remembering."""
    hashed = blake2b(of.to_bytes(8, "big") + name.encode(), digest_size=8).digest()
    return (int.from_bytes(hashed, "big") >> 64 - _BITS) / (1 << _BITS)


def assigned(
    running: Sequence[ExperimentSpec], surface: str, session: str | None, client: str, request_id: str
) -> Assigned:
    """Return whose treatment a request gets, and in which arms it counts; ``running`` in the order of the list.

    ``request_id`` is empty for a request that is only thought of.
    """
    units: dict[By, int] = {}
    takers: list[str] = []
    apply: list[tuple[ExperimentSpec, int]] = []
    for e in running:
        if (e.surfaces and surface not in e.surfaces) or (e.by is By.REQUEST and not request_id):
            continue
        of = units.get(e.by)
        if of is None:
            of = units[e.by] = unit(e.by, session, client, request_id)
        apply.append((e, of))
        if place(e.name, of) < e.share:
            takers.append(e.name)
    if len(takers) > 1:
        return Assigned(takers[0])
    if takers:
        (taker,) = takers
        return Assigned(taker, tuple(Arm(e.name, e.key, True, of) for e, of in apply if e.name == taker))
    return Assigned("", tuple(Arm(e.name, e.key, False, of) for e, of in apply))


def under(snapshot: Snapshot, variant: str) -> Snapshot:
    """Return a snapshot as decisions of the treated of ``variant`` see it; the same where there is no such variant."""
    if not variant or variant not in snapshot.variants:
        return snapshot
    return _under(_Same(snapshot), variant)


class _Same:
    """A snapshot to remember something by: the same one, not an equal one, which would take long to find out."""

    __slots__ = ("of",)

    def __init__(self, of: Snapshot) -> None:
        self.of = of

    def __hash__(self) -> int:
        return id(self.of)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.of is self.of


@lru_cache(maxsize=REMEMBERED)
def _under(same: _Same, variant: str) -> Snapshot:
    snapshot, other = same.of, same.of.variants[variant]
    rows = snapshot.rows
    if other.targets:
        rows = tuple(retargeted(row, other.targets) for row in rows)
    return replace(snapshot, catalogue=other.catalogue, scorer=other.scorer, rows=rows)


def retargeted(row: DeploymentView, targets: Mapping[str, Seconds]) -> DeploymentView:
    """Return a row held to another target of its tier.

    What rests on the prior goes with the target. A standing of its own has no history here: it goes from all to nothing
    as the percentile goes from the target to ``EASE`` times the target.
    """
    target = targets.get(row.spec.tier)
    if target is None or target == row.tier_target_s:
        return row
    scale = target / row.tier_target_s
    p95 = tuple(s if fresh else s * scale for s, fresh in zip(row.ttft_p95_s, row.fresh, strict=True))
    p99 = tuple(s if fresh else s * scale for s, fresh in zip(row.ttft_p99_s, row.fresh, strict=True))
    standing = tuple(
        min(1.0, max(0.0, (EASE * target - s) / ((EASE - 1) * target))) if fresh else before
        for s, fresh, before in zip(p95, row.fresh, row.standing, strict=True)
    )
    return replace(row, tier_target_s=target, ttft_p95_s=p95, ttft_p99_s=p99, standing=standing)
