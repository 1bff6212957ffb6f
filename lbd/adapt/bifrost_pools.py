"""Models of our own for deployments that the source means by provider or by key, not by the model alone.

Where a rule or a virtual key of Bifrost's names ``azure`` for a model that ``openai`` offers, too, the model's name
would not keep requests at the one. Such deployments are offered a second time, as ``gpt-4o@azure``.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from lbd.adapt.bifrost_key import Account
from lbd.adapt.draft import Draft
from lbd.adapt.words import slug
from lbd.config.tree import Path_


class Row(NamedTuple):
    """A deployment, the account that it is of, and its share."""

    account: Account
    deployment: dict[str, Any]
    weight: float = 1.0


class Pools:
    """The models that were made, by what is in them."""

    def __init__(self, accounts: list[Account], draft: Draft) -> None:
        self.draft = draft
        self.rows = [Row(a, row) for a in accounts for row in a.provider["deployments"]]  # what the source offers
        self._made: dict[tuple[tuple[str, str, float], ...], str] = {}

    def of(self, provider: str | None, model: str | None, keys: frozenset[str] | None = None) -> list[Row]:
        """Return the deployments of a provider, a model, or one of some keys; None of any of them."""
        return [
            row for row in self.rows
            if provider in (None, row.account.of) and model in (None, row.deployment["model"])
            and (keys is None or keys & row.account.called)
        ]  # fmt: skip

    def model(self, rows: list[Row], path: Path_) -> str | None:
        """Return the name of a model that these deployments and no others serve; None where there are none."""
        names = list(dict.fromkeys(row.deployment["model"] for row in rows))
        if not names:
            return None
        if len(names) == 1 and len(rows) == len(self.of(None, names[0])) and len({r.weight for r in rows}) == 1:
            return str(names[0])
        most = max(row.weight * row.deployment.get("weight", 1.0) for row in rows) or 1.0
        shares = [round(row.weight * row.deployment.get("weight", 1.0) / most, 4) for row in rows]
        key = tuple((r.account.provider["name"], r.deployment["model"], s) for r, s in zip(rows, shares, strict=True))
        if key not in self._made:
            where = list(dict.fromkeys(row.account.of for row in rows))
            if len(rows) < sum(r.account.of in where and r.deployment["model"] in names for r in self.rows):
                where = list(dict.fromkeys(str(row.account.provider["name"]) for row in rows))  # not all of its keys
            name = f"{'+'.join(names)}@{'+'.join(map(slug, where))}"
            n, taken = 1, self.draft.models
            while (f"{name}#{n}" if n > 1 else name) in taken:
                n += 1
            self._made[key] = f"{name}#{n}" if n > 1 else name
            for row, share in zip(rows, shares, strict=True):
                d = row.deployment
                self.draft.deploy(
                    row.account.provider, self._made[key], d.get("upstream_model", d["model"]), path,
                    serves=d.get("serves"), weight=None if share == 1 else share,
                )  # fmt: skip
        return self._made[key]

    @property
    def names(self) -> set[str]:
        """Return the names of the models that were made."""
        return set(self._made.values())

    def places(self, model: str) -> set[str]:
        """Return the providers of the source that a model is at."""
        return {
            row.account.of for row in self.rows
            if any(d["model"] == model for d in row.account.provider["deployments"])
        }  # fmt: skip
