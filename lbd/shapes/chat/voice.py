"""How chat completions are translated: their clients answered, their providers asked, by whatever other shape."""

from __future__ import annotations

from lbd.model.messages import Prompt
from lbd.model.provider import DeploymentSpec
from lbd.shapes.chat import hear, speak
from lbd.shapes.chat.passing import CAPABILITIES
from lbd.shapes.chat.read import read
from lbd.shapes.chat.write import bound_name, write
from lbd.shapes.dialect import Dialect, Voice

VOICE = Voice("openai", read, speak.ChatSpeaker, speak.whole, speak.usage_fields)


def _write(prompt: Prompt, row: DeploymentSpec, stream: bool, ask_usage: bool) -> bytes:
    bound = bound_name(row.upstream_model, row.model)
    return write(prompt, row.upstream_model, stream=stream, ask_usage=ask_usage, bound=bound)


# What a prompt can say beyond what its own clients have to ask for: they name their sampling and it is taken.
CARRIES = CAPABILITIES | {"sampling"}

DIALECT = Dialect(
    family="openai",
    path="/chat/completions",
    carries=lambda _model: CARRIES,
    write=_write,
    listen=hear.ChatListener,
    read=hear.read,
)
