"""Rate limits by account: the rows of one quota group share them, and the count of what was sent under them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from lbd.model.outcome import QuotaReading
from lbd.model.units import Instant, Ratio, Seconds
from lbd.state import quota
from lbd.state.claims import Bid, Claims
from lbd.state.need import NOBODY, NOTHING, Need
from lbd.state.quota import Answered, Quota
from lbd.state.row import Row

_tuple = tuple.__new__
_Parts: TypeAlias = tuple[float, float, float, float, float]  # of a need; plain, since each request makes two


class Sent(NamedTuple):
    """A request as its account counted it: all that had been sent with it, when, and what the limits were then.

    ``open`` is what was under way with it, ``need`` what it takes itself.
    """

    account: str  # a reload may put its row under another
    mark: _Parts
    at: Instant
    limits: Quota | None
    open: _Parts
    need: Need


class Tally:
    """All that an account has sent, by estimate, and of it what is under way."""

    __slots__ = ("open", "sent")

    def __init__(self) -> None:
        self.sent: _Parts = NOTHING
        self.open: _Parts = NOTHING


def group(row: Row) -> str:
    """Name the account that ``row`` is under: providers limit each model by itself."""
    return row.spec.account or row.provider.quota_group or row.provider.name


class Accounts:
    """Part of the table's owner; it alone writes here."""

    def __init__(self) -> None:
        self.quotas: dict[str, Quota] = {}
        self.members: dict[str, frozenset[int]] = {}  # the rows of each
        self._tallies: dict[str, Tally] = {}
        self._claims: dict[str, Claims] = {}
        self._asked: dict[str, int] = {}  # requests that have wanted an account that is limited

    def configure(self, rows: Iterable[Row]) -> None:
        """Know the accounts of these rows, and no others."""
        members: dict[str, list[int]] = {}
        for i, row in enumerate(rows):
            members.setdefault(group(row), []).append(i)
        self.members = {name: frozenset(of) for name, of in members.items()}
        self.quotas = {name: self.quotas.get(name, Quota()) for name in members}

    def restore(self, kept: Mapping[str, Quota]) -> None:
        """Take over what was kept of accounts that are configured."""
        self.quotas.update({name: q for name, q in kept.items() if name in self.quotas})

    def of(self, row: Row) -> Quota:
        """Return the rate limits that ``row`` is under."""
        return self.quotas[group(row)]

    # --- what is sent --------------------------------------------------------------------------------

    def when(self, row: Row, bid: Bid, now: Instant) -> Instant:
        """Return when there is room for a request, behind those whose claims come first: now, or a time after it."""
        name = row.spec.account or group(row)
        limits = self.quotas[name]
        if not limits.buckets and limits.pace is None:
            return now if limits.look else max(now, limits.blocked_until)
        claims = self._claims.get(name)
        ahead = claims.before(bid) if claims is not None else NOBODY
        asked = self._asked.get(name, 0)
        return quota.when(limits, bid.need, now, ahead=ahead, under_way=self._tally(name)[1], asked=asked)

    def wanted(self, name: str) -> None:
        """Note one more request that wants an account that is limited."""
        self._asked[name] = self._asked.get(name, 0) + 1

    def use(self, row: Row, need: Need, now: Instant) -> bool | None:
        """Take a request that is sent now off the limits; see :meth:`change`."""
        asked = self._asked.get(group(row), 0)
        return self.change(row, lambda limits: quota.used(limits, need, now, asked), now)

    def _tally(self, name: str) -> tuple[Need, Need]:
        """Return what an account has sent, and what is under way."""
        tally = self._tallies.get(name)
        return (NOTHING, NOTHING) if tally is None else (Need(*tally.sent), Need(*tally.open))

    def send(self, row: Row, need: Need, now: Instant) -> Sent:
        """Count a request that is sent now."""
        name = row.spec.account or group(row)
        tally = self._tallies.get(name)
        if tally is None:
            tally = self._tallies[name] = Tally()
        requests, prompt, output, spare, either = need
        a, b, c, d, e = tally.sent
        tally.sent = (a + requests, b + prompt, c + output, d + spare, e + either)
        a, b, c, d, e = tally.open
        tally.open = (a + requests, b + prompt, c + output, d + spare, e + either)
        # half the time of calling the class
        return _tuple(Sent, (name, tally.sent, now, self.quotas.get(name), tally.open, need))

    def ended(self, sent: Sent, now: Instant | None = None) -> None:
        """A request is over; ``now`` where it was answered."""
        name = sent.account
        if now is not None and (limits := self.quotas.get(name)) is not None and limits.pace is not None:
            self.quotas[name] = quota.answered(limits, sent.at, now)
        tally = self._tallies.get(name)
        if tally is not None:
            requests, prompt, output, spare, either = sent.need
            a, b, c, d, e = tally.open
            tally.open = (a - requests, b - prompt, c - output, d - spare, e - either)

    def claim(self, row: Row, need: Need) -> int:
        """Note somebody who waits for room under the limits of ``row``; return the ticket."""
        return self._claims.setdefault(group(row), Claims()).enter(need)

    def lead(self, name: str, bid: Bid) -> None:
        """Note who is the first of those who wait."""
        self._claims[name].lead(bid)

    def withdraw(self, name: str, ticket: int) -> frozenset[int]:
        """Forget who waited; return the rows where others may have room now."""
        claims = self._claims[name]
        claims.leave(ticket)
        if not len(claims):
            del self._claims[name]
        return self.members.get(name, frozenset())

    # --- what is told --------------------------------------------------------------------------------

    def answered(
        self,
        row: Row,
        sent: Sent,
        readings: Sequence[QuotaReading],
        age_s: Seconds,
        now: Instant,
        *,
        good: bool = False,
    ) -> bool | None:
        """Take in the limits that an answer told ``age_s`` ago; see :meth:`change`."""
        after_s = max(0.0, now - age_s - sent.at)
        all_sent = self._tally(group(row))[0]
        told = Answered(Need(*sent.mark), all_sent, sent.at, after_s, sent.limits, Need(*sent.open), good)
        return self.change(row, lambda limits: quota.read(limits, readings, told, now), now)

    def refused(self, row: Row, sent: Sent, wait_s: Seconds | None, now: Instant, draw: Ratio) -> bool | None:
        """Take in a 429, and the wait that it asks for, if any; see :meth:`change`."""
        asked = self._asked.get(group(row), 0)
        return self.change(row, lambda q: quota.refused(q, wait_s, now, sent_at=sent.at, draw=draw, asked=asked), now)

    def probed(self, row: Row, readings: Sequence[QuotaReading], now: Instant) -> bool | None:
        """Take in the limits that a probe told.

        Requests under way may be counted in it already or not: they are held not to be. See :meth:`change`.
        """
        sent, under_way = self._tally(group(row))
        told = Answered(sent.minus(under_way), sent, now)
        return self.change(row, lambda limits: quota.read(limits, readings, told, now), now)

    def change(self, row: Row, change: Callable[[Quota], Quota], now: Instant) -> bool | None:
        """Change the limits of ``row``'s account; tell whether that shut or opened it, None where it is gone."""
        name = group(row)
        before = self.quotas.get(name)
        if before is None:  # a reload took the last row of the account out
            return None
        after = self.quotas[name] = change(before)
        shut = (quota.left(before, now) > 0) is not (quota.left(after, now) > 0)
        return shut or before.blocked_until != after.blocked_until
