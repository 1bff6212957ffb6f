"""The budgets in force: held before an attempt goes out, settled when it is over, by whoever drives the attempt.

A hold takes from all budgets that bear on an attempt (its client's, its surface's, its provider's) or from none. What
is promised stands on the disk before: see :mod:`lbd.state.purse`; a loop writes down what is ``due``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping

import msgspec

from lbd.model.failure import Failure, FailureKind
from lbd.model.provider import BudgetSpec
from lbd.model.units import NANO_PER_USD, NanoUsd, Seconds, WallTime
from lbd.state.purse import Purse, begins

# What requests under way have reserved, and do not use, is back in so long; so may a disk be that takes nothing.
SOON: Seconds = 1.0


class Hold:
    """So much of some purses, until it is settled: once, whatever happens."""

    __slots__ = ("amount", "purses")

    def __init__(self, purses: tuple[tuple[str, Purse, int], ...], amount: NanoUsd) -> None:
        self.purses = purses
        self.amount = amount


class Short(msgspec.Struct, frozen=True):
    """Why nothing was held. ``dry``: it will be as soon as more is written down; ``wait_s``: when asking may help."""

    budget: str  # "client support-bot: 50 USD a day"
    dry: bool
    wait_s: Seconds

    def sooner(self, other: Short | None) -> Short:
        """Return the one whose budget may sooner have enough."""
        return other if other is not None and other.wait_s <= self.wait_s else self

    def failure(self) -> Failure:
        """Return what a request is told that nobody else can serve."""
        if self.dry:
            text = f"the disk takes nothing, and nothing is spent before it is written down: {self.budget}"
            return Failure(FailureKind.UNAVAILABLE, text, retry_after_s=self.wait_s)
        text = f"what is left of a budget does not reach for this request: {self.budget}"
        return Failure(FailureKind.BUDGET, text, retry_after_s=None if self.wait_s == math.inf else self.wait_s)


class Purses:
    """See the module. ``told`` gets an event of a budget: its kind, the budget's name, and numbers."""

    def __init__(self, told: Callable[[str, str, dict[str, object]], None]) -> None:
        self._told = told
        self._purses: dict[str, Purse] = {}
        self._specs: dict[str, BudgetSpec] = {}
        self._of: dict[tuple[str, str], tuple[str, ...]] = {}
        self._warned: dict[tuple[str, str], int] = {}  # the window in which it was told
        self._kept: dict[str, tuple[int, NanoUsd]] = {}
        self.active = False

    def configure(self, specs: Iterable[BudgetSpec], wall: WallTime) -> None:
        """Take the budgets of a configuration; those that stay keep what was spent of them."""
        self._specs = {spec.key: spec for spec in specs}
        before, self._purses = self._purses, {}
        of: dict[tuple[str, str], list[str]] = {}
        for key, spec in self._specs.items():
            purse = before.get(key)
            if purse is None:
                purse = Purse(spec.limit, spec.period, hard=spec.hard, warn_at=spec.warn_at)
                if key in self._kept:
                    purse.restore(*self._kept[key])
            purse.limit, purse.hard, purse.warn_at = spec.limit, spec.hard, spec.warn_at
            purse.roll(wall)
            self._purses[key] = purse
            of.setdefault((spec.scope, spec.name), []).append(key)
        self._of = {whose: tuple(keys) for whose, keys in of.items()}
        self.active = bool(self._purses)

    def unwritten(self, kept: Collection[str], wall: WallTime) -> dict[str, tuple[int, BudgetSpec]]:
        """Return the budgets of which nothing was written down, each with the begin of its window.

        Theirs is a new budget, or a file that was damaged.
        """
        return {key: (begins(spec.period, wall), spec) for key, spec in self._specs.items() if key not in kept}

    def restore(self, kept: Mapping[str, tuple[int, NanoUsd]], wall: WallTime) -> None:
        """Take up what was written down before a restart: window and amount, by budget."""
        self._kept = dict(kept)
        for key, (window, granted) in kept.items():
            purse = self._purses.get(key)
            if purse is not None and window >= purse.window:
                purse.restore(window, granted)
                purse.roll(wall)

    def hold(self, client: str, surface: str, provider: str, amount: NanoUsd | None, wall: WallTime) -> Hold | Short:
        """Hold ``amount`` for an attempt, or say which budget is short: of a hard one for what has no known price."""
        found: list[tuple[str, Purse, int]] = []
        short: Short | None = None  # the one that stands in the way for longest
        for whose in (("client", client), ("surface", surface), ("provider", provider)):
            for key in self._of.get(whose, ()):
                purse = self._purses[key]
                purse.roll(wall)
                one = self._short(key, purse, amount, wall)
                if one is None:
                    found.append((key, purse, purse.turn))
                elif short is None or (not one.dry, one.wait_s) > (not short.dry, short.wait_s):
                    short = one
        if short is not None:
            return short
        for _, purse, _ in found:
            purse.reserve(amount or 0)
        return Hold(tuple(found), amount or 0)

    def _short(self, key: str, purse: Purse, amount: NanoUsd | None, wall: WallTime) -> Short | None:
        """Return why a budget has not so much left, None where it has."""
        words = self._specs[key].words
        if amount is None and purse.hard:
            return Short(f"{words}, and its price is not known", False, math.inf)
        answer = purse.asks(amount or 0)
        if answer == "held":
            return None
        if answer == "dry":
            return Short(words, True, SOON)
        if purse.spent + (amount or 0) <= purse.limit:
            return Short(f"{words}, while others are under way", False, SOON)
        self._tell("budget_exhausted", key, purse)
        return Short(words, False, purse.back_in(wall))

    def settle(self, hold: Hold | None, actual: NanoUsd) -> None:
        """Put what an attempt really cost in the place of what was held for it."""
        if hold is None:
            return
        purses, hold.purses = hold.purses, ()
        for key, purse, turn in purses:
            purse.settle(turn, hold.amount, actual)
            if turn != purse.turn or self._purses.get(key) is not purse:
                continue  # it is past, or a reload took it away
            if purse.used() >= purse.warn_at:
                self._tell("budget_low", key, purse)
            if purse.left < 0:
                self._tell("budget_passed", key, purse)

    def _tell(self, kind: str, key: str, purse: Purse) -> None:
        """Tell it once in each window."""
        if self._warned.get((kind, key)) != purse.window:
            self._warned[kind, key] = purse.window
            spec = self._specs[key]
            told = {"limit_usd": spec.limit / NANO_PER_USD, "spent_usd": purse.spent / NANO_PER_USD}
            self._told(kind, spec.words, {**told, "reserved_usd": purse.reserved / NANO_PER_USD})

    # --- what is written down ------------------------------------------------------------------------

    def due(self, wall: WallTime) -> dict[str, tuple[int, NanoUsd]]:
        """Return what has to be written down before more can be promised: window and amount, by budget."""
        out = {}
        for key, purse in self._purses.items():
            purse.roll(wall)
            amount = purse.due()
            if amount is not None:
                out[key] = (purse.stamp, amount)
        return out

    def granted(self, written: Mapping[str, tuple[int, NanoUsd]]) -> None:
        """Note what stands on the disk now."""
        for key, (window, amount) in written.items():
            if key in self._purses:
                self._purses[key].grant(window, amount)
                self._kept[key] = (window, amount)

    def spent(self) -> dict[str, tuple[int, NanoUsd]]:
        """Return what is to be written down at an end in peace: not more than what was really spent."""
        return {key: (p.stamp, p.spent + p.reserved) for key, p in self._purses.items()}

    def spent_of(self, key: str) -> NanoUsd:
        """Return what was spent of a budget in its window, 0 where there is none of this key."""
        purse = self._purses.get(key)
        return 0 if purse is None else purse.spent

    def report(self, wall: WallTime) -> list[dict[str, object]]:
        """Return each budget with where it stands, in USD."""
        out: list[dict[str, object]] = []
        for key, purse in self._purses.items():
            purse.roll(wall)
            spec = self._specs[key]
            out.append(
                {
                    "scope": spec.scope,
                    "name": spec.name,
                    "period": spec.period,
                    "hard": spec.hard,
                    "limit_usd": spec.limit / NANO_PER_USD,
                    "spent_usd": purse.spent / NANO_PER_USD,
                    "reserved_usd": purse.reserved / NANO_PER_USD,
                    "left_usd": purse.left / NANO_PER_USD,
                    "resets_in_s": round(purse.back_in(wall), 3),
                }
            )
        return out
