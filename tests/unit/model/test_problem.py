"""Problems of a configuration: an editor can jump to them, a person understands them."""

from __future__ import annotations

import pytest

from lbd.model.problem import ConfigError, Place, Problem

PLACE = Place("lbd.yaml", 12, 5)


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem(PLACE, "tiers[0].name", "is missing"), "lbd.yaml:12:5: tiers[0].name: is missing"),
        (Problem(None, "listen", "is taken"), "listen: is taken"),
        (Problem(PLACE, "", "not a mapping"), "lbd.yaml:12:5: not a mapping"),
        (Problem(None, "", "no such file", "warning"), "warning: no such file"),
        (Problem(PLACE, "models", "unused", "warning"), "lbd.yaml:12:5: warning: models: unused"),
    ],
)
def test_a_problem_says_where_at_which_path_and_why(problem: Problem, text: str) -> None:
    """``file:line:column: path: reason``, each part only where it is known."""
    assert str(problem) == text


def test_the_error_tells_all_problems_at_once() -> None:
    """One a line: nobody mends a file one error at a time."""
    problems = [Problem(PLACE, "a", "one"), Problem(PLACE, "b", "two")]
    error = ConfigError(problems)
    assert str(error).splitlines() == [str(p) for p in problems]
    assert error.problems is problems
