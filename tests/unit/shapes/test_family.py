"""What OpenAI's family has in common."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbd.model.messages import Prompt, Text, Turn
from lbd.model.outcome import Load
from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body, Head
from lbd.shapes.clients import openai
from lbd.shapes.family import adapted, gauges, hosted, instructed, local, renamed
from lbd.shapes.providers import ProviderConfig

ROW = DeploymentSpec("p/m", "p", "m", "m-2", "primary")
SHAPE = adapted(
    hosted("a", ProviderConfig),
    ("seed", "stream_options"),
    renamed({"seed": "random_seed"}, ("stream_options",)),
    frozenset({"logprobs"}),
)
ENCODE = SHAPE.speaks["openai.chat"].encode


def sent(more: dict[str, Any], *, stream: bool = False) -> Any:
    raw = json.dumps({"model": "m", "messages": [], **more}).encode()
    head = openai.read(raw)
    return json.loads(ENCODE(Body("openai.chat", raw, head), ROW, stream, False))


def test_a_local_server_completes_text_and_has_no_quota() -> None:
    """A hosted one has limits in its headers, and not everybody there knows the older endpoint."""
    one, other = hosted("a", ProviderConfig), local("b", ProviderConfig)
    assert "openai.completions" not in one.speaks and "openai.completions" in other.speaks
    told = {"x-ratelimit-remaining-requests": "3"}
    assert one.limits(told, 0.0) and not other.limits(told, 0.0)
    assert other.self_hosted and not one.self_hosted
    assert hosted("a", ProviderConfig, lists_models=False).lists_models is False


def test_gauges_are_summed_over_engines() -> None:
    """One address may stand before several; without the first there is nothing to tell."""
    read = gauges("run", "wait")
    assert read(b'run{engine="0"} 1\nrun{engine="1"} 2\nwait 4\n') == Load(3, 4)
    assert read(b"run 1") == Load(1, 0)
    assert read(b"wait 1") is None


def test_members_of_other_names_are_renamed_and_those_that_are_refused_left_out() -> None:
    """Everything else stays."""
    asked = sent({"seed": 7, "stream": True, "stream_options": {"include_usage": True}, "x": 1}, stream=True)
    assert asked == {"model": "m-2", "messages": [], "random_seed": 7, "stream": True, "x": 1}


def test_clients_of_every_shape_are_adapted_for() -> None:
    """What is translated goes the same way as what passes, and what it has no words for is promised to neither."""
    dialect = SHAPE.dialect
    assert dialect is not None
    prompt = Prompt("m", (Turn("user", (Text("hi"),)),), seed=7)
    asked = json.loads(dialect.write(prompt, ROW, True, True))
    assert asked["random_seed"] == 7 and not {"seed", "stream_options"} & asked.keys()
    assert "logprobs" not in dialect.carries("m") | SHAPE.speaks["openai.chat"].carries
    assert "tools" in dialect.carries("m") & SHAPE.speaks["openai.chat"].carries


@given(st.text(max_size=20))
def test_without_them_the_bytes_pass(words: str) -> None:
    """Also where a prompt speaks of them."""
    raw = json.dumps({"model": "m", "messages": [{"role": "user", "content": f'{words} "seed"'}]}, indent=1).encode()
    head = openai.read(raw)
    row = DeploymentSpec("p/m", "p", "m", "m", "primary")
    assert ENCODE(Body("openai.chat", raw, head), row, False, False) == raw


@pytest.mark.parametrize("stream", [False, True])
def test_the_model_is_put_in_its_place_as_ever(stream: bool) -> None:
    """The manner of answering too."""
    asked = sent({"seed": 1}, stream=stream)
    assert asked["model"] == "m-2" and asked.get("stream", False) is stream


def test_a_developers_word_is_the_systems_at_a_local_server() -> None:
    """Templates of most models leave out a role that they do not know, and with it the instructions."""
    told = {"role": "developer", "content": "be brief"}
    raw = json.dumps({"model": "m", "messages": [told, "x", {"role": "user", "content": "developer"}]}).encode()
    head = openai.read(raw)
    assert isinstance(head, Head)
    encode = local("b", ProviderConfig).speaks["openai.chat"].encode
    made = json.loads(encode(Body("openai.chat", raw, head), ROW, False, False))
    assert made["messages"] == [{**told, "role": "system"}, "x", {"role": "user", "content": "developer"}]
    assert (
        json.loads(
            hosted("a", ProviderConfig).speaks["openai.chat"].encode(Body("openai.chat", raw, head), ROW, False, False)
        )["messages"][0]
        == told
    )
    assert instructed({"messages": None}) == {"messages": None}


def test_what_a_local_server_lacks_it_lacks_in_chats_and_texts() -> None:
    """And whoever asks."""
    shape = local("b", ProviderConfig, frozenset({"n"}))
    assert shape.dialect is not None
    assert not any("n" in shape.speaks[name].carries for name in ("openai.chat", "openai.completions"))
    assert "n" not in shape.dialect.carries("m") and "seed" in shape.dialect.carries("m")


def test_a_member_of_both_names_is_what_it_says() -> None:
    """Whichever stands first: the one that is renamed, unless it is null."""
    adapt = renamed({"new": "old"}, ())
    assert adapt({"new": 5, "old": None}) == adapt({"old": None, "new": 5}) == adapt({"new": 5, "old": 9}) == {"old": 5}
    assert adapt({"old": 9, "new": None}) == adapt({"new": None, "old": 9}) == {"old": 9}


def test_what_cannot_be_read_goes_as_it_came() -> None:
    """It is its provider's to refuse."""
    raw = b'{"model":"m-2","messages":["\xff"],"seed":1}'
    head = openai.read(raw)
    assert isinstance(head, Head)
    assert ENCODE(Body("openai.chat", raw, head), ROW, False, False) == raw
