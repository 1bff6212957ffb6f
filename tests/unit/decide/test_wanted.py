"""``x-lbd-validate``: every word of it, and what is refused."""

from __future__ import annotations

import importlib.util

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.decide import wanted
from lbd.model.validation import Validation


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("json_schema", Validation(own_schema=True)),
        ("refusal", Validation(refusal=True)),
        ("language=de", Validation(language="de")),
        (" min_chars=1 ,max_chars=500", Validation(min_chars=1, max_chars=500)),
        ("refusal,on_failure=pass", Validation(refusal=True, serve_last=True)),
    ],
)
def test_words_in_any_order(text: str, meant: Validation) -> None:
    """With or without blanks."""
    assert wanted.read(text) == meant


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not understood"),
        ("regex=a", "not understood at 'regex=a'"),
        ("min_chars", "not understood"),
        ("min_chars=-1", "not understood"),
        ("max_chars=\u0663", "not understood"),
        ("max_chars=99999999999", "not understood"),
        ("language=tlh", "names no language"),
        ("language", "names no language"),
        ("on_failure=pass", "names no check"),
        ("refusal,", "not understood"),
        ("min_chars=5, max_chars=4", "at most 4"),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, why: str) -> None:
    """Never ignored, and never longer than it must be."""
    with pytest.raises(ValueError, match=why):
        wanted.read(text)


def test_a_schema_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a client would believe that its answers are held to it."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(ValueError, match="extra `validate`"):
        wanted.read("json_schema")
    assert wanted.read("refusal").refusal


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """With a reason, and with nothing else."""
    try:
        assert wanted.read(text).checks
    except ValueError as e:
        assert str(e)
