"""How clients of the Responses API are understood and answered, whatever other shape their provider speaks."""

from __future__ import annotations

from lbd.shapes.dialect import Voice
from lbd.shapes.responses import echo, speak, usage
from lbd.shapes.responses.read import read

VOICE = Voice("openai", read, speak.ResponsesSpeaker, speak.whole, usage.fields, echo.put)
