"""One real model server: llama.cpp's HTTP server out of the package ``xllamacpp``. Run as a process of its own.

python -m lbd.demo.model_server '{"name": "a", "port": 18101, "weights": "...", "parent": 123}'
"""

from __future__ import annotations

import importlib
import json
import signal
import sys
from typing import Any

from lbd.demo.parent import end_with


def configure(xllamacpp: Any, told: dict[str, Any]) -> Any:
    """Return llama.cpp's parameters for what was told."""
    params = xllamacpp.CommonParams()
    params.model.path = told["weights"]
    params.model_alias = {told["name"]}
    params.hostnames = ["127.0.0.1"]
    params.port = told["port"]
    params.n_parallel = told.get("slots", 2)
    params.n_ctx = told.get("context", 2048) * params.n_parallel
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.cache_ram_mib = 0
    params.endpoint_metrics = params.endpoint_slots = True
    params.ui = False
    params.verbosity = 2
    if told.get("key"):
        params.api_keys = [told["key"]]
    return params


def main(raw: str) -> None:
    """Serve until told to stop, or until the parent is gone."""
    told = json.loads(raw)
    end_with(told["parent"])
    for signum in (signal.SIGTERM, signal.SIGINT):
        # the kernel's own way: a handler in Python would wait for this thread, and another one may get the signal
        signal.signal(signum, signal.SIG_DFL)
    xllamacpp = importlib.import_module("xllamacpp")  # in the extra `demo`; loads a large library
    server = xllamacpp.Server(configure(xllamacpp, told))  # returns once the weights are loaded
    if not server.listening_address.endswith(f":{told['port']}"):
        sys.exit(f"asked for port {told['port']}, got {server.listening_address}")
    while True:
        signal.pause()


if __name__ == "__main__":
    main(sys.argv[1])
