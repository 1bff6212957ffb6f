"""One provider of every shape, as strict as the real ones: it refuses what their own SDKs' types do not know.

It answers as a model would that can use tools: asked with tools, it thinks (where its shape can), says a word and calls
the first tool twice; given the results, it repeats them; else it says hello. A foreign opaque token is a 400.
Runs in a thread of the test; ``refused`` holds what was wrong with requests.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any, Self

from aiohttp import web
from anthropic.types import MessageParam, ToolUnionParam
from anthropic.types.beta.message_create_params import MessageCreateParamsStreaming as BetaParams
from anthropic.types.message_create_params import MessageCreateParamsStreaming
from botocore.eventstream import EventStreamBuffer  # noqa: F401  the other side of what is written here
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.validate import ParamValidator
from google.genai import types as gemini
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolUnionParam
from openai.types.chat.completion_create_params import CompletionCreateParamsStreaming
from pydantic import TypeAdapter, ValidationError

from tests.fakes import strict_embeddings
from tests.fakes.strict_embeddings import Wrong
from tests.unit.shapes.amazon import event as message

HELLO = "Hällo, wörld 🌍!"
OBJECT = {"said": HELLO}  # what it says where JSON is asked for
CALLS = ({"city": "Bern"}, {"city": "Röm"})
_NUMBERS = itertools.count()  # no two answers of a provider bear one id
THOUGHT, SIGNATURE = "They want the weather.", "c2lnbmF0dXJl"


class StrictProvider:
    """See the module."""

    def __init__(self, *models: str) -> None:
        """``models`` are listed beside those that its own configuration asks for."""
        self.models = ("gpt-4.1", "claude-opus-4-5", *models)
        self.refused: list[str] = []
        self.asked: list[tuple[str, Any]] = []
        self.port = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(self, *_exc: object) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def url(self, path: str) -> str:
        """Return a base URL."""
        return f"http://127.0.0.1:{self.port}{path}"

    def config(self) -> list[dict[str, Any]]:
        """Return the configuration of a provider of each shape: a model called like it, and those that embed."""
        price = {"input_usd_per_mtok": 1, "output_usd_per_mtok": 2}
        bases = {
            "openai": "/openai/v1",
            "anthropic": "/anthropic/v1",
            "gemini": "/gemini/v1beta",
            "bedrock": "/bedrock",
            "vertex": "/vertex/v1/projects/p/locations/l/publishers/google",
        }
        models = {
            "anthropic": "claude-opus-4-5",
            "bedrock": "anthropic.claude-sonnet-4-5-v1:0",
            "gemini": "gemini-2.5-pro",
        }
        files = {
            "model": "m-files",
            "upstream_model": "whisper-1",
            "price": price,
            "serves": ["transcriptions", "images"],
        }

        def chat(shape: str) -> dict[str, Any]:
            return {"model": f"m-{shape}", "upstream_model": models.get(shape, "gpt-4.1"), "price": price}

        return [
            {
                "name": shape,
                "shape": shape,
                "base_url": self.url(base),
                "api_key": {"env": "STRICT_KEY"},
                "deployments": [
                    *([] if shape == "vertex" else [chat(shape)]),
                    *([files] if shape == "openai" else []),
                    *strict_embeddings.deployments(shape, price),
                ],
            }
            for shape, base in bases.items()
        ]

    def _run(self) -> None:
        loop = self._loop = asyncio.new_event_loop()
        app = web.Application()
        for path, handler in (
            ("/openai/v1/chat/completions", openai),
            ("/house/v1/chat/completions", openai),
            ("/anthropic/v1/messages", anthropic),
            ("/gemini/v1beta/models/{model}:generateContent", google),
            ("/gemini/v1beta/models/{model}:streamGenerateContent", google),
            ("/gemini/v1beta/models/{model}:countTokens", google_counts),
            ("/bedrock/model/{model}/converse", bedrock),
            ("/bedrock/model/{model}/converse-stream", bedrock),
            *strict_embeddings.ROUTES,
        ):
            app.router.add_post(path, self._checked(handler))
        for path in ("audio/transcriptions", "audio/translations", "images/edits"):
            app.router.add_post(f"/openai/v1/{path}", self._filed)
        app.router.add_get("/{rest:.*}", self._get)
        runner = web.AppRunner(app, access_log=None)
        loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        loop.run_until_complete(site.start())
        self.port = runner.addresses[0][1]
        self._ready.set()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    async def _get(self, request: web.Request) -> web.Response:
        if request.path.startswith("/gemini"):
            listed = ("gemini-2.5-pro", *strict_embeddings.MODELS["gemini"].values())
            return web.json_response({"models": [{"name": f"models/{name}"} for name in listed]})
        return web.json_response({"data": [{"id": model} for model in self.models], "object": "list"})

    async def _filed(self, request: web.Request) -> web.Response:
        """Take a form with a file, and answer as its format is asked for."""
        form = await request.post()
        if form.get("model") != "whisper-1":
            self.refused.append(f"{request.path}: model {form.get('model')!r}")
            return web.json_response({"error": {"message": "strict: no such model", "type": "x"}}, status=400)
        file: Any = form["image" if "images" in request.path else "file"]
        content = file.file.read()
        if "images" in request.path:
            return web.json_response({"created": 1, "data": [{"b64_json": base64.b64encode(content).decode()}]})
        said = f"[{file.filename}: {len(content)} bytes, {sum(content)}]"
        if form.get("response_format") == "text":
            return web.Response(text=f"{said}\n", content_type="text/plain")
        usage = {"type": "tokens", "input_tokens": 20, "output_tokens": 9, "total_tokens": 29}
        return web.json_response({"text": said, "usage": usage})

    def _checked(self, handler: Callable[..., Any]) -> Callable[[web.Request], Any]:
        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                body = await request.json()
                self.asked.append((request.path, body))
                return await handler(request, body)  # type: ignore[no-any-return]
            except (Wrong, ValidationError, KeyError) as e:
                self.refused.append(f"{request.path}: {e}")
                return web.json_response(
                    {"error": {"message": f"strict: {e}", "type": "invalid_request_error"}}, status=400
                )

        return handle


def hello(*, as_json: bool) -> str:
    """Return what is said to whoever asks without tools."""
    return json.dumps(OBJECT, ensure_ascii=False) if as_json else HELLO


def known(body: dict[str, Any], kind: Any) -> None:
    """Refuse members that the SDK's type does not have."""
    annotations: set[str] = set()
    for base in (kind, *getattr(kind, "__orig_bases__", ())):
        annotations |= set(getattr(base, "__annotations__", {}))
    odd = set(body) - annotations
    if odd:
        raise Wrong(f"unknown members {sorted(odd)}")


