"""Embeddings, moderations, images and speech, client side."""

from __future__ import annotations

import pytest

from lbd.model.failure import Failure, FailureKind
from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body, Head
from lbd.shapes.clients import CLIENTS
from lbd.shapes.clients.plain import read, read_unnamed
from lbd.shapes.plain import PLAIN


def test_all_of_them_are_registered() -> None:
    """Each is asked for under a name of its own."""
    names = {name for name, shape in CLIENTS.load().items() if shape.read in (read, read_unnamed)}
    assert names == {"openai.embeddings", "openai.moderations", "openai.images", "openai.speech"}


def test_the_input_s_size_is_what_a_cost_is_foretold_from() -> None:
    """Of texts and of token ids alike."""
    head = read(b'{"model":"e","input":["one","two"],"metadata":{"x-lbd-class":"background"}}')
    assert isinstance(head, Head)
    assert head.text_bytes == len(b'["one","two"]')
    assert head.metadata == {"x-lbd-class": "background"}


@pytest.mark.parametrize("raw", [b"", b"[]", b'{"input":"x"}', b'{"model":"","input":"x"}', b'{"model":3}', b"{"])
def test_what_names_no_model_is_refused(raw: bytes) -> None:
    """With the place of the fault."""
    found = read(raw)
    assert isinstance(found, Failure) and found.kind is FailureKind.BAD_REQUEST


def test_moderations_and_images_may_leave_their_model_out() -> None:
    """OpenAI's API does, and its SDKs: whatever serves them is asked, by a model's own name."""
    shapes = CLIENTS.load()
    for name, raw in (("openai.moderations", b'{"input":"x"}'), ("openai.images", b'{"prompt":"x"}')):
        head = shapes[name].read(raw)
        assert isinstance(head, Head) and head.model == "auto"
        sent = PLAIN[name].encode(
            Body(name, raw, head), DeploymentSpec("p/m", "p", "m", "omni", "primary"), False, False
        )
        assert sent == b'{"model":"omni",' + raw[1:]
        named = shapes[name].read(b'{"model":"m","input":"x"}')
        assert isinstance(named, Head) and named.model == "m"
