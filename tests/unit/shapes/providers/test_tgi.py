"""Text Generation Inference."""

from __future__ import annotations

from lbd.model.failure import FailureKind
from lbd.model.outcome import Load
from lbd.shapes.providers.tgi import SHAPE


def test_its_429_is_a_full_queue_and_no_quota() -> None:
    """Another server may have room; no account is shut for it."""
    said = b'{"error":"Model is overloaded","error_type":"overloaded"}'
    assert SHAPE.classify(429, {}, said, 0.0).kind is FailureKind.OVERLOADED
    assert SHAPE.classify(422, {}, b'{"error":"no"}', 0.0).kind is FailureKind.BAD_REQUEST
    assert SHAPE.read_load(b"tgi_batch_current_size 4\ntgi_queue_size 1\n") == Load(4, 1)


def test_it_serves_one_model_by_any_name_and_embeds_nothing() -> None:
    """Its list says nothing of what may be asked for."""
    assert not SHAPE.lists_models
    assert SHAPE.speaks.keys() == {"openai.chat"}
