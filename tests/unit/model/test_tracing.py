"""Traces as data."""

from __future__ import annotations

from lbd.model.secret import Secret
from lbd.model.tracing import Keep, TracesSpec


def test_a_spec_shows_no_key() -> None:
    """Neither the URL nor a header's value, which may be ones."""
    spec = TracesSpec(Secret("https://user:pass-word@h/v1/traces"), (("x-key", Secret("abc-def")),))
    assert "pass-word" not in repr(spec) and "abc-def" not in repr(spec)
    assert [secret.reveal() for secret in spec.secrets] == ["abc-def"]
    assert (spec.keep_share, spec.keep_sampled) == (0.01, True)


def test_reasons_are_words_for_metrics() -> None:
    """Each of its own."""
    assert {str(why) for why in Keep} == {"error", "splice", "hedge", "fallback", "slo_missed", "sampled", "share"}
