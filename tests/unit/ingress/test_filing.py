"""What a client asks of files and batches, and what it is shown: checked by the types of OpenAI's own client."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from openai.types import Batch as TheirBatch
from openai.types import FileObject

from lbd.ingress import filing
from lbd.model.batch import Batch, Counts, Fault, Status, StoredFile
from lbd.model.failure import LbdError
from lbd.model.outcome import Usage
from lbd.shapes.multipart import Part

FILE = StoredFile("file-1", "c", "in.jsonl", "batch", 3, 100)
BATCH = Batch("batch_1", "c", "/v1/embeddings", "file-1", "24h", 100, 86500, usage=Usage())
PURPOSE, CONTENT = Part("purpose", b"batch"), Part("file", b"x", "in.jsonl")
GOOD = {"input_file_id": "file-1", "endpoint": "/v1/embeddings", "completion_window": "24h"}


def new(**body: Any) -> Batch:
    return filing.new_batch(
        json.dumps({**GOOD, **body}).encode(), "c", "batch_1", 100, lambda name: replace(FILE, id=name)
    )


def refused(call: Any) -> str:
    with pytest.raises(LbdError) as e:
        call()
    assert e.value.failure.row.status == 400 and e.value.failure.param
    return str(e.value.failure.param)


def test_a_form_is_an_upload() -> None:
    """Name, content, and how long it is to be kept where that was said."""
    assert filing.upload([PURPOSE, CONTENT]) == ("in.jsonl", b"x", None)
    expiry = [Part("expires_after[anchor]", b"created_at"), Part("expires_after[seconds]", b"3600")]
    assert filing.upload([CONTENT, *expiry, PURPOSE]) == ("in.jsonl", b"x", 3600)
    assert filing.upload([PURPOSE, Part("file", b"", "")])[0] == "upload.jsonl"
    assert len(filing.upload([PURPOSE, Part("file", b"", "n" * 999)])[0]) == filing.MOST_NAME


@pytest.mark.parametrize(
    ("parts", "param"),
    [
        ([PURPOSE], "file"),
        ([PURPOSE, Part("file", b"x")], "file"),
        ([PURPOSE, CONTENT, CONTENT], "file"),
        ([CONTENT], "purpose"),
        ([Part("purpose", b"fine-tune"), CONTENT], "purpose"),
        ([PURPOSE, CONTENT, Part("other", b"1")], "other"),
        ([PURPOSE, CONTENT, Part("expires_after[seconds]", b"3600")], "expires_after.anchor"),
        ([PURPOSE, CONTENT, Part("expires_after[anchor]", b"created_at")], "expires_after.seconds"),
        (
            [PURPOSE, CONTENT, Part("expires_after[anchor]", b"created_at"), Part("expires_after[seconds]", b"-5")],
            "expires_after.seconds",
        ),
    ],
)
def test_a_form_that_is_no_upload_is_refused(parts: list[Part], param: str) -> None:
    """By the field's name."""
    assert refused(lambda: filing.upload(parts)) == param


def test_a_body_is_a_batch() -> None:
    """With its window as an end."""
    assert new() == BATCH
    more = new(
        metadata={"a": "b"}, completion_window="2h", output_expires_after={"anchor": "created_at", "seconds": 7200}
    )
    assert (more.metadata, more.expires_at, more.output_keep_s) == ({"a": "b"}, 7300, 7200)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"endpoint": "/v1/images/generations"}, "endpoint"),
        ({"completion_window": "1 day"}, "completion_window"),
        ({"metadata": {str(i): "" for i in range(17)}}, "metadata"),
        ({"metadata": {"k" * 65: ""}}, "metadata"),
        ({"metadata": {"k": "v" * 513}}, "metadata"),
        ({"metadata": {"k": 1}}, "body"),
        ({"input_file_id": None}, "body"),
        ({"unknown": 1}, "body"),
        ({"output_expires_after": {"anchor": "now", "seconds": 7200}}, "output_expires_after.anchor"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 1}}, "output_expires_after.seconds"),
    ],
)
def test_a_body_that_makes_no_batch_is_refused(body: dict[str, Any], param: str) -> None:
    """By the member's name; what is not known is not ignored."""
    assert refused(lambda: new(**body)) == param


