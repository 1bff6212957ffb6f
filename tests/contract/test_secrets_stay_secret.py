"""No secret appears in anything that lbd says, whatever goes wrong and whatever a provider says of it.

What lbd decides on without I/O is driven through every combination; the application as a whole through each kind of
fault at each endpoint, and then everything that it says is smelled at: answers, pages, metrics, events, log, files.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from lbd import plugins
from lbd.ingress.paths import ROUTES
from lbd.model.failure import FailureKind
from lbd.model.problem import ConfigError
from lbd.model.provider import ProviderSpec
from lbd.model.secret import Secret
from lbd.observe import log
from lbd.upstream.aio import failure_of
from lbd.upstream.line import base_headers, masked, origin_of
from lbd.upstream.respond import answer as told_to_client
from tests.fakes.caller import Listening, request
from tests.fakes.canaries import CANARIES, ECHOES, Nose
from tests.fakes.configs import LOCAL, problems
from tests.fakes.house import House
from tests.fakes.relay import row
from tests.fakes.stage import ROLE, answer, content, cut, end, error_in_band, head, refusal, say, whole
from tests.fakes.wire import on

C = CANARIES
NOSE = Nose(C.values())
SHAPES = plugins.load().shapes
CLIENTS = plugins.load().clients
# every path in ``thorough``; else each shape, status, body, echo and secret with a share of the others
SHARE = 1 if os.environ.get("LBD_HYPOTHESIS") == "thorough" else 31
STATUSES = (301, 400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 529)
BODIES: dict[str, Any] = {
    "openai": lambda t: {"error": {"message": t, "type": "invalid_request_error", "param": None, "code": None}},
    "its code": lambda t: {"error": {"message": "no", "type": "x", "param": t, "code": t}},
    "anthropic": lambda t: {"type": "error", "error": {"type": "authentication_error", "message": t}},
    "gemini": lambda t: {"error": {"code": 400, "message": t, "status": "INVALID_ARGUMENT", "details": [{"x": t}]}},
    "amazon": lambda t: {"message": t, "__type": "UnrecognizedClientException"},
    "a list": lambda t: [{"error": {"message": t}}],
    "nested": lambda t: {"error": {"error": {"error": json.dumps({"error": {"message": t}})}}},
    "a name": lambda t: {"error": {"message": "no", "type": "x", "param": None, "code": None, t: t}},
    "a word": lambda t: {"detail": t},
    "text": str,
    "a page": lambda t: f"<html><body>{t}</body></html>",
}


def provider(shape: str) -> ProviderSpec:
    """Return a provider whose every credential is a canary."""
    return ProviderSpec(
        "p",
        shape,
        "https://api.example/v1",
        api_key=Secret(C["api_key"]),
        secrets=tuple(
            (n, Secret(C[k]))
            for n, k in zip(SHAPES[shape].secrets, ("aws_key_id", "aws_secret", "aws_token"), strict=False)
        ),
        headers=(("x-auth", f"Token {C['header']}"),),
        proxy=f"http://user:{C['password']}@proxy.example:3128",
    )


def of(spec: ProviderSpec) -> list[str]:
    return [C["api_key"], C["header"], C["password"], *(s.reveal() for _, s in spec.secrets)]


def paths() -> Iterator[tuple[str, int, str, str, str]]:
    """Yield combinations of shape, status, body, echo and secret."""
    every = (
        (shape, status, body, echo, secret)
        for shape in SHAPES
        for status, body, echo, secret in itertools.product(STATUSES, BODIES, ECHOES, of(provider(shape)))
    )
    return itertools.islice(every, 0, None, SHARE)


def encoded(body: str, text: str) -> bytes:
    made = BODIES[body](text)
    return made.encode() if isinstance(made, str) else json.dumps(made, ensure_ascii=len(text) % 2 == 0).encode()


def sniff(what: object, *told: str | bytes | None) -> None:
    for text in told:
        found = None if text is None else NOSE.smells(text)
        assert found is None, (what, found)


@pytest.mark.timeout(1200)
def test_nothing_of_a_refused_key_reaches_a_client_a_record_or_a_line() -> None:
    """Whatever a provider says of it, in whatever shape, form and status; some 10^5 ways in all."""
    known: dict[str, ProviderSpec] = {shape: provider(shape) for shape in SHAPES}
    seen: set[object] = set()
    count = 0
    for path in paths():
        count += 1
        shape, status, body, echo, secret = path
        raw = encoded(body, f"it says {ECHOES[echo](secret)} here")
        headers = {"content-type": "application/json", "www-authenticate": secret, "retry-after": "1"}
        failure = masked(SHAPES[shape].classify(status, headers, raw, 1.7e9), known[shape])
        told = failure.message, failure.code, failure.param, failure.body
        if told not in seen:  # most are the same: nothing of the secret is left
            seen.add(told)
            line = log._dumps({"event": "x", "message": failure.message, "failure": repr(failure)})
            sniff(path, line, failure.body)
            for client in CLIENTS.values():
                _, fields, answered = told_to_client(failure, client)
                sniff(path, fields + answered, client.error_event(failure))
    assert count * SHARE > 100_000


def test_nothing_of_it_is_in_what_goes_wrong_on_the_way() -> None:
    """aiohttp's exceptions name the proxy with its password, and parsers quote what they could not read."""
    spec = provider("openai")
    errors = [
        ConnectionError(f"cannot connect to {spec.proxy}"),
        OSError(111, f"Connect call failed {spec.proxy}"),
        ValueError(f"b'authorization: Bearer {C['api_key']}'"),
        RuntimeError(repr(dict(base_headers(spec, SHAPES["openai"])))),
    ]
    for error, answered, reused in itertools.product(errors, (False, True), (False, True)):
        failure = masked(failure_of(error, answered=answered, reused=reused), spec)
        sniff(error, failure.message)
        assert "proxy.example" not in failure.message


