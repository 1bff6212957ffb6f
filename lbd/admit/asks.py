"""The Asks of requests; like requests share one, and with it their ranking."""

from __future__ import annotations

from lbd.decide import classify
from lbd.decide.classify import NO_WISHES
from lbd.decide.experiment import under
from lbd.model.failure import Failure, LbdError
from lbd.model.judged import Judged
from lbd.model.plan import Catalogue
from lbd.model.provider import AutoSpec, ClientSpec, Deadlines, SurfaceSpec
from lbd.model.request import Ask, Head, Wishes
from lbd.model.table import Snapshot

REMEMBERED = 4096


class Asks:
    """See the module."""

    def __init__(self) -> None:
        self.known: dict[tuple[object, ...], Ask] = {}
        self._of: Catalogue | None = None

    def clear(self) -> None:
        """Forget all: another configuration holds."""
        self.known.clear()

    def of(
        self,
        snapshot: Snapshot,
        head: Head,
        wish: Wishes,
        client: ClientSpec,
        surface: SurfaceSpec | None,
        shape: str,
        deadlines: Deadlines,
        auto: AutoSpec,
        judged: Judged,
        *,
        peak: bool,
        variant: str = "",
    ) -> Ask:
        """Return the Ask of a request; ``variant``: the experiment whose treatment it gets. Raises LbdError."""
        if snapshot.catalogue is not self._of or len(self.known) > REMEMBERED:
            self.known.clear()
            self._of = snapshot.catalogue
        size = classify.round_up(head.text_bytes * snapshot.tokens_per_byte)
        key = (
            head.model,
            size,
            head.stream,
            head.max_output_tokens,
            head.n,
            head.draws,
            head.needs,
            head.service_tier,
            client.name,
            shape,
            judged.rule,
            judged.family,
            judged.excess,
            judged.distance,
            peak,
            variant,
        )
        plain = wish is NO_WISHES and surface is None
        known = self.known.get(key) if plain else None
        if known is not None:
            return known
        made = classify.ask(
            head,
            wish,
            size,
            catalogue=under(snapshot, variant).catalogue,
            client=client,
            surface=surface,
            deadlines=deadlines,
            shape=shape,
            auto=auto,
            judged=judged,
            peak=peak,
            variant=variant,
        )
        if isinstance(made, Failure):
            raise LbdError(made)
        if plain:
            self.known[key] = made
        return made
