"""Pydantic AI runs an agent: its tool is called with whole arguments, and the results come back."""

from __future__ import annotations

import json
import sys

from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

URL, HELLO, CALLS = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
asked: list[str] = []
agent = Agent(OpenAIChatModel("m-bedrock", provider=OpenAIProvider(base_url=URL, api_key="x")))


@agent.tool_plain
def weather(city: str) -> str:
    """Tell the weather."""
    asked.append(city)
    return f"sunny in {city}"


output = agent.run_sync("Weather?").output
assert f"sunny in {CALLS[1]['city']}" in output, output
assert sorted(asked) == sorted(call["city"] for call in CALLS)
