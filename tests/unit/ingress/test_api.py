"""The API's routes over the real listener: what is there, who may, and errors in OpenAI's shape always."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest

from lbd.admit.auth import LOCAL
from lbd.app import RealEnv
from lbd.ingress.api import MOST_SHRUNK, UNPACKED_FREELY, Api, Limits
from lbd.ingress.feedback import Take
from lbd.ingress.inbound import Inbound
from lbd.ingress.reply import HttpReply
from lbd.model.failure import FailureKind
from lbd.shapes.asked import MOST_NUMBERS
from lbd.table.offered import offers
from lbd.upstream.inflate import MOST_MEMBERS
from tests.fakes.caller import Answer, Listening, get, request
from tests.fakes.relay import Relay, row
from tests.fakes.stage import DONE, JSON, ROLE, SSE, STOP, answer, content, cut, end, head, refusal, say, stream, whole
from tests.fakes.wire import on, until

CHAT = "/v1/chat/completions"
KIND = "Content-Type: application/json"
ASK = {"model": "auto", "messages": [{"role": "user", "content": "hello"}]}
packed = partial(gzip.compress, mtime=0)  # the same in every worker that collects the tests
GOOD: tuple[Any, ...] = (0.001, head(), say(ROLE, content("hel")), 0.001, say(content("lo"), STOP, DONE), end)


class Front:
    """The API on a listener, over a scripted provider."""

    def __init__(self, *rows: dict[str, Any], limits: Limits | None = None, **config: Any) -> None:
        self.relay = Relay(RealEnv(), *(rows or (row("a"),)), **config)  # type: ignore[arg-type]
        self.crashes: list[tuple[str, BaseException]] = []
        self.ratings: list[tuple[str, str, float]] = []
        self.api = Api(
            self.relay.pipeline,
            self.relay.plugins.clients,
            lambda: self.relay.owner.snapshot.catalogue,
            lambda request_id, error: self.crashes.append((request_id, error)),
            born=1_700_000_000.9,
            rate=Take(self.rate, lambda _wanted: "taken"),
            offers=lambda rows: offers(self.relay.owner, rows, self.relay.env.now()),
        )
        self.api.configure(limits or Limits(max_body_bytes=5000, allowed_hosts=frozenset({"lbd.internal"})))
        self.listening = Listening(self.api.handle, max_body=self.api.limits.max_body_bytes, real=self.relay.env)

    def rate(self, request_id: str, client: str, score: float) -> bool:
        self.ratings.append((request_id, client, score))
        return request_id == "req_known"

    async def ask(
        self, *fields: str, path: str = CHAT, host: str = "localhost", body: bytes | None = None, **more: Any
    ) -> Answer:
        """Make one POST."""
        raw = json.dumps({**ASK, **more}).encode() if body is None else body
        return await self.listening.ask(request("POST", path, raw, KIND, *fields, host=host))

    async def get(self, path: str, *fields: str, method: str = "GET") -> Answer:
        caller = await self.listening.caller()
        await caller.send(request(method, path, None, *fields, host="localhost"))
        return await caller.answer(bare=method == "HEAD")


@asynccontextmanager
async def front(*rows: dict[str, Any], **more: Any) -> AsyncIterator[Front]:
    made = Front(*rows, **more)
    async with made.listening:
        yield made


def own(answer: Answer) -> None:
    """Check lbd's own header fields, which stand on every answer."""
    assert answer.headers["x-request-id"].startswith("req_")
    assert int(answer.headers["x-lbd-attempts"]) >= 0
    assert 0 <= int(answer.headers["x-lbd-overhead-us"]) < 30_000_000


def error(answer: Answer, status: int) -> dict[str, Any]:
    """Return the error of an answer; it has OpenAI's shape."""
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/json"
    own(answer)
    found: Any = answer.json["error"]
    assert set(found) == {"message", "type", "param", "code"}
    assert isinstance(found["message"], str) and isinstance(found["type"], str)
    return dict(found)


