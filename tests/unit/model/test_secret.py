"""Keys: shown to nobody, compared by their text."""

from __future__ import annotations

import copy
import json
import logging
import pickle

import msgspec
import orjson
import pytest

from lbd.model.secret import Secret, SecretRef

KEY = "sk-very-secret"


@pytest.mark.parametrize(
    "show", [str, repr, "{}".format, "{0!r:>40}".format, "%s".__mod__, lambda s: repr([s]), lambda s: repr({"k": s})]
)
def test_a_key_is_not_shown_however_it_is_printed(show) -> None:  # type: ignore[no-untyped-def]
    """Error texts, logs and representations of whatever holds it."""
    assert KEY not in show(Secret(KEY))


def test_a_key_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Not even by somebody else's library."""
    logging.getLogger("other").warning("using %s and %r", Secret(KEY), Secret(KEY))
    assert KEY not in caplog.text
    assert "***" in caplog.text


@pytest.mark.parametrize("encode", [json.dumps, orjson.dumps, msgspec.json.encode, msgspec.msgpack.encode])
def test_a_key_refuses_to_be_encoded(encode) -> None:  # type: ignore[no-untyped-def]
    """It cannot slip into an answer of the admin API or into the store."""
    with pytest.raises(TypeError):
        encode({"key": Secret(KEY)})


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_key_refuses_to_be_pickled(protocol: int) -> None:
    """What is pickled ends in a file or another process; a copy within this one is the same key."""
    with pytest.raises(TypeError, match="secret"):
        pickle.dumps({"key": Secret(KEY)}, protocol)
    assert copy.deepcopy({"key": Secret(KEY)})["key"] == copy.copy(Secret(KEY)) == Secret(KEY)


def test_only_reveal_gives_its_text() -> None:
    """For the one place that puts it on the wire."""
    assert Secret(KEY).reveal() == KEY
    assert not hasattr(Secret(KEY), "__dict__")


def test_keys_are_equal_by_their_text() -> None:
    """A reload sees whether a key was changed; a secret is not equal to a plain text."""
    assert Secret(KEY) == Secret(KEY)
    assert hash(Secret(KEY)) == hash(Secret(KEY))
    assert Secret(KEY) != Secret("other")
    assert Secret(KEY) != KEY


def test_a_reference_knows_three_places_and_refuses_others() -> None:
    """A misspelt place is an error, not an empty key."""
    assert msgspec.json.decode(b'{"credential": "admin"}', type=SecretRef) == SecretRef(credential="admin")
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"environment": "KEY"}', type=SecretRef)
