"""Sessions of the page."""

from __future__ import annotations

from itertools import count

import pytest

from lbd.ingress.session import GUESS_SPAN, GUESSES, LASTS, LONGEST_NAME, MOST, Sessions, own_form
from lbd.model.secret import Secret
from tests.fakes.env import FakeEnv

TOKEN = Secret("let-me-in")


def made() -> tuple[FakeEnv, Sessions]:
    env, drawn = FakeEnv(), count()
    return env, Sessions(env.now, lambda: f"secret-{next(drawn)}")


def test_the_right_token_opens_a_session_for_a_while() -> None:
    """With a name, and a secret of its own for forms."""
    env, sessions = made()
    key = sessions.open("let-me-in", "  anna \n b ", TOKEN)
    found = sessions.find(key, TOKEN)
    assert found is not None and found.name == "anna b" and found.csrf != key
    assert own_form(found, found.csrf) and not own_form(found, "") and not own_form(found, "\udcff")
    env.advance(LASTS)
    assert sessions.find(key, TOKEN) is None


@pytest.mark.parametrize("sent", ["", "let-me", "let-me-in-", "LET-ME-IN", "\udcff"])
def test_a_wrong_token_opens_nothing(sent: str) -> None:
    """However like the right one."""
    _, sessions = made()
    assert sessions.open(sent, "anna", TOKEN) is None


def test_another_token_ends_every_session() -> None:
    """A reload may change it, or take it away."""
    for other in (Secret("another"), None):
        _, sessions = made()
        key = sessions.open("let-me-in", "", TOKEN)
        assert sessions.find(key, other) is None
        assert sessions.find(key, TOKEN) is None


def test_signing_out_ends_one() -> None:
    """And no other."""
    _, sessions = made()
    keys = [sessions.open("let-me-in", "", TOKEN) for _ in range(2)]
    sessions.close(keys[0])
    sessions.close(None)
    assert sessions.find(keys[0], TOKEN) is None and sessions.find(None, TOKEN) is None
    found = sessions.find(keys[1], TOKEN)
    assert found is not None and found.name == "somebody with the token"


def test_guessing_is_slow() -> None:
    """After so many wrong ones nobody is looked at for a while; then again."""
    env, sessions = made()
    for _ in range(GUESSES):
        assert sessions.waits() == 0
        sessions.open("wrong", "", TOKEN)
    assert sessions.waits() == pytest.approx(GUESS_SPAN)
    env.advance(GUESS_SPAN + 1)
    assert sessions.waits() == 0


def test_what_is_kept_is_bounded() -> None:
    """Sessions, and names."""
    _, sessions = made()
    keys = [sessions.open("let-me-in", "x" * 500, TOKEN) for _ in range(MOST + 1)]
    assert sessions.find(keys[0], TOKEN) is None
    last = sessions.find(keys[-1], TOKEN)
    assert last is not None and len(last.name) == LONGEST_NAME
