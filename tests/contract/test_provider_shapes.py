"""Every registered provider shape against what the core expects of one."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd import plugins
from lbd.model.failure import TABLE, Failure
from lbd.model.outcome import Load, QuotaReading, Usage
from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body, Head
from lbd.shapes.chat import passing
from lbd.shapes.providers import ProviderConfig, Shape
from lbd.shapes.wire import Facts, Fold, Watch, Wire
from tests.unit.shapes.streams import TRANSCRIPTS, cuts, pieces, run

SHAPES = dict(plugins.load().shapes)
CLIENTS = dict(plugins.load().clients)
WALL = 1_700_000_000.0

every_shape = pytest.mark.parametrize("shape", list(SHAPES.values()), ids=list(SHAPES))

CHAT = "openai.chat"
# those whose requests pass through as they are; others change them in ways of their own, tested with them
NATIVE = {name: s.speaks[CHAT] for name, s in SHAPES.items() if CHAT in s.speaks}
NATIVE = {name: wire for name, wire in NATIVE.items() if wire.encode is passing.encode}
every_chat = pytest.mark.parametrize("wire", list(NATIVE.values()), ids=list(NATIVE))

NAMES = ["m", "org/model:free", 'q"uo\\te', "é🌍"]
model_names = st.sampled_from(NAMES)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
unknown = st.dictionaries(st.sampled_from(["x_extra", "tools", "temperature", "é", "top_p"]), json_values, max_size=4)
foreign = st.one_of(
    st.binary(max_size=120),
    json_values.map(lambda v: json.dumps(v).encode()),
    st.dictionaries(
        st.sampled_from(
            ["choices", "error", "usage", "model", "data", "message", "code", "type", "total_slots", "detail"]
        ),
        json_values,
    ).map(lambda v: json.dumps(v).encode()),
)
headers = st.dictionaries(
    st.sampled_from(
        ["retry-after", "retry-after-ms", "x-ratelimit-remaining-requests", "x-ratelimit-reset-tokens", "x-request-id"]
    )
    | st.text(max_size=12),
    st.text(max_size=20) | st.integers().map(str) | st.floats().map(str),
    max_size=5,
)


def row(upstream: str) -> DeploymentSpec:
    return DeploymentSpec("p/m", "p", "m", upstream, "primary")


def asked(raw: bytes, client: str = CHAT) -> Body:
    """Read a request as the daemon does."""
    head = CLIENTS[client].read(raw)
    assert isinstance(head, Head), head
    return Body(client, raw, head)


def watching(wire: Wire, choices: int, hide_usage: bool) -> Watch:
    assert wire.watch is not None
    return wire.watch(choices, hide_usage)


def folding(wire: Wire) -> Fold:
    assert wire.fold is not None
    return wire.fold(watching(wire, 1, False))


@every_shape
def test_a_shape_is_registered_under_its_own_name(shape: Shape) -> None:
    """The name in the configuration is the one in logs and metrics."""
    assert SHAPES[shape.name] is shape
    assert shape.name == shape.name.lower()


@every_shape
def test_its_configuration_is_chosen_by_its_name(shape: Shape) -> None:
    """The schema that users get is made of these structs, told apart by ``shape:``."""
    assert issubclass(shape.config, ProviderConfig)
    assert shape.config.__struct_config__.tag_field == "shape"
    assert shape.config.__struct_config__.tag == shape.name
    assert shape.config.__struct_config__.forbid_unknown_fields
    assert shape.config.__struct_config__.frozen
    assert shape.config.__doc__
    raw = {"shape": shape.name, "name": "p", "base_url": "https://h/v1", "deployments": [{"model": "m"}]}
    assert msgspec.convert(raw, shape.config).name == "p"
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**raw, "no_such_key": 1}, shape.config)


@every_shape
def test_its_data_make_sense(shape: Shape) -> None:
    """Paths are joined to base URLs, prefixes compared with lower-case header names, times waited."""
    assert shape.speaks or shape.dialect is not None
    for client, wire in shape.speaks.items():
        assert client in CLIENTS
        assert all(path.startswith("/") and not path.endswith("/") for path in (wire.path, wire.stream_path or "/x"))
        assert all(word.isidentifier() for word in wire.carries)
    assert shape.keepalive_s > 0
    assert shape.limit_prefix
    assert shape.limit_prefix == shape.limit_prefix.lower()


@every_shape
def test_its_free_probes_are_paths(shape: Shape) -> None:
    """With a slash they start at the server's root, without one below the base URL; never another host."""
    found = [shape.probes.liveness, shape.probes.models, shape.probes.load, shape.probes.slots]
    assert any(found)
    for path in found:
        assert path is None or (path and path.isascii() and "://" not in path and not path.startswith("//"))
        assert path is None or not any(c.isspace() for c in path)


