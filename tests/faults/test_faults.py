"""No fault of a provider or of the network loses or corrupts a request: each one, in a run of some dozen requests.

Counts are asserted, never times. `python -m tests.bench.faults` runs the same longer, against the daemon as a process.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.fakes.wire import on
from tests.faults.drive import Pace, Scenario, together
from tests.faults.families import FAMILIES, OPEN, TESTED

PART = 20  # scenarios in one test: some at a time on one loop
SPARE = 40  # attempts beyond those of a long run: here most requests come before the fault is known
# in one family, as the benchmark runs the whole of them
YOUNG = [s for name, tested in TESTED.items() for s in FAMILIES[name] if s.name in tested]
RUN = {name: family for name, family in FAMILIES.items() if name not in TESTED} | {"young": YOUNG}
PARTS = [(name, at) for name, family in RUN.items() for at in range(0, len(family), PART)]


def test_names_tell_scenarios_apart() -> None:
    """A name is what one is run by."""
    names = Counter(s.name for family in FAMILIES.values() for s in family)
    assert [name for name, count in names.items() if count > 1] == []
    assert names.keys() >= OPEN.keys()
    assert len(YOUNG) == sum(map(len, TESTED.values()))


@pytest.mark.parametrize(("family", "at"), PARTS, ids=[f"{name}-{at // PART}" for name, at in PARTS])
def test_no_fault_loses_a_request(family: str, at: int) -> None:
    """Every answer is right to the byte or a typed error; none is one before content where somebody else is well."""
    scenarios: list[Scenario] = [s for s in RUN[family][at : at + PART] if s.name not in OPEN]
    reports = on("uvloop", together(scenarios, Pace()))
    wrong = [f"{r.scenario.name}: {text[:600]}" for r in reports for text in r.faults(SPARE)]
    assert not wrong, "\n".join(wrong)
    assert sum(len(r.asks) for r in reports) >= 50 * sum(s.rate is None for s in scenarios)
