"""Forms with files: binary-safe, strict, and whatever HTTP libraries write is read as they meant it."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lbd.shapes.multipart import MOST_PARTS, Part, boundary, read

KIND = "multipart/form-data; boundary=XX"
FIELD = b'Content-Disposition: form-data; name="purpose"'


def test_parameters_may_be_quoted() -> None:
    """Before the boundary, too."""
    assert boundary('multipart/form-data; charset="utf-8;x"; boundary=abc') == b"abc"


def form(*parts: tuple[bytes, bytes], mark: bytes = b"XX") -> bytes:
    return (
        b"".join(b"--%b\r\n%b\r\n\r\n%b\r\n" % (mark, head, content) for head, content in parts) + b"--%b--\r\n" % mark
    )


names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20)


@given(
    parts=st.lists(
        st.tuples(names, st.none() | names, st.binary(max_size=200) | st.just(b"\r\n--X\r\n--")), max_size=5
    ),
    mark=st.from_regex(r"[A-Za-z0-9'()+_,./=?-]{1,70}", fullmatch=True),
    quoted=st.booleans(),
)
def test_what_was_put_in_comes_out(parts: list[tuple[str, str | None, bytes]], mark: str, quoted: bool) -> None:
    """Names and contents byte for byte, as WHATWG's forms are written."""
    assume(all(f"--{mark}".encode() not in content for _, _, content in parts))

    def escaped(text: str) -> str:
        return text.replace("\\", "\\\\").replace('"', "%22")

    assume(all("%" not in n + (f or "") for n, f, _ in parts))
    heads = [
        f'Content-Disposition: form-data; name="{escaped(n)}"' + ("" if f is None else f'; filename="{escaped(f)}"')
        for n, f, _ in parts
    ]
    body = form(*((h.encode(), c) for h, (_, _, c) in zip(heads, parts, strict=True)), mark=mark.encode())
    kind = f'multipart/form-data; boundary="{mark}"' if quoted else f"multipart/form-data; boundary={mark}"
    assert read(kind, body) == [Part(n, c, f) for n, f, c in parts]


@given(kind=st.text(max_size=60) | st.just(KIND), body=st.binary(max_size=300))
def test_junk_is_a_value_error(kind: str, body: bytes) -> None:
    """And nothing else, however it looks."""
    with contextlib.suppress(ValueError):
        read(kind, body)


@given(cut=st.integers(0, 200))
def test_a_form_that_is_cut_short_is_refused(cut: int) -> None:
    """Never read as if it were whole."""
    whole = form((FIELD, b"batch"), (b'Content-Disposition: form-data; name="file"; filename="a"', b"x" * 40))
    stop = whole.rindex(b"--\r\n")
    assume(cut < stop)
    with pytest.raises(ValueError):
        read(KIND, whole[:cut])


def test_a_preamble_and_what_follows_the_end_are_left() -> None:
    """RFC 2046: neither is part of the form."""
    assert read(KIND, b"hello\r\n" + form((FIELD, b"batch")) + b"good bye") == [Part("purpose", b"batch")]
    assert read(KIND, b"--XX \t\r\n" + FIELD + b"\r\nContent-Type: text/plain\r\n\r\n\r\n--XX--") == [
        Part("purpose", b"")
    ]


@pytest.mark.parametrize(
    "disposition",
    ['form-data; name="file"; filename="a\\"b.jsonl"', 'form-data; filename=x; name="file"; filename="a%22b.jsonl"'],
)
def test_quotes_in_file_names(disposition: str) -> None:
    """With a backslash as old clients, or as %22 as browsers do; the last word counts."""
    [part] = read(KIND, form((f"content-disposition: {disposition}".encode(), b"x")))
    assert (part.name, part.filename) == ("file", 'a"b.jsonl')


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "multipart/form-data",
        "multipart/mixed; boundary=XX",
        f"multipart/form-data; boundary={'x' * 71}",
        "text/plain",
    ],
)
def test_a_type_without_a_boundary_is_refused(kind: str) -> None:
    """There is nothing to go by."""
    with pytest.raises(ValueError, match="boundary"):
        boundary(kind)


def test_a_boundary_may_stand_behind_other_parameters() -> None:
    """In any case."""
    assert boundary("Multipart/Form-Data; charset=utf-8; Boundary=abc") == b"abc"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"nothing", "does not hold"),
        (b"--XXjunk\r\n" + FIELD + b"\r\n\r\nx\r\n--XX--", "line of its own"),
        (b"--XX", "line of its own"),
        (b"--XX\r\n" + FIELD + b"\r\n\r\nx", "no end"),
        (b"--XX\r\n" + FIELD + b"\r\n--XX--", "no head"),
        (form((b"nonsense", b"x")), "no field"),
        (form((b"Content-Type: text/plain", b"x")), "names no field"),
        (form((b'Content-Disposition: attachment; name="x"', b"x")), "not form-data"),
        (form((b"Content-Disposition: form-data", b"x")), "names no field"),
        (form((FIELD + b"\r\nContent-Transfer-Encoding: base64", b"x")), "not understood"),
        (form((b'Content-Disposition: form-data; name="\xff"', b"x")), "utf-8"),
        (form(*[(FIELD, b"x")] * (MOST_PARTS + 1)), "more than"),
    ],
)
def test_what_is_not_as_it_says_is_refused(body: bytes, why: str) -> None:
    """With the reason."""
    with pytest.raises(ValueError, match=why):
        read(KIND, body)


def test_an_encoding_that_changes_nothing_is_fine() -> None:
    """Old clients name one."""
    assert read(KIND, form((FIELD + b"\r\nContent-Transfer-Encoding: binary", b"x"))) == [Part("purpose", b"x")]
