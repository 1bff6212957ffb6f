"""Where requests go, and what goes with them, is the configuration's word alone; what comes back is lbd's own head.

Requests of every kind, with everything in them that names another host, go through the listener and the whole
application to a transport that notes what it is asked for.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbd.app import App
from lbd.ingress.paths import ROUTES
from lbd.ingress.server import Server
from lbd.upstream.request_head import head_bytes
from tests.fakes.harness import compiled
from tests.fakes.pipe import Pipe
from tests.fakes.relay import row
from tests.fakes.stage import ROLE, STOP, Stage, Taken, answer, content, end, head, say, whole
from tests.fakes.virtual import VirtualEnv, run

EVIL = "evil.example"
SHAPES = {"a": "openai", "b": "anthropic", "c": "gemini", "d": "azure", "e": "bedrock"}
VERSIONED = {"d": {"api_version": "2026-01-01"}}
CONFIG: dict[str, Any] = {
    "providers": [
        row(n, model=f"m-{n}", shape=shape, api_key=f"key-of-{n}", headers={"x-own": "own"}, **VERSIONED.get(n, {}))
        for n, shape in SHAPES.items()
    ],
    "models": {"any-*": "auto"},
    "allow_inline_secrets": True,
    "allowed_hosts": ["llm.example"],
    "probes": {"kinds": [], "completion": "never"},
}


class Outside:
    """The application between a client's bytes and a transport that notes."""

    def __init__(self, env: VirtualEnv, *script: Any) -> None:
        self.env = env
        self.stage = Stage(env)
        for name in SHAPES:
            self.stage.always(0.0, *(script or answer(whole())), host=name)
        self.app = App(Path("lbd.yaml"), compiled(CONFIG), env, self.stage)

    async def ask(self, sent: bytes) -> bytes:
        """Send these bytes on a connection of their own; return what comes back."""
        await self.app.start()
        pipe = Pipe()
        connection = Server(self.app.api.handle, self.env, lambda: 100_000)()
        connection.connection_made(pipe)
        connection.data_received(sent)
        await self.env.sleep(30.0)
        connection.connection_lost(None)
        await self.app.stop()
        return pipe.out

    def known(self) -> set[tuple[str, int, str]]:
        """Return every address and path that the configuration names."""
        ways = [way for line in self.app.flights.lines.values() for way in line.ways.values()]
        ends = [e for way in ways for e in (way.unary, way.stream)]
        return {(e.origin.host, e.origin.port, e.path) for e in ends}


def asked(*sent: bytes, script: tuple[Any, ...] = ()) -> tuple[list[list[Taken]], list[bytes]]:
    """Return what was asked of providers for each of these, and the answers."""
    taken, told = [], []
    for one in sent:

        async def main(env: VirtualEnv, one: bytes = one) -> None:
            outside = Outside(env, *script)
            told.append(await outside.ask(one))
            known = outside.known()
            for exchange in outside.stage.taken:
                endpoint = exchange.endpoint
                assert (endpoint.origin.host, endpoint.origin.port, endpoint.path) in known
                assert EVIL not in repr(endpoint.headers) and EVIL not in endpoint.path
                assert endpoint.origin.proxy is None
            taken.append(outside.stage.taken)

        run(main)
    return taken, told