@every_shape
def test_the_credential_goes_into_a_header_and_only_where_there_is_one(shape: Shape) -> None:
    """A local server is asked without."""
    bare, fields = shape.headers(None), shape.headers("sk-secret")
    assert any("sk-secret" in value for _, value in fields)
    assert not any(name in ("authorization", "x-api-key", "api-key", "x-goog-api-key") for name, _ in bare)
    assert set(bare) <= set(fields)
    assert all(name == name.lower() for name, _ in fields)


@every_chat
@given(unknown, model_names, model_names, st.sampled_from([None, False, True]), st.booleans(), st.booleans())
def test_encoding_keeps_the_meaning_and_unknown_fields(
    wire: Wire,
    more: dict[str, Any],
    model: str,
    upstream: str,
    streams: bool | None,
    as_stream: bool,
    ask_usage: bool,
) -> None:
    """Only the model's name, the manner of answering and the wish for usage are lbd's to change."""
    request: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": "model"}], **more}
    if streams is not None:
        request["stream"] = streams
    as_stream = as_stream or streams is True
    sent = json.loads(wire.encode(asked(json.dumps(request).encode()), row(upstream), as_stream, ask_usage))
    assert sent["model"] == upstream
    assert sent.get("stream", False) is as_stream
    if as_stream and ask_usage:
        assert sent.pop("stream_options")["include_usage"] is True
    for lbds in ("model", "stream"):
        sent.pop(lbds, None)
        request.pop(lbds, None)
    assert sent == request


@every_chat
@given(unknown, model_names, st.booleans(), st.booleans())
def test_what_need_not_change_goes_on_byte_for_byte(
    wire: Wire, more: dict[str, Any], model: str, stream: bool, spaced: bool
) -> None:
    """Number forms, order and white space are the client's own."""
    request: dict[str, Any] = {"model": model, "messages": [], **more}
    if stream:
        request |= {"stream": True, "stream_options": {"include_usage": True}}
    raw = json.dumps(request, ensure_ascii=spaced, indent=2 if spaced else None).encode("utf-8", "replace")
    assert wire.encode(asked(raw), row(model), stream, True) == raw


@every_shape
@given(st.integers(300, 599), headers, foreign)
def test_any_error_is_classified_and_raises_nothing(
    shape: Shape, status: int, fields: dict[str, str], body: bytes
) -> None:
    """Whatever answers, the failure is typed: its kind, its status, a message, a wait that is a number."""
    failure = shape.classify(status, fields, body, WALL)
    assert isinstance(failure, Failure)
    assert failure.kind in TABLE
    assert failure.status == status
    assert failure.message
    assert failure.retry_after_s is None or 0 <= failure.retry_after_s < 1e15


@every_chat
@given(foreign)
def test_facts_of_anything_raise_nothing(wire: Wire, body: bytes) -> None:
    """A 200 with a web page is a failure, not an exception."""
    facts = wire.facts(body)
    assert isinstance(facts, Facts)
    assert facts.failure is None or facts.usage is None


