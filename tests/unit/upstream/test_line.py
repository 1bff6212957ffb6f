"""The way to a deployment: endpoints built once, keys where they belong, and what an answer cost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lbd.model.failure import Failure, FailureKind
from lbd.model.provider import DeploymentSpec, ProviderSpec
from lbd.model.secret import Secret
from lbd.shapes.providers import PROVIDERS
from lbd.upstream import line
from tests.fakes.world import World

SHAPES = PROVIDERS.load()
PROVIDER = ProviderSpec("p", "openai", "https://api.example/v1", Secret("sk-1"))
SPEC = DeploymentSpec("p/m", "p", "m", "m-2025", "primary")


def build(provider: ProviderSpec = PROVIDER, shape: str = "openai") -> line.Line:
    return line.build(SPEC, provider, SHAPES[shape], World(None, []))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port", "authority"),
    [
        ("https://api.example/v1", "https", "api.example", 443, "api.example"),
        ("http://api.example", "http", "api.example", 80, "api.example"),
        ("https://api.example:8443/v1", "https", "api.example", 8443, "api.example:8443"),
        ("http://[::1]:8080/v1", "http", "::1", 8080, "[::1]:8080"),
        ("http://[::1]/v1", "http", "::1", 80, "[::1]"),
        ("http://127.0.0.1:443", "http", "127.0.0.1", 443, "127.0.0.1:443"),
    ],
)
def test_a_base_url_says_where_and_the_host_header_says_the_same(
    url: str, scheme: str, host: str, port: int, authority: str
) -> None:
    """Default ports are left out, IPv6 addresses are put in brackets."""
    origin = line.origin_of(replace(PROVIDER, base_url=url))
    assert (origin.scheme, origin.host, origin.port, origin.authority) == (scheme, host, port, authority)


def test_time_outs_trust_and_proxy_are_part_of_the_origin() -> None:
    """Two providers at one address that differ in them share no connection."""
    provider = replace(PROVIDER, connect_timeout_s=1.5, keepalive_s=7.0, ca_file="/ca", proxy="http://proxy:1")
    origin = line.origin_of(provider)
    assert (origin.connect_timeout_s, origin.keepalive_s) == (1.5, 7.0)
    assert (origin.ca_file, origin.proxy) == ("/ca", "http://proxy:1")
    assert origin != line.origin_of(PROVIDER)


def test_paths_are_put_below_the_base_path() -> None:
    """With one slash between them, whatever the configuration ends in."""
    for base in ("https://h/v1", "https://h/v1/"):
        made = build(replace(PROVIDER, base_url=base))
        assert made.ways["openai.chat"].unary.path == made.ways["openai.chat"].stream.path == "/v1/chat/completions"
    assert build(replace(PROVIDER, base_url="https://h")).ways["openai.chat"].unary.path == "/chat/completions"


def test_headers_carry_the_key_and_say_what_is_wanted() -> None:
    """No compression, a JSON body, and an event stream where one is asked for."""
    made = build()
    unary, stream = dict(made.ways["openai.chat"].unary.headers), dict(made.ways["openai.chat"].stream.headers)
    assert unary["authorization"] == "Bearer sk-1"
    assert unary["accept-encoding"] == "identity"
    assert unary["content-type"] == "application/json"
    assert (unary["accept"], stream["accept"]) == ("application/json", "text/event-stream")
    assert unary["user-agent"].startswith("lbd/")
    assert made.ways["openai.chat"].unary.method == "POST"


def test_configured_headers_win_over_lbds_own() -> None:
    """An operator may need another credential header, whatever its case."""
    provider = replace(PROVIDER, headers=(("User-Agent", "x"), ("Authorization", "Custom y"), ("OpenAI-Project", "z")))
    headers = build(provider).ways["openai.chat"].unary.headers
    assert dict(headers)["user-agent"] == "x"
    assert dict(headers)["authorization"] == "Custom y"
    assert dict(headers)["openai-project"] == "z"
    assert len(headers) == len(dict(headers))


def test_a_provider_without_a_key_gets_no_credential() -> None:
    """A local server needs none, and an empty Bearer would be refused."""
    assert "authorization" not in dict(build(replace(PROVIDER, api_key=None)).ways["openai.chat"].unary.headers)


def test_streams_are_not_pooled_where_the_server_closes_after_them() -> None:
    """llama.cpp announces keep-alive after a stream and closes all the same."""
    assert not build(shape="llamacpp").ways["openai.chat"].stream.pool
    assert build(shape="llamacpp").ways["openai.chat"].unary.pool
    assert build().ways["openai.chat"].stream.pool


def test_the_deployment_is_named_in_a_ready_header_field() -> None:
    """Every answer carries it; it is encoded once."""
    assert build().field == b"x-lbd-deployment: p/m\r\n"


def test_credentials_are_taken_out_of_a_failure() -> None:
    """The key and the values of configured headers, in the message and in the body; short words are none."""
    provider = replace(
        PROVIDER, api_key=Secret("sk-canary"), headers=(("x-secret", "header-canary"), ("x-org", "acme"))
    )
    failure = Failure(FailureKind.AUTH, "sk-canary and header-canary of acme", body=b'{"error":"sk-canary sk-canary"}')
    masked = line.masked(failure, provider)
    assert masked.message == "*** and *** of acme" and masked.body == b'{"error":"*** ***"}'
    assert (masked.kind, masked.status) == (failure.kind, failure.status)


def test_no_credential_is_kept_in_an_id_that_a_provider_made_up() -> None:
    """Whole or in part; what holds none is as it came, what is too long is cut."""
    provider = replace(PROVIDER, api_key=Secret("sk-canary-0123456789abcdef"), headers=(("x-secret", "header-canary"),))
    made = build(provider)
    assert line.own_id("req_sk-canary-0123456789abcdef_1", made) == "req_***_1"
    assert "89abcdef" not in str(line.own_id("fp_3456789abcdef", made))
    for told in ("req_011CSHoEeqs5C35K2UUqR7Fy", "fp_44709d6fcb", "", "sk-"):
        assert line.own_id(told, made) is told
    assert "CANARY" not in str(line.own_id("REQ_SK-CANARY-0123456789ABCDEF", made))
    assert line.own_id(None, made) is None
    assert line.own_id("r" * 999, made) == "r" * 256


@given(st.integers(0, 18), st.integers(8, 26), st.text("xyz-", max_size=6))
def test_every_fragment_that_is_hidden_in_a_message_is_hidden_in_an_id(begin: int, length: int, around: str) -> None:
    """The quick look overlooks none of them."""
    key = "sk-canary-0123456789abcdef"
    told = around + key[begin : begin + length] + around
    made = build(replace(PROVIDER, api_key=Secret(key)))
    assert line.own_id(told, made) == line.hidden(told, made.provider)


def test_a_build_is_kept_as_an_id_is() -> None:
    """Bounded and without credentials, also when it comes again."""
    made = build(replace(PROVIDER, api_key=Secret("sk-canary-0123456789abcdef")))
    for _ in range(2):
        for told in ("fp_44709d6fcb", "fp_3456789abcdef", "r" * 999, "", None):
            assert line.own_build(told, made) == line.own_id(told, made)


def test_a_failure_without_credentials_in_it_is_the_same_value() -> None:
    """The usual case."""
    failure = Failure(FailureKind.SERVER, "broken", body=b"{}")
    assert line.masked(failure, PROVIDER) is failure
    assert line.masked(failure, replace(PROVIDER, api_key=None)) is failure


def test_a_client_s_own_headers_take_the_place_of_lbd_s_for_one_request() -> None:
    """Betas and the version of an API go with the body that was written for them; nothing of it is kept."""
    endpoint = build().ways["openai.chat"].unary
    made = line.forwarding(endpoint, (("anthropic-beta", "x"), ("user-agent", "theirs")))
    assert dict(made.headers) == {**dict(endpoint.headers), "anthropic-beta": "x", "user-agent": "theirs"}
    assert not made.lasting and endpoint.lasting
    assert (made.origin, made.path, made.pool) == (endpoint.origin, endpoint.path, endpoint.pool)


def test_a_model_s_name_in_a_path_is_quoted() -> None:
    """It may hold slashes and colons."""
    spec = replace(SPEC, upstream_model="org/m:free")
    made = line.build(spec, PROVIDER, SHAPES["gemini"], World(None, []))  # type: ignore[arg-type]
    way = made.ways["openai.chat"]
    assert way.unary.path == "/v1/models/org%2Fm%3Afree:generateContent"
    assert way.stream.path == "/v1/models/org%2Fm%3Afree:streamGenerateContent?alt=sse"


@pytest.mark.parametrize("url", ["http://10.0.0.7:8000/v1", "https://inner.example:443/v1"])
def test_where_a_provider_is_stays_with_lbd(url: str) -> None:
    """Its name stands for its address, in what lbd says and in what the provider does."""
    provider = replace(PROVIDER, base_url=url)
    where = line.origin_of(provider).authority
    failure = Failure(
        FailureKind.CONNECT, f"no connection to {where}: refused", body=b'{"error":"at %b"}' % where.encode()
    )
    masked = line.masked(failure, provider)
    assert masked.message == "no connection to p: refused" and masked.body == b'{"error":"at p"}'


def test_a_host_of_one_word_may_stand_in_a_message() -> None:
    """It tells nothing, and the word may mean something else."""
    failure = Failure(FailureKind.SERVER, "ollama is unwell")
    assert line.masked(failure, replace(PROVIDER, base_url="http://ollama/v1")) is failure


def test_credentials_are_hidden_in_whatever_form_they_come_back() -> None:
    """Masked by the provider, encoded, as the code or the parameter of an error, escaped in its body."""
    provider = replace(
        PROVIDER,
        api_key=Secret("sk-canary-0123456789-wxyz"),
        headers=(("x-auth", "Token header-canary-abc"), ("x-team", "prompt-caching-team")),
        proxy="http://user:pass%2Dcanary-zz@proxy.example:3128",
    )
    told = Failure(
        FailureKind.AUTH,
        "sk-cana****wxyz, header-canary-abc, pass-canary-zz at proxy.example:3128; prompt-caching is on",
        code="sk-canary-0123456789-wxyz",
        param="c2stY2FuYXJ5LTAxMjM0NTY3ODktd3h5eg==",
        body=b'{"error":"sk-canary\\u002d0123456789-wxyz"}',
    )
    masked = line.masked(told, provider)
    assert masked.message == "***, ***, *** at p's proxy; prompt-caching is on"
    assert (masked.code, masked.param, masked.body) == ("***", "***", b'{"error":"***"}')


def test_what_is_secret_is_what_stands_where_secrets_stand() -> None:
    """Of headers by their names; a team's name is none."""
    provider = replace(
        PROVIDER,
        api_key=Secret("sk-1"),
        secrets=(("aws_secret_access_key", Secret("s2")),),
        headers=(("Authorization", "Basic dXNlcjpwYXNz"), ("x-team", "a-long-team-name"), ("x-token", "short")),
        proxy="http://u:p%40ss@proxy:1",
    )
    assert set(line.credentials(provider)) == {
        *("sk-1", "s2", "Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
        *("p%40ss", "p@ss", "u:p@ss"),
    }
    assert line.credentials(replace(PROVIDER, api_key=None, proxy="http://user@proxy:1")) == []
