"""Single requests in the durable queue: taken in, answered, asked for, over the real listener."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from lbd.ingress.api import Api, Limits
from lbd.ingress.deferred import PATH, Deferred
from lbd.ingress.files import Filing
from lbd.loops.batch import Batches
from lbd.loops.errand import Answer as Told
from lbd.loops.errand import Errands
from lbd.model.batch import Batch, Status
from lbd.shapes.responses import deferred
from lbd.tasks import Tasks
from tests.fakes.caller import Listening, request
from tests.fakes.shelves import MoodyBlobs, MoodyStore, shelf
from tests.fakes.stage import answer, refusal, whole
from tests.fakes.virtual import VirtualEnv, run
from tests.unit.ingress.test_files import KIND, Front, error, inline

ASKED = {"model": "m", "input": "Capital of Germany?", "background": True, "store": True, "metadata": {"job": "7"}}


class Queue(Front):
    """The API with the queue behind it, which moves on when it is told to."""

    async def begin(self) -> None:
        await super().begin()
        await self.restart()

    async def restart(self) -> None:
        """Begin anew with what the store and the contents hold, as after a crash."""
        env, pipeline, clients = self.relay.env, self.relay.pipeline, self.relay.plugins.clients
        self.shelf = await shelf(env, self.store, self.blobs)
        filing = Filing(self.shelf, pipeline, clients["openai.chat"], inline)
        self.tasks: set[asyncio.Task[None]] = set()

        def spawn(_name: str, work: Any) -> asyncio.Task[None]:
            task = asyncio.get_running_loop().create_task(work)
            self.tasks.add(task)
            return task

        waiting = Deferred(self.shelf, pipeline, clients["openai.responses"], spawn, inline)
        catalogue = lambda: self.relay.owner.snapshot.catalogue  # noqa: E731
        crashed = lambda _i, e: self.crashes.append(e)  # noqa: E731
        self.api = Api(pipeline, clients, catalogue, crashed, born=0, filing=filing, waiting=waiting)
        self.api.configure(Limits(max_body_bytes=3_000_000))
        if hasattr(self, "listening"):
            self.listening = Listening(self.api.handle, max_body=3_000_000, real=env)
        self.ended: list[Batch] = []
        shapes = {PATH: clients["openai.responses"], "/v1/embeddings": clients["openai.embeddings"]}
        self.batches = Batches(
            env, self.shelf, Errands(env, pipeline, crashed), shapes, spawn=spawn, offload=inline,
            ended=self.ended.append,
        )  # fmt: skip

    async def work(self, rounds: int = 6) -> None:
        """Let the queue move on."""
        for _ in range(rounds):
            await self.batches.look()
            if self.tasks:
                await asyncio.wait(self.tasks)

    async def begun(self, *fields: str, **more: Any) -> str:
        got = await self.post(PATH, {**ASKED, **more}, *fields)
        assert got.status == 200, got.body
        return str(got.json["id"])


@asynccontextmanager
async def queue(**config: Any) -> AsyncIterator[Queue]:
    made = Queue(**config)
    await made.begin()
    async with made.listening:
        yield made
    assert not made.crashes, made.crashes


async def test_a_request_waits_and_has_its_answer_by_its_id() -> None:
    """Queued at once, in progress, then the response itself, as often as it is asked for."""
    async with queue() as q:
        got = await q.post(PATH, ASKED)
        told: Any = got.json
        assert (told["status"], told["background"], told["object"], told["output"]) == ("queued", True, "response", [])
        assert told["model"] == "m" and told["metadata"] == {"job": "7"} and told["error"] is None
        assert (await q.get(f"{PATH}/{told['id']}")).json == told
        q.relay.stage.plan(0.01, *answer(whole("Berlin")), host="a")
        await q.work()
        for path in (f"{PATH}/{told['id']}", f"/openai/v1/responses/{told['id']}"):
            done: Any = (await q.get(path)).json
            assert (done["id"], done["status"], done["background"]) == (told["id"], "completed", True)
            assert done["output"][0]["content"][0]["text"] == "Berlin" and done["created_at"] == told["created_at"]
            assert done["usage"]["output_tokens"] == 3 and done["metadata"] == {"job": "7"}
        (sent,) = (json.loads(t.body) for t in q.relay.stage.taken if t.body)
        assert "background" not in sent and sent["messages"][0]["content"] == "Capital of Germany?"
        assert q.relay.last.urgency == "background"


async def test_what_it_said_can_be_referred_to_until_it_is_deleted() -> None:
    """Once its client has asked for it, which is how it knows the ids; also where that was after a restart."""
    async with queue() as q:
        name = await q.begun()
        q.relay.stage.plan(0.01, *answer(whole("Berlin")), host="a")
        await q.work()
        q.relay.stage.always(0.01, *answer(whole("3.7 million")), host="a")
        assert q.api.recall.bytes == 0
        done: Any = (await q.get(f"{PATH}/{name}")).json
        asked = {"role": "user", "content": "Capital of Germany?"}
        more = {"role": "user", "content": "How large is it?"}
        refers = {"type": "item_reference", "id": done["output"][0]["id"]}
        body = json.dumps({"model": "m", "input": [asked, refers, more]}).encode()
        caller = await q.listening.caller()
        await caller.send(request("POST", PATH, body, KIND, host="localhost"))
        got = await caller.answer()
        assert got.status == 200, got.body
        messages = json.loads(q.relay.stage.taken[-1].body)["messages"]
        assert [m["content"] for m in messages] == ["Capital of Germany?", "Berlin", "How large is it?"]
        await q.restart()
        async with q.listening:
            refused: Any = (await q.ask("POST", PATH, body, KIND)).json
            assert "lbd has no item" in refused["error"]["message"]
            assert (await q.get(f"{PATH}/{name}")).json == done
            assert q.api.recall.bytes > 0, "as before"
            assert (await q.ask("DELETE", f"{PATH}/{name}", None)).status == 200
            assert q.api.recall.bytes == 0


async def test_it_outlives_a_crash_and_is_sent_again() -> None:
    """What was taken in is there after a restart; what was answered is not sent again."""
    async with queue() as q:
        first, second = await q.begun(), await q.begun()
        q.relay.stage.plan(0.01, *answer(whole("one")), host="a")
        q.relay.stage.plan(0.01, *answer(whole("two")), host="a")
        await q.batches.look()
        for task in q.tasks:
            task.cancel()  # both are under way when it ends
        await asyncio.wait(q.tasks)
        await q.restart()
        async with q.listening:
            q.relay.stage.plan(0.01, *answer(whole("three")), host="a")
            q.relay.stage.plan(0.01, *answer(whole("four")), host="a")
            await q.work()
            done: list[Any] = [(await q.get(f"{PATH}/{name}")).json for name in (first, second)]
            assert [d["status"] for d in done] == ["completed", "completed"]
            texts = {d["output"][0]["content"][0]["text"] for d in done}
            sent = len(q.relay.stage.taken)
            await q.restart()
            async with q.listening:
                await q.work()
                assert {
                    (await q.get(f"{PATH}/{n}")).json["output"][0]["content"][0]["text"] for n in (first, second)
                } == texts  # type: ignore[index]
            assert len(q.relay.stage.taken) == sent


async def test_a_failure_is_kept_with_its_reason() -> None:
    """What nobody can answer is failed, with the words of who refused it."""
    async with queue() as q:
        name = await q.begun()
        q.relay.stage.plan(0.01, *answer(refusal("no such temperature", "invalid_value", "invalid_request_error"), 400),
                           host="a")  # fmt: skip
        await q.work()
        told: Any = (await q.get(f"{PATH}/{name}")).json
        assert told["status"] == "failed" and told["output"] == []
        assert told["error"] == {"code": "invalid_value", "message": "no such temperature"}


async def test_its_deadline_is_that_of_its_surface() -> None:
    """Then it is failed; nothing is sent after it."""
    async with queue(surfaces=[{"name": "drafts", "deadline_s": 1}]) as q:
        name = await q.begun("x-lbd-surface: drafts")
        assert q.shelf.batches[name].expires_at - q.shelf.batches[name].created_at == 1
        q.relay.env.wall = lambda: q.shelf.batches[name].created_at + 5.0
        await q.work()
        told: Any = (await q.get(f"{PATH}/{name}")).json
        assert (told["status"], told["error"]["code"]) == ("failed", "deadline_exceeded")
        assert not q.relay.stage.taken


async def test_what_headers_wish_goes_with_it() -> None:
    """Beside the request, whose metadata stay the client's own; a wish that is not allowed is refused at once."""
    clients = [{"name": "x", "key": "k", "may": ["max_usd", "session"]}]
    async with queue(clients=clients, allow_inline_secrets=True) as q:
        mine = "Authorization: Bearer k"
        name = await q.begun(mine, "x-lbd-max-usd: 0.000000001")
        assert q.shelf.batches[name].wishes == {"max-usd": "0.000000001"}
        await q.restart()
        async with q.listening:
            assert (await q.get(f"{PATH}/{name}", mine)).json["metadata"] == {"job": "7"}
            await q.work()
            assert not q.relay.stage.taken  # nobody serves it for that
            other = await q.begun(mine, "x-lbd-max-usd: 0.5")
            q.relay.stage.plan(0.01, *answer(whole("Berlin")), host="a")
            await q.work()
            told: Any = (await q.get(f"{PATH}/{other}", mine)).json
            assert (told["status"], told["metadata"]) == ("completed", {"job": "7"})
            refused = await q.post(PATH, ASKED, mine, "x-lbd-quality-floor: 0.5")
            assert "x-lbd-quality-floor" in error(refused, 403)["message"]
            assert "x-lbd-*" in error(await q.post(PATH, ASKED, mine, f"x-lbd-session: {'s' * 5000}"), 400)["message"]


