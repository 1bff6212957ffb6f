"""LangChain's OpenAI and Anthropic classes before every shape; a bound tool is called."""

from __future__ import annotations

import json
import sys

from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI

URL, HELLO, CALLS = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
SCHEMA = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}}

for model in ("m-openai", "m-anthropic", "m-gemini", "m-bedrock"):
    chat = ChatOpenAI(base_url=URL, api_key="x", model=model, max_retries=0)
    assert chat.invoke("Häi").text == HELLO
    assert "".join(chunk.text for chunk in chat.stream("Häi")) == HELLO
    assert [call["args"] for call in chat.bind_tools([SCHEMA]).invoke("Häi").tool_calls] == CALLS
    theirs = ChatAnthropic(base_url=URL.removesuffix("/v1"), api_key="x", model=model, max_retries=0)
    assert theirs.invoke("Häi").text == HELLO
