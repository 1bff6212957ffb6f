"""Shared by all tests: Hypothesis profiles, and a log that keeps silent."""

from __future__ import annotations

import os

import structlog
from hypothesis import HealthCheck, settings

settings.register_profile("ci", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("thorough", max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("LBD_HYPOTHESIS", "ci"))

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
