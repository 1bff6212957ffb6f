"""The names of a certificate: each with its kind, compared exactly but where the standard knows no case."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.peer import STRANGER, names, normal

CERTIFICATE: dict[str, Any] = {
    "subject": ((("organizationName", "house"),), (("commonName", "Bot"),)),
    "subjectAltName": (
        ("DNS", "Bot.House.example"),
        ("URI", "spiffe://house/Bot"),
        ("email", "Bot@House.example"),
        ("IP Address", "10.0.0.1"),
        ("DirName", ((("commonName", "x"),),)),
    ),
}


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("DNS:bot.example", "DNS:bot.example"),
        ("dns: Bot.Example ", "DNS:bot.example"),
        ("URI:spiffe://house/Bot", "URI:spiffe://house/Bot"),
        ("EMAIL:Bot@House.Example", "email:Bot@house.example"),
        ("cn:The Bot", "CN:The Bot"),
    ],
)
def test_a_name_is_read_as_people_write_it(text: str, read: str) -> None:
    """A host knows no case; a path and a mailbox do."""
    assert normal(text) == read


@pytest.mark.parametrize("text", ["", "bot.example", "DNS:", "DNS: ", "IP:10.0.0.1", ":x", "CN:a\nb", "spiffe://a/b"])
def test_what_is_no_name_is_refused_with_the_forms_that_are(text: str) -> None:
    """A name without a kind could be meant as any of them."""
    with pytest.raises(ValueError, match="write DNS:host"):
        normal(text)


def test_a_certificate_bears_its_alternative_names_and_its_one_common_name() -> None:
    """Addresses and what else may stand there are nobody's name here."""
    assert names(CERTIFICATE) == {
        "DNS:bot.house.example",
        "URI:spiffe://house/Bot",
        "email:Bot@house.example",
        "CN:Bot",
    }


def test_of_several_common_names_none_counts() -> None:
    """Nobody can tell which one its authority looked at."""
    several = {"subject": ((("commonName", "a"),), (("commonName", "b"),))}
    assert names(several) == frozenset()


def test_a_kind_never_stands_for_another() -> None:
    """Who may choose a common name has not got a host by that; and no alternative name is a common one."""
    assert names({"subject": ((("commonName", "bot.example"),),)}) == {"CN:bot.example"}
    assert names({"subjectAltName": (("CN", "root"), ("DNS", "*.example"))}) == {"DNS:*.example"}


@pytest.mark.parametrize("certificate", [None, {}])
def test_without_a_certificate_there_is_no_name(certificate: dict[str, Any] | None) -> None:
    """As for whoever speaks plain HTTP."""
    assert names(certificate) == STRANGER.names == frozenset()
    assert not STRANGER.secure


@given(st.sampled_from(["DNS", "URI", "email"]), st.text(st.characters(categories=("L", "N", "P")), min_size=1))
def test_what_is_configured_is_found_where_a_certificate_bears_it(kind: str, name: str) -> None:
    """Both are written in one form, and writing it again changes nothing."""
    wanted = normal(f"{kind}:{name}")
    assert normal(wanted) == wanted
    assert names({"subjectAltName": ((kind, name),)}) == {wanted}
