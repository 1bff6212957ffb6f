"""What an attempt asks of the flight that it belongs to."""

from __future__ import annotations

from typing import Protocol, TypeVar

from lbd.model.units import Seconds

A_contra = TypeVar("A_contra", contravariant=True)  # the attempt


class Host(Protocol[A_contra]):
    """The flight that an attempt belongs to."""

    def commit(self, attempt: A_contra, first: bytes) -> None:
        """The first content is here: from now on the answer is this attempt's, or it repeats what was shown."""

    def forward(self, data: bytes) -> None:
        """Pass on a slice."""

    def finish(self, data: bytes) -> None:
        """Pass on the last slice and end the answer."""

    def may_move(self) -> bool:
        """Tell whether another candidate is left, and could go on with what was shown, if anything was."""

    def may_leave(self, attempt: A_contra) -> bool:
        """Tell whether another candidate would take over soon from this one, which is silent, but may be only slow."""

    def hedge(self, attempt: A_contra) -> None:
        """It is later than nearly all of its kind: have another one beside it, where that is worth it."""

    def longest(self, attempt: A_contra) -> Seconds:
        """Return how long even the longest answer would take: a whole one that takes longer is overdue."""

    def heard(self, attempt: A_contra) -> bool:
        """Tell whether the provider has answered anybody since the attempt began."""

    def silent(self, attempt: A_contra) -> None:
        """The provider is silent for suspiciously long: see whether anybody is there."""

    def open_early(self) -> None:
        """There is no content for so long that the client should get a head."""