NAMES = [
    f"http://{EVIL}/v1", f"https://{EVIL}", f"//{EVIL}/v1", f"{EVIL}", f"m-a@{EVIL}", f"m-a#@{EVIL}/", f"@{EVIL}",
    f"..//{EVIL}", "../../x", "..%2f..%2fx", f"m-a/../../{EVIL}", f"m-a?api_base=http://{EVIL}", f"file:///etc/{EVIL}",
    f"any-http://{EVIL}", f"m-a\r\nHost: {EVIL}", f"a/m-a@{EVIL}", f"azure/{EVIL}", f"openai/http://{EVIL}/m-a",
    "m-a", "m-b", "m-c", "m-d", "m-e", "auto", "any-x",
]  # fmt: skip
names = st.sampled_from(NAMES) | st.text(max_size=20).map(lambda t: f"{t}{EVIL}")
urls = st.sampled_from(
    [f"http://{EVIL}/x.png", f"https://{EVIL}:1/{{}}", f"//{EVIL}", f"ftp://{EVIL}", f"gs://{EVIL}/x"]
)
KEYS = [
    "base_url", "api_base", "api_base_url", "base", "endpoint", "url", "host", "proxy", "api_key", "headers",
    "extra_headers", "extra_body", "extra_query", "provider", "organization", "azure_endpoint", "callback_url",
    "webhook", "api_version", "x-lbd-pin", "custom_llm_provider", "model_list", "litellm_params",
]  # fmt: skip
values = (
    urls | st.dictionaries(st.sampled_from(["base_url", "Host", "url"]), urls, max_size=2) | st.just([f"http://{EVIL}"])
)
FIELDS = [
    "X-Forwarded-Host", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Server", "Forwarded", "X-Original-URL",
    "X-Rewrite-URL", "X-Host", "X-Real-IP", "Via", "Referer", "X-Api-Base", "X-LBD-Base-URL", "X-LBD-Surface",
    "X-LBD-Session", "Proxy-Authorization", "OpenAI-Base-URL", "api-base", "Destination", "Location",
]  # fmt: skip
TARGETS = [
    "{p}", "http://{e}{p}", "http://{e}:80@127.0.0.1{p}", "http://127.0.0.1{p}", "https://llm.example{p}", "//{e}{p}",
    "/{e}{p}", "/v1/../..{p}", "/v1/%2e%2e/%2e%2e//{e}{p}", "{p}/../../{e}", "{p}?base_url=http://{e}", "{p}#@{e}",
    "/openai/deployments/{m}/chat/completions", "/openai/deployments/{m}/chat/completions?api-version=http://{e}",
    "/openai{p}", "/http://{e}{p}", "/v1//{e}/chat/completions", "http:{p}", "http:///{e}{p}", "ws://{e}{p}",
]  # fmt: skip
hosts = st.sampled_from(["127.0.0.1:8080", "localhost", "llm.example", EVIL, f"127.0.0.1@{EVIL}", f"{EVIL}:80", ""])


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Make a request that names another host wherever one can be named."""
    path = draw(st.sampled_from(sorted(ROUTES)))
    model = draw(names)
    target = draw(st.sampled_from(TARGETS)).format(p=path, e=EVIL, m=quote(draw(names), safe="@:"))
    picture = {"type": "image_url", "image_url": {"url": draw(urls)}}
    parts = draw(st.sampled_from(["hello", [{"type": "text", "text": f"see http://{EVIL}"}, picture]]))
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": parts}], "max_tokens": 5}
    body |= {"input": f"see http://{EVIL}", "prompt": "x", "stream": draw(st.booleans())}
    body |= draw(st.dictionaries(st.sampled_from(KEYS), values, max_size=3))
    if draw(st.booleans()):
        body["metadata"] = draw(st.dictionaries(st.sampled_from(["x-lbd-pin", "x-lbd-session", "base_url"]), names))
    raw = json.dumps(body).encode()
    lines = [f"POST {target} HTTP/1.1", f"Host: {draw(hosts)}", "Content-Type: application/json"]
    lines += [f"{name}: http://{EVIL}" for name in draw(st.lists(st.sampled_from(FIELDS), max_size=4, unique=True))]
    lines += [f"Content-Length: {len(raw)}", "", ""]
    return "\r\n".join(lines).encode("latin-1", "replace") + raw


@settings(max_examples=120)
@given(requests())
def test_no_request_names_where_it_goes(sent: bytes) -> None:
    """Not by its target, Host, forwarding headers, body, model, metadata or the pictures in it."""
    asked(sent)


def chat(model: str = "m-a", *fields: str, stream: bool = False, path: str = "/v1/chat/completions") -> bytes:
    raw = json.dumps(
        {"model": model, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5, "stream": stream}
    ).encode()
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", *fields]
    return "\r\n".join([*lines, f"Content-Length: {len(raw)}", "", ""]).encode("latin-1") + raw


def test_a_good_request_goes_where_it_should() -> None:
    """Or else the others would prove nothing."""
    (taken,), (told,) = asked(chat())
    assert [t.endpoint.origin.host for t in taken] == ["a"]
    assert told.startswith(b"HTTP/1.1 200 OK")
    for target in ("http://localhost/v1/chat/completions", "/openai/v1/chat/completions"):
        (taken,), _ = asked(chat(path=target))
        assert [t.endpoint.origin.host for t in taken] == ["a"], target


def test_a_picture_is_data() -> None:
    """Its address is passed on as it stands, or refused; nobody is asked for it."""
    picture = {"type": "image_url", "image_url": {"url": f"https://{EVIL}/x.png"}}
    for name in SHAPES:
        raw = {"model": f"m-{name}", "messages": [{"role": "user", "content": [picture]}], "max_tokens": 5}
        body = json.dumps(raw).encode()
        sent = chat().partition(b"Content-Length")[0] + b"Content-Length: %d\r\n\r\n" % len(body) + body
        (taken,), _ = asked(sent)
        assert all(t.endpoint.origin.host == name for t in taken)
        assert not taken or EVIL.encode() in taken[0].body


# --- what goes with a request -------------------------------------------------------------------------

FROM_CLIENT = {
    "Authorization": "Bearer client-key", "X-Api-Key": "client-key", "Api-Key": "client-key", "Cookie": "session=1",
    "X-Goog-Api-Key": "client-key", "X-Forwarded-For": "10.0.0.1", "X-Forwarded-Host": EVIL,
    "Forwarded": "for=10.0.0.1", "X-Real-IP": "10.0.0.1", "Via": "1.1 x", "Connection": "keep-alive, x-named",
    "X-Named": "1", "Keep-Alive": "9", "Proxy-Authorization": "Basic x", "Proxy-Connection": "keep-alive",
    "TE": "trailers", "Trailer": "x", "User-Agent": "client/1", "Referer": f"http://{EVIL}", "X-Own": "theirs",
    "Accept": "x/y", "Accept-Encoding": "gzip", "Accept-Language": "de", "X-Request-Id": "theirs",
    "Idempotency-Key": "1", "OpenAI-Organization": "theirs", "OpenAI-Project": "theirs", "X-LBD-Session": "s",
    "X-LBD-Class": "interactive", "X-Stainless-Lang": "python", "X-Amz-Security-Token": "theirs",
    "X-HTTP-Method-Override": "DELETE", "Expect": "x",
}  # fmt: skip
# written by lbd itself; each provider's key under the name that its family wants
OWN = {"user-agent", "accept", "accept-encoding", "content-type", "x-own", "authorization", "x-api-key", "api-key",
       "anthropic-version", "x-goog-api-key"}  # fmt: skip
# of a client of the Messages API, to a provider that speaks it: what its body is written for
PASSED = {"anthropic-version", "anthropic-beta"}


FRAMING = {"host", "content-length"}
TRACE = {"traceparent", "tracestate"}  # of W3C's trace context, read and written anew


def sent(exchange: Taken) -> dict[str, str]:
    """Return the fields as they would stand on the wire, each once."""
    lines = head_bytes(exchange.endpoint, len(exchange.body)).decode("latin-1").split("\r\n")[1:-2]
    pairs = [line.split(": ", 1) for line in lines]
    assert len({name.lower() for name, _ in pairs}) == len(pairs), "a field twice"
    return {name.lower(): value for name, value in pairs}


@pytest.mark.parametrize(
    ("parent", "state"),
    [
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "a=1"),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", f"a=1;Host={EVIL}"),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "a=\x85b"),
        ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01x", "a=1"),
        (f"{EVIL}", f"{EVIL}"),
        ("x" * 4000, "y" * 4000),
    ],
)
def test_a_trace_is_written_anew(parent: str, state: str) -> None:
    """What a client says of one becomes two fields of their own form, whatever it says."""
    (taken,), _ = asked(chat("m-a", f"Traceparent: {parent}", f"Tracestate: {state}"))
    headers = sent(taken[0])
    assert headers.keys() <= OWN | FRAMING | TRACE and headers["host"] == "a"
    assert re.fullmatch(
        r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}",
        headers.get("traceparent", "00-" + "0" * 32 + "-" + "0" * 16 + "-00"),
    )
    assert all(c.isprintable() and c.isascii() for c in headers.get("tracestate", ""))


def test_a_client_s_headers_stay_here() -> None:
    """Credentials, cookies, hop-by-hop fields, those that Connection names, what proxies add, and all others."""
    fields = [f"{name}: {value}" for name, value in FROM_CLIENT.items()]
    for name in SHAPES:
        for stream in (False, True):
            (taken,), _ = asked(chat(f"m-{name}", *fields, stream=stream))
            assert taken, name
            for exchange in taken:
                headers = sent(exchange)
                assert headers.keys() <= OWN | FRAMING | TRACE, headers.keys() - OWN
                assert headers["x-own"] == "own" and headers["user-agent"].startswith("lbd/")
                told = repr(headers)
                assert not [w for w in ("client", "theirs", "10.0.0.1", "session=1", "gzip", EVIL) if w in told]
                if name != "e":
                    assert f"key-of-{name}" in told


def test_what_an_api_s_body_is_written_for_goes_with_it_and_nothing_else() -> None:
    """Betas of Anthropic's API, to a provider that speaks it; and no end of a line in them."""
    fields = [f"{name}: {value}" for name, value in FROM_CLIENT.items()]
    beta = ("Anthropic-Beta: one", "Anthropic-Version: 2023-06-01", "Anthropic-Dangerous-Direct-Browser-Access: true")
    for name in ("b", "a"):
        (taken,), _ = asked(chat(f"m-{name}", *fields, *beta, path="/v1/messages"))
        headers = sent(taken[0])
        assert headers.keys() <= OWN | FRAMING | TRACE | PASSED
        assert ("anthropic-beta" in headers) is (name == "b")
    (taken,), (told,) = asked(chat("m-b", "Anthropic-Beta: one\rX-Evil: 1", path="/v1/messages"))
    assert not taken and told.startswith(b"HTTP/1.1 400 ")


