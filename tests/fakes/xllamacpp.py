"""A stand-in for the package ``xllamacpp``: no weights, but a real HTTP server in the process that loads it.

``environment`` makes a package of that name whose server answers as a model server does, and returns the
environment in which it is found first.
"""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]

_PACKAGE = """
import http.server, json, os, threading
from types import SimpleNamespace

def CommonParams():
    return SimpleNamespace(
        model=SimpleNamespace(path=""), cpuparams=SimpleNamespace(), cpuparams_batch=SimpleNamespace(), api_keys=[]
    )

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body, kind="application/json"):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def do_GET(self):
        if self.path == "/health":
            loading = os.path.exists(os.path.join(HERE, "loading"))
            self.answer(503 if loading else 200, {})
        elif self.path == "/metrics":
            self.answer(200, b"llamacpp:requests_processing 0\\nllamacpp:requests_deferred 0\\n", "text/plain")
        elif self.path == "/props":
            self.answer(200, {"total_slots": 2})
        else:
            self.answer(200, {"object": "list", "data": [{"id": "any"}]})

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        text = "answer to " + request["messages"][-1]["content"]
        usage = {"prompt_tokens": 20, "completion_tokens": 4}
        if not request.get("stream"):
            choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
            return self.answer(200, {"model": "any", "choices": [choice], "usage": usage})
        out = b""
        for delta, finish in (({"role": "assistant"}, None), ({"content": text}, None), ({}, "stop")):
            choice = {"index": 0, "delta": delta, "finish_reason": finish}
            out += b"data: " + json.dumps({"model": "any", "choices": [choice]}).encode() + b"\\n\\n"
        out += b"data: " + json.dumps({"choices": [], "usage": usage}).encode() + b"\\n\\ndata: [DONE]\\n\\n"
        self.answer(200, out, "text/event-stream")

    def log_message(self, *args):
        pass

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

class Server:
    def __init__(self, params):
        if os.path.exists(os.path.join(HERE, "broken")):
            raise SystemExit(3)
        port = params.port if params.port > 1024 else 0
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.listening_address = "http://127.0.0.1:%d" % self.server.server_port
        if not params.port:
            self.listening_address = "http://127.0.0.1:0"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        open(os.path.join(HERE, "serving"), "w").close()
"""


def install(folder: Path) -> str:
    """Make the package in ``folder``; returns what PYTHONPATH must be. Files beside it steer the server:
    ``loading`` lets /health say 503, ``broken`` lets it end at once; it makes ``serving`` when it listens.
    """
    (folder / "xllamacpp").mkdir(exist_ok=True)
    (folder / "xllamacpp" / "__init__.py").write_text(_PACKAGE)
    return f"{folder}{os.pathsep}{ROOT}"


def environment(folder: Path) -> dict[str, str]:
    """Return an environment in which the stand-in is found."""
    return {**os.environ, "PYTHONPATH": install(folder)}
