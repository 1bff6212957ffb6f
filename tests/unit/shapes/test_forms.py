"""Work on files passes through as it came."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lbd.model.failure import FailureKind
from lbd.model.outcome import Usage
from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body
from lbd.shapes import forms, multipart

KIND = "multipart/form-data; boundary=XX"


def form(*fields: tuple[str, bytes], mark: bytes = b"XX") -> bytes:
    head = b'--%b\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
    return b"".join(head % (mark, n.encode(), c) for n, c in fields) + b"--%b--\r\n" % mark


def sent(raw: bytes, model: str) -> bytes:
    row = DeploymentSpec("p/m", "p", "m", model, "primary")
    return forms.encode(Body("openai.transcriptions", raw, forms.read(raw)), row, False, False)


@given(st.binary(max_size=100), st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20))
def test_nothing_changes_but_the_model(sound: bytes, model: str) -> None:
    """Byte for byte, wherever the model stands."""
    assume(b"--XX" not in sound and f"--XX{model}" != model)
    for order in (1, -1):
        fields = [("file", sound), ("model", b"m"), ("language", b"de")][::order]
        raw = form(*fields)
        assert sent(raw, "m") == raw
        assert sent(raw, model) == form(*((n, model.encode() if n == "model" else c) for n, c in fields))


def test_what_names_no_model_is_given_one() -> None:
    """Azure's clients name it in the path."""
    raw = form(("file", b"x"))
    assert forms.read(raw).model == ""
    named = forms.with_model(raw, "w")
    assert [(p.name, p.content) for p in multipart.read(KIND, named)] == [("model", b"w"), ("file", b"x")]
    assert forms.with_model(form(("model", b"a"), ("file", b"x")), "w") == form(("model", b"w"), ("file", b"x"))


def test_the_prompt_s_size_is_what_a_cost_is_foretold_from() -> None:
    """As of other work."""
    assert forms.read(form(("model", b"m"), ("prompt", b"words"))).text_bytes == 5
    assert forms.read(form(("model", b"m"))).text_bytes == 1


@given(
    st.binary(max_size=80) | st.sampled_from([form(("model", b"\xff")), form(("model", b"m"))[:-6], b"--", b"--X\r\n"])
)
def test_junk_is_a_value_error(raw: bytes) -> None:
    """Nothing else."""
    try:
        forms.read(raw)
    except ValueError:
        return


@pytest.mark.parametrize("raw", [b"", b"{}", b"preamble\r\n--XX\r\n", b"--" + b"x" * 99])
def test_a_form_begins_with_its_boundary(raw: bytes) -> None:
    """As every HTTP library writes it."""
    with pytest.raises(ValueError, match=r"boundary|end|delimiter"):
        forms.read(raw)


@pytest.mark.parametrize("words", [b"[Music] hi\n", b"1\n00:00:00,000 --> 00:00:01,000\nhi\n", b"{laughs}", b"\n"])
def test_words_and_subtitles_are_whatever_they_are(words: bytes) -> None:
    """They may begin like JSON."""
    assert forms.facts(words).failure is None


def test_json_is_read_for_its_usage_and_for_errors() -> None:
    """As any other answer."""
    told = forms.facts(b'{"text":"a","usage":{"type":"tokens","input_tokens":14,"output_tokens":4}}')
    assert told.usage == Usage(14, 4) and told.failure is None
    assert forms.facts(b'{"text":"a","usage":{"type":"duration","seconds":3}}').usage is None
    wrong = forms.facts(b'{"error":{"message":"no","code":"insufficient_quota"}}').failure
    assert wrong is not None and wrong.kind is FailureKind.MONEY
    for cut in (b'{"text":"a', b'{\n  "error": {"message": "no"}\n'):
        failure = forms.facts(cut).failure
        assert failure is not None and failure.kind is FailureKind.BAD_BODY
    printed = forms.facts(b'{\n  "error": {"message": "no", "code": "insufficient_quota"}\n}').failure
    assert printed is not None and printed.kind is FailureKind.MONEY
    assert forms.facts(b"").failure is None, "silence, as plain text"


def test_a_form_means_one_thing_to_everybody() -> None:
    """Else a client could ask for one model here, and get another there."""
    with pytest.raises(ValueError, match="twice"):
        forms.read(form(("model", b"cheap"), ("model", b"dear")))
    raw = form(("model", b"cheap")) + form(("model", b"dear"), mark=b"YY")
    assert forms.agrees("multipart/form-data; boundary=XX", raw)
    assert not forms.agrees("multipart/form-data; boundary=YY", raw)
    assert not forms.agrees("multipart/form-data", raw) and not forms.agrees(KIND, b"{}")
