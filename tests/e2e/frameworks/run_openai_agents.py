"""OpenAI's agents, on responses and on chat: the whole loop."""

from __future__ import annotations

import asyncio
import json
import sys

import agents
import openai

URL, HELLO, CALLS = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])

agents.set_tracing_disabled(True)


@agents.function_tool
def weather(city: str) -> str:
    """Tell the weather."""
    return f"sunny in {city}"


async def main() -> None:
    """Run both ways."""
    for kind in (agents.OpenAIResponsesModel, agents.OpenAIChatCompletionsModel):
        client = openai.AsyncOpenAI(base_url=URL, api_key="x", max_retries=0)
        agent = agents.Agent("a", tools=[weather], model=kind("m-anthropic", client))
        told = (await agents.Runner.run(agent, "Weather?")).final_output
        assert f"sunny in {CALLS[0]['city']}" in told, told


asyncio.run(main())
