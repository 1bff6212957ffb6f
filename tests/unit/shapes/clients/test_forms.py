"""Endpoints that take files, client side."""

from __future__ import annotations

import pytest

from lbd.model.failure import Failure, FailureKind
from lbd.model.request import Head
from lbd.shapes.asked import ANY
from lbd.shapes.clients import CLIENTS
from lbd.shapes.clients.forms import read, read_unnamed
from tests.unit.shapes.test_forms import form


def test_all_of_them_are_registered() -> None:
    """Each is a form whose boundary stands in a header that goes on."""
    found = {name: shape for name, shape in CLIENTS.load().items() if shape.read in (read, read_unnamed)}
    assert found.keys() == {"openai.transcriptions", "openai.translations", "openai.image_edits"}
    assert all(shape.forwards == ("content-type",) and shape.named is not None for shape in found.values())


def test_a_form_is_read_for_its_model() -> None:
    """The rest is the provider's business."""
    head = read(form(("file", b"\x00\xff"), ("model", b"whisper-1")))
    assert isinstance(head, Head) and (head.model, head.stream) == ("whisper-1", False)


@pytest.mark.parametrize(
    ("raw", "code"),
    [(b"", "invalid_multipart"), (b'{"model":"m"}', "invalid_multipart"), (form(("file", b"x")), "model_required")],
)
def test_what_names_no_model_is_refused(raw: bytes, code: str) -> None:
    """With what is wrong."""
    found = read(raw)
    assert isinstance(found, Failure) and (found.kind, found.code) == (FailureKind.BAD_REQUEST, code)


def test_a_change_of_an_image_may_leave_its_model_out() -> None:
    """OpenAI's API has one of its own for it; what is no form is refused as ever."""
    found = read_unnamed(form(("image", b"x")))
    assert isinstance(found, Head) and found.model == ANY
    assert read_unnamed(form(("model", b"m"))) == read(form(("model", b"m")))
    assert isinstance(read_unnamed(b""), Failure)
    assert CLIENTS.load()["openai.image_edits"].read is read_unnamed