# --- requests -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_stream_and_a_unary_answer_come_over_one_connection(loop: str) -> None:
    """Chunked and with a length, one after the other."""

    async def main() -> None:
        async with front() as f:
            caller = await f.listening.caller()
            for _ in range(3):
                f.relay.stage.plan(*GOOD, host="a")
                await caller.send(
                    request("POST", CHAT, json.dumps({**ASK, "stream": True}).encode(), KIND, host="localhost")
                )
                streamed = await caller.answer()
                assert streamed.body == stream("hel", "lo")
                assert streamed.headers["transfer-encoding"] == "chunked"
                f.relay.stage.plan(0.001, *answer(whole("hello")), host="a")
                await caller.send(request("POST", CHAT, json.dumps(ASK).encode(), KIND, host="localhost"))
                unary = await caller.answer()
                assert unary.body == whole("hello") and unary.headers["x-lbd-deployment"] == "a/m"
            f.relay.check()

    on(loop, main())


async def test_a_client_that_leaves_stops_the_provider() -> None:
    """From the socket to the exchange."""
    async with front() as f:
        f.relay.stage.plan(0.001, head(), say(ROLE, content("hel")), host="a")
        caller = await f.listening.caller()
        await caller.send(request("POST", CHAT, json.dumps({**ASK, "stream": True}).encode(), KIND, host="localhost"))
        await asyncio.wait_for(caller.reader.readuntil(b"hel"), 5)
        caller.reset()
        await until(lambda: f.relay.records)
        assert f.relay.stage.taken[0].cancelled_at is not None
        assert f.relay.last.outcome == FailureKind.CLIENT_GONE
        f.relay.check()


async def test_a_query_is_no_part_of_the_route() -> None:
    """Some clients add a version."""
    async with front() as f:
        f.relay.stage.plan(0.001, *answer(whole()), host="a")
        assert (await f.ask(path=CHAT + "?api-version=1")).status == 200


async def test_an_absolute_target_is_served_by_its_own_authority() -> None:
    """As clients with a proxy setting send it; a foreign authority is refused whatever Host says."""
    async with front() as f:
        f.relay.stage.plan(0.001, *answer(whole()), host="a")
        assert (await f.ask(path="http://localhost:8080" + CHAT, host="evil.example")).status == 200
        assert error(await f.ask(path="http://evil.example" + CHAT), 403)["code"] == "unknown_host"
        assert (await f.get("http://127.0.0.1/v1/models")).status == 200


async def test_a_dry_run_sends_nothing() -> None:
    """The plan comes back instead."""
    async with front() as f:
        plan = (await f.ask("X-LBD-Dry-Run: 1")).json
        assert plan["object"] == "lbd.plan" and plan["asked"] == "auto" and plan["stages"]
        assert not f.relay.stage.taken and not f.relay.records


# --- models -------------------------------------------------------------------------------------------

ROWS = (row("a", model="gpt-4.1"), row("b", model="org/model:tag"), row("c", model="caf\u00e9 #1?"))


async def test_models_are_listed_with_everything_that_may_be_asked_for() -> None:
    """auto, rules, models, aliases without a wildcard; each as OpenAI lists it."""
    rules = {"simple_queries": {"primary": "gpt-4.1"}}
    async with front(*ROWS, routing_rules=rules, models={"gpt-4o": "auto", "gpt-3.5-*": "auto"}) as f:
        listed = (await f.get("/v1/models")).json
        assert listed["object"] == "list"
        data: Any = listed["data"]
        assert [m["id"] for m in data] == [
            "auto",
            "caf\u00e9 #1?",
            "gpt-4.1",
            "gpt-4o",
            "org/model:tag",
            "simple_queries",
        ]
        assert all(m["object"] == "model" and m["owned_by"] == "lbd" and m["created"] == 1_700_000_000 for m in data)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("gpt-4.1", "gpt-4.1"),
        ("org/model:tag", "org/model:tag"),
        ("org%2Fmodel%3Atag", "org/model:tag"),
        ("org%2fmodel:tag", "org/model:tag"),
        ("caf%C3%A9%20%231%3F", "caf\u00e9 #1?"),
        ("auto?x=1", "auto"),
    ],
)
async def test_a_model_is_found_by_its_name_in_any_spelling(path: str, name: str) -> None:
    """Slashes and percent-encoding included."""
    async with front(*ROWS) as f:
        told = await f.get(f"/v1/models/{path}")
        assert told.status == 200 and told.json["id"] == name and told.json["object"] == "model"


@pytest.mark.parametrize("path", ["gpt-5", "", "gpt-4.1/", "%00", "%FF%FE", "..%2F..%2Fetc%2Fpasswd", "a" * 3000])
async def test_a_model_that_is_not_there_is_a_404_in_openais_words(path: str) -> None:
    """model_not_found, with the parameter."""
    async with front(*ROWS) as f:
        told = error(await f.get(f"/v1/models/{path}"), 404)
        assert told["code"] == "model_not_found" and told["param"] == "model"