async def stream(request: web.Request, kind: str, chunks: AsyncIterator[bytes] | list[bytes]) -> web.StreamResponse:
    """Send pieces, each on its own."""
    response = web.StreamResponse(headers={"content-type": kind})
    await response.prepare(request)
    for chunk in chunks:  # type: ignore[union-attr]
        await response.write(chunk)
        await asyncio.sleep(0)
    await response.write_eof()
    return response


def sse(event: str | None, data: dict[str, Any] | str) -> bytes:
    """Return one event."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return (f"event: {event}\n" if event else "").encode() + f"data: {text}\n\n".encode()


# --- OpenAI --------------------------------------------------------------------------------------------------

MESSAGES = TypeAdapter(list[ChatCompletionMessageParam])
TOOLS = TypeAdapter(list[ChatCompletionToolUnionParam])


async def openai(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    """Chat completions; Azure's too, whose key has a header of its own, and a house's own server's, without a key."""
    shown = (request.headers.get("authorization", "")[7:], request.headers.get("api-key"))
    if "strict" not in shown and not request.path.startswith("/house/"):
        raise Wrong("no key")
    known(body, CompletionCreateParamsStreaming)
    MESSAGES.validate_python(body["messages"])
    TOOLS.validate_python(body.get("tools", []))
    results = [m["content"] for m in body["messages"] if m["role"] == "tool"]
    calls = (
        [
            {
                "id": f"call_{i}",
                "type": "function",
                "function": {"name": body["tools"][0]["function"]["name"], "arguments": json.dumps(c)},
            }
            for i, c in enumerate(CALLS)
        ]
        if body.get("tools") and not results
        else []
    )
    form = (body.get("response_format") or {}).get("type", "text")
    text = "Let me see." if calls else " ".join(map(str, results)) or hello(as_json=form != "text")
    head = {"id": f"chatcmpl-strict{next(_NUMBERS)}", "created": 1_700_000_000, "model": body["model"]}
    usage = {
        "prompt_tokens": 20,
        "completion_tokens": 9,
        "total_tokens": 29,
        "prompt_tokens_details": {"cached_tokens": 8},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    reason = "tool_calls" if calls else "stop"
    if not body.get("stream"):
        said = {"role": "assistant", "content": text, "refusal": None, **({"tool_calls": calls} if calls else {})}
        choice = {"index": 0, "message": said, "finish_reason": reason, "logprobs": None}
        return web.json_response({**head, "object": "chat.completion", "choices": [choice], "usage": usage})
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}, {"content": text[:4]}, {"content": text[4:]}]
    for i, call in enumerate(calls):
        arguments = call["function"]["arguments"]
        deltas.append({"tool_calls": [{"index": i, **call, "function": {**call["function"], "arguments": ""}}]})
        deltas += [{"tool_calls": [{"index": i, "function": {"arguments": a}}]} for a in (arguments[:5], arguments[5:])]
    chunks = [(d, None) for d in deltas] + [({}, reason)]
    out = [
        sse(
            None, {**head, "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": d, "finish_reason": r}]}
        )
        for d, r in chunks
    ]
    if (body.get("stream_options") or {}).get("include_usage"):
        out.append(sse(None, {**head, "object": "chat.completion.chunk", "choices": [], "usage": usage}))
    return await stream(request, "text/event-stream", [*out, sse(None, "[DONE]")])


