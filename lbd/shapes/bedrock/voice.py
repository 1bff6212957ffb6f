"""How a model of Bedrock is asked a prompt, whatever shape its client speaks."""

from __future__ import annotations

from lbd.model.messages import Prompt
from lbd.model.provider import DeploymentSpec
from lbd.shapes.bedrock import hear, models
from lbd.shapes.bedrock.write import write
from lbd.shapes.dialect import Dialect


def _write(prompt: Prompt, row: DeploymentSpec, _stream: bool, _ask_usage: bool) -> bytes:
    return write(prompt, row.upstream_model)


DIALECT = Dialect(
    family=models.BEDROCK,
    path="/model/{model}/converse",
    stream_path="/model/{model}/converse-stream",
    carries=models.carries,
    write=_write,
    listen=hear.ConverseListener,
    read=hear.read,
)
