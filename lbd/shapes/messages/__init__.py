"""Anthropic's Messages API: passed through, read and written."""