async def test_a_client_sees_only_the_models_it_may_use() -> None:
    """In the list and by name."""
    clients = [{"name": "c", "key": "k" * 20, "models": ["gpt-*"]}]
    async with front(*ROWS, clients=clients, allow_inline_secrets=True) as f:
        key = f"Authorization: Bearer {'k' * 20}"
        data: Any = (await f.get("/v1/models", key)).json["data"]
        assert [m["id"] for m in data] == ["gpt-4.1"]
        assert (await f.get("/v1/models/gpt-4.1", key)).status == 200
        assert error(await f.get("/v1/models/auto", key), 404)["code"] == "model_not_found"


async def test_head_is_get_without_the_body() -> None:
    """The same length; errors, too, and the connection stays usable."""
    async with front() as f:
        caller = await f.listening.caller()
        for path in ("/v1/models", "/v1/models/m", "/v1/models/no", "/no", CHAT):
            await caller.send(request("GET", path, None, host="localhost"))
            full = await caller.answer()
            await caller.send(request("HEAD", path, None, host="localhost"))
            bare = await caller.answer(bare=True)
            assert bare.status == full.status
            assert abs(int(bare.headers["content-length"]) - len(full.body)) <= 1  # HEAD for GET in a message


# --- who may ------------------------------------------------------------------------------------------


async def test_a_key_is_asked_where_clients_are_configured() -> None:
    """By any of the three usual headers; 401 in OpenAI's words without one."""
    clients = [{"name": "c", "key": "secret-key-of-c"}]
    async with front(clients=clients, allow_inline_secrets=True) as f:
        f.relay.stage.always(0.001, *answer(whole()), host="a")
        for good in ("Authorization: Bearer secret-key-of-c", "X-Api-Key: secret-key-of-c", "Api-Key: secret-key-of-c"):
            assert (await f.ask(good)).status == 200
            assert (await f.get("/v1/models", good)).status == 200
        assert error(await f.ask(), 401)["code"] == "missing_api_key"
        assert error(await f.ask("Authorization: Bearer wrong"), 401)["code"] == "invalid_api_key"
        assert error(await f.ask("Authorization: Basic secret-key-of-c"), 401)["type"] == "authentication_error"
        assert error(await f.get("/v1/models"), 401)["code"] == "missing_api_key"
        assert error(await f.ask("Authorization: Bearer \xff\xfe"), 401)
        assert [r.client for r in f.relay.records] == ["c"] * 3


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example:8080"])
async def test_a_host_that_is_not_known_is_refused(host: str) -> None:
    """Each time, whatever was served before."""
    async with front() as f:
        f.relay.stage.always(0.001, *answer(whole()), host="a")
        for _ in range(2):
            assert error(await f.ask(host=host), 403)["code"] == "unknown_host"
            assert (await f.ask(host="lbd.internal")).status == 200
        old = request("POST", CHAT, json.dumps(ASK).encode(), KIND, host="").replace(b"HTTP/1.1", b"HTTP/1.0")
        assert (await f.listening.ask(old)).status == 200


async def test_a_page_of_another_site_is_refused() -> None:
    """Its own page and listed hosts are not."""
    async with front() as f:
        f.relay.stage.always(0.001, *answer(whole()), host="a")
        assert error(await f.ask("Origin: https://evil.example"), 403)["code"] == "unknown_origin"
        assert error(await f.ask("Origin: null"), 403)["code"] == "unknown_origin"
        assert (await f.ask("Origin: http://localhost")).status == 200
        assert (await f.ask("Origin: https://lbd.internal")).status == 200
        assert error(await f.get("/v1/models", "Origin: https://evil.example"), 403)


async def test_known_hosts_are_remembered_within_a_bound_and_forgotten_on_reload() -> None:
    """A host that was allowed before is not any more."""
    async with front() as f:
        f.relay.stage.always(0.001, *answer(whole()), host="a")
        assert (await f.ask(host="lbd.internal")).status == 200
        for n in range(80):
            assert (await f.ask(host=f"10.0.0.{n}")).status == 200
        assert len(f.api._known_hosts) <= 64
        f.api.configure(Limits(max_body_bytes=5000))
        assert error(await f.ask(host="lbd.internal"), 403)["code"] == "unknown_host"


