"""What is read of a configuration: are prompts judged?"""

from __future__ import annotations

import pytest

from tests.fakes.configs import LOCAL, checked

JUDGING = {
    "auto": "auto: {quality_share: 0.9}",
    "a surface": "surfaces: [{name: s, quality_share: 0.9}]",
    "a rule": "routing_rules: {hard: {primary: m, when: {difficulty_min: 0.5}}}",
    "an experiment": "experiments: [{name: e, share: 0.1, change: {auto.quality_share: 0.9}}]",
}


@pytest.mark.parametrize("text", JUDGING.values(), ids=JUDGING.keys())
def test_prompts_are_judged_where_anything_asks_for_it(text: str) -> None:
    """Also where only the treated of an experiment do."""
    assert checked(LOCAL + text).judges


@pytest.mark.parametrize("text", ["", "auto: {judge: false, quality_share: 0.9}", "surfaces: [{name: s}]"])
def test_else_they_are_not(text: str) -> None:
    """It costs time; it can be forbidden, too."""
    assert not checked(LOCAL + text).judges
