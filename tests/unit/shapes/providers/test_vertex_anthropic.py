"""Anthropic's models on Vertex AI."""

from __future__ import annotations

import json

import pytest

from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body
from lbd.shapes import bridge
from lbd.shapes.clients import CLIENTS
from lbd.shapes.providers.vertex_anthropic import SHAPE, VERSION

ROW = DeploymentSpec("v/m", "v", "m", "claude-sonnet-4-5@20250929", "primary")
ASKED = {
    "anthropic.messages": {"max_tokens": 5, "messages": [{"role": "user", "content": "hi"}], "x_new": 1},
    "openai.chat": {"max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]},
}


@pytest.mark.parametrize("client", ASKED)
@pytest.mark.parametrize("stream", [False, True])
def test_the_model_stands_in_the_path_and_the_version_in_the_body(client: str, stream: bool) -> None:
    """Of Anthropic's own clients everything else passes, also what is not known yet."""
    raw = json.dumps({"model": "m", "stream": stream, **ASKED[client]}).encode()
    head = CLIENTS.load()[client].read(raw)
    wire = bridge.wires(SHAPE, ROW.upstream_model)[client]
    sent = json.loads(wire.encode(Body(client, raw, head), ROW, stream, False))  # type: ignore[arg-type]
    assert "model" not in sent and sent["anthropic_version"] == VERSION
    assert sent["max_tokens"] == 5 and sent.get("stream", False) is stream
    assert sent.get("x_new") == ASKED[client].get("x_new")
    assert wire.path.endswith(":rawPredict") and (wire.stream_path or "").endswith(":streamRawPredict")
    assert wire.native is (client == "anthropic.messages")


def test_a_header_is_no_place_for_the_version() -> None:
    """It is asked with an access token alone."""
    assert SHAPE.headers("t") == (("authorization", "Bearer t"),)


def test_what_is_counted_names_its_model_in_the_body() -> None:
    """One path counts for all models."""
    raw = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]}).encode()
    wire = bridge.wires(SHAPE, ROW.upstream_model)["anthropic.count_tokens"]
    head = CLIENTS.load()["anthropic.count_tokens"].read(raw)
    sent = json.loads(wire.encode(Body("anthropic.count_tokens", raw, head), ROW, False, False))  # type: ignore[arg-type]
    assert sent["model"] == ROW.upstream_model and sent["anthropic_version"] == VERSION
    assert wire.path == "/models/count-tokens:rawPredict"
