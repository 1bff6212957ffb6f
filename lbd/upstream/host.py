"""What an attempt asks of the flight that it belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from lbd.model.units import Seconds

if TYPE_CHECKING:
    from lbd.upstream.attempt import Attempt


class Host(Protocol):
    """The flight that an attempt belongs to."""

    def commit(self, attempt: Attempt, first: bytes) -> None:
        """The first content is here: from now on the answer is this attempt's, or it repeats what was shown."""

    def forward(self, data: bytes) -> None:
        """Pass on a slice."""

    def finish(self, data: bytes) -> None:
        """Pass on the last slice and end the answer."""

    def may_move(self) -> bool:
        """Tell whether another candidate is left, and could go on with what was shown, if anything was."""

    def hedge(self, attempt: Attempt) -> None:
        """It is later than nearly all of its kind: have another one beside it, where that is worth it."""

    def longest(self, attempt: Attempt) -> Seconds:
        """Return how long even the longest answer would take: a whole one that takes longer is overdue."""

    def silent(self, attempt: Attempt) -> None:
        """The provider is silent for suspiciously long: see whether anybody is there."""

    def open_early(self) -> None:
        """There is no content for so long that the client should get a head."""
