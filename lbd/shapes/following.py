"""What follows the reading of another: how far that has come is how far it has come itself."""

from __future__ import annotations

from typing import Protocol

from lbd.model.outcome import Usage


class Followed(Protocol):
    """What can be followed: a :class:`lbd.shapes.wire.Watch`, or a :class:`lbd.shapes.dialect.Listener`."""

    @property
    def done(self) -> bool:
        """The provider's own end mark came."""

    @property
    def usage(self) -> Usage | None:
        """The tokens of the answer, as far as they were told."""

    @property
    def whole(self) -> bool:
        """Nothing but the end is missing."""

    @property
    def finished(self) -> bool:
        """Every choice has told why it ended."""


class Following:
    """Most of who follows ``source``."""

    def __init__(self, source: Followed) -> None:
        self._source = source

    @property
    def done(self) -> bool:
        """Tell whether the provider's end mark came."""
        return self._source.done

    @property
    def usage(self) -> Usage | None:
        """The tokens of the answer, as far as they were told."""
        return self._source.usage

    @property
    def whole(self) -> bool:
        """Tell whether nothing but the end is missing."""
        return self._source.whole

    @property
    def finished(self) -> bool:
        """Tell whether every choice has told why it ended."""
        return self._source.finished