@every_shape
@given(foreign, headers)
def test_what_probes_read_raises_nothing(shape: Shape, body: bytes, fields: dict[str, str]) -> None:
    """Model lists, gauges, slots and limit headers are foreign bytes too."""
    models = shape.read_models(body)
    assert models is None or all(isinstance(name, str) for name in models)
    load = shape.read_load(body)
    assert load is None or isinstance(load, Load)
    slots = shape.read_slots(body)
    assert slots is None or isinstance(slots, int)
    for reading in shape.limits(fields, WALL):
        assert isinstance(reading, QuotaReading)
        assert reading.remaining >= 0


@every_shape
def test_hostile_nesting_raises_nothing(shape: Shape) -> None:
    """A body may be brackets to the end."""
    for body in (b"[" * 100_000, b'{"error":' * 900 + b"1" + b"}" * 900, b'{"x":' + b"[" * 100_000):
        assert shape.classify(500, {}, body, WALL).status == 500
        read = [w for w in shape.speaks.values() if w.serves != "transcriptions" or body.startswith(b'{"')]
        assert all(wire.facts(body).failure is not None for wire in read), "what was heard may begin with a bracket"
        assert shape.read_models(body) is None
        assert shape.read_load(body) is None
        assert shape.read_slots(body) is None


@every_chat
@pytest.mark.parametrize("choices", [1, 2])
@pytest.mark.parametrize("hide_usage", [False, True])
def test_a_fresh_watch_has_seen_nothing(wire: Wire, choices: int, hide_usage: bool) -> None:
    """The attempt reads these before and after each slice."""
    watch = watching(wire, choices, hide_usage)
    assert not watch.committed
    assert not watch.done
    assert watch.usage is None
    assert watch.failure is None
    assert watch.contents == 0
    more, failure = watch.end()
    assert more == b""
    assert failure is not None


junk = st.lists(
    st.one_of(
        st.binary(max_size=40),
        foreign.map(lambda b: b"data: " + b.replace(b"\n", b" ") + b"\n\n"),
        st.sampled_from([b": x\n\n", b"data: [DONE]\n\n", b"\r\n", b"data:", b"event: error\n"]),
        st.sampled_from(sorted(TRANSCRIPTS.values())).map(lambda s: s[:300]),
    ),
    max_size=6,
).map(b"".join)


@every_chat
@given(junk, st.data())
def test_a_watch_takes_any_bytes_however_they_are_cut(wire: Wire, stream: bytes, data: st.DataObject) -> None:
    """Nothing before the commit, nothing after the end, the same for every split, and no exception."""
    watch = watching(wire, 1, True)
    out = b""
    for part in data.draw(cuts(stream)):
        over = watch.done or watch.failure is not None
        slice_ = watch.feed(part)
        assert isinstance(slice_, bytes)
        assert not slice_ or (watch.committed and not over)
        out += slice_
    more, failure = watch.end()
    assert watch.usage is None or isinstance(watch.usage, Usage)
    assert failure is None or isinstance(failure, Failure)
    assert failure is not None or watch.committed
    whole = watching(wire, 1, True)
    assert run(whole, [stream] if stream else []) == (out + more, failure)
    assert (whole.committed, whole.contents, whole.usage) == (watch.committed, watch.contents, watch.usage)


@every_chat
@given(junk)
def test_a_fold_gathers_whatever_its_watch_lets_pass(wire: Wire, stream: bytes) -> None:
    """It stands behind the watch, and must have a body to give at any time."""
    watch, fold = watching(wire, 1, True), folding(wire)
    fold.feed(watch.feed(stream))
    fold.feed(watch.end()[0])
    json.loads(fold.result())


@every_chat
def test_single_bytes_are_taken(wire: Wire) -> None:
    """The worst network."""
    for stream in TRANSCRIPTS.values():
        one, other = watching(wire, 1, False), watching(wire, 1, False)
        assert run(one, pieces(stream, range(len(stream)))) == run(other, [stream])
