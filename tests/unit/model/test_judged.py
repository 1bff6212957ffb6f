"""What a prompt was held to be."""

from __future__ import annotations

import msgspec

from lbd.model.judged import NOT_JUDGED, Judged


def test_nothing_is_held_of_a_prompt_that_nobody_judged() -> None:
    """It is neither hard nor easy, and moves no decision."""
    assert Judged() == NOT_JUDGED
    assert NOT_JUDGED.difficulty is None and NOT_JUDGED.excess == 0 and NOT_JUDGED.rule is None


def test_it_goes_into_a_record_and_back() -> None:
    """As JSON, with what fired."""
    told = Judged(0.7, 0.2, 0.1, 0.25, "code", (("'def'", 0.1),), "hard", ("difficulty 0.7",), "ab12")
    assert msgspec.json.decode(msgspec.json.encode(told), type=Judged) == told
