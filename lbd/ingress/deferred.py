"""Single requests that wait in the durable queue: responses of OpenAI's Responses API with ``background: true``.

Each is a batch of one line: kept before its client is told, sent when there is room behind interactive work, again
after a restart, however that came, until it has an answer or its time is over. Its client asks for it by its id.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any

import orjson

from lbd.batch.shelf import Shelf
from lbd.ingress.inbound import Inbound
from lbd.ingress.recall import Recall
from lbd.model.batch import Batch, Status
from lbd.model.failure import Failure, FailureKind, LbdError
from lbd.model.outcome import Usage
from lbd.model.units import Seconds
from lbd.pipeline import Pipeline
from lbd.ports import Offload, Sends, StoreError
from lbd.shapes import jsonl, loose
from lbd.shapes.clients import ClientShape
from lbd.shapes.loose import UNREADABLE
from lbd.shapes.responses import deferred, state
from lbd.shapes.responses.deferred import Asked, Kept
from lbd.state import batch as states
from lbd.upstream.respond import JSON
from lbd.upstream.ticket import Ticket

PATH = "/v1/responses"
LONG = 256 * 1024  # bytes of a request that another thread takes apart: some milliseconds
_MOST_WISHES = 4096  # characters of all: they are kept in memory
_WAITS = frozenset({Status.VALIDATING})
_OVER: Mapping[Status, str] = {Status.CANCELLED: "cancelled", Status.CANCELLING: "cancelled"}


def takes(path: str) -> bool:
    """Tell whether a path names a response."""
    return path.startswith(PATH + "/")


Spawn = Callable[[str, Coroutine[Any, Any, None]], "asyncio.Task[None]"]


class Deferred:
    """Takes such requests in, and answers questions about them."""

    def __init__(self, shelf: Shelf, pipeline: Pipeline, shape: ClientShape, spawn: Spawn, offload: Offload) -> None:
        self._shelf = shelf
        self._pipeline = pipeline
        self._shape = shape
        self._spawn = spawn
        self._offload = offload
        self.recall = Recall(0)  # where items are kept of answers that were told

    # --- taking one in --------------------------------------------------------------------------------

    async def begin(self, inbound: Inbound, body: bytes, to: Sends) -> Failure | bool:
        """Take a request in if it asks for that; False where it is a request like any other."""
        asked = deferred.asks(body)
        if asked is None:
            return False
        client = self._pipeline.who(inbound)
        if isinstance(client, Failure):
            return client
        wishes = dict(inbound.wishes())
        read = partial(_read, asked, body, wishes)
        kept = read() if len(body) < LONG else await self._offload(read)
        if isinstance(kept, Failure):
            return kept
        vetted = self._pipeline.prepare(self._pipeline.next_id(), inbound, kept.body, self._shape)
        if isinstance(vetted, Failure):
            return vetted
        if not isinstance(vetted, Ticket):
            return False  # a dry run: it waits for nothing
        self._pipeline.forgo(vetted)
        batch = await self._apart(client.name, kept, self._within(vetted), wishes)
        if isinstance(batch, Failure):
            return batch
        self._send(inbound, to, deferred.pending(batch, kept.echoed, "queued"))
        return True

    async def _apart(self, client: str, kept: Kept, within_s: Seconds, wishes: dict[str, str]) -> Batch | Failure:
        """Keep a request in a task of its own: a client that leaves meanwhile does not leave half of it behind."""
        out: list[Batch | Failure] = []

        async def keep() -> None:
            try:
                out.append(await self._keep(client, kept, within_s, wishes))
            except LbdError as e:
                out.append(e.failure)

        task = self._spawn("background request", keep())
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if not task.cancelled():
                self._spawn("background request", self._forsake(task, out))
            raise
        return out[0] if out else Failure(FailureKind.INTERNAL, "lbd itself failed; its log says more")

    async def _forsake(self, task: asyncio.Task[None], out: list[Batch | Failure]) -> None:
        """Cancel what nobody was told the id of: nobody could ask for its answer."""
        await task
        batch = self._shelf.batches.get(out[0].id) if out and isinstance(out[0], Batch) else None
        if batch is not None:
            with contextlib.suppress(ValueError):  # it has ended meanwhile
                await self._shelf.keep(states.cancel(batch, self._shelf.now()))

    def _within(self, ticket: Ticket) -> Seconds:
        surface = self._pipeline.rules.surfaces.get(ticket.ask.surface)
        told = None if surface is None else surface.deadline_s
        return self._pipeline.rules.deadlines.background_total_s if told is None else told

    async def _keep(self, client: str, kept: Kept, within_s: Seconds, wishes: dict[str, str]) -> Batch:
        shelf = self._shelf
        file = await shelf.add(client, "response.jsonl", kept.line, keep_s=None, purpose=states.SINGLE)
        now = shelf.now()
        batch = Batch(
            id=shelf.new_id("resp_"),
            client=client,
            endpoint=PATH,
            input_file_id=file.id,
            completion_window="",
            created_at=now,
            expires_at=now + max(1, round(within_s)),
            usage=Usage(),
            single=True,
            wishes=wishes or None,
            echo=kept.echo,
        )
        try:
            await shelf.begin(batch)
        except LbdError:
            await shelf.delete(file)
            raise
        return batch

    # --- asking for one -------------------------------------------------------------------------------

    async def handle(self, inbound: Inbound, to: Sends) -> Failure | None:
        """Answer a question about a response, or do what is asked with it."""
        client = self._pipeline.who(inbound)
        if isinstance(client, Failure):
            return client
        name, _, what = inbound.path.removeprefix(PATH + "/").partition("/")
        method = "GET" if inbound.method == "HEAD" else inbound.method
        allowed = {"": ("GET", "HEAD", "DELETE"), "cancel": ("POST",)}.get(what)
        if allowed is None:
            return Failure(FailureKind.NOT_FOUND, f"there is no {inbound.path} here", code="unknown_url")
        if method not in allowed:
            text = f"{inbound.path} takes {', '.join(allowed)}, not {method}"
            refusal = Failure(FailureKind.BAD_REQUEST, text, status=405)
            more = f"allow: {', '.join(allowed)}\r\n".encode()
            self._pipeline.refuse(self._pipeline.next_id(), inbound, refusal, self._shape, to, more)
            return None
        try:
            self._shelf.check()
            batch = self._find(name, client.name)
            if method == "DELETE":
                self._send(inbound, to, orjson.dumps(await self._delete(batch)))
            else:
                batch = await self._cancel(batch) if what else batch
                answer = await self._answer(batch)
                shown = await self._pending(batch) if answer is None else answer
                asked = b"" if answer is None else await self._asked(batch)
                self._find(name, client.name)  # it may have gone while it was read
                if answer is not None:
                    self.recall.keep(client.name, answer, asked, inbound.arrived)
                self._send(inbound, to, shown)
        except LbdError as e:
            return e.failure
        except StoreError as e:
            return Failure(FailureKind.INTERNAL, f"lbd could not read it: {e}", code="store_failed")
        return None

    def _find(self, name: str, client: str) -> Batch:
        batch = self._shelf.batches.get(name)
        if batch is None or not batch.single or batch.client != client:
            text = f"there is no response {name[:100]!r}: lbd keeps those that were asked for with background: true"
            raise LbdError(Failure(FailureKind.NOT_FOUND, text, param="response_id", code="response_not_found"))
        return batch

    def _send(self, inbound: Inbound, to: Sends, document: bytes) -> None:
        to.send(200, self._pipeline.told(self._pipeline.next_id(), inbound) + JSON, document)

    async def _cancel(self, batch: Batch) -> Batch:
        try:
            cancelled = states.cancel(batch, self._shelf.now())
        except ValueError:
            text = f"{batch.id} cannot be cancelled: it has ended"
            raise LbdError(
                Failure(FailureKind.BAD_REQUEST, text, status=409, code="response_not_cancellable")
            ) from None
        await self._shelf.keep(cancelled)
        return cancelled

    async def _delete(self, batch: Batch) -> Mapping[str, Any]:
        if not batch.ended:
            text = f"{batch.id} is under way: cancel it first"
            raise LbdError(Failure(FailureKind.BAD_REQUEST, text, status=409, code="response_in_progress"))
        answer = await self._answer(batch)
        await self._shelf.drop([batch])
        if answer is not None:
            self.recall.forget(batch.client, answer)
        return {"id": batch.id, "object": "response", "deleted": True}

    async def _answer(self, batch: Batch) -> bytes | None:
        """Return the answer of one that has one."""
        if batch.output_file_id is None or batch.status is Status.CANCELLED:
            return None
        told = jsonl.result(await self._shelf.blobs.read(batch.output_file_id))
        return None if told is None else deferred.answer(batch, told.body)

    async def _asked(self, batch: Batch) -> bytes:
        """Return the body of its request, nothing where that is gone."""
        line = await self._shelf.blobs.read(batch.input_file_id)
        return deferred.asked(line)

    async def _pending(self, batch: Batch) -> bytes:
        at, size = batch.echo
        echoed = await self._shelf.blobs.read(batch.input_file_id, at, size)
        if batch.ended and batch.status is not Status.CANCELLED:
            return deferred.pending(batch, echoed, "failed", await self._error(batch))
        waits = "queued" if batch.status in _WAITS else "in_progress"
        return deferred.pending(batch, echoed, _OVER.get(batch.status, waits))

    async def _error(self, batch: Batch) -> Mapping[str, Any]:
        """Return why there is no answer."""
        if batch.faults:
            return {"code": batch.faults[0].code, "message": batch.faults[0].message}
        told = None
        if batch.error_file_id is not None:
            told = jsonl.result(await self._shelf.blobs.read(batch.error_file_id))
        if told is None:
            return {"code": "server_error", "message": "there is no answer, and nothing says why"}
        if told.why is not None:
            return {"code": "deadline_exceeded", "message": "it could not be answered before its deadline"}
        error = loose.members(_members(told.body).get("error"))
        message = error.get("message")
        text = message if isinstance(message, str) else f"the request failed with status {told.status}"
        code = error.get("code")
        return {"code": code if isinstance(code, str) and code else "server_error", "message": text}


def _read(asked: Asked, body: bytes, wishes: Mapping[str, str]) -> Kept | Failure:
    """Return a request as it is kept, or why it cannot be."""
    if asked.stream:
        return state.refusal("stream", "a background response is asked for by its id; leave stream out")
    if sum(map(len, (*wishes, *wishes.values()))) > _MOST_WISHES:
        return Failure(FailureKind.BAD_REQUEST, f"the x-lbd-* headers are longer than {_MOST_WISHES} characters")
    return deferred.keep(body, PATH)


def _members(data: bytes) -> dict[str, Any]:
    try:
        return loose.members(loose.value(data))
    except UNREADABLE:
        return {}
