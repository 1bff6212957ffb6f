"""Every decision of a journal executed again, on the table it was made on, with the seed and the live inputs it had."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from lbd.decide import explain
from lbd.decide.experiment import under
from lbd.decide.terms import Term
from lbd.model.plan import Decision
from lbd.model.table import Snapshot
from lbd.model.units import WallTime
from lbd.observe.archive import Kept, Opened


class Different(msgspec.Struct, frozen=True):
    """A decision that came out otherwise, or could not be executed; ``found`` None: nobody, or nothing was executed."""

    request: str
    time: WallTime
    number: int  # of the request's decisions, from 1
    generation: int
    recorded: dict[str, str | None]
    found: dict[str, str | None] | None
    why: str


class Again(msgspec.Struct):
    """What came of it. ``missing``: their table is not in the journal any more, so they were not executed."""

    requests: int = 0
    decisions: int = 0
    same: int = 0
    different: int = 0
    missing: int = 0
    versions: Counter[str] = msgspec.field(default_factory=Counter)  # of lbd, by decisions
    since: WallTime | None = None
    until: WallTime | None = None
    first: Different | None = None
    first_missing: Different | None = None


def execute(journal: Iterable[Kept], terms: Mapping[str, Term], version: str) -> Again:
    """Execute all decisions; ``terms`` and ``version`` are those of this lbd."""
    told = Again()
    for kept in journal:
        told.requests += 1
        told.since = kept.record.time if told.since is None else told.since
        told.until = kept.record.time
        for number, attempt in enumerate(kept.record.attempts, 1):
            _one(told, kept, number, attempt.decision, terms, version)
    return told


def _one(told: Again, kept: Kept, number: int, decision: Decision, terms: Mapping[str, Term], version: str) -> None:
    told.decisions += 1
    told.versions[kept.opened.version] += 1
    snapshot = kept.tables.get(decision.generation)
    if snapshot is None:
        told.missing += 1
        why = "the table it was made on is not in the journal: its segment was forgotten, or lost in a crash"
        told.first_missing = told.first_missing or _different(kept, number, decision, None, why)
        return
    lacking = _lacking(snapshot, decision, terms)
    if lacking is None and explain.replays(snapshot, decision, terms):
        told.same += 1
        return
    told.different += 1
    if told.first is None:
        found = None if lacking is not None else _found(snapshot, decision, terms)
        told.first = _different(
            kept, number, decision, found, lacking or _why(kept.opened, snapshot, decision, version)
        )


def _lacking(snapshot: Snapshot, decision: Decision, terms: Mapping[str, Term]) -> str | None:
    """Return the plugin that this lbd has not, and without which nothing can be executed."""
    scorer = under(snapshot, decision.ask.variant).scorer
    names = [name for name, _ in (*scorer.weights, *scorer.peak) if name not in terms]
    return f"the scoring term {names[0]!r} is not installed here: it is a plugin of its own" if names else None


def _why(opened: Opened, snapshot: Snapshot, decision: Decision, version: str) -> str:
    if opened.version != version:
        return f"it was made by lbd {opened.version}, and this is {version}: that one would say the same again"
    if decision.ask.target not in under(snapshot, decision.ask.variant).catalogue.targets:
        return f"the configuration that the table goes by has nothing called {decision.ask.target!r}"
    return "by the same version, on the same table: a scoring term was changed without a new version, or lbd is wrong"


def _found(snapshot: Snapshot, decision: Decision, terms: Mapping[str, Term]) -> dict[str, str | None] | None:
    choice = None if decision.reason == "again" else explain.replay(snapshot, decision, terms)
    return None if choice is None else _words(choice.candidate.id, choice.stage, choice.manner, choice.reason)


def _different(kept: Kept, number: int, decision: Decision, found: dict[str, str | None] | None, why: str) -> Different:
    recorded = _words(decision.chosen, decision.stage, decision.manner, decision.reason)
    return Different(kept.record.id, kept.record.time, number, decision.generation, recorded, found, why)


def _words(chosen: str | None, stage: str, manner: str, reason: str) -> dict[str, str | None]:
    return {"deployment": chosen, "stage": stage, "manner": manner, "reason": reason}
