"""Shared by all tests: Hypothesis profiles, and a log that keeps silent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

settings.register_profile("ci", max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("LBD_HYPOTHESIS", "ci"))

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))

# Tests of real processes: what else runs on the machine is time that they do not have.
_ALONE = ("e2e", "unit/demo", "unit/cli/test_top.py")

# What takes long and has shorter kin among the rest: run with LBD_LONG=1, and else counted and named as skipped.
_LONG = {
    "e2e/test_frameworks.py": ("test_a_framework", "test_claude_code"),
    "e2e/test_package.py": ("test_a_service_that_was_stopped", "test_lintian", "test_the_same_tree"),
    "e2e/test_soak.py": ("test_thousands",),
    "e2e/test_splices.py": ("test_a_text_completion", "test_a_response", "test_a_message"),
    "e2e/test_real_faults.py": ("test_a_brown_out", "test_back_to_back"),
    "e2e/test_service.py": ("test_a_killed_daemon_comes_back", "test_killed_again_and_again"),
    "sim/test_quota.py": ("test_others_under", "test_headers_may"),
    "sim/test_calibration.py": ("test_the_chance_of_the_target_is_calibrated[2]",),
}
_SKIP_LONG = pytest.mark.skip(reason="takes long: LBD_LONG=1 runs it")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what has to be run with nothing beside it."""
    here = Path(__file__).parent
    for item in items:
        path = item.path.relative_to(here).as_posix()
        if path.startswith(_ALONE):
            item.add_marker("alone")
        if item.name.startswith(_LONG.get(path, ())) and not os.environ.get("LBD_LONG"):
            item.add_marker(_SKIP_LONG)
