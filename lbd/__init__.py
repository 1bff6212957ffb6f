"""Health-aware load balancer daemon for LLM providers."""

__version__ = "0.1.0"
