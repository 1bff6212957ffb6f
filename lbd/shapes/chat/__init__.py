"""Chat completions, as OpenAI and all that are like it write them: passed through, read and written."""