@pytest.mark.parametrize("depth", [200, 300, 900])
async def test_a_body_that_is_nested_deep_waits_like_any_other(depth: int) -> None:
    """What can be answered at once can be answered later."""
    async with queue() as q:
        name = await q.begun(extra=json.loads("[" * depth + "]" * depth))
        assert (await q.get(f"{PATH}/{name}")).json["status"] == "queued"


async def test_one_that_is_nested_too_deep_is_refused() -> None:
    """By whoever reads it."""
    async with queue() as q:
        deep = b"[" * 5000 + b"]" * 5000
        body = b'{"model":"m","input":"x","background":true,"x":%b}' % deep
        assert error(await q.ask("POST", PATH, body, "Content-Type: application/json"), 400)
        body = b'{"model":"m","input":"x","background":true,"tools":[%b]}' % deep[4700:5300]
        assert error(await q.ask("POST", PATH, body, "Content-Type: application/json"), 400)
        assert not q.shelf.batches and not q.shelf.files


@pytest.mark.parametrize("good", [True, False])
async def test_an_answer_that_is_nested_deep_can_be_asked_for(good: bool) -> None:
    """Whoever gave it, and whatever is in it."""
    async with queue() as q:
        name = await q.begun()
        deep = b"[" * 5000 + b"]" * 5000

        async def run(*_args: object) -> Any:
            return Told(200 if good else 400, "r", b'{"id":"x","status":"completed","error":{"code":%b}}' % deep)

        q.batches._errands.run = run  # type: ignore[method-assign]
        await q.work()
        told = await q.get(f"{PATH}/{name}")
        assert told.status == 200 and (b'"completed"' if good else b'"failed"') in told.body


