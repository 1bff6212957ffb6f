"""llama.cpp's HTTP server.

As observed (build b11549): headers come with the first token; ``/health`` says nothing of load or
credential; a unary request runs on after its client has gone, a stream stops at once; the connection is
closed after a stream although ``Keep-Alive: timeout=5`` is announced; any model name is answered.
"""

from __future__ import annotations

import msgspec

from lbd.model.outcome import Load
from lbd.shapes import promtext
from lbd.shapes.chat import passing
from lbd.shapes.chat.errors import classify
from lbd.shapes.chat.voice import DIALECT
from lbd.shapes.chat.wire import CHAT
from lbd.shapes.loose import UNREADABLE
from lbd.shapes.providers import PROVIDERS, FreeProbes, ProviderConfig, Shape

RUNNING, WAITING = "llamacpp:requests_processing", "llamacpp:requests_deferred"


class LlamaCpp(ProviderConfig, frozen=True, forbid_unknown_fields=True, kw_only=True, tag="llamacpp"):
    """A llama.cpp server."""


class _Props(msgspec.Struct):
    total_slots: int | None = None


def read_load(body: bytes) -> Load | None:
    """Read the queue gauges of ``/metrics``."""
    found = promtext.sums(body, (RUNNING, WAITING))
    if RUNNING not in found:
        return None
    return Load(int(found[RUNNING]), int(found.get(WAITING, 0)))


def read_slots(body: bytes) -> int | None:
    """Read how many requests it decodes at once from ``/props``."""
    try:
        return msgspec.json.decode(body, type=_Props).total_slots
    except UNREADABLE:
        return None


SHAPE = PROVIDERS.add("llamacpp")(
    Shape(
        name="llamacpp",
        config=LlamaCpp,
        speaks={"openai.chat": CHAT},
        headers=passing.bearer,
        classify=classify,
        limits=lambda _headers, _wall: (),
        probes=FreeProbes(liveness="/health", models="models", load="/metrics", slots="/props"),
        read_models=passing.read_models,
        dialect=DIALECT,
        read_load=read_load,
        read_slots=read_slots,
        lists_models=False,
        self_hosted=True,
        unary_via_stream=True,
        pool_after_stream=False,
        keepalive_s=4.0,
    )
)
