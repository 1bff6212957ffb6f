"""Who may have a place among the work that is open: its lines known in memory, some of them under way.

Places are few, so that the work of a queue is no flood. Each client has a share of them, within which whoever is due
first comes first. Beyond that

- work that waits with nothing under way gives up its place to work that could go on: it asks again after its wait;
- a client that holds none finds one while there are ``spare`` ones, however many of the others' run on and on;
- work that could be late finds one while there are ``lent`` ones: what is under way is not stopped for it. The more of
  them are lent, the sooner it must begin, so that what could wait does not take them from what cannot.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from lbd.model.units import Instant, Seconds, WallTime

SOON: Seconds = 3600.0  # before it must begin; for the nth place that is lent one nth of it. Answers take minutes


class Room(msgspec.Struct, frozen=True):
    """How many places there are: ``most`` and the others in all, each ``of_one`` those of one client."""

    most: int
    of_one: int
    spare: int
    lent: int
    lent_of_one: int


class Held(msgspec.Struct, frozen=True):
    """A place that is taken. ``rests_until``: its work waits until then, with nothing under way."""

    id: str
    client: str
    expires_at: WallTime
    rests_until: Instant | None = None


class Claim(msgspec.Struct, frozen=True):
    """What asks for a place. ``start_by``: when it must begin to be done at its end, as far as that is known."""

    client: str
    expires_at: WallTime
    start_by: WallTime


def find(claim: Claim, held: Collection[Held], room: Room, now: WallTime) -> Held | bool:
    """Tell whether there is a place; return the one that is given up where it takes another's.

    However often that is asked, no more than ``most + spare + lent`` places are taken, and no more than
    ``of_one + lent_of_one`` by one client.
    """
    mine = [place for place in held if place.client == claim.client]
    within = len(mine) < room.of_one
    if within and len(held) < room.most:
        return True
    rivals = held if within else mine  # who keeps it from having one
    idle = [place for place in rivals if place.rests_until is not None]
    if idle:
        return max(idle, key=lambda place: place.rests_until or 0.0)
    if not mine and len(held) < room.most + room.spare:
        return True
    lent = max(0, len(held) - room.most - room.spare, len(mine) - room.of_one)
    return (
        len(held) < room.most + room.spare + room.lent
        and len(mine) < room.of_one + room.lent_of_one
        and claim.start_by - now <= SOON / (lent + 1)
        and any(place.expires_at > claim.expires_at for place in rivals)
    )
