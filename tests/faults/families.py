"""All faults, by family."""

from __future__ import annotations

from tests.faults import connection, content, heavy, outage, status, timing, transport
from tests.faults.drive import Scenario

FAMILIES: dict[str, list[Scenario]] = {
    module.__name__.rsplit(".", 1)[1]: module.SCENARIOS
    for module in (connection, timing, transport, content, status, outage, heavy)
}

# What lbd does not do right yet, and why. The tests leave it out, the benchmark does not.
OPEN: dict[str, str] = {}
