"""A configuration that is written for elsewhere, run on this machine: houses, files and ports become a test's own.

Nothing else of its text is changed, so that what a reader copies is what was run. Every house is the strict provider.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import ssl
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import yaml

from lbd.demo.servers import free_port
from tests.fakes.configs import environment
from tests.fakes.strict_provider import StrictProvider
from tests.fakes.trust import Authority

ROOT = Path(__file__).parents[2]
PATIENCE = 20.0  # seconds
# where the strict provider speaks each shape
PLACES = {
    **dict.fromkeys(("openai", "azure", "openrouter"), "/openai/v1"),
    **dict.fromkeys(("vllm", "llamacpp"), "/house/v1"),
    "anthropic": "/anthropic/v1",
    "bedrock": "/bedrock",
}
HOOKS = frozenset({"slack", "alert-webhook"})  # credentials that are URLs
CREDENTIAL = re.compile(r"{credential: ([\w-]+)}")
_HOUSE = re.compile(r"(?<=shape: )(\w+)\n    base_url: \S+")
_COMMENT = re.compile(r"#.*")


def models(texts: Iterable[str]) -> list[str]:
    """Return the names by which configurations ask their houses for models."""
    deployments = [d for text in texts for p in yaml.safe_load(text)["providers"] for d in p["deployments"]]
    return sorted({str(d.get("upstream_model", d["model"])) for d in deployments})


class Moved:
    """The configuration on this machine, and the daemon that runs it.

    Clients' keys are ``key-of-<client>``, whatever reference stands there; all others are the strict provider's.
    ``authority`` has the files that stand in /etc/lbd/tls, and a certificate ``client``.
    """

    def __init__(
        self, text: str, folder: Path, provider: StrictProvider, authority: Authority | None = None, name: str = "lbd"
    ) -> None:
        self.folder = folder
        self.path = folder / f"{name}.yaml"
        self.socket = folder / "admin.sock"
        self.port, self.admin = free_port(), free_port()
        text = self._text(text, provider, authority)
        self.path.write_text(text)
        self.config: dict[str, Any] = yaml.safe_load(text)
        self.clients = {c["name"]: c["key"] for c in self.config.get("clients", ())}
        self.environ = dict.fromkeys(environment(_COMMENT.sub("", text)), "strict")
        self.environ |= {ref["env"]: f"key-of-{name}" for name, ref in self.clients.items() if "env" in ref}
        self.environ["CREDENTIALS_DIRECTORY"] = str(self._credentials(text, provider))
        self.tls: ssl.SSLContext | None = None
        if authority is not None and "tls" in self.config:
            self.tls = ssl.create_default_context(cafile=str(authority.ca))
            self.tls.load_cert_chain(authority.folder / "client.pem", authority.folder / "client.key")
        self.process: subprocess.Popen[bytes] | None = None

    def _text(self, text: str, provider: StrictProvider, authority: Authority | None) -> str:
        text = _HOUSE.sub(lambda m: f"{m[1]}\n    base_url: {provider.url(PLACES[m[1]])}", text)
        text = re.sub(r"https://am-\d\.example\.net", provider.url(""), text)
        if authority is not None:
            text = text.replace("/etc/lbd/tls", str(authority.folder))
        text = text.replace("/var/lib/lbd", str(self.folder)).replace("/run/lbd", str(self.folder))
        text = re.sub(r"^listen: .*", f"listen: 127.0.0.1:{self.port}", text, flags=re.MULTILINE)
        text = text.replace("127.0.0.1:8081", f"127.0.0.1:{self.admin}")
        given = yaml.safe_load(text)
        for key, usual in (  # that the text leaves to the defaults, which are the same for all
            ("listen", f"127.0.0.1:{self.port}"),
            ("admin", f"{{listen: 127.0.0.1:{self.admin}, socket: {self.socket}}}"),
            ("store", f'{{url: "sqlite://{self.folder}/state.db"}}'),
        ):
            if key not in given:
                text += f"{key}: {usual}\n"
        plain = _COMMENT.sub("", text)
        assert not re.findall(r"https?://(?!127\.0\.0\.1:)", plain)
        assert not re.findall(r"/(?:etc|run|var/lib)/lbd", plain)
        return text

    def _credentials(self, text: str, provider: StrictProvider) -> Path:
        keys = self.folder / "keys"
        keys.mkdir(exist_ok=True)
        own = {ref["credential"]: f"key-of-{name}" for name, ref in self.clients.items() if "credential" in ref}
        for name in CREDENTIAL.findall(_COMMENT.sub("", text)):
            (keys / name).write_text(provider.url("/hook") if name in HOOKS else own.get(name, "strict"))
        return keys

    # --- the process ---------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Start it and wait until each row was probed; who is not well by then is for the test to judge."""
        self.log = self.folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "lbd", "run", "-c", str(self.path)],
                stdout=log,
                stderr=log,
                cwd=ROOT,
                env={**os.environ, **self.environ},
            )
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self.process.poll() is not None:
                raise AssertionError(self.log.read_text())
            with contextlib.suppress(OSError):
                if set(self.rows().values()) == {"up"}:
                    break
            time.sleep(0.05)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.process is not None
        self.process.terminate()
        try:
            assert self.process.wait(PATIENCE) == 0, self.log.read_text()
        finally:
            self.process.kill()
            self.process.wait()
        if error is None:
            told = self.log.read_text()
            assert not re.findall(r'Traceback|"level":"error"', told), told

    # --- requests ------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _connection(self, port: int, tls: ssl.SSLContext | None) -> Iterator[http.client.HTTPConnection]:
        made = (
            http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            if tls is None
            else http.client.HTTPSConnection("127.0.0.1", port, timeout=PATIENCE, context=tls)
        )
        try:
            yield made
        finally:
            made.close()

    def ask(self, key: str | None, model: str, prompt: str = "hello") -> tuple[int, dict[str, str], Any]:
        """Make one request; returns its status, headers and body."""
        body = json.dumps({"model": model, "messages": [{"role": "user", "content": prompt}], "max_tokens": 50})
        sent = {"content-type": "application/json", **({} if key is None else {"authorization": f"Bearer {key}"})}
        with self._connection(self.port, self.tls) as to:
            to.request("POST", "/v1/chat/completions", body, sent)
            response = to.getresponse()
            return response.status, {k.lower(): v for k, v in response.headers.items()}, json.load(response)

    def rows(self) -> dict[str, str]:
        """Return the state of each row."""
        with self._connection(self.admin, None) as to:
            to.request("GET", "/v1/providers", headers={"authorization": "Bearer strict"})
            document = json.load(to.getresponse())
        return {r["id"]: r["state"] for t in document["tiers"] for r in t["deployments"]}
