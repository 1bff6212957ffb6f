"""What the way of an answer costs, by client and provider shape: passed through, and translated, in one run.

    python -m tests.bench.translation

For each pair: a request encoded, a unary answer read (and written anew), and one chunk of a stream, in microseconds;
and what the answer costs beside decoding and encoding the same bytes as JSON once.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import orjson

from lbd.model.provider import DeploymentSpec
from lbd.model.request import Body
from lbd.shapes import bridge
from lbd.shapes.clients import CLIENTS
from lbd.shapes.providers import PROVIDERS
from tests.unit.shapes import amazon

WORDS = [f"word{i} " for i in range(30)]
TEXT = "".join(WORDS)
ASKED = {
    "openai.chat": {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": TEXT}]},
    "anthropic.messages": {"max_tokens": 100, "system": "Be brief.", "messages": [{"role": "user", "content": TEXT}]},
    "openai.responses": {"instructions": "Be brief.", "input": TEXT},
}


def best(call: Callable[[], object], times: int = 300) -> float:
    """Return the least time of a call in microseconds."""
    least = float("inf")
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(times):
            call()
        least = min(least, (time.perf_counter() - began) / times)
    return least * 1e6


def event(data: object, kind: str = "") -> bytes:
    """Return one event of a stream."""
    return (f"event: {kind}\n" if kind else "").encode() + b"data: " + json.dumps(data).encode() + b"\n\n"


def chat() -> tuple[bytes, list[bytes]]:
    """Return OpenAI's answer, whole and as a stream."""
    head = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
    usage = {"prompt_tokens": 9, "completion_tokens": 30, "total_tokens": 39}
    choice = {"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}
    deltas = [{"index": 0, "delta": {"content": w}, "finish_reason": None} for w in WORDS]
    deltas.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    chunks = [event({**head, "object": "chat.completion.chunk", "choices": [d]}) for d in deltas]
    end = [event({**head, "choices": [], "usage": usage}), b"data: [DONE]\n\n"]
    return json.dumps({**head, "choices": [choice], "usage": usage}).encode(), [*chunks, *end]


def messages() -> tuple[bytes, list[bytes]]:
    """Return Anthropic's."""
    usage = {"input_tokens": 9, "output_tokens": 30}
    whole = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None}
    block = {"type": "text", "text": ""}
    out = [event({"type": "message_start", "message": {**whole, "usage": usage}}, "message_start")]
    out.append(event({"type": "content_block_start", "index": 0, "content_block": block}, "content_block_start"))
    for word in WORDS:
        delta = {"type": "text_delta", "text": word}
        out.append(event({"type": "content_block_delta", "index": 0, "delta": delta}, "content_block_delta"))
    out.append(event({"type": "content_block_stop", "index": 0}, "content_block_stop"))
    out.append(event({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}, "message_delta"))
    out.append(event({"type": "message_stop"}, "message_stop"))
    body = {**whole, "content": [{"type": "text", "text": TEXT}], "stop_reason": "end_turn", "usage": usage}
    return json.dumps(body).encode(), out


def gemini() -> tuple[bytes, list[bytes]]:
    """Return Gemini's."""
    usage = {"promptTokenCount": 9, "candidatesTokenCount": 30, "totalTokenCount": 39}

    def answer(text: str, **more: object) -> dict[str, object]:
        return {"candidates": [{"content": {"role": "model", "parts": [{"text": text}]}, "index": 0, **more}]}

    out = [event(answer(word)) for word in WORDS]
    out.append(event({**answer("", finishReason="STOP"), "usageMetadata": usage}))
    return json.dumps({**answer(TEXT, finishReason="STOP"), "usageMetadata": usage}).encode(), out


def bedrock() -> tuple[bytes, list[bytes]]:
    """Return Bedrock's."""
    usage = {"inputTokens": 9, "outputTokens": 30, "totalTokens": 39}
    message = {"role": "assistant", "content": [{"text": TEXT}]}
    body = {"output": {"message": message}, "stopReason": "end_turn", "usage": usage, "metrics": {"latencyMs": 1}}
    told = [("messageStart", {"role": "assistant"})]
    told += [("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": w}}) for w in WORDS]
    told += [("contentBlockStop", {"contentBlockIndex": 0}), ("messageStop", {"stopReason": "end_turn"})]
    told.append(("metadata", {"usage": usage, "metrics": {"latencyMs": 1}}))
    return json.dumps(body).encode(), [amazon.event(kind, data) for kind, data in told]


ANSWERS = {"openai": chat, "anthropic": messages, "gemini": gemini, "bedrock": bedrock}


def measure(client: str, shape: str) -> tuple[str, float, float, float, float]:
    """Return how a pair is served, and what request, unary answer, chunk, and the bare JSON of the answer cost."""
    wire = bridge.wires(PROVIDERS.load()[shape], "m")[client]
    raw = json.dumps({"model": "m", **ASKED[client]}).encode()
    head = CLIENTS.load()[client].read(raw)
    body, row = Body(client, raw, head), DeploymentSpec("p/m", "p", "m", "m-2", "primary")  # type: ignore[arg-type]
    unary, chunks = ANSWERS[shape]()

    def stream() -> None:
        assert wire.watch is not None
        watch = wire.watch(1, False, wants_usage=True, wall=1e9)
        for chunk in chunks:
            watch.feed(chunk)
        assert watch.committed and watch.failure is None

    assert wire.facts(unary, 1e9).failure is None
    return (
        "passes" if wire.native else "translated",
        best(lambda: wire.encode(body, row, False, False)),
        best(lambda: wire.facts(unary, 1e9)),
        best(stream, 50) / len(chunks),
        best(lambda: orjson.dumps(orjson.loads(unary))),
    )


def main() -> None:
    """Run and print."""
    print(
        f"{'client':20} {'provider':10} {'':10} {'request us':>10} {'unary us':>9} {'chunk us':>9} {'x JSON once':>11}"
    )
    for client in ASKED:
        for shape in ANSWERS:
            how, request, unary, chunk, bare = measure(client, shape)
            print(f"{client:20} {shape:10} {how:10} {request:10.1f} {unary:9.1f} {chunk:9.2f} {unary / bare:11.1f}")


if __name__ == "__main__":
    main()
