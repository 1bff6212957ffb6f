"""How well a deployment is held to answer one prompt: what is known of it, moved by what the prompt gains.

``expected = prior + (strength - 1) x excess``: a strong model (strength 1) does as it always does, a weak one (0) worse
by as much as the prompt gains from a strong one, or better where it gains less than usual. A prompt that is like
nothing the judge has seen takes more from the weak: their lower bound falls with the distance.
"""

from __future__ import annotations

from lbd.model.request import Ask
from lbd.model.table import ALL, DeploymentView
from lbd.model.units import Ratio

# What a weak model loses of its lower bound at a prompt like nothing that was seen: a margin that was chosen, not
# measured, so that a tenth of quality has to be to spare there.
DOUBT: Ratio = 0.1


def _known(row: DeploymentView, ask: Ask) -> tuple[Ratio | None, Ratio | None]:
    """Return the quality before this prompt, and its lower bound: as measured, else as configured."""
    if ask.family:
        measured = row.families.get(ask.family)
        if measured is not None:
            return measured
        configured = row.spec.quality.get(ask.family)
        if configured is not None:
            return configured, configured
    return row.quality, row.quality if row.quality_low is None else row.quality_low


def _moved(prior: Ratio | None, row: DeploymentView, ask: Ask) -> Ratio | None:
    if prior is None or not ask.excess:
        return prior
    return min(1.0, max(0.0, prior + (row.spec.strength - 1.0) * ask.excess))


def lost(row: DeploymentView, ask: Ask) -> bool:
    """Tell whether its answers to such prompts, or all of them, were found to have become worse."""
    return bool(row.lost) and (ask.family in row.lost or ALL in row.lost)


def expected(row: DeploymentView, ask: Ask) -> Ratio | None:
    """Return the quality that is expected, None where nothing is known of the deployment."""
    return _moved(_known(row, ask)[0], row, ask)


def least(row: DeploymentView, ask: Ask) -> Ratio | None:
    """Return the lower bound of what is expected."""
    found = _moved(_known(row, ask)[1], row, ask)
    if found is None or not ask.doubt:
        return found
    return max(0.0, found - DOUBT * ask.doubt * (1.0 - row.spec.strength))
