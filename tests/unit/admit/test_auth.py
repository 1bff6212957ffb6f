from __future__ import annotations

import hashlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.admit.auth import LOCAL, REMEMBERED, Clients, digest
from lbd.model.failure import Failure, FailureKind
from lbd.model.peer import Peer
from lbd.model.provider import ClientSpec, Permission

KEY, OTHER = "sk-lbd-0123456789abcdef", "sk-lbd-other"
BOT = ClientSpec("bot", digest(KEY), "support")
PEER = ClientSpec("peer", digest(OTHER))


def clients() -> Clients:
    return Clients([BOT, PEER])


def refused(authorization: str | None, api_key: str | None, of: Clients | None = None) -> Failure:
    out = (of or clients()).who(authorization, api_key)
    assert isinstance(out, Failure), out
    assert out.kind is FailureKind.UNAUTHORIZED
    assert out.row.status == 401
    return out


@pytest.mark.parametrize("header", [f"Bearer {KEY}", f"bearer {KEY}", f"BEARER {KEY}", f"Bearer  {KEY} "])
def test_a_bearer_token_is_the_client(header: str) -> None:
    """The scheme's case and stray spaces do not matter."""
    assert clients().who(header, None) is BOT


def test_an_api_key_header_is_the_client() -> None:
    """``x-api-key`` (Anthropic's) and ``api-key`` (Azure's) carry the bare key."""
    assert clients().who(None, KEY) is BOT
    assert clients().who(None, f" {OTHER} ") is PEER


def test_the_authorization_header_goes_before_an_api_key() -> None:
    """Two keys in one request: the standard header speaks, and a wrong one is not saved by the other."""
    assert clients().who(f"Bearer {KEY}", OTHER) is BOT
    refused("Bearer nobody", KEY)


def test_no_key_is_told_how_to_send_one() -> None:
    """401 with its own code."""
    failure = refused(None, None)
    assert failure.code == "missing_api_key"
    assert "Authorization: Bearer" in failure.message


@pytest.mark.parametrize("header", ["Bearer wrong", "Bearer", "Bearer ", f"Bearer {KEY}x", f"Bearer {KEY[:-1]}", ""])
def test_an_unknown_key_is_refused(header: str) -> None:
    """401, and nothing is said of which keys there are."""
    failure = refused(header, None)
    assert KEY not in failure.message


def test_an_unknown_api_key_header_is_refused() -> None:
    """The bare header takes no scheme."""
    assert refused(None, f"Bearer {KEY}").code == "invalid_api_key"
    assert refused(None, "").code == "invalid_api_key"


@pytest.mark.parametrize("header", [f"Basic {KEY}", KEY, f"Token {KEY}", f"BearerX {KEY}"])
def test_another_scheme_is_refused_by_its_name(header: str) -> None:
    """A basic-auth header or a bare key in Authorization is a mistake worth naming, but the key is not shown."""
    failure = refused(header, None)
    assert "Bearer" in failure.message
    assert KEY not in failure.message


def test_what_was_asked_before_changes_no_answer() -> None:
    """Known headers are remembered by what they were: a key of one header does not open the other."""
    known = clients()
    assert known.who(None, KEY) is BOT
    refused(KEY, None, known)
    assert known.who(f"Bearer {KEY}", None) is BOT
    refused(None, f"Bearer {KEY}", known)


@given(
    st.lists(
        st.tuples(
            st.sampled_from((None, KEY, f"Bearer {KEY}", f"Bearer {OTHER}", "Bearer no", "Basic x", "Bearer")),
            st.sampled_from((None, KEY, OTHER, f"Bearer {KEY}", "no")),
        ),
        max_size=12,
    )
)
def test_every_answer_is_that_of_a_fresh_table(asked: list[tuple[str | None, str | None]]) -> None:
    """The memory is an optimisation: any history gives the same answers as none."""
    known = clients()
    for headers in asked:
        assert known.who(*headers) == clients().who(*headers)


def test_without_clients_everybody_is_local() -> None:
    """No clients configured: callers on the host itself need no key, whatever they send."""
    nobody = Clients([])
    assert nobody.open
    assert not clients().open
    for headers in ((None, None), ("Bearer x", None), ("Basic x", "y")):
        assert nobody.who(*headers) is LOCAL
    assert LOCAL.may == frozenset(Permission)
    assert LOCAL.models == ()


def test_an_empty_key_is_no_key() -> None:
    """The local client's empty digest opens nothing."""
    refused("Bearer ", None, Clients([BOT, LOCAL]))


