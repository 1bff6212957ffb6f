"""The routes of files and batches over the real listener: who may, what is there, and errors in OpenAI's shape."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest
from msgspec.structs import replace

from lbd.app import RealEnv
from lbd.ingress.api import Api, Limits
from lbd.ingress.files import PIECE, Filing, takes
from lbd.model.batch import Status
from tests.fakes.caller import Answer, Listening, request
from tests.fakes.relay import Relay, row
from tests.fakes.shelves import MoodyBlobs, MoodyStore, shelf

T = TypeVar("T")
FORM = "Content-Type: multipart/form-data; boundary=XX"
KIND = "Content-Type: application/json"


async def inline(work: Callable[[], T]) -> T:
    return work()


def form(content: bytes = b"{}\n", purpose: bytes = b"batch") -> bytes:
    head = b"--XX\r\nContent-Disposition: form-data; name="
    return (
        head + b'"purpose"\r\n\r\n' + purpose + b"\r\n" + head + b'"file"; filename="in.jsonl"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n" + content + b"\r\n--XX--\r\n"
    )


class Front:
    """The API on a listener."""

    def __init__(self, **config: Any) -> None:
        self.relay = Relay(RealEnv(), row("a"), **config)  # type: ignore[arg-type]
        self.store, self.blobs = MoodyStore(), MoodyBlobs()

    async def begin(self) -> None:
        env, pipeline, clients = self.relay.env, self.relay.pipeline, self.relay.plugins.clients
        self.shelf = await shelf(env, self.store, self.blobs)
        filing = Filing(self.shelf, pipeline, clients["openai.chat"], inline)
        catalogue = lambda: self.relay.owner.snapshot.catalogue  # noqa: E731
        self.crashes: list[BaseException] = []
        self.api = Api(pipeline, clients, catalogue, lambda _i, e: self.crashes.append(e), born=0, filing=filing)
        self.api.configure(Limits(max_body_bytes=3_000_000))
        self.listening = Listening(self.api.handle, max_body=3_000_000, real=env)

    async def ask(self, method: str, path: str, body: bytes | None, *fields: str) -> Answer:
        caller = await self.listening.caller()
        await caller.send(request(method, path, body, *fields, host="localhost"))
        answer = await caller.answer(bare=method == "HEAD")
        assert answer.headers["x-request-id"].startswith("req_") and answer.headers["x-lbd-attempts"] == "0"
        return answer

    async def get(self, path: str, *fields: str, method: str = "GET") -> Answer:
        return await self.ask(method, path, None, *fields)

    async def post(self, path: str, body: object, *fields: str) -> Answer:
        return await self.ask("POST", path, json.dumps(body).encode(), KIND, *fields)

    async def upload(self, content: bytes = b"{}\n", *fields: str) -> str:
        answer = await self.ask("POST", "/v1/files", form(content), FORM, *fields)
        assert answer.status == 200, answer.body
        return str(answer.json["id"])

    async def batch(self, file: str, *fields: str) -> str:
        asked = {"input_file_id": file, "endpoint": "/v1/embeddings", "completion_window": "24h"}
        return str((await self.post("/v1/batches", asked, *fields)).json["id"])


@asynccontextmanager
async def front(**config: Any) -> AsyncIterator[Front]:
    made = Front(**config)
    await made.begin()
    async with made.listening:
        yield made
    assert not made.crashes, made.crashes


def error(answer: Answer, status: int) -> dict[str, Any]:
    assert answer.status == status, answer.body
    found: Any = answer.json["error"]
    assert set(found) == {"message", "type", "param", "code"}
    return dict(found)


async def test_a_file_s_life() -> None:
    """Under OpenAI's paths and Azure's; HEAD as GET."""
    async with front() as f:
        content = bytes(range(256)) * 10
        file = await f.upload(content)
        for prefix in ("/v1/files/", "/openai/v1/files/", "/openai/files/"):
            assert (await f.get(prefix + file)).json["bytes"] == len(content)
        told = await f.get(f"/v1/files/{file}/content")
        assert told.body == content and told.headers["content-type"] == "application/octet-stream"
        bare = await f.get(f"/v1/files/{file}/content", method="HEAD")
        assert (bare.status, bare.headers["content-length"]) == (200, str(len(content)))
        assert [x["id"] for x in (await f.get("/v1/files?purpose=batch")).json["data"]] == [file]  # type: ignore[attr-defined]
        assert (await f.ask("DELETE", f"/v1/files/{file}", None)).json["deleted"] is True
        for path in (f"/v1/files/{file}", f"/v1/files/{file}/content", "/v1/files/..%2f..%2fetc%2fpasswd"):
            assert error(await f.get(path), 404)["param"] == "id"


async def test_a_long_content_comes_in_pieces() -> None:
    """Whole; and what is deleted in the middle does not look whole."""
    async with front() as f:
        content = bytes(range(256)) * (PIECE // 100)
        file = await f.upload(content)
        assert (await f.get(f"/v1/files/{file}/content")).body == content
        await f.blobs.cut(file, PIECE + 5)
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await f.get(f"/v1/files/{file}/content")
        f.blobs.error = "away"
        assert error(await f.get(f"/v1/files/{file}/content"), 500)["code"] == "store_failed"


async def test_a_batch_s_life() -> None:
    """Begun, shown, listed, cancelled; nothing of it twice."""
    async with front() as f:
        file = await f.upload()
        made = [await f.batch(file) for _ in range(25)]
        assert (await f.get(f"/v1/batches/{made[0]}")).json["status"] == "validating"
        page: Any = (await f.get("/v1/batches")).json
        assert [b["id"] for b in page["data"]] == made[:4:-1] and page["has_more"]
        page = (await f.get(f"/v1/batches?limit=3&after={made[3]}")).json
        assert [b["id"] for b in page["data"]] == made[2::-1] and not page["has_more"]
        assert error(await f.get("/v1/batches?limit=101"), 400)["param"] == "limit"
        assert error(await f.ask("DELETE", f"/v1/files/{file}", None), 409)["code"] == "file_in_use"
        for _ in range(2):
            told = await f.post(f"/v1/batches/{made[0]}/cancel", {})
            assert told.status == 200 and told.json["status"] == "cancelling" and told.json["cancelling_at"]
        f.shelf.note(replace(f.shelf.batches[made[1]], status=Status.COMPLETED))
        assert error(await f.post(f"/v1/batches/{made[1]}/cancel", {}), 409)["code"] == "batch_not_cancellable"
        assert error(await f.get("/v1/batches/batch_x"), 404)["param"] == "id"


async def test_each_client_has_its_own() -> None:
    """Another's is not there, nor is anything without a key."""
    clients = [{"name": "one", "key": "k1"}, {"name": "two", "key": "k2"}]
    one, two = "Authorization: Bearer k1", "api-key: k2"
    async with front(clients=clients, allow_inline_secrets=True) as f:
        file = await f.upload(b"x", one)
        batch = await f.batch(file, one)
        for path in (f"/v1/files/{file}", f"/v1/files/{file}/content", f"/v1/batches/{batch}"):
            assert (await f.get(path, one)).status == 200
            error(await f.get(path, two), 404)
            error(await f.get(path), 401)
        error(await f.ask("DELETE", f"/v1/files/{file}", None, two), 404)
        error(await f.post(f"/v1/batches/{batch}/cancel", {}, two), 404)
        asked = {"input_file_id": file, "endpoint": "/v1/embeddings", "completion_window": "24h"}
        error(await f.post("/v1/batches", asked, two), 404)
        for path in ("/v1/files", "/v1/batches"):
            assert (await f.get(path, two)).json["data"] == []
            assert len((await f.get(path, one)).json["data"]) == 1  # type: ignore[arg-type]


