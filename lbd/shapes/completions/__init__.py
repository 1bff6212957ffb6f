"""OpenAI's older text completions: passed through where a server has them, else asked as a chat."""