# --- what comes back ----------------------------------------------------------------------------------

FROM_PROVIDER = {
    "set_cookie": "a=1", "server": "x", "via": "1.1 x", "connection": "x-named", "x_named": "1",
    "keep_alive": "timeout=9", "proxy_authenticate": "Basic", "www_authenticate": "Bearer",
    "strict_transport_security": "max-age=1", "access_control_allow_origin": "*", "location": f"http://{EVIL}",
    "x_lbd_cost_usd": "0", "x_lbd_deployment": "x", "openai_organization": "org",
    "x_ratelimit_remaining_requests": "1", "content_length": "1", "trailer": "x",
    "content_disposition": "attachment", "link": f"<http://{EVIL}>", "refresh": "0", "alt_svc": "h3",
    "clear_site_data": "*", "content_security_policy": "x", "upgrade": "h2c", "transfer_encoding": "chunked",
    "x_request_id": "theirs",
}  # fmt: skip
DOCUMENTED = {"x-request-id", "request-id", "x-lbd-attempts", "x-lbd-overhead-us", "x-lbd-deployment",
              "x-lbd-upstream-request-id", "x-lbd-slo", "x-lbd-cost-usd", "x-lbd-validation", "content-type",
              "content-length", "cache-control", "x-accel-buffering", "transfer-encoding", "connection", "retry-after",
              "retry-after-ms", "x-should-retry"}  # fmt: skip


def test_a_provider_s_headers_stay_here() -> None:
    """A client gets lbd's own head, with the provider's type of content and its id of the request in it."""
    good = (head(**{**FROM_PROVIDER, "content_type": "application/json"}), say(whole()), end)
    streamed = (head(**{**FROM_PROVIDER, "content_type": "text/event-stream"}), say(ROLE, content("hi"), STOP), end)
    for status in (200, 400, 401, 429, 500, 302):
        bad = answer(b'{"error":{"message":"no","type":"x","param":null,"code":null}}', status=status, **FROM_PROVIDER)
        script = good if status == 200 else bad
        for one, stream in ((script, False), (streamed if status == 200 else bad, True)):
            _, (told,) = asked(chat(stream=stream), script=one)
            top = told.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")[1:]
            fields = dict(line.split(": ", 1) for line in top)
            assert len(fields) == len(top) and fields.keys() <= DOCUMENTED, fields.keys() - DOCUMENTED
            assert "theirs" not in fields["x-request-id"] and EVIL not in repr(fields)
            assert fields.get("x-lbd-deployment") != "x"
            assert re.fullmatch(r"req_[0-9a-f]+", fields["x-request-id"])
