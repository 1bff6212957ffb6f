"""Rate limits by account: the rows of one quota group share them, and the count of what was sent under them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from lbd.model.outcome import Outcome, QuotaReading
from lbd.model.units import Instant, Tokens
from lbd.state import quota
from lbd.state.quota import Quota
from lbd.state.row import Row


def group(row: Row) -> str:
    """Name the account that ``row`` is under."""
    return row.provider.quota_group or row.provider.name


class Accounts:
    """Part of the table's owner; it alone writes here."""

    def __init__(self) -> None:
        self.quotas: dict[str, Quota] = {}
        self._sent: dict[str, int] = {}

    def configure(self, rows: Iterable[Row]) -> None:
        """Know the accounts of these rows, and no others."""
        self.quotas = {g: self.quotas.get(g, Quota()) for g in {group(row) for row in rows}}

    def restore(self, kept: Mapping[str, Quota]) -> None:
        """Take over what was kept of accounts that are configured."""
        self.quotas.update({name: q for name, q in kept.items() if name in self.quotas})

    def of(self, row: Row) -> Quota:
        """Return the rate limits that ``row`` is under."""
        return self.quotas[group(row)]

    def send(self, row: Row) -> int:
        """Count a request; return its ordinal."""
        name = row.provider.quota_group or row.provider.name
        ordinal = self._sent[name] = self._sent.get(name, 0) + 1
        return ordinal

    def answered(self, row: Row, ordinal: int, outcome: Outcome, now: Instant) -> bool | None:
        """Take in the limits that an answer told; see :meth:`change`."""
        usage = outcome.usage
        tokens = None if usage is None else usage.prompt + usage.completion
        return self._read(row, outcome.quota, now - outcome.quota_age_s, now, ordinal, tokens)

    def probed(self, row: Row, readings: Sequence[QuotaReading], running: int, now: Instant) -> bool | None:
        """Take in the limits that a probe told while so many requests ran.

        They may be counted in it already or not: they are held not to be. See :meth:`change`.
        """
        return self._read(row, readings, now, now, self._sent.get(group(row), 0) - running, None)

    def _read(
        self,
        row: Row,
        readings: Sequence[QuotaReading],
        at: Instant,
        now: Instant,
        ordinal: int,
        tokens: Tokens | None,
    ) -> bool | None:
        sent = self._sent.get(group(row), 0)
        return self.change(
            row, lambda limits: quota.read(limits, readings, at, ordinal=ordinal, sent=sent, tokens=tokens), now
        )

    def change(self, row: Row, change: Callable[[Quota], Quota], now: Instant) -> bool | None:
        """Change the limits of ``row``'s account; tell whether that shut or opened it, None where it is gone."""
        name = group(row)
        before = self.quotas.get(name)
        if before is None:  # a reload took the last row of the account out
            return None
        after = self.quotas[name] = change(before)
        shut = (quota.left(before, now) > 0) is not (quota.left(after, now) > 0)
        return shut or before.blocked_until != after.blocked_until
