"""Instructor gets its structure, by a tool that it forces."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable

import instructor
import openai
import pydantic

URL, HELLO, CALLS = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])


class Weather(pydantic.BaseModel):
    """Where."""

    city: str


client = instructor.from_openai(
    openai.OpenAI(base_url=URL, api_key="x", max_retries=0), mode=instructor.Mode.PARALLEL_TOOLS
)
found = client.chat.completions.create(
    model="m-anthropic",
    response_model=Iterable[Weather],
    messages=[{"role": "user", "content": "Where?"}],
    max_retries=0,
)
assert [weather.city for weather in found] == [call["city"] for call in CALLS]
