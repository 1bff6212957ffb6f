"""LlamaIndex, as an OpenAI-like server."""

from __future__ import annotations

import json
import sys

from llama_index.llms.openai_like import OpenAILike

URL, HELLO, CALLS = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])

model = OpenAILike(api_base=URL, api_key="x", model="m-gemini", is_chat_model=True, max_retries=0)
assert model.complete("Häi").text == HELLO
assert list(model.stream_complete("Häi"))[-1].text == HELLO
