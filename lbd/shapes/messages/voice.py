"""How Anthropic's Messages API is translated: its clients answered, its providers asked, by whatever other shape."""

from __future__ import annotations

from lbd.model.messages import Prompt
from lbd.model.provider import DeploymentSpec
from lbd.shapes.dialect import Dialect, Voice
from lbd.shapes.messages import hear, passing, speak
from lbd.shapes.messages.fold import MessagesFold
from lbd.shapes.messages.read import read
from lbd.shapes.messages.stream import MessagesWatch
from lbd.shapes.messages.write import write
from lbd.shapes.providers import Wire

VOICE = Voice("anthropic", read, speak.MessagesSpeaker, speak.whole)


def carries(model: str) -> frozenset[str]:
    """Return what can be expressed to a model."""
    words = passing.CAPABILITIES
    return words if passing.takes_sampling(model) else words - {"sampling", "top_k"}


def _write(prompt: Prompt, row: DeploymentSpec, stream: bool, _ask_usage: bool) -> bytes:
    model = row.upstream_model
    return write(prompt, model, stream=stream, samples=passing.takes_sampling(model))


DIALECT = Dialect(
    family="anthropic",
    path="/messages",
    carries=carries,
    write=_write,
    listen=hear.MessagesListener,
    read=hear.read,
)
MESSAGES = Wire(
    path="/messages",
    carries=passing.CAPABILITIES,
    encode=passing.encode,
    facts=passing.facts,
    watch=MessagesWatch,
    fold=lambda _watch: MessagesFold(),
)
