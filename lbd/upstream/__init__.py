"""Speaking to providers: connections, attempts, flights."""