def test_a_key_is_kept_as_its_sha256_only() -> None:
    """The spec of a client, printed or encoded, holds no key."""
    assert digest(KEY) == hashlib.sha256(KEY.encode()).digest()
    assert KEY not in repr(BOT)
    assert KEY.encode() not in msgspec.msgpack.encode(BOT)


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=20))
def test_any_text_has_a_digest(key: str) -> None:
    """Headers may hold any character; none raises."""
    assert len(digest(key)) == 32
    refused(f"Bearer {key}", None)


def test_undecodable_bytes_of_a_header_have_a_digest() -> None:
    """Surrogate escapes stand for raw bytes."""
    raw = b"\xff\xfe-key"
    assert digest(raw.decode("utf-8", "surrogateescape")) == hashlib.sha256(raw).digest()


def test_unknown_keys_are_not_remembered() -> None:
    """An attacker who tries keys must not push the known ones out, nor grow the memory."""
    known = clients()
    assert known.who(f"Bearer {KEY}", None) is BOT
    for n in range(REMEMBERED + 10):
        refused(f"Bearer guess-{n}", None, known)
        refused(None, f"guess-{n}", known)
    assert (len(known._bearers), len(known._keys)) == (1, 0)


def test_a_client_is_found_by_its_name() -> None:
    """For work that it left here: while it is known, and where no key is asked only whoever is here."""
    assert clients().named("bot") is BOT and clients().named("peer") is PEER
    assert clients().named("local") is None and clients().named("other") is None
    assert Clients(()).named("local") is LOCAL and Clients(()).named("bot") is None


# --- certificates ----------------------------------------------------------------------------------------

BOUND = ClientSpec("bound", digest("sk-bound"), certificates=frozenset({"DNS:a", "DNS:b"}))
ALONE = ClientSpec("alone", b"", certificates=frozenset({"URI:x", "DNS:a"}))
TWIN = ClientSpec("twin", b"", certificates=frozenset({"CN:twin"}))


def peer(*names: str) -> Peer:
    return Peer(secure=True, names=frozenset(names))


def certified() -> Clients:
    return Clients([BOT, BOUND, ALONE, TWIN])


def test_a_client_that_is_bound_needs_both_its_key_and_its_certificate() -> None:
    """Any of its names is enough; neither stands for the other."""
    known = certified()
    for _ in range(2):  # remembered or not
        for names in (("DNS:a",), ("DNS:b", "DNS:z"), ("DNS:a", "DNS:b")):
            assert known.who("Bearer sk-bound", None, peer(*names)) is BOUND
        assert known.who(None, "sk-bound", peer("DNS:b")) is BOUND
        for names in ((), ("DNS:c",), ("CN:a",), ("URI:x",)):
            out = known.who("Bearer sk-bound", None, peer(*names))
            assert isinstance(out, Failure)
            assert (out.row.status, out.code) == (403, "wrong_certificate")
            assert "DNS" not in out.message and "bound" not in out.message
    assert refused("Bearer wrong", None, known).code == "invalid_api_key"


def test_a_client_without_a_key_is_known_by_its_certificate() -> None:
    """What is sent as a key does not matter then, as long as it is nobody's: SDKs send one always."""
    known = certified()
    for headers in ((None, None), ("Bearer unused", None), (None, "unused"), ("Basic eDp5", None)):
        assert known.who(*headers, peer("URI:x", "DNS:q")) is ALONE
    assert known.who(f"Bearer {KEY}", None, peer("URI:x")) is BOT, "a key that is known tells whose request it is"
    out = known.who("Bearer sk-bound", None, peer("URI:x"))
    assert isinstance(out, Failure) and out.code == "wrong_certificate", "and is not made good by being somebody else"


def test_a_certificate_that_is_nobody_s_is_no_certificate() -> None:
    """The refusal is that of the key, with nothing of the names."""
    assert refused(None, None, certified()).code == "missing_api_key"
    for names in ((), ("DNS:b",), ("DNS:q",)):  # the second is a name that needs a key beside it
        out = certified().who(None, None, peer(*names))
        assert isinstance(out, Failure) and (out.row.status, out.code) == (401, "missing_api_key")
        assert "DNS" not in out.message


def test_a_certificate_of_two_clients_is_refused() -> None:
    """Whose money would it be."""
    out = certified().who(None, None, peer("URI:x", "CN:twin"))
    assert isinstance(out, Failure) and (out.row.status, out.code) == (403, "ambiguous_certificate")
    assert "twin" not in out.message and "alone" not in out.message


def test_clients_with_certificates_alone_are_clients() -> None:
    """Then nobody is served without, and each is found by its name."""
    known = Clients([TWIN])
    assert not known.open and known.named("twin") is TWIN and known.named("local") is None
    assert known.who(None, None, peer("CN:twin")) is TWIN
    refused("Bearer x", None, known)
