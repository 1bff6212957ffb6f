"""Answers that would fill a memory or keep a processor busy: each request is a heavy one, so they come slowly."""

from __future__ import annotations

from tests.faults.content import endless_line, huge_event
from tests.faults.drive import Scenario
from tests.faults.transport import endless_head, gzip_bomb

SCENARIOS = [Scenario(f.__name__, f, rate=8.0) for f in (huge_event, endless_line, endless_head, gzip_bomb)]