def test_values_that_hold_secrets_do_not_show_them() -> None:
    """Neither in a debugger's line nor in a traceback, by str, repr or format."""
    for shape in SHAPES:
        spec = provider(shape)
        sniff(shape, repr(spec), str(spec), f"{spec}", repr(origin_of(spec)), repr([spec]), repr({"p": spec.api_key}))
        with pytest.raises(TypeError) as e:
            json.dumps(spec.api_key)
        sniff(shape, str(e.value))


def test_a_faulty_configuration_is_told_of_without_its_secrets() -> None:
    """Where keys stand in the file: wrong kinds, wrong places, wrong characters, and no leave for them."""
    key, password, header = C["api_key"], C["password"], C["header"]
    provider_ = LOCAL + "    "
    spoiled = [
        f"{provider_}api_key: '{key}'\n",
        f"{provider_}api_key: ['{key}']\n",
        f"{provider_}api_key: {{env: [{key!r}]}}\n",
        f"{provider_}api_key: {{inline: '{key}'}}\n",
        f"allow_inline_secrets: true\n{provider_}api_key: '{key} {key}'\n",
        f'allow_inline_secrets: true\n{provider_}api_key: "{key}\\u00e9"\n',
        f"{provider_}proxy: 'http://user:{password}@proxy.example:3128'\n",
        f"{provider_}proxy: 'http://user:{password}@@proxy.example'\n",
        f"{provider_}proxy: 'http://user:{password}@proxy.example:99999'\n",
        LOCAL.replace("http://127", f"http://user:{password}@127"),
        LOCAL.replace("http://127.0.0.1:8000/v1", f"http://h/v1?key={key}"),
        f"{provider_}headers: {{authorization: 'Bearer {header}'}}\n",
        f"{provider_}headers: {{x-auth: ['{header}']}}\n",
        f"{provider_}headers: {{'x y': '{header}'}}\n",
        f'{provider_}headers: {{x-auth: "{header}\\u0007"}}\n',
        f"{LOCAL}clients: [{{name: c, key: '{key}'}}, {{name: d, key: '{key}'}}]\n",
        f"allow_inline_secrets: true\n{LOCAL}clients: [{{name: c, key: '{key}'}}, {{name: d, key: '{key}'}}]\n",
        f"{LOCAL}clients: [{{name: c, keys: '{key}'}}]\n",
        f"{LOCAL}admin: {{token: '{key}'}}\n",
        f"{LOCAL}admin: {{token: {{env: X, file: '/{key}'}}}}\n",
        f"{LOCAL}log: {{provenance_key: '{key}'}}\n",
        f"{LOCAL}traces: {{otlp_url: http://h, headers: {{authorization: 'Bearer {header}'}}}}\n",
        f"{LOCAL}traces: {{otlp_url: 'https://user:{password}@h:99999'}}\n",
        f"{LOCAL}traces: {{otlp_url: 'https://h/?key={key}'}}\n",
    ]
    for text in spoiled:
        said = problems(text)
        assert said, text
        sniff(text, *said)