async def test_who_asks_how_it_is_doing_does_not_have_it_read() -> None:
    """Only what its answer says again of it is, however long the rest."""
    async with queue() as q:
        name = await q.begun(input="x" * 1_000_000)
        read, reads = q.blobs.read, []

        async def counted(*which: Any) -> bytes:
            data = await read(*which)
            reads.append(len(data))
            return data

        q.blobs.read = counted  # type: ignore[method-assign]
        told: Any = (await q.get(f"{PATH}/{name}")).json
        assert told["metadata"] == {"job": "7"} and told["model"] == "m" and sum(reads) < 1000


@pytest.mark.parametrize("after", [0.5, 1.5])
def test_a_client_that_leaves_meanwhile_leaves_nothing_that_runs(after: float) -> None:
    """While its file is kept, or its batch: both are, and what nobody knows the id of is cancelled."""

    async def main(env: VirtualEnv) -> None:
        store, blobs = MoodyStore(), MoodyBlobs()
        made, tasks = await shelf(env, store, blobs), Tasks(env, lambda *told: crashes.append(told))
        crashes: list[object] = []
        save = store.save

        async def slow(table: str, rows: Any, *, gone: Any = ()) -> None:
            await save(table, rows, gone=gone)
            await env.sleep(1.0)

        store.save = slow  # type: ignore[method-assign]
        waiting = Deferred(made, None, None, tasks.once, inline)  # type: ignore[arg-type]
        kept = deferred.keep(b'{"model":"m","input":"x"}', PATH)
        assert isinstance(kept, deferred.Kept)
        asked = asyncio.get_running_loop().create_task(waiting._apart("c", kept, 100.0, {}))
        await env.sleep(after)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        await env.sleep(5.0)
        (batch,) = made.batches.values()
        assert batch.status is Status.CANCELLING and set(made.files) == {batch.input_file_id}
        assert (await shelf(env, store, blobs)).batches == made.batches
        asked = asyncio.get_running_loop().create_task(waiting._apart("c", kept, 100.0, {}))
        await env.sleep(5.0)
        told = await asked
        assert isinstance(told, Batch) and made.batches[told.id].status is Status.VALIDATING
        await tasks.close()
        assert not crashes

    run(main)


async def test_one_that_goes_while_it_is_read_is_not_there() -> None:
    """Its room was needed."""
    async with queue() as q:
        name = await q.begun()
        read = q.blobs.read

        async def gone(*which: Any) -> bytes:
            await q.shelf.drop([q.shelf.batches[name]])
            return await read(*which)

        q.blobs.read = gone  # type: ignore[method-assign]
        assert error(await q.get(f"{PATH}/{name}"), 404)["code"] == "response_not_found"


