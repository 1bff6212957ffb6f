"""How Google's models are asked and heard, by clients of whatever other shape."""

from __future__ import annotations

from lbd.model.messages import Prompt
from lbd.model.provider import DeploymentSpec
from lbd.shapes.dialect import Dialect
from lbd.shapes.gemini import hear, models
from lbd.shapes.gemini.write import write


def _write(prompt: Prompt, row: DeploymentSpec, _stream: bool, _ask_usage: bool) -> bytes:
    return write(prompt, row.upstream_model)


DIALECT = Dialect(
    family="gemini",
    path="/models/{model}:generateContent",
    carries=models.carries,
    write=_write,
    listen=hear.GeminiListener,
    read=hear.read,
    stream_path="/models/{model}:streamGenerateContent?alt=sse",
)
