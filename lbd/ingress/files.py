"""The routes /v1/files and /v1/batches: background work in OpenAI's own Batch API.

A client sees what was made with its own key's name; whatever else there is, is not there for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import orjson

from lbd.batch.shelf import Shelf
from lbd.ingress import filing
from lbd.ingress.inbound import Inbound
from lbd.ingress.reply import HttpReply
from lbd.model.batch import Batch, StoredFile
from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.pipeline import Pipeline
from lbd.ports import Offload, Sends, StoreError
from lbd.shapes import multipart
from lbd.shapes.clients import ClientShape
from lbd.state import batch as states
from lbd.upstream.respond import JSON

FILES, BATCHES = "/v1/files", "/v1/batches"
MOST_FILES, MOST_BATCHES = 10_000, 100  # in one page, as OpenAI's
PIECE = 256 * 1024  # bytes of a content that are sent at once
_CONTENT = b"content-type: application/octet-stream\r\n"


def takes(path: str) -> bool:
    """Tell whether a path is one of these routes."""
    return path in (FILES, BATCHES) or path.startswith((FILES + "/", BATCHES + "/"))


class Filing:
    """Answers requests for files and batches."""

    def __init__(self, shelf: Shelf, pipeline: Pipeline, shape: ClientShape, offload: Offload) -> None:
        self._shelf = shelf
        self._pipeline = pipeline
        self._shape = shape
        self._offload = offload

    async def handle(self, inbound: Inbound, to: Sends, reply: HttpReply) -> Failure | None:
        """Answer one request, ``to`` being the reply where the method is not HEAD; or say why not."""
        client = self._pipeline.who(inbound)
        if isinstance(client, Failure):
            return client
        collection, _, rest = inbound.path.removeprefix("/v1/").partition("/")
        method = "GET" if inbound.method == "HEAD" else inbound.method
        routes = self._routes(collection, rest, client.name)
        if routes is None:
            return Failure(FailureKind.NOT_FOUND, f"there is no {inbound.path} here", code="unknown_url")
        route = routes.get(method)
        if route is None:
            known = ", ".join(routes) + (", HEAD" if "GET" in routes else "")
            refusal = Failure(FailureKind.BAD_REQUEST, f"{inbound.path} takes {known}, not {method}", status=405)
            more = f"allow: {known}\r\n".encode()
            self._pipeline.refuse(self._pipeline.next_id(), inbound, refusal, self._shape, to, more)
            return None
        try:
            self._shelf.check()
            answer = await route(inbound)
            if isinstance(answer, StoredFile):
                await self._send(inbound, answer, to, reply)
                return None
        except LbdError as e:
            return e.failure
        except StoreError as e:
            return Failure(FailureKind.INTERNAL, f"lbd could not read it: {e}", code="store_failed")
        to.send(200, self._told(inbound) + JSON, orjson.dumps(answer))
        return None

    def _told(self, inbound: Inbound) -> bytes:
        return self._pipeline.told(self._pipeline.next_id(), inbound)

    def _routes(self, collection: str, rest: str, client: str) -> Mapping[str, Route] | None:
        """Return what may be done at a path, by method."""
        name, _, what = rest.partition("/")
        known: dict[str, Mapping[str, Route]]
        if not rest:
            if collection == "files":
                return {"GET": partial(self._files, client), "POST": partial(self._upload, client)}
            return {"GET": partial(self._batches, client), "POST": partial(self._begin, client)}
        if collection == "files":
            known = {
                "": {"GET": partial(self._file, client, name), "DELETE": partial(self._delete, client, name)},
                "content": {"GET": partial(self._content, client, name)},
            }
        else:
            known = {
                "": {"GET": partial(self._batch, client, name)},
                "cancel": {"POST": partial(self._cancel, client, name)},
            }
        return known.get(what)

    # --- files ---------------------------------------------------------------------------------------

    def _find_file(self, client: str, name: str) -> StoredFile:
        file = self._shelf.files.get(name)
        if file is None or not _of(file, client):
            raise LbdError(Failure(FailureKind.NOT_FOUND, f"there is no file {name[:100]!r}", param="id"))
        return file

    async def _files(self, client: str, inbound: Inbound) -> Mapping[str, object]:
        mine = sorted((f for f in self._shelf.files.values() if _of(f, client)), key=lambda f: f.id)
        return filing.page(inbound.query, mine, filing.file_object, MOST_FILES)

    async def _upload(self, client: str, inbound: Inbound) -> Mapping[str, object]:
        kind = inbound.header("content-type") or ""
        try:
            parts = await self._offload(partial(multipart.read, kind, inbound.body))
        except ValueError as e:
            raise filing.bad(f"the form cannot be read: {e}", "file", "invalid_multipart") from e
        filename, content, keep_s = filing.upload(parts)
        return filing.file_object(await self._shelf.add(client, filename, content, keep_s=keep_s))

    async def _file(self, client: str, name: str, inbound: Inbound) -> Mapping[str, object]:  # noqa: ARG002
        return filing.file_object(self._find_file(client, name))

    async def _content(self, client: str, name: str, inbound: Inbound) -> StoredFile:  # noqa: ARG002
        return self._find_file(client, name)

    async def _delete(self, client: str, name: str, inbound: Inbound) -> Mapping[str, object]:  # noqa: ARG002
        await self._shelf.delete(self._find_file(client, name))
        return {"id": name, "object": "file", "deleted": True}

    async def _send(self, inbound: Inbound, file: StoredFile, to: Sends, reply: HttpReply) -> None:
        """Send a content: piece by piece where it is long, as fast as the client takes it."""
        if to is not reply:  # HEAD
            reply.send_head(200, self._told(inbound) + _CONTENT, file.bytes)
            return
        blobs = self._shelf.blobs
        first = await blobs.read(file.id, 0, PIECE)
        if file.bytes <= PIECE:
            to.send(200, self._told(inbound) + _CONTENT, first)
            return
        may = asyncio.Event()
        may.set()
        reply.start(200, self._told(inbound) + _CONTENT)
        reply.flow(may.clear, may.set)
        at, piece = 0, first
        try:
            while piece:
                reply.write(piece)
                at += len(piece)
                await may.wait()
                piece = await blobs.read(file.id, at, PIECE) if at < file.bytes else b""
        except StoreError:
            piece = b""
        if at == file.bytes:
            reply.end()
        else:
            reply.abort()  # it was deleted meanwhile: what is cut off must not look whole

    # --- batches -------------------------------------------------------------------------------------

    def _find_batch(self, client: str, name: str) -> Batch:
        batch = self._shelf.batches.get(name)
        if batch is None or batch.single or batch.client != client:
            raise LbdError(Failure(FailureKind.NOT_FOUND, f"there is no batch {name[:100]!r}", param="id"))
        return batch

    async def _batches(self, client: str, inbound: Inbound) -> Mapping[str, object]:
        mine = [b for b in self._shelf.batches.values() if b.client == client and not b.single]
        query = inbound.query if "limit=" in inbound.query else f"{inbound.query}&limit=20"
        return filing.page(query, mine, filing.batch_object, MOST_BATCHES)

    async def _begin(self, client: str, inbound: Inbound) -> Mapping[str, object]:
        shelf = self._shelf
        find = partial(self._find_file, client)
        batch = filing.new_batch(inbound.body, client, shelf.new_id("batch_"), shelf.now(), find)
        await shelf.begin(batch)
        return filing.batch_object(batch)

    async def _batch(self, client: str, name: str, inbound: Inbound) -> Mapping[str, object]:  # noqa: ARG002
        return filing.batch_object(self._find_batch(client, name))

    async def _cancel(self, client: str, name: str, inbound: Inbound) -> Mapping[str, object]:  # noqa: ARG002
        batch = self._find_batch(client, name)
        try:
            batch = states.cancel(batch, self._shelf.now())
        except ValueError as e:
            text = f"{name} cannot be cancelled: it is {batch.status}"
            raise LbdError(Failure(FailureKind.BAD_REQUEST, text, status=409, code="batch_not_cancellable")) from e
        await self._shelf.keep(batch)
        return filing.batch_object(batch)


def _of(file: StoredFile, client: str) -> bool:
    """Tell whether a client is shown a file: its own, and none that holds a single request of its."""
    return file.client == client and file.purpose != states.SINGLE


Route = Callable[[Inbound], Awaitable[Mapping[str, object] | StoredFile]]