@pytest.mark.parametrize(
    ("more", "status", "param"),
    [
        ({"stream": True}, 400, "stream"),
        ({"previous_response_id": "resp_1"}, 400, "previous_response_id"),
        ({"model": "nobody"}, 404, "model"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, 400, "input"),
    ],
)
async def test_what_could_never_be_answered_is_refused_at_once(more: Any, status: int, param: str) -> None:
    """Nothing is kept."""
    async with queue() as q:
        assert error(await q.post(PATH, {**ASKED, **more}), status)["param"] == param
        assert not q.shelf.batches and not q.shelf.files


async def test_the_store_s_failure_is_told_and_nothing_is_left() -> None:
    """A client that was told of it finds it again; one that was not has nothing."""
    async with queue() as q:
        q.store.error = "disk full"
        assert error(await q.post(PATH, ASKED), 500)["code"] == "store_failed"
        q.store.error = None
        assert not q.shelf.batches and not q.shelf.files and not await q.blobs.sizes()


async def test_it_can_be_cancelled_and_deleted() -> None:
    """Cancelled it is not sent; under way it is not deleted; deleted it is gone with its contents."""
    async with queue() as q:
        name = await q.begun()
        assert error(await q.ask("DELETE", f"{PATH}/{name}", None), 409)["code"] == "response_in_progress"
        told: Any = (await q.post(f"{PATH}/{name}/cancel", {})).json
        assert told["status"] == "cancelled"
        await q.work()
        assert q.shelf.batches[name].status is Status.CANCELLED and not q.relay.stage.taken
        assert (await q.get(f"{PATH}/{name}")).json["status"] == "cancelled"
        assert error(await q.post(f"{PATH}/{name}/cancel", {}), 409)["code"] == "response_not_cancellable"
        gone: Any = (await q.ask("DELETE", f"{PATH}/{name}", None)).json
        assert gone == {"id": name, "object": "response", "deleted": True}
        assert error(await q.get(f"{PATH}/{name}"), 404)["code"] == "response_not_found"
        assert not q.shelf.files and not await q.blobs.sizes()


async def test_it_is_its_clients_alone_and_no_batch() -> None:
    """Another client does not find it; among files and batches it does not stand."""
    clients = [{"name": "x", "key": "kx"}, {"name": "y", "key": "ky"}]
    async with queue(clients=clients, allow_inline_secrets=True) as q:
        mine, others = "Authorization: Bearer kx", "Authorization: Bearer ky"
        name = await q.begun(mine)
        assert error(await q.get(f"{PATH}/{name}", others), 404)["code"] == "response_not_found"
        assert error(await q.get(f"{PATH}/{name}"), 401)
        assert (await q.get("/v1/batches", mine)).json["data"] == []
        assert (await q.get("/v1/files", mine)).json["data"] == []
        assert error(await q.get(f"/v1/batches/{name}", mine), 404)
        assert error(await q.get(f"/v1/files/{q.shelf.batches[name].input_file_id}", mine), 404)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("PUT", "resp_x", 405), ("GET", "resp_x/cancel", 405), ("GET", "resp_x/input_items", 404), ("GET", "resp_x", 404)],
)
async def test_what_is_not_there_is_said_to_be_not_there(method: str, path: str, status: int) -> None:
    """In OpenAI's shape."""
    async with queue() as q:
        assert error(await q.get(f"{PATH}/{path}", method=method), status)


@pytest.mark.parametrize(
    ("method", "path", "allow"), [("PUT", "resp_x", "GET, HEAD, DELETE"), ("GET", "resp_x/cancel", "POST")]
)
async def test_a_405_says_what_is_allowed(method: str, path: str, allow: str) -> None:
    """As it owes its client (RFC 9110 15.5.6)."""
    async with queue() as q:
        told = await q.get(f"{PATH}/{path}", method=method)
        assert error(told, 405) and told.headers["allow"] == allow


@pytest.mark.parametrize("more", [{"background": False}, {"background": None}, {"input": 'say "background": true'}])
async def test_a_request_like_any_other_is_answered_at_once(more: dict[str, Any]) -> None:
    """The word alone means nothing."""
    async with queue() as q:
        body = {"model": "m", "input": "hello", **more}
        q.relay.stage.plan(0.01, *answer(whole("hi")), host="a")
        caller = await q.listening.caller()
        await caller.send(
            request("POST", PATH, json.dumps(body).encode(), "Content-Type: application/json", host="localhost")
        )
        told = await caller.answer()
        assert told.status == 200 and told.json["status"] == "completed" and not q.shelf.batches