# --- what is not there --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/chat/completions/",
        "/v1/chat%2Fcompletions",
        "/v1/%63hat/completions",
        "/V1/chat/completions",
        "//v1/chat/completions",
        "/v1/./chat/completions",
        "/v1/modelsx",
        "*",
        "/health",
        "/metrics",
    ],
)
async def test_routes_are_matched_on_the_raw_path_only(path: str) -> None:
    """Nothing is decoded, folded or guessed; the admin's pages are not here."""
    async with front() as f:
        for method in ("GET", "POST"):
            told = await f.listening.ask(
                request(method, path, b"{}" if method == "POST" else None, KIND, host="localhost")
            )
            assert error(told, 404)["code"] == "unknown_url"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", CHAT),
        ("DELETE", CHAT),
        ("PUT", CHAT),
        ("OPTIONS", CHAT),
        ("POST", "/v1/models"),
        ("DELETE", "/v1/models/m"),
    ],
)
async def test_another_method_is_a_405(method: str, path: str) -> None:
    """With the one that is taken."""
    async with front() as f:
        told = await f.listening.ask(
            request(method, path, b"{}" if method in ("POST", "PUT") else None, KIND, host="localhost")
        )
        assert "takes" in error(told, 405)["message"]
        assert told.headers["allow"] == ("GET, HEAD" if path.startswith("/v1/models") else "POST")


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
async def test_a_body_that_is_not_called_json_is_a_415(kind: str) -> None:
    """No form of a page can send it then."""
    async with front() as f:
        fields = [f"Content-Type: {kind}"] if kind else []
        told = await f.listening.ask(request("POST", CHAT, json.dumps(ASK).encode(), *fields, host="localhost"))
        assert "application/json" in error(told, 415)["message"]


@pytest.mark.parametrize("kind", ["application/json", "text/plain", ""])
async def test_a_file_comes_in_a_form(kind: str) -> None:
    """Said before anything is read."""
    async with front() as f:
        fields = [f"Content-Type: {kind}"] if kind else []
        told = await f.listening.ask(request("POST", "/v1/audio/transcriptions", b"{}", *fields, host="localhost"))
        assert "multipart/form-data" in error(told, 415)["message"]


async def test_a_form_is_what_its_content_type_says() -> None:
    """Else the provider would read another one than lbd."""
    raw = b'--a\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n--a--\r\n'
    async with front() as f:
        for mark, code in (("b", "invalid_multipart"), ("a", None)):
            kind = f"Content-Type: multipart/form-data; boundary={mark}"
            told = await f.listening.ask(request("POST", "/v1/audio/transcriptions", raw, kind, host="localhost"))
            assert (error(told, 400)["code"] == "invalid_multipart") is (code is not None)
        assert not f.relay.stage.taken


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "Application/JSON", "application/vnd.api+json"])
async def test_json_by_another_name_is_taken(kind: str) -> None:
    """Parameters and case do not matter."""
    async with front() as f:
        f.relay.stage.plan(0.001, *answer(whole()), host="a")
        told = await f.listening.ask(
            request("POST", CHAT, json.dumps(ASK).encode(), f"Content-Type: {kind}", host="localhost")
        )
        assert told.status == 200


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'{"messages":[]}', b'{"model":5}', b'{"model":""}', b"\xff\xfe", b"[" * 4000]
)
async def test_a_body_that_cannot_be_read_is_a_400(body: bytes) -> None:
    """Never a crash."""
    async with front() as f:
        assert error(await f.ask(body=body), 400)["type"] == "invalid_request_error"
        assert not f.crashes


async def test_what_the_listener_refused_is_answered_in_openais_shape() -> None:
    """Too large, too slow, no HTTP: the connection's own refusals."""
    async with front() as f:
        assert error(await f.ask(body=b"x" * 5001), 413)["code"] == "body_too_large"
        assert error(await f.listening.ask(b"junk\r\n\r\n"), 400)["code"] == "bad_http"
        assert error(await f.ask("Host: other"), 400)
        assert error(await f.listening.ask(get("/x", *(f"X-{n}: a" for n in range(200)))), 431)