async def test_only_a_form_makes_a_file_and_only_there() -> None:
    """Content types as before everywhere else; another site's page is refused before anything is read."""
    async with front() as f:
        assert "multipart" in error(await f.ask("POST", "/v1/files", b"x", "Content-Type: text/plain"), 415)["message"]
        error(await f.ask("POST", "/v1/batches", form(), FORM), 415)
        error(await f.ask("POST", "/v1/chat/completions", form(), FORM), 415)
        assert error(await f.post("/v1/files", {}), 400)["code"] == "invalid_multipart"
        assert error(await f.ask("POST", "/v1/files", form(purpose=b"vision"), FORM), 400)["param"] == "purpose"
        told = error(await f.ask("POST", "/v1/files", form(), FORM, "Origin: http://evil.example"), 403)
        assert told["code"] == "unknown_origin" and not f.shelf.files
        error(await f.ask("POST", "/v1/files", form(), FORM, "Content-Encoding: br"), 415)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("PUT", "/v1/files", "GET, POST, HEAD"),
        ("POST", "/v1/files/x", "GET, DELETE, HEAD"),
        ("DELETE", "/v1/files/x/content", "GET, HEAD"),
        ("GET", "/v1/batches/x/cancel", "POST"),
        ("DELETE", "/v1/batches/x", "GET, HEAD"),
    ],
)
async def test_another_method_is_told_which_there_are(method: str, path: str, allow: str) -> None:
    """RFC 9110, 15.5.6."""
    async with front() as f:
        answer = await f.ask(method, path, b"{}", KIND)
        error(answer, 405)
        assert answer.headers["allow"] == allow


async def test_what_is_not_there_is_404() -> None:
    """Paths beside the routes."""
    async with front() as f:
        for path in ("/v1/files/x/other", "/v1/batches/x/y/z", "/v1/filesystem", "/v1/batches_"):
            assert error(await f.get(path), 404)["code"] == "unknown_url"


async def test_while_it_is_not_known_what_there_is() -> None:
    """Ask again: nothing is said to be gone."""
    async with front() as f:
        f.shelf.loaded = False
        answer = await f.get("/v1/files/x")
        error(answer, 503)
        assert answer.headers["retry-after"] == "1"


async def test_a_bound_on_what_is_kept_is_a_413(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the remedy."""
    async with front() as f:
        monkeypatch.setattr(f.blobs, "most", 10, raising=False)
        told = error(await f.ask("POST", "/v1/files", form(bytes(11)), FORM), 413)
        assert told["code"] == "storage_full" and "delete files" in told["message"]


def test_paths() -> None:
    """These routes and nothing that only looks like them."""
    assert takes("/v1/files") and takes("/v1/files/x") and takes("/v1/batches/x/cancel")
    assert not takes("/v1/filesx") and not takes("/v1/models")