# --- the application as a whole -----------------------------------------------------------------------

PAGES = ("", "livez", "readyz", "health", "metrics", "v1/nothing")
PAGES += tuple(
    f"v1/{name}"
    for name in (
        *("providers", "events", "decisions", "config", "savings", "ledger", "experiments"),
        *("evaluation", "queue", "alerts"),
    )
)


def rows() -> list[dict[str, Any]]:
    """Return providers of four families whose credentials are canaries; one is behind a proxy that is not there."""
    every = {"headers": {"X-Auth": f"Token {C['header']}"}}
    aws = {"aws_access_key_id": C["aws_key_id"], "aws_secret_access_key": C["aws_secret"]}
    aws["aws_session_token"] = C["aws_token"]
    return [
        row("a", model="m-a", api_key=C["api_key"], **every),
        row("b", model="m-b", shape="anthropic", api_key=C["second_key"], **every),
        row("c", model="m-c", shape="bedrock", **every, **aws),
        row("d", model="m-d", api_key=C["api_key"], proxy=f"http://user:{C['password']}@127.0.0.1:1"),
    ]


def faults(secret: str, echo: str) -> Iterator[tuple[Any, ...]]:
    """Yield scripts of a provider that says a secret again: as an error, in a stream, broken off, in its headers."""
    text = f"it says {ECHOES[echo](secret)} here"
    for status, kind in ((400, "invalid_request_error"), (401, "x"), (403, "x"), (429, "x"), (500, "x"), (302, "x")):
        yield answer(refusal(text, kind=kind), status=status, www_authenticate=secret, set_cookie=f"k={secret}")
    yield answer(refusal(text, code=text), status=404)
    yield answer(refusal(text))  # an error in a good answer
    yield answer(text.encode()[:1500], status=200)
    yield head(), say(error_in_band(message=text)), end
    yield head(), say(ROLE + content("hello"), error_in_band(code=text, message=text)), end
    yield head(), say(ROLE + content("hello")), cut()
    yield (cut(FailureKind.RESET),)


class _Raises:
    """What a fault of lbd's own looks like."""

    def __call__(self, *_args: object, **_more: object) -> Any:
        raise RuntimeError("a fault of lbd's own")


async def _pages(house: House, said: dict[str, str | bytes]) -> None:
    ids = [r["id"] for r in house.console.decisions(1000)]
    for client, name in ((house.unix, "unix"), (house.tcp, "tcp")):
        for path in (*PAGES, *(f"v1/decisions/{i}" for i in ids)):
            async with client.get(f"/{path}") as got:
                said[f"{name} {path}"] = f"{dict(got.headers)}".encode() + await got.read()
    async with house.tcp.post("/v1/config/reload", headers={"authorization": f"Bearer {C['admin']}x"}) as got:
        said["a wrong token"] = await got.read()
    for body in ({"model": "auto", "messages": []}, {"model": C["api_key"][:3], "messages": [{"role": "user"}]}, 5):
        async with house.unix.post("/v1/explain", json=body) as got:
            said[f"explain {body}"] = await got.read()
    async with house.unix.post("/v1/deployments/a/m-a/drain", json={"reason": "why"}) as got:
        said["drain"] = await got.read()