async def test_a_body_that_is_too_large_is_refused_in_the_envelope_of_its_path() -> None:
    """Anthropic's clients have a class for it."""
    async with front() as f:
        for chunked in ("Transfer-Encoding: chunked", ""):
            told = await f.ask(path="/v1/messages", body=b"x" * 5001) if not chunked else None
            told = told or await f.listening.ask(
                b"POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n1400\r\n" + b"x" * 0x1400
            )
            assert told.status == 413
            body = json.loads(told.body)
            assert body["type"] == "error" and body["error"]["type"] == "request_too_large"


async def test_azures_older_paths_that_name_no_deployment_are_known() -> None:
    """Its SDK puts the model into the body there, or asks for one."""
    async with front() as f:
        assert (await f.get("/openai/models/auto?api-version=2025-04-01-preview")).status == 200
        for path in ("responses", "chat/completions"):
            told = await f.ask(path=f"/openai/{path}?api-version=2025-04-01-preview", model="none")
            assert error(told, 404)["code"] == "model_not_found"


async def test_what_is_not_there_is_not_there_whatever_is_sent() -> None:
    """A kind of body can only be wrong where there is a place for one."""
    async with front() as f:
        form = request(
            "POST", "/v1/images/variations", b"x", "Content-Type: multipart/form-data; boundary=b", host="localhost"
        )
        assert error(await f.listening.ask(form), 404)["code"] == "unknown_url"


# --- compressed bodies --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("x-gzip", gzip.compress),
        ("gzip", lambda raw: b"".join(gzip.compress(raw[i : i + 7]) for i in range(0, len(raw), 7))),
        ("deflate", zlib.compress),
        ("deflate", lambda raw: zlib.compress(raw)[2:-4]),
        ("deflate", lambda raw: zlib.compress(raw, 0)[2:-4]),
        ("deflate", gzip.compress),
        ("identity", bytes),
        ("", bytes),
    ],
)
async def test_a_compressed_body_is_read(encoding: str, pack: Any) -> None:
    """And goes on to the provider as plain bytes."""
    async with front() as f:
        f.relay.stage.plan(0.001, *answer(whole()), host="a")
        told = await f.ask(f"Content-Encoding: {encoding}", body=pack(json.dumps(ASK).encode()))
        assert told.status == 200
        assert json.loads(f.relay.stage.taken[0].body)["messages"] == ASK["messages"]


@pytest.mark.parametrize(
    ("encoding", "body", "status"),
    [
        ("br", b"x", 415),
        ("gzip, gzip", packed(b"{}"), 415),
        ("gzip", b'{"model":"auto"}', 400),
        ("gzip", packed(json.dumps(ASK).encode())[:-12], 400),
        ("gzip", packed(json.dumps(ASK).encode())[:-8], 400),
        ("gzip", packed(json.dumps(ASK).encode())[:-1], 400),
        ("gzip", packed(json.dumps(ASK).encode()) + packed(b" ")[:-1], 400),
        ("gzip", packed(json.dumps(ASK).encode()) + b"more", 400),
        ("gzip", b"", 400),
        ("deflate", b"", 400),
        ("deflate", zlib.compress(json.dumps(ASK).encode())[:-4], 400),
        ("deflate", zlib.compress(json.dumps(ASK).encode())[2:-5], 400),
        ("deflate", zlib.compress(json.dumps(ASK).encode()) * 2, 400),
        ("gzip", packed(b" " * 5001), 413),
        ("gzip", packed(b" " * 2600) * 2, 413),
        ("gzip", packed(b" " * 50_000_000, 9)[:5000], 413),
        ("deflate", zlib.compress(b"0" * 4_000_000), 413),
    ],
)
async def test_a_bad_compression_and_a_bomb_are_refused(encoding: str, body: bytes, status: int) -> None:
    """Unknown: 415; broken or cut: 400; more than the body's bound: 413, before it is unpacked."""
    async with front() as f:
        error(await f.ask(f"Content-Encoding: {encoding}", body=body), status)
        assert not f.relay.stage.taken and not f.crashes


async def test_a_body_of_very_many_gzip_members_is_refused() -> None:
    """Empty ones take long to unpack to nothing."""
    async with front(limits=Limits(max_body_bytes=100_000)) as f:
        body = gzip.compress(b"") * (MOST_MEMBERS - 1) + gzip.compress(json.dumps(ASK).encode())
        f.relay.stage.plan(0.001, *answer(whole()), host="a")
        assert (await f.ask("Content-Encoding: gzip", body=body)).status == 200
        error(await f.ask("Content-Encoding: gzip", body=gzip.compress(b"") + body), 400)


