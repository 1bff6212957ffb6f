"""Routing as functions of (Snapshot, Ask, draws, live inputs)."""
