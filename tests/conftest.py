"""Shared by all tests: Hypothesis profiles, and a log that keeps silent."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

# the same examples each time: what turns red is what was changed; ``thorough`` looks for others
settings.register_profile(
    "ci", max_examples=25, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("thorough", max_examples=2000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("LBD_HYPOTHESIS", "ci"))

# A run starts some hundred Pythons, and every worker reads every test: each would compile all of it anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# A run that was started in the background has inherited signals that mean nothing, and would hand that on.
if threading.current_thread() is threading.main_thread():
    for _number, _usual in ((signal.SIGHUP, signal.SIG_DFL), (signal.SIGINT, signal.default_int_handler)):
        if signal.getsignal(_number) is signal.SIG_IGN:
            signal.signal(_number, _usual)

structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))

# Reading 600 files makes millions of objects that stay: looking through them for garbage finds none.
gc.disable()

# Tests of real processes against whose clocks something is held: what else runs on the machine is time that they do not
# have.
_ALONE = ("e2e/",)
# Tests of real processes that are waited for more than they compute: beside everything else, each worker begins with
# some of them. No clock is held against them but that of a hang, or one that leaves room. The longest come first.
_TOGETHER = (
    "e2e/test_package.py",
    "e2e/test_page.py",
    "e2e/test_service.py",
    "unit/demo/",
    "e2e/test_docs.py",
    "e2e/test_frameworks.py",
    "unit/cli/test_top.py",
    "e2e/test_scored_and_deferred.py",
    "e2e/test_money_and_choice.py",
    "e2e/test_answers.py",
    "e2e/test_embeddings.py",
    "e2e/test_every_shape.py",
    "e2e/test_examples.py",
)
# Where single tests take ten seconds: first, so that nobody waits for one of them in the end.
_FIRST = ("faults/", "sim/", "architecture/test_style.py")

# What takes long and has shorter kin among the rest: run with LBD_LONG=1, and else counted and named as skipped.
_LONG = {
    "contract/test_cut_anywhere.py": ("test_everywhere",),
    "e2e/test_frameworks.py": ("test_a_framework", "test_claude_code"),
    "e2e/test_package.py": ("test_a_service_that_was_stopped", "test_lintian", "test_the_same_tree"),
    "e2e/test_soak.py": ("test_thousands",),
    "e2e/test_splices.py": ("test_a_text_completion", "test_a_response", "test_a_message"),
    "e2e/test_real_faults.py": ("test_a_brown_out", "test_back_to_back"),
    "e2e/test_service.py": ("test_a_killed_daemon_comes_back", "test_killed_again_and_again"),
    "sim/test_experiments.py": (
        "test_arms_that_do_not_differ_are_told_apart_in_alpha_of_all_runs_at_most[1000",
        "test_a_whole_experiment_without_a_difference_is_stopped_in_few_runs[1000]",
    ),
    "sim/test_outages.py": tuple(
        f"test_random_weather_never_loses_a_request_while_one_provider_is_well[{seed}]" for seed in (3, 4, 5)
    ),
    "sim/test_pressure.py": ("test_a_provider_loses_its_traffic_before_its_first_429[20]",),
    "sim/test_quota.py": ("test_others_under", "test_headers_may"),
    "sim/test_calibration.py": ("test_the_chance_of_the_target_is_calibrated[2]",),
    "unit/loops/test_probing.py": ("test_providers_with_free_endpoints_and_some_traffic_cost_nothing_in_a_day[20]",),
}
_SKIP_LONG = pytest.mark.skip(reason="takes long: LBD_LONG=1 runs it")


def _alone(path: str) -> bool:
    """Return whether what this file tests has to be run with nothing beside it; by its path below this folder."""
    return path.startswith(_ALONE) and not path.startswith(_TOGETHER)


def _shared_out(items: list[pytest.Item], workers: int) -> list[pytest.Item]:
    """Return tests in the order in which so many workers run them that get equal parts, and steal from each other's.

    Each begins with some files of those that wait, and goes on with some of what takes long.
    """
    here = Path(__file__).parent
    lanes: list[list[pytest.Item]] = [[] for _ in range(workers)]
    first: list[pytest.Item] = []
    rest: list[pytest.Item] = []
    for item in items:
        path = item.path.relative_to(here).as_posix()
        place = next((i for i, begin in enumerate(_TOGETHER) if path.startswith(begin)), None)
        if place is not None:
            lanes[place % workers].append(item)
        else:
            (first if path.startswith(_FIRST) else rest).append(item)
    out: list[pytest.Item] = []
    for k, lane in enumerate(lanes):
        others = workers - k
        size, early = (len(items) - len(out)) // others, len(first) // others
        late = max(0, size - len(lane) - early)
        out += [*lane, *first[:early], *rest[:late]]
        del first[:early], rest[:late]
    return [*out, *first, *rest]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not read a file all of whose tests are deselected: the marks go by whole files."""
    part, path = config.option.markexpr, collection_path
    if part not in ("alone", "not alone") or not path.name.startswith("test_") or not path.is_file():
        return None
    here = Path(__file__).parent
    if not collection_path.is_relative_to(here):
        return None
    return True if _alone(collection_path.relative_to(here).as_posix()) != (part == "alone") else None


def pytest_collection_finish() -> None:
    """What was read stays to the end, and need not be looked at again."""
    gc.freeze()
    gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what has to be run with nothing beside it, and put first what takes longest."""
    here = Path(__file__).parent
    items[:] = _shared_out(items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
    for item in items:
        path = item.path.relative_to(here).as_posix()
        if _alone(path):
            item.add_marker("alone")
        if item.name.startswith(_LONG.get(path, ())) and not os.environ.get("LBD_LONG"):
            item.add_marker(_SKIP_LONG)
