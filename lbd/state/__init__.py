"""State machines as values and functions; ``now`` is always passed in, nothing here reads a clock."""
