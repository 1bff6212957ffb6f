"""What is found out about requests that leave the choice to lbd: what their prompts are held to be, and their rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from msgspec.structs import replace

from lbd.admit.judge import Judge
from lbd.decide import classify, eligible, names
from lbd.decide.rules import Traits, judges, match
from lbd.model.failure import Failure
from lbd.model.judged import NOT_JUDGED, Judged
from lbd.model.plan import TargetKind
from lbd.model.provider import AutoSpec, ClientSpec, RuleSpec, SurfaceSpec
from lbd.model.request import Ask, Head, Wishes
from lbd.model.table import Snapshot
from lbd.shapes.clients import ClientShape


class Asking(Protocol):
    """A request's headers."""

    def header(self, name: str) -> str | None:
        """Return a header's value."""


class Ways(NamedTuple):
    """How choices are made: the rules that take requests by themselves, how prompts are judged, whether for a rule."""

    rules: tuple[RuleSpec, ...] = ()
    auto: AutoSpec = AutoSpec()
    by_prompt: bool = False


class Chooser:
    """See the module. ``judge`` None: there is none, and prompts are not judged. ``peak``: it is in peak hours."""

    def __init__(self) -> None:
        self.judge: Judge | None = None
        self.peak = False
        self.idle = True  # nothing is chosen for requests of no surface and no experiment
        self._ways = {"": Ways()}

    def configure(
        self,
        rules: tuple[RuleSpec, ...],
        auto: AutoSpec,
        variants: Mapping[str, tuple[tuple[RuleSpec, ...], AutoSpec]] | None = None,
    ) -> None:
        """Take the rules that take requests by themselves; ``variants``: those of the treated of experiments."""
        every = {**(variants or {}), "": (rules, auto)}
        self._ways = {name: Ways(of, how, judges(of)) for name, (of, how) in every.items()}
        self.idle = not (rules or classify.share(None, auto))

    def judged(
        self,
        snapshot: Snapshot,
        inbound: Asking,
        raw: bytes,
        shape: ClientShape,
        head: Head,
        wish: Wishes,
        client: ClientSpec,
        surface: SurfaceSpec | None,
        variant: str = "",
    ) -> Judged:
        """Return what a prompt is held to be, and the rule that is taken for it; nothing where a name was asked for.

        ``snapshot`` and ``surface`` are as the treated of ``variant`` have them.
        A rule none of whose models can do what is asked (tools, images, embeddings, ...) is passed over.
        """
        ways = self._ways.get(variant) or self._ways[""]
        share = classify.share(surface, ways.auto)
        if not (ways.rules or share) or not _chooses(snapshot, head.model, wish, surface):
            return NOT_JUDGED
        said = _Said(shape.said, raw)
        found = NOT_JUDGED
        if self.judge is not None and ways.auto.judge and (share or ways.by_prompt):
            found = self.judge.conversation(said.turns())
        traits = Traits(
            head.model,
            client.name,
            "" if surface is None else surface.name,
            classify.urgency(head, wish, surface),
            classify.round_up(head.text_bytes * snapshot.tokens_per_byte),
            head.needs,
            self.peak,
            found.difficulty,
            found.family,
        )
        able = [rule for rule in ways.rules if _able(snapshot, rule, shape.name, head.needs)]
        rule, by = match(able, traits, said.last, inbound.header)
        return found if rule is None else replace(found, rule=rule.name, by=by)


def _able(snapshot: Snapshot, rule: RuleSpec, shape: str, needs: frozenset[str]) -> bool:
    target = snapshot.catalogue.targets.get(f"rule:{rule.name}")
    ask = Ask("", shape=shape, needs=needs)
    return target is not None and any(
        eligible.can(snapshot.rows[i].spec, ask) for stage in target.stages for i in stage.rows
    )


class _Said:
    """What the user said, read once and only where somebody asks."""

    def __init__(self, read: Callable[[bytes], tuple[str, ...]] | None, raw: bytes) -> None:
        self._read = read
        self._raw = raw
        self._turns: tuple[str, ...] | None = None

    def turns(self) -> tuple[str, ...]:
        if self._turns is None:
            self._turns = () if self._read is None else self._read(self._raw)
        return self._turns

    def last(self) -> str:
        turns = self.turns()
        return turns[-1] if turns else ""


def _chooses(snapshot: Snapshot, model: str, wish: Wishes, surface: SurfaceSpec | None) -> bool:
    """Tell whether a name leaves the choice to lbd."""
    pin = wish.pin or (surface.pin if surface is not None else None)
    aliases = surface.models if surface is not None else ()
    target = names.resolve(snapshot.catalogue, model, pin=pin, surface_aliases=aliases)
    return not isinstance(target, Failure) and target.kind is TargetKind.AUTO