def test_results_are_no_input() -> None:
    """They were not sent in for that."""
    output = replace(FILE, purpose="batch_output")
    assert (
        refused(lambda: filing.new_batch(json.dumps(GOOD).encode(), "c", "b", 1, lambda _: output)) == "input_file_id"
    )
    assert refused(lambda: filing.new_batch(b"\xff", "c", "b", 1, lambda _: FILE)) == "body"


def strict(kind: Any, shown: dict[str, object]) -> Any:
    """Read what is shown as OpenAI's client's type, with all of its rules."""
    return kind.model_validate_json(json.dumps(shown), strict=True)


@pytest.mark.parametrize("status", Status)
def test_a_batch_is_shown_as_openai_shows_it(status: Status) -> None:
    """In every status; times where there are some."""
    batch = replace(
        BATCH,
        status=status,
        stamps={status: 7},
        counts=Counts(3, 2, 1),
        faults=(Fault("x", "y", 3),),
        output_file_id="file-2",
        metadata={"a": "b"},
    )
    shown = strict(TheirBatch, filing.batch_object(batch))
    assert shown.status == status and shown.errors.data[0].line == 3 and shown.request_counts.total == 3
    if status is not Status.VALIDATING:
        assert getattr(shown, f"{status}_at") == 7
    assert strict(TheirBatch, filing.batch_object(BATCH)).errors is None


def test_usage_and_model_are_shown_as_openai_shows_them() -> None:
    """Nothing used at the beginning, which is known; and no number where answers do not say."""
    shown = strict(TheirBatch, filing.batch_object(replace(BATCH, usage=Usage(20, 9, 8, 3, written=2), model="m")))
    assert shown.model == "m"
    assert (shown.usage.input_tokens, shown.usage.output_tokens, shown.usage.total_tokens) == (20, 9, 29)
    assert shown.usage.input_tokens_details.cached_tokens == 8
    assert shown.usage.output_tokens_details.reasoning_tokens == 3
    fresh = strict(TheirBatch, filing.batch_object(new()))
    assert fresh.model is None and fresh.usage.total_tokens == 0
    assert strict(TheirBatch, filing.batch_object(replace(BATCH, usage=None))).usage is None


def test_a_file_is_shown_as_openai_shows_it() -> None:
    """All of it."""
    shown = strict(FileObject, filing.file_object(FILE))
    assert (shown.id, shown.bytes, shown.filename, shown.status) == ("file-1", 3, "in.jsonl", "processed")


@given(
    total=st.integers(0, 12),
    limit=st.integers(1, 5),
    order=st.sampled_from(["asc", "desc", None]),
    purpose=st.booleans(),
)
def test_pages_together_are_the_list(total: int, limit: int, order: str | None, purpose: bool) -> None:
    """Each once, in order, whatever the size of a page."""
    files = [replace(FILE, id=f"file-{i:02}", purpose=("batch", "batch_output")[i % 2]) for i in range(total)]
    more = ("" if order is None else f"&order={order}") + ("&purpose=batch" if purpose else "")
    seen: list[str] = []
    after = ""
    while True:
        page: Any = filing.page(f"limit={limit}{more}{after}", files, filing.file_object, 100)
        seen += [f["id"] for f in page["data"]]
        assert page["object"] == "list" and len(page["data"]) <= limit
        if not page["has_more"]:
            break
        assert page["last_id"] == seen[-1]
        after = f"&after={page['last_id']}"
    wanted = [f.id for f in files if not purpose or f.purpose == "batch"]
    assert seen == (wanted if order == "asc" else wanted[::-1])


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=x", "limit"),
        ("limit=" + "9" * 5000, "limit"),
        ("order=up", "order"),
        ("after=x", "after"),
    ],
)
def test_a_page_that_cannot_be_is_refused(query: str, param: str) -> None:
    """Never another one in its place."""
    assert refused(lambda: filing.page(query, [BATCH], filing.batch_object, 100)) == param