async def test_a_compressed_body_may_be_as_large_as_a_plain_one() -> None:
    """The bound is on what is unpacked, to the byte."""
    async with front() as f:
        raw = json.dumps(ASK).encode()
        most = f.api.limits.max_body_bytes
        for pack in (gzip.compress, zlib.compress, lambda raw: gzip.compress(raw[:9]) + gzip.compress(raw[9:])):
            how = "deflate" if pack is zlib.compress else "gzip"
            f.relay.stage.plan(0.001, *answer(whole()), host="a")
            assert (await f.ask(f"Content-Encoding: {how}", body=pack(raw.ljust(most)))).status == 200
            error(await f.ask(f"Content-Encoding: {how}", body=pack(raw.ljust(most + 1))), 413)


async def test_a_bomb_is_found_out_before_it_has_cost_much() -> None:
    """Whatever the body's bound is, nothing honest shrinks as much; a small body may be what it will."""
    async with front(limits=Limits(max_body_bytes=64 * UNPACKED_FREELY)) as f:
        bomb = packed(b" " * (MOST_SHRUNK * 300 * 1024), 9)
        assert "100 times what was sent" in error(await f.ask("Content-Encoding: gzip", body=bomb), 413)["message"]
        f.relay.stage.plan(0.001, *answer(whole()), host="a")
        body = packed(json.dumps(ASK).encode().ljust(UNPACKED_FREELY), 9)
        assert (await f.ask("Content-Encoding: gzip", body=body)).status == 200


async def test_nothing_is_unpacked_for_who_is_nobody() -> None:
    """Else some kilobytes from anybody would hold everything up for as long as megabytes take to unpack."""
    clients = [{"name": "c", "key": "secret-key-of-c"}]
    async with front(clients=clients, allow_inline_secrets=True) as f:
        assert error(await f.ask("Content-Encoding: gzip", body=b"none at all"), 401)["code"] == "missing_api_key"
        known = await f.ask("Content-Encoding: gzip", "Authorization: Bearer secret-key-of-c", body=b"none at all")
        assert "unpacked" in error(known, 400)["message"]


