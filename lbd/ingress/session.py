"""Who is signed in to the page: a cookie for a while, got for the admin token, and what proves that a form is its own.

Sessions live in this process and end with it. One ends, too, when the token is another; and guessing tokens is slow.
"""

from __future__ import annotations

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

from lbd.model.secret import Secret
from lbd.model.units import Instant, Seconds

LASTS: Seconds = 12 * 3600.0
MOST = 64  # at once; the oldest is signed out
GUESSES = 10  # wrong tokens, of everybody together, that are taken in GUESS_SPAN
GUESS_SPAN: Seconds = 60.0
LONGEST_NAME = 60


class Session(NamedTuple):
    """One person's."""

    name: str
    csrf: str
    until: Instant
    token: bytes  # digest of the token that it was got for


class Sessions:
    """See the module. ``draw`` returns a new secret of its own each time."""

    def __init__(self, now: Callable[[], Instant], draw: Callable[[], str]) -> None:
        self._now = now
        self._draw = draw
        self._of: OrderedDict[str, Session] = OrderedDict()
        self._wrong: list[Instant] = []

    def waits(self) -> Seconds:
        """Return for how long no token is looked at, because too many were wrong; 0 mostly."""
        now = self._now()
        self._wrong = [at for at in self._wrong if at > now - GUESS_SPAN]
        return self._wrong[0] + GUESS_SPAN - now if len(self._wrong) >= GUESSES else 0.0

    def open(self, sent: str, name: str, token: Secret) -> str | None:
        """Return the key of a new session, None where the token that was sent is wrong."""
        if not hmac.compare_digest(sent.strip().encode("utf-8", "surrogateescape"), token.reveal().encode()):
            self._wrong.append(self._now())
            return None
        key = self._draw()
        named = " ".join(name.split())[:LONGEST_NAME] or "somebody with the token"
        self._of[key] = Session(named, self._draw(), self._now() + LASTS, _digest(token))
        while len(self._of) > MOST:
            self._of.popitem(last=False)
        return key

    def find(self, key: str | None, token: Secret | None) -> Session | None:
        """Return whose session a cookie is."""
        found = None if key is None else self._of.get(key)
        if found is None or key is None:
            return None
        if token is None or found.until <= self._now() or found.token != _digest(token):
            del self._of[key]
            return None
        return found

    def close(self, key: str | None) -> None:
        """End a session."""
        if key is not None:
            self._of.pop(key, None)


def own_form(session: Session, sent: str) -> bool:
    """Tell whether a form was this session's."""
    return hmac.compare_digest(sent.encode("utf-8", "surrogateescape"), session.csrf.encode())


def _digest(token: Secret) -> bytes:
    return hashlib.sha256(token.reveal().encode()).digest()
