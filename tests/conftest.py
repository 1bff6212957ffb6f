"""Shared by all tests: Hypothesis profiles, and a log that keeps silent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

settings.register_profile("ci", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("LBD_HYPOTHESIS", "ci"))

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))

# Tests of real processes: what else runs on the machine is time that they do not have.
_ALONE = ("e2e", "unit/demo", "unit/cli/test_top.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what has to be run with nothing beside it."""
    here = Path(__file__).parent
    for item in items:
        path = item.path.relative_to(here).as_posix()
        if path.startswith(_ALONE):
            item.add_marker("alone")
