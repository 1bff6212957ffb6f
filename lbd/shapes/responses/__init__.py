"""OpenAI's Responses API: passed through, read and written. Nothing of a conversation is kept between requests."""
