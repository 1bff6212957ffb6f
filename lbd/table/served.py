"""Who was served what by whom: of the last requests, in little memory, so that they can be rated afterwards.

Ids of one run are a prefix and a number that goes up (:meth:`lbd.pipeline.Pipeline.next_id`), so a slot is found by the
number; client, deployment, family and surface are written once for all requests that share them. A slot takes 16 bytes,
and 8 more once there was an experiment: up to five arms, each with its cluster's 11 bits and one for the treated.
"""

from __future__ import annotations

import math
from array import array
from typing import NamedTuple, TypeAlias

from lbd.model.experiment import Arm
from lbd.model.record import RequestRecord
from lbd.model.units import DeploymentId, Ratio
from lbd.state.trial import CLUSTERS

MOST = 100_000
_PREFIX = len("req_") + 12
_ARMS = 5  # of a request
_ARM_BITS = 12
_SHARED = 1 << 16  # different servings that are told apart; more of them than any configuration has


_Key: TypeAlias = tuple[str, DeploymentId, str, str, tuple[tuple[str, str], ...]]  # a Serving's fields


class Serving(NamedTuple):
    """What is kept of a request."""

    client: str
    deployment: DeploymentId
    family: str
    surface: str
    trials: tuple[tuple[str, str], ...] = ()  # name and key of the experiments in whose arms it counts


class Served:
    """The last ``most`` requests that were served, and how they were rated."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._prefix = ""
        self._numbers = array("Q", bytes(8 * most))
        self._which = array("I", bytes(4 * most))
        self._scores = array("f", bytes(4 * most))
        self._places: array[int] | None = None  # in the arms of experiments, once there was one
        self._index: dict[_Key, int] = {}
        self._servings: list[Serving] = []

    def note(self, record: RequestRecord) -> None:
        """Note a request that ended; one that nobody served is not worth it."""
        id_, by = record.id, record.served_by
        known = id_.startswith(self._prefix) and self._prefix != ""
        number = int(id_[_PREFIX:], 16) if known else _number(id_)  # one of this run's is as it should be
        if by is None or number is None:
            return
        family = "" if record.judged is None else record.judged.family
        trials = tuple((arm.experiment, arm.key) for arm in record.arms[:_ARMS]) if record.arms else ()
        serving = (
            record.client,
            by,
            family,
            record.surface,
            trials,
        )  # a third of what its class costs, and found alike
        which = self._index.get(serving)
        if which is None:
            if len(self._servings) >= _SHARED:
                self._clear()
            which = self._index[serving] = len(self._servings)
            self._servings.append(Serving(*serving))
        if not known:
            self._clear_numbers()
            self._prefix = id_[:_PREFIX]
        slot = number % self._most
        self._numbers[slot], self._which[slot], self._scores[slot] = number, which, math.nan
        if trials:
            if self._places is None:
                self._places = array("Q", bytes(8 * self._most))
            self._places[slot] = _packed(record.arms)

    def find(self, request_id: str) -> Serving | None:
        """Return who was served what, None where that is not known, or no more."""
        slot = self._slot(request_id)
        return None if slot is None else self._servings[self._which[slot]]

    def arms(self, request_id: str) -> tuple[Arm, ...]:
        """Return the arms that a request counts in; of their units the cluster alone."""
        slot = self._slot(request_id)
        if slot is None or self._places is None:
            return ()
        packed, out = self._places[slot], []
        for name, key in self._servings[self._which[slot]].trials:
            out.append(Arm(name, key, bool(packed & 1), packed >> 1 & CLUSTERS - 1))
            packed >>= _ARM_BITS
        return tuple(out)

    def rate(self, request_id: str, score: Ratio) -> Ratio | None:
        """Keep how a request that is known was rated; return how it was before."""
        slot = self._slot(request_id)
        if slot is None:
            return None
        before = self._scores[slot]
        self._scores[slot] = score
        return None if math.isnan(before) else before

    def _slot(self, request_id: str) -> int | None:
        number = _number(request_id)
        if number is None or request_id[:_PREFIX] != self._prefix:
            return None
        slot = number % self._most
        return slot if number and self._numbers[slot] == number else None

    def _clear(self) -> None:
        self._index.clear()
        self._servings.clear()
        self._clear_numbers()

    def _clear_numbers(self) -> None:
        self._numbers = array("Q", bytes(8 * self._most))


def _packed(arms: tuple[Arm, ...]) -> int:
    packed = 0
    for arm in reversed(arms[:_ARMS]):
        packed = packed << _ARM_BITS | arm.unit % CLUSTERS << 1 | arm.treated
    return packed


def _number(request_id: str) -> int | None:
    text = request_id[_PREFIX:]
    if not request_id.startswith("req_") or not 8 <= len(text) <= 15:
        return None
    try:
        number = int(text, 16)
    except ValueError:
        return None
    return number if f"{number:08x}" == text else None