# --- Anthropic -----------------------------------------------------------------------------------------------

TURNS = TypeAdapter(list[MessageParam])
THEIR_TOOLS = TypeAdapter(list[ToolUnionParam])
SAMPLING = {"temperature", "top_p", "top_k"}  # no longer in the types, still taken by older models


async def anthropic(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    """Messages."""
    if request.headers.get("x-api-key") != "strict" or "anthropic-version" not in request.headers:
        raise Wrong("no key or version")
    kind = BetaParams if "anthropic-beta" in request.headers else MessageCreateParamsStreaming
    known({k: v for k, v in body.items() if k not in SAMPLING}, kind)
    TURNS.validate_python(body["messages"])
    THEIR_TOOLS.validate_python(body.get("tools", []))
    if "max_tokens" not in body:
        raise Wrong("max_tokens is required")
    blocks = [b for m in body["messages"] if isinstance(m["content"], list) for b in m["content"]]
    for block in blocks:
        if block["type"] == "thinking" and block["signature"] != SIGNATURE:
            raise Wrong(f"a signature that is not ours: {block['signature']}")
    results = [b["content"] for b in blocks if b["type"] == "tool_result"]
    told = [c if isinstance(c, str) else "".join(p["text"] for p in c) for c in results]
    calling = bool(body.get("tools")) and not results
    form = (body.get("output_config") or {}).get("format") or body.get("output_format")
    text = "Let me see." if calling else " ".join(told) or hello(as_json=bool(form))
    content: list[dict[str, Any]] = []
    if (body.get("thinking") or {}).get("type") in ("enabled", "adaptive"):
        content.append({"type": "thinking", "thinking": THOUGHT, "signature": SIGNATURE})
    content.append({"type": "text", "text": text})
    if calling:
        name = body["tools"][0]["name"]
        content += [{"type": "tool_use", "id": f"toolu_{i}", "name": name, "input": c} for i, c in enumerate(CALLS)]
    usage = {"input_tokens": 12, "output_tokens": 9, "cache_read_input_tokens": 8, "cache_creation_input_tokens": 0}
    whole = {
        "id": f"msg_strict{next(_NUMBERS)}",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": content,
        "stop_reason": "tool_use" if calling else "end_turn",
        "stop_sequence": None,
        "usage": usage,
    }
    if not body.get("stream"):
        return web.json_response(whole)
    first = {**whole, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
    out = [sse("message_start", {"type": "message_start", "message": first}), sse("ping", {"type": "ping"})]
    for i, block in enumerate(content):
        empty, deltas = _pieces(block)
        out.append(sse("content_block_start", {"type": "content_block_start", "index": i, "content_block": empty}))
        out += [sse("content_block_delta", {"type": "content_block_delta", "index": i, "delta": d}) for d in deltas]
        out.append(sse("content_block_stop", {"type": "content_block_stop", "index": i}))
    delta = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    out.append(sse("message_delta", {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 9}}))
    return await stream(request, "text/event-stream", [*out, sse("message_stop", {"type": "message_stop"})])


def _pieces(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    if block["type"] == "text":
        text = block["text"]
        return {"type": "text", "text": ""}, [{"type": "text_delta", "text": t} for t in (text[:4], text[4:])]
    if block["type"] == "thinking":
        empty = {"type": "thinking", "thinking": "", "signature": ""}
        thought, signed = (
            {"type": "thinking_delta", "thinking": THOUGHT},
            {"type": "signature_delta", "signature": SIGNATURE},
        )
        return empty, [thought, signed]
    text = json.dumps(block["input"])
    parts = [{"type": "input_json_delta", "partial_json": p} for p in ("", text[:5], text[5:])]
    return {**block, "input": {}}, parts


# --- Gemini --------------------------------------------------------------------------------------------------


async def google(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    """generateContent and streamGenerateContent."""
    if request.headers.get("x-goog-api-key") != "strict":
        raise Wrong("no key")
    odd = set(body) - {"contents", "systemInstruction", "tools", "toolConfig", "generationConfig", "safetySettings"}
    if odd:
        raise Wrong(f"unknown members {sorted(odd)}")
    for turn in body["contents"]:
        gemini.Content.model_validate(turn)
        for part in turn["parts"]:
            if part.get("thoughtSignature", SIGNATURE) != SIGNATURE:
                raise Wrong(f"a signature that is not ours: {part['thoughtSignature']}")
    gemini.GenerationConfig.model_validate(body.get("generationConfig", {}))
    for tool in body.get("tools", []):
        gemini.Tool.model_validate(tool)
    parts = [p for c in body["contents"] for p in c["parts"]]
    results = [
        json.dumps(p["functionResponse"]["response"], ensure_ascii=False) for p in parts if "functionResponse" in p
    ]
    calling = bool(body.get("tools")) and not results
    form = body.get("generationConfig", {}).get("responseMimeType", "")
    said = "Let me see." if calling else " ".join(results) or hello(as_json="json" in form)
    told: list[dict[str, Any]] = [{"text": said}]
    if calling:
        name = body["tools"][0]["functionDeclarations"][0]["name"]
        told += [{"functionCall": {"name": name, "args": c}} for c in CALLS]
        told[1]["thoughtSignature"] = SIGNATURE
    usage = {
        "promptTokenCount": 20,
        "cachedContentTokenCount": 8,
        "candidatesTokenCount": 6,
        "thoughtsTokenCount": 3,
        "totalTokenCount": 29,
    }
    head = {"responseId": f"gem-strict{next(_NUMBERS)}", "modelVersion": "gemini-2.5"}
    if "stream" not in request.path:
        candidate = {"content": {"role": "model", "parts": told}, "finishReason": "STOP", "index": 0}
        return web.json_response({**head, "candidates": [candidate], "usageMetadata": usage})
    out = [sse(None, {**head, "candidates": [{"content": {"role": "model", "parts": [p]}, "index": 0}]}) for p in told]
    last = {"content": {"role": "model", "parts": [{"text": ""}]}, "finishReason": "STOP", "index": 0}
    return await stream(
        request, "text/event-stream", [*out, sse(None, {**head, "candidates": [last], "usageMetadata": usage})]
    )


async def google_counts(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    """countTokens, of a whole request for generateContent."""
    if request.headers.get("x-goog-api-key") != "strict":
        raise Wrong("no key")
    asked = body.get("generateContentRequest", {})
    if set(body) != {"generateContentRequest"} or asked.get("model") != f"models/{request.match_info['model']}":
        raise Wrong(f"not a whole request of its model: {sorted(body)}")
    contents = [gemini.Content.model_validate(turn) for turn in asked["contents"]]
    words = " ".join(part.text or "" for turn in contents for part in turn.parts or ()).split()
    return web.json_response({"totalTokens": len(words), "promptTokensDetails": []})


# --- Bedrock -------------------------------------------------------------------------------------------------

_MODEL = ServiceModel(Loader().load_service_model("bedrock-runtime", "service-2"))


async def bedrock(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
    """Converse and ConverseStream."""
    if request.headers.get("authorization") != "Bearer strict":
        raise Wrong("no key")
    streamed = request.path.endswith("-stream")
    shape = _MODEL.operation_model("ConverseStream" if streamed else "Converse").input_shape
    report = ParamValidator().validate({"modelId": request.match_info["model"], **body}, shape)
    if report.has_errors():
        raise Wrong(report.generate_report())
    blocks = [b for m in body["messages"] for b in m["content"]]
    results = [b["toolResult"]["content"][0]["text"] for b in blocks if "toolResult" in b]
    calling = bool(body.get("toolConfig")) and not results
    form = body.get("outputConfig", {}).get("textFormat")
    text = "Let me see." if calling else " ".join(results) or hello(as_json=bool(form))
    content: list[dict[str, Any]] = [{"text": text}]
    if calling:
        name = body["toolConfig"]["tools"][0]["toolSpec"]["name"]
        content += [{"toolUse": {"toolUseId": f"tooluse_{i}", "name": name, "input": c}} for i, c in enumerate(CALLS)]
    usage = {"inputTokens": 12, "outputTokens": 9, "totalTokens": 29, "cacheReadInputTokens": 8}
    reason = "tool_use" if calling else "end_turn"
    metrics = {"latencyMs": 5}
    if not streamed:
        output = {"message": {"role": "assistant", "content": content}}
        return web.json_response({"output": output, "stopReason": reason, "usage": usage, "metrics": metrics})
    out = [message("messageStart", {"role": "assistant"})]
    for i, block in enumerate(content):
        if "toolUse" in block:
            use = block["toolUse"]
            start = {"toolUse": {"toolUseId": use["toolUseId"], "name": use["name"]}}
            out.append(message("contentBlockStart", {"contentBlockIndex": i, "start": start}))
            text = json.dumps(use["input"])
            deltas: list[dict[str, Any]] = [{"toolUse": {"input": t}} for t in (text[:5], text[5:])]
        else:
            deltas = [{"text": t} for t in (block["text"][:4], block["text"][4:])]
        out += [message("contentBlockDelta", {"contentBlockIndex": i, "delta": d}) for d in deltas]
        out.append(message("contentBlockStop", {"contentBlockIndex": i}))
    out += [message("messageStop", {"stopReason": reason}), message("metadata", {"usage": usage, "metrics": metrics})]
    return await stream(request, "application/vnd.amazon.eventstream", out)