def _logged(house: House) -> Iterator[str]:
    """Yield the lines of the log as they would be written, tracebacks included."""
    for event in house.logged:
        error = event.get("exc_info")
        if isinstance(error, BaseException):
            yield "".join(traceback.format_exception(error))
        told = structlog.processors.format_exc_info(None, "error", dict(event))
        yield log._dumps(told)


def test_nothing_that_lbd_says_holds_a_secret(tmp_path: Path) -> None:
    """Each fault at each endpoint; then every page, event, decision, line and file."""
    said: dict[str, str | bytes] = {}
    secrets = {"a": C["api_key"], "b": C["second_key"], "c": C["aws_secret"]}
    echoes = ["whole", "dots", "base64 of a header", "in a URL", "cut off"]
    keys = {
        "clients": [{"name": "c", "key": C["client"]}],
        "admin": {"token": C["admin"]},
        "log": {"requests": "all", "provenance_key": C["provenance"]},
        "store": {"url": f"sqlite://{tmp_path}/state/lbd.db"},
        "probes": {"completion": "never"},
    }
    (tmp_path / "state").mkdir()

    async def main() -> None:
        async with House(tmp_path, *rows(), **keys) as house, Listening(house.app.api.handle, real=house.env) as api:
            mine = f"Authorization: Bearer {C['client']}"
            n = 0

            async def ask(path: str, *fields: str, **more: Any) -> None:
                nonlocal n
                body = {"messages": [{"role": "user", "content": "hello"}], "input": "hello", "prompt": "hello"}
                raw = json.dumps({"model": "m-a", "max_tokens": 5, **body, **more}).encode()
                caller = await api.caller()
                await caller.send(
                    request(
                        "POST",
                        path,
                        raw,
                        "Content-Type: application/json",
                        *fields,
                        "Connection: close",
                        host="localhost",
                    )
                )
                n += 1
                said[f"{n} {path} {more}"] = await caller.closed()

            for host, secret in secrets.items():
                for echo in echoes if host == "a" else echoes[:2]:
                    for script in faults(secret, echo):
                        house.stage.plan(0.0, *script, host=host)
                        await ask("/v1/chat/completions", mine, model=f"m-{host}", stream=n % 2 == 0)
                        house.stage._plans.clear()
                        for state in house.app.owner.rows:
                            house.app.owner.reset(state, by="test", reason="")
                            state.lock = None
            for path in ROUTES:
                house.stage.plan(0.0, *answer(refusal(f"no {C['api_key']}"), status=400), host="a")
                await ask(path, mine)
                house.stage._plans.clear()
                await ask(path, f"Authorization: Bearer {C['client']}x")
                await ask(path, f"X-Api-Key: {C['admin']}")
                await ask(path)
            await ask("/v1/chat/completions", mine, model="m-d")
            for wish in ("X-LBD-Pin", "X-LBD-Surface", "X-LBD-Class"):
                await ask("/v1/chat/completions", mine, f"{wish}: x")
            fly, house.app.flights.fly = house.app.flights.fly, _Raises()  # type: ignore[method-assign]
            await ask("/v1/chat/completions", mine)
            house.app.flights.fly = fly  # type: ignore[method-assign]
            house.stage.always(0.0, *answer(whole()), host="a")
            await ask("/v1/chat/completions", mine, model="m-a")
            house.rows[0]["api_key"] = [C["api_key"]]
            house.write()
            with contextlib.suppress(ConfigError):
                await house.app.reload(by="test")
            await _pages(house, said)
            said["values"] = repr([house.app.compiled.providers, house.app.compiled.clients, house.app.flights.lines])
            said["metrics"] = (await house.console.metrics(openmetrics=True))[0]
            assert n > 100 and any(b"HTTP/1.1 200" in v for v in said.values() if isinstance(v, bytes))
            house.rows[0]["api_key"] = C["api_key"]
        said.update({f"line {i}": line for i, line in enumerate(_logged(house))})
        assert any("a fault of lbd's own" in str(v) for v in said.values())
        for file in (tmp_path / "state").rglob("*"):
            if file.is_file():
                said[file.name] = file.read_bytes()
        assert "lbd.db" in said

    on("asyncio", main())
    for what, text in said.items():
        sniff(what, text)
