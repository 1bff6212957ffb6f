"""A request's turn under rate limits: what it needs, when there is room for it, and its claim while it waits."""

from __future__ import annotations

from collections.abc import Mapping

from lbd.model.request import Ask, Urgency
from lbd.model.table import size_bucket
from lbd.model.units import DeploymentId, Instant, Seconds
from lbd.state import quota
from lbd.state.claims import ANY, Bid
from lbd.state.need import Need
from lbd.table.accounts import group
from lbd.table.owner import Owner
from lbd.upstream.line import Line
from lbd.upstream.queue import Place, Queue

LIMITED = "quota_exhausted"
SLACK = 0.05  # of a wait
_BY_LIMIT = (None, LIMITED)  # refusals under which it is the rate limit that says when


def rank(ask: Ask) -> int:
    """Return the rank of a request in a queue: 0 interactive, 1 background."""
    return 1 if ask.urgency is Urgency.BACKGROUND else 0


class Turn:
    """See the module. Room is claimed once, where it comes soonest, and given up at the end of the wait."""

    __slots__ = ("_account", "_ask", "_lines", "_owner", "_place", "_queue", "_ticket", "_wanted")

    def __init__(self, owner: Owner, queue: Queue, place: Place, ask: Ask, lines: Mapping[DeploymentId, Line]) -> None:
        self._owner = owner
        self._queue = queue
        self._place = place
        self._ask = ask
        self._lines = lines
        self._account = ""
        self._wanted: tuple[str, ...] = ()  # accounts, as it was counted there
        self._ticket = 0

    def need(self, i: int) -> Need:
        """Return what the request takes at row ``i``: tokens of its prompt by estimate, and of its answer.

        An answer is held to be as long as answers there usually are, or as its client, or lbd for it, lets it become.
        """
        ask, most = self._ask, self._ask.output_tokens
        view = self._owner.snapshot.rows[i]
        usual = view.output_tokens
        if most is None and (line := self._lines.get(view.spec.id)) is not None:
            most = line.shape.longest(view.spec.upstream_model)
        if most is None:
            return Need(1, ask.input_tokens, usual * ask.choices, 0, ask.input_tokens)
        usual = min(usual, most)
        either = max(ask.input_tokens, most * ask.choices)
        return Need(1, ask.input_tokens, usual * ask.choices, (most - usual) * ask.choices, either)

    def bid(self, i: int) -> Bid:
        """Return what the request asks row ``i`` for, behind those who wait for the same limits and go before it.

        Where nothing limits the row, nobody needs to know.
        """
        if self._owner.rows[i].calm:
            return ANY
        accounts, account = self._owner.accounts, group(self._owner.rows[i])
        if account not in self._wanted:
            self._wanted = (*self._wanted, account)
            accounts.wanted(account)
        ahead = 0
        if len(self._queue) and not self._place.called:
            ahead = self._queue.ahead(accounts.members[account], self._place)
        ticket = self._ticket if self._ticket and account == self._account else 0
        return Bid(self.need(i), ahead, self._place.rank, ticket)

    def time(self, i: int, now: Instant) -> Instant:
        """Return the soonest time at which row ``i`` may take it."""
        owner = self._owner
        row, view = owner.rows[i], owner.snapshot.rows[i]
        if view.refusal not in _BY_LIMIT:
            # without a time of its own it waits for a slot or for evidence: that may come at any moment
            return now if view.usable_at is None else view.usable_at
        at = owner.accounts.when(row, self.bid(i), now)
        opens = owner.opens(row, now) if view.refusal is not None else None
        return at if opens is None else max(at, opens)

    def in_time(self, times: Mapping[int, Instant], now: Instant, by: Instant) -> bool:
        """Tell whether one of these times is early enough: a stream's first content takes its time, too.

        What is told of a longer wait is less certain: whoever begins it should not be turned away at its end.
        """
        views = self._owner.snapshot.rows
        for i, at in times.items():
            waits = at > now and views[i].refusal in _BY_LIMIT
            lead = self._lead(i) if waits else 0.0
            if at + lead + (0.0 if self._ticket or not waits else SLACK * (at - now)) < by:
                return True
        return False

    def _lead(self, i: int) -> Seconds:
        """Return how long a stream's first content takes at row ``i``, where it has to be there by a time."""
        ask = self._ask
        if not ask.stream:
            return 0.0
        return min(self._owner.snapshot.rows[i].ttft_p99_s[size_bucket(ask.input_tokens)], ask.first_content_s / 2)

    def last(self, times: Mapping[int, Instant], now: Instant, by: Instant) -> Instant:
        """Return until when it waits: who is let go with no time for its first content is not served."""
        views = self._owner.snapshot.rows
        leads = [self._lead(i) if at > now and views[i].refusal in _BY_LIMIT else 0.0 for i, at in times.items()]
        return max(now, by - min(leads, default=0.0))

    def reopened(self, rows: frozenset[int], now: Instant) -> bool:
        """Publish anew the rows whose rate limit ended since the last tick; tell whether one may be used now."""
        owner = self._owner
        shut = [i for i in rows if owner.snapshot.rows[i].refusal == LIMITED]
        ended = [i for i in shut if owner.opens(owner.rows[i], now) is None]
        for i in ended:
            owner.touch(i, transition=True)
        return any(owner.snapshot.rows[i].refusal is None for i in ended)

    def doubted(self, rows: frozenset[int], now: Instant) -> bool:
        """Tell whether it may go and see if what shuts one of them is so: nobody else is left for it."""
        owner = self._owner
        return any(owner.snapshot.rows[i].refusal == LIMITED and owner.look(owner.rows[i], now) for i in sorted(rows))

    def awaited(self, times: Mapping[int, Instant], now: Instant) -> Mapping[int, Instant]:
        """Return the times, now where another one has gone and looks: what it sees may be known at any moment."""
        owner = self._owner
        return {i: now if quota.looked_into(owner.quota_of(owner.rows[i]), now) else at for i, at in times.items()}

    @property
    def taken(self) -> bool:
        """Whether it claims room somewhere."""
        return self._ticket != 0

    def take(self, i: int) -> None:
        """Claim room under the limits of row ``i``, unless it claims some already; the first does so before all."""
        owner = self._owner
        if not self._ticket:
            row = owner.rows[i]
            self._account, self._ticket = group(row), owner.accounts.claim(row, self.need(i))
        bid = self.bid(i)
        if bid.ticket and not bid.ahead:
            owner.accounts.lead(self._account, bid)

    def over(self) -> None:
        """Give the claim up: it was its turn, or it waits no longer. The next may have room."""
        if self._ticket:
            ticket, self._ticket = self._ticket, 0
            for i in self._owner.accounts.withdraw(self._account, ticket):
                self._owner.freed(i)
