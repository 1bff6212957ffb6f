"""Forms: each carries what proves that it is the page's own, asks for a reason, and works without a script."""

from __future__ import annotations

import pytest

from lbd.model import report as out
from lbd.page import forms, shell, state
from tests.fakes import console_server as made
from tests.fakes.scenes import TIME, Read, document

ANNA = shell.Visitor("anna", "secret-1", may_sign_in=True)


def row(**more: object) -> dict[str, object]:
    return next(iter(state.rows(document(made.row(**more)))))[1]


def read(parts: list[object]) -> Read:
    found = Read("".join(str(p) for p in parts if p is not None))
    found.harmless()
    return found


@pytest.mark.parametrize("action", forms.ACTIONS)
def test_every_order_asks_for_a_reason_and_says_what_it_does(action: str) -> None:
    """The button names both; cancelling leads back."""
    found = read(forms.order(row(), action, TIME, visitor=ANNA))
    form = found.all("form")[0]
    assert form["method"] == "post" and form["action"] == f"/deployments/openai-eu/gpt-4.1/{action}"
    assert found.all("input", name="csrf")[0]["value"] == "secret-1"
    assert "required" in found.all("input", name="reason")[0]
    assert forms.ACTIONS[action][1] in found.text and f"{forms.ACTIONS[action][0]} openai-eu/gpt-4.1" in found.text
    assert bool(found.all("select", name="for_s")) is (action in forms.TIMED)
    assert bool(found.all("input", name="weight")) is (action == "weight")
    assert {a["for"] for a in found.all("label")} == {
        i["id"] for t, i in found.elements if t in ("input", "select") and "id" in i
    }


def test_what_was_wrong_is_said_and_the_reason_is_kept() -> None:
    """Nobody types it twice."""
    found = read(forms.order(row(), "weight", TIME, visitor=ANNA, told="not <a> number", reason="for & tests"))
    assert found.all("p", role="alert") and "not <a> number" in found.text
    assert found.all("input", name="reason")[0]["value"] == "for & tests"


def test_only_orders_that_change_something_are_offered() -> None:
    """Draining what is drained is none."""
    drained = row(admin=out.AdminOut("drain", None, "anna"))
    found = Read(forms.buttons(drained, ANNA))
    assert {str(a["href"]).rsplit("/", 1)[1] for a in found.all("a")} == set(forms.ACTIONS) - {"drain"}


def test_who_may_not_is_told_how() -> None:
    """Sign in, or how a token is set."""
    assert Read(forms.buttons(row(), shell.Visitor(may_sign_in=True))).all("a", href="/sign-in")
    assert "admin.token" in Read(forms.buttons(row(), shell.Visitor())).text


def test_signing_in_goes_on_where_it_began() -> None:
    """And never shows the token."""
    found = read(forms.sign_in("/deployments/a/b/drain", told="wrong", possible=True))
    assert found.all("input", name="next")[0]["value"] == "/deployments/a/b/drain"
    assert found.all("input", name="token")[0]["type"] == "password"
    assert found.all("p", role="alert")
    none = read(forms.sign_in("/", possible=False))
    assert not none.all("form") and "admin.token" in none.text