async def test_nothing_is_put_into_a_body_for_who_is_nobody() -> None:
    """A deployment in the path becomes the model: to find its place, a body is looked through; not without end."""
    clients = [{"name": "c", "key": "secret-key-of-c"}]
    path = "/openai/deployments/m/chat/completions"
    async with front(clients=clients, allow_inline_secrets=True, limits=Limits(max_body_bytes=9_000_000)) as f:
        f.relay.stage.always(0.001, *answer(whole()), host="a")
        body = json.dumps({**ASK, "x": [0] * (MOST_NUMBERS // 2)}).encode()
        assert error(await f.ask(path=path, body=body), 401)["code"] == "missing_api_key"
        known = await f.ask("Authorization: Bearer secret-key-of-c", path=path, body=body)
        assert error(known, 413)["code"] == "too_many_values"


# --- defects ------------------------------------------------------------------------------------------


async def test_a_defect_is_told_with_the_id_that_the_log_has() -> None:
    """500 in OpenAI's shape; the message says where to look, and nothing of what broke."""
    async with front() as f:

        async def broken(*_: object) -> None:
            raise ZeroDivisionError("secret detail")

        f.relay.pipeline.handle = broken  # type: ignore[method-assign]
        told = error(await f.ask(), 500)
        ((request_id, raised),) = f.crashes
        assert request_id in told["message"] and "secret detail" not in told["message"]
        assert isinstance(raised, ZeroDivisionError)


@pytest.mark.parametrize("ended", [False, True])
async def test_a_defect_in_the_middle_of_a_stream_ends_it_with_an_error_event(ended: bool) -> None:
    """One, unless the answer was over already."""
    async with front() as f:

        async def broken(_inbound: Inbound, _raw: bytes, _shape: object, reply: HttpReply) -> None:
            reply.start(200, b"content-type: text/event-stream\r\n")
            reply.write(content("hel"))
            if ended:
                reply.end(DONE)
            raise ZeroDivisionError

        f.relay.pipeline.handle = broken  # type: ignore[method-assign,assignment]
        told = await f.ask()
        assert told.status == 200 and told.body.count(b'"error"') == (not ended)
        assert len(f.crashes) == 1


async def test_cancellation_is_no_defect() -> None:
    """The client has gone: nobody is told anything."""
    async with front() as f:
        f.relay.stage.plan(host="a")
        caller = await f.listening.caller()
        await caller.send(request("POST", CHAT, json.dumps(ASK).encode(), KIND, host="localhost"))
        await until(lambda: f.relay.stage.taken)
        await caller.close()
        await until(lambda: f.listening.cancelled)
        assert not f.crashes


async def test_failures_before_and_after_the_first_content_look_as_they_should() -> None:
    """A status before, an event in the stream after; both in OpenAI's shape."""
    async with front() as f:
        f.relay.stage.always(
            0.001, head(500, **{k.replace("-", "_"): v for k, v in JSON.items()}), say(refusal("broken")), end, host="a"
        )
        assert error(await f.ask(stream=True), 502)["message"]
        f.relay.find("a").breaker = type(f.relay.find("a").breaker)()
        f.relay.stage.always(
            0.001,
            head(200, **{k.replace("-", "_"): v for k, v in SSE.items()}),
            say(ROLE, content("hel")),
            cut(),
            host="a",
        )
        told = await f.ask(stream=True)
        assert told.status == 200 and told.body.endswith(b"\n\n") and b"[DONE]" not in told.body
        last = json.loads(told.body.split(b"\n\n")[-2].removeprefix(b"data: "))
        assert set(last["error"]) == {"message", "type", "param", "code"}


async def test_many_requests_at_once_each_get_their_own_answer() -> None:
    """Over many connections."""
    async with front() as f:

        def play(taken: Any) -> None:
            text = json.loads(taken.body)["messages"][0]["content"]
            taken.head(200, JSON)
            taken.say(whole(text))
            taken.end()

        f.relay.stage.always(0.002, play, host="a")

        async def one(n: int) -> None:
            told: Any = (await f.ask(messages=[{"role": "user", "content": f"n{n}"}])).json
            assert told["choices"][0]["message"]["content"] == f"n{n}"

        await asyncio.gather(*(one(n) for n in range(100)))
        f.relay.check()


# --- feedback -----------------------------------------------------------------------------------------


async def test_a_client_rates_an_answer() -> None:
    """As itself; the answer says what was taken."""
    async with front() as f:
        good = await f.ask(path="/v1/feedback", body=b'{"request_id": "req_known", "rating": "up"}')
        assert good.status == 200 and good.json == {"object": "lbd.feedback", "request_id": "req_known", "score": 1}
        own(good)
        packed_ = packed(b'{"request_id": "req_known", "score": 0.5}')
        assert (await f.ask("Content-Encoding: gzip", path="/v1/feedback", body=packed_)).json["score"] == 0.5
        assert f.ratings == [("req_known", "local", 1.0), ("req_known", "local", 0.5)]


async def test_a_rating_that_cannot_be_taken_is_refused_in_openais_shape() -> None:
    """Unknown, no rating, packed badly, not POST, no JSON by its type."""
    async with front() as f:
        path = "/v1/feedback"
        unknown = error(await f.ask(path=path, body=b'{"request_id": "req_x", "rating": "up"}'), 404)
        assert (unknown["param"], unknown["code"]) == ("request_id", "request_not_found")
        assert error(await f.ask(path=path, body=b"{}"), 400)["code"] == "invalid_feedback"
        error(await f.ask("Content-Encoding: gzip", path=path, body=b"junk"), 400)
        wrong = await f.get(path)
        assert error(wrong, 405) and wrong.headers["allow"] == "POST"
        caller = await f.listening.caller()
        await caller.send(request("POST", path, b"{}", "Content-Type: text/plain", host="localhost"))
        error(await caller.answer(), 415)


async def test_a_rating_needs_a_key_where_requests_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is taken without."""
    monkeypatch.setenv("BOT_KEY", "sk-bot")
    async with front(clients=[{"name": "bot", "key": {"env": "BOT_KEY"}}]) as f:
        body = b'{"request_id": "req_known", "rating": "down"}'
        error(await f.ask(path="/v1/feedback", body=body), 401)
        assert not f.ratings
        assert (await f.ask("Authorization: Bearer sk-bot", path="/v1/feedback", body=body)).status == 200
        assert f.ratings == [("req_known", "bot", 0.0)]


# --- lbd's own fields ---------------------------------------------------------------------------------


async def test_every_answer_carries_lbds_own_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where no provider was asked: refusals, lists, a plan, and a crash, whose log is found by the same id."""
    async with front() as f:
        own(await f.get("/v1/models"))
        own(await f.get("/v1/models", method="HEAD"))
        own(await f.get("/nothing"))
        own(await f.ask(host="elsewhere.example"))
        own(await f.ask("X-Lbd-Dry-Run: 1"))
        own(await f.ask(body=b"no JSON"))
        monkeypatch.setattr(f.relay.pipeline, "handle", None)
        crashed = await f.ask()
        own(crashed)
        assert error(crashed, 500)["message"].endswith(crashed.headers["x-request-id"])
        assert [request_id for request_id, _ in f.crashes] == [crashed.headers["x-request-id"]]


async def test_openrouter_s_paths_are_known() -> None:
    """Who stands behind a name, for who may ask for it; everything else as without the word before it."""
    async with front(row("a"), row("b")) as f:
        listed: Any = (await f.get("/api/v1/models")).json["data"]
        name = next(m["id"] for m in listed if m["id"] != "auto")
        told: Any = (await f.get(f"/api/v1/models/{name}/endpoints")).json["data"]
        assert told["id"] == name and told["endpoints"][0]["provider_name"]
        assert len((await f.get("/api/v1/models/auto/endpoints")).json["data"]["endpoints"]) == 2
        missing: Any = await f.get("/api/v1/models/no/such/endpoints")
        assert missing.json["error"]["metadata"]["error_type"] == "model_not_found"
        assert (await f.get(f"/api/v1/models/{name}/endpoints", method="HEAD")).status == 200
        assert error(await f.get("/api/v2/models"), 404)["code"] == "unknown_url"
        assert (await f.get("/api/v1/chat/completions")).status == 405
        planned = await f.ask("x-lbd-dry-run: 1", path="/api/v1/chat/completions", provider={"order": ["a"]})
        assert planned.status == 200 and "a/m" in json.dumps(planned.json)


async def test_openrouter_s_clients_are_told_of_failures_by_a_number() -> None:
    """At every path of theirs, known or not; OpenAI's and Anthropic's clients by a word as ever."""
    async with front() as f:
        for path, status, word in (
            ("/api/v1/chat/completions", 400, "invalid_json"),
            ("/api/v1/nothing", 404, "unknown_url"),
            ("/api/v1/models/no/such/endpoints", 405, None),
        ):
            told: Any = await f.ask(path=path, body=b"no JSON")
            assert told.status == status and told.json["error"]["code"] == status, path
            if word is not None:
                assert told.json["error"]["metadata"]["error_type"] == word
        assert isinstance((await f.ask(path="/v1/chat/completions", body=b"no JSON")).json["error"]["code"], str)
        theirs: Any = (await f.ask(path="/api/v1/messages", body=b"no JSON")).json
        assert theirs["type"] == "error" and "code" not in theirs["error"]


async def test_items_that_are_referred_to_count_as_if_they_had_been_sent() -> None:
    """Towards the largest body, and towards the room that all large ones have; a reference itself is short."""
    item = {"id": "msg_1", "type": "message", "role": "assistant", "content": "x" * 90_000}
    async with front(limits=Limits(max_body_bytes=200_000)) as f:
        with f.api.recall.listening(LOCAL, b"{}", Deaf(), f.relay.env.now()) as heard:
            heard.send(200, b"", json.dumps({"output": [item]}).encode())

        async def refer(times: int) -> Answer:
            given = [{"type": "item_reference", "id": "msg_1"}] * times
            return await f.ask(
                "x-lbd-dry-run: 1", path="/v1/responses", body=json.dumps({"model": "auto", "input": given}).encode()
            )

        assert error(await refer(3), 413)["code"] == "body_too_large"
        room = f.listening.server.room
        room.held = 10**9
        assert error(await refer(1), 503)["code"] == "too_many_large_bodies"
        room.held = 0
        assert (await refer(2)).status == 200
        assert room.held == 0, "and it is given back"


class Deaf:
    """A reply that nobody hears."""

    started = False

    def send(self, status: int, headers: bytes, body: bytes) -> None:
        pass

    def start(self, status: int, headers: bytes) -> None:
        pass

    def write(self, data: bytes) -> None:
        pass

    def end(self, data: bytes = b"") -> None:
        pass

    def flow(self, pause: object, resume: object) -> None:
        pass
