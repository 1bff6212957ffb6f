"""The results of a batch: what is counted is what stands in the files, now and after a restart."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lbd.batch.results import Results
from lbd.model.batch import Batch
from lbd.model.outcome import Usage
from lbd.ports import StoreError
from lbd.shapes import jsonl
from lbd.shapes.jsonl import Line
from tests.fakes.shelves import MoodyBlobs

T = TypeVar("T")
BATCH = Batch("batch_1", "c", "/v1/chat/completions", "file-in", "24h", 100, 86500)
NAMES = ("file-out", "file-err")


async def inline(work: Callable[[], T]) -> T:
    return work()


def results(blobs: MoodyBlobs) -> Results:
    return Results(blobs, inline, NAMES)


def answer(name: str, tokens: int | None = None) -> bytes:
    told = {} if tokens is None else {"usage": {"prompt_tokens": tokens, "completion_tokens": 1}}
    return jsonl.answered(f"batch_req_{name}", name, 200, "req_1", json.dumps(told).encode())


def numbers(found: Results) -> tuple[object, ...]:
    return (found.completed, found.failed, found.expired, found.usage, found.held, found.files(BATCH, 7))


def line_id() -> str:
    return "batch_req_x"


_steps = st.lists(
    st.tuples(st.sampled_from(["good", "bad", "expired", "cancelled"]), st.none() | st.integers(0, 9)), max_size=12
)


@given(steps=_steps, torn=st.integers(0, 40))
async def test_a_restart_counts_what_was_counted(steps: list[tuple[str, int | None]], torn: int) -> None:
    """From the files alone, each line once; what a crash cut off is none, and goes."""
    blobs = MoodyBlobs()
    made = results(blobs)
    for i, (what, tokens) in enumerate(steps):
        if what in ("good", "bad"):
            await made.add(answer(str(i), tokens), good=what == "good")
        else:
            error = jsonl.EXPIRED if what == "expired" else jsonl.CANCELLED
            await made.write_off([Line(str(i), 0, 1)], error, line_id)
    await blobs.append(NAMES[0], answer("torn", 5)[:torn])
    again = results(blobs)
    assert await again.find() == {str(i) for i in range(len(steps))}
    assert numbers(again) == numbers(made)
    told = [n for what, n in steps if what in ("good", "bad") and n is not None]
    assert again.usage == (Usage(sum(told), len(told)) if told else None)
    assert again.held == sum([len(await blobs.read(name)) for name in NAMES])


async def test_an_answer_that_could_not_be_written_does_not_count() -> None:
    """It is written again: then it counts, once."""
    blobs = MoodyBlobs()
    made = results(blobs)
    blobs.error = "No space left on device"
    with pytest.raises(StoreError):
        await made.add(answer("a", 3), good=True)
    with pytest.raises(StoreError):
        await made.write_off([Line("b", 0, 1)], jsonl.EXPIRED, line_id)
    assert numbers(made) == numbers(results(MoodyBlobs()))
    blobs.error = None
    await made.add(answer("a", 3), good=True)
    assert (made.completed, made.failed, made.usage) == (1, 0, Usage(3, 1))


async def test_what_holds_something_becomes_a_file() -> None:
    """With the time that its client asked for."""
    made = results(MoodyBlobs())
    assert made.files(BATCH, 7) == (None, None)
    await made.add(answer("a"), good=False)
    good, bad = made.files(replace(BATCH, output_keep_s=5), 7)
    assert good is None and bad is not None
    assert (bad.id, bad.filename, bad.bytes, bad.expires_at) == ("file-err", "batch_1_error.jsonl", made.held, 12)
